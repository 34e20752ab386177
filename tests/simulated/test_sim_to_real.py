"""The network that judges the simulated sky."""

import numpy as np
import pytest

from benchmarks.sim_to_real import Survey, compare_columns, first_question, judge
from galaxies.models.cnn import Cnn, build_residual
from galaxies.settings import load_settings
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def network():
    return Cnn(build_residual(32, load_settings(ROOT / "params.yaml").cnn.residual))


def images(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def test_surveys_are_scored_on_what_they_answer(network) -> None:
    unknown = np.full((4, 40), np.nan)
    first = unknown.copy()
    first[:, :3] = [[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1]]
    everything = network.predict(images(4))[:, :40]
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
    assert rows["simulated, held out"]["rmse"] < 0.3
    assert rows["mergers"]["roc_auc_merger"] == pytest.approx(0.5)
    scored = first_question(first, np.where(np.isnan(first), 0, first))
    assert (scored["roc_auc"], scored["accuracy"]) == (1, 1)


def test_columns_are_compared_one_by_one() -> None:
    table = compare_columns(np.full((3, 37), 0.25), np.full((2, 37), 0.75))
    assert table.index.tolist() == list(COLUMNS)
    assert (table["difference"] == -0.5).all()
