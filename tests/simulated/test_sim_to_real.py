"""The network that judges the simulated sky."""

import numpy as np
import pytest
from keras import ops

from benchmarks.sim_to_real import (
    Survey,
    build_network,
    compare_columns,
    first_question,
    judge,
    log_shares,
    predict,
    surprise,
)
from galaxies.base.questions import COLUMNS, QUESTIONS, tree_errors
from galaxies.settings import load_settings
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def network():
    return build_network(32, load_settings(ROOT / "params.yaml"))


def images(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def test_its_answers_add_up_whatever_it_sees(network) -> None:
    predicted = predict(network, images(5))
    assert predicted.shape == (5, 37)
    assert tree_errors(predicted).max() < 1e-6
    assert ((predicted >= 0) & (predicted <= 1)).all()


def test_its_loss_is_least_at_the_shares_that_were_voted() -> None:
    rng = np.random.default_rng(1)
    counts = rng.integers(1, 30, (4, 37)).astype(np.float32)
    best = surprise(ops.convert_to_tensor(counts[:, None]), ops.convert_to_tensor(np.log(counts)))
    other = np.log(counts) + rng.normal(0, 0.3, counts.shape).astype(np.float32)
    worse = surprise(ops.convert_to_tensor(counts[:, None]), ops.convert_to_tensor(other))
    assert (np.asarray(best) < np.asarray(worse)).all()


def test_a_question_that_nobody_was_asked_costs_nothing() -> None:
    counts = np.zeros((1, 37), np.float32)
    counts[0, [0, COLUMNS.index("Class7.1"), COLUMNS.index("Class6.2")]] = 40
    logits = np.zeros((1, 37), np.float32)
    moved = logits.copy()
    moved[0, COLUMNS.index("Class11.3")] = 5
    one, other = (
        float(surprise(ops.convert_to_tensor(counts), ops.convert_to_tensor(given))[0])
        for given in (logits, moved)
    )
    assert one == pytest.approx(other) == pytest.approx(np.log(3) + np.log(3) + np.log(2), rel=1e-5)


def test_shares_within_a_question_add_up() -> None:
    logits = ops.convert_to_tensor(np.random.default_rng(0).normal(0, 3, (2, 37)))
    shares = np.exp(np.asarray(log_shares(logits)))
    for question in QUESTIONS:
        np.testing.assert_allclose(shares[:, question.places].sum(axis=1), 1, rtol=1e-5)


def test_surveys_are_scored_on_what_they_answer(network) -> None:
    unknown = np.full((4, 37), np.nan)
    first = unknown.copy()
    first[:, :3] = [[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1]]
    everything = predict(network, images(4))
    everything[:2, :2] = [[0.2, 0.7], [0.7, 0.2]]
    ids = np.arange(4)
    real = {
        "gz1": Survey(images(4), ids, first),
        "mergers": Survey(images(4), ids, unknown),
        "gz1b": Survey(images(4), ids, first),
    }
    rows = judge(network, Survey(images(4), ids, everything), real)
    assert rows["gz1"]["galaxies"] == 3
    assert "rmse" not in rows["gz1"]
    assert rows["simulated, held back"]["rmse"] < 0.3
    assert rows["mergers"]["roc_auc_merger"] == pytest.approx(0.5)
    scored = first_question(first, np.where(np.isnan(first), 0, first))
    assert (scored["roc_auc"], scored["accuracy"]) == (1, 1)


def test_columns_are_compared_one_by_one() -> None:
    table = compare_columns(np.full((3, 37), 0.25), np.full((2, 37), 0.75))
    assert table.index.tolist() == list(COLUMNS)
    assert (table["difference"] == -0.5).all()
