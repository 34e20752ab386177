import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from galaxies.bundle.description import read_description
from galaxies.bundle.folder import copy_recalibrated, require_free
from galaxies.bundle.pretrained import bundle_folder
from galaxies.errors import GalaxiesError
from galaxies.judgement.calibration import Calibration, fit_calibration, smoothed
from galaxies.judgement.class_shares import summarise_outputs
from galaxies.recalibrating.refitting import (
    Voted,
    adjust_shares,
    calibrated_on,
    recalibrate,
    require_enough,
)
from tests.conftest import judgement

BEFORE = judgement(calibration=Calibration(slope=1, intercept=0))


def shifted(count, seed, shift=2.0):
    """Galaxies whose raw probabilities are all too high, by `shift` in the logit."""
    random = np.random.default_rng(seed)
    logit = random.normal(0, 3, count)
    labels = (random.uniform(size=count) < 1 / (1 + np.exp(-logit))).astype(np.int64)
    labels[:10] = [0, 1] * 5
    raw = (1 / (1 + np.exp(-logit - shift))).astype(np.float32)
    return Voted(np.arange(count), raw, labels, labels.astype(np.float64), np.arange(count))


def test_a_calibration_on_votes_undoes_a_shift():
    after = recalibrate(BEFORE, shifted(5000, seed=1))
    assert after.calibration.slope == pytest.approx(1, abs=0.1)
    assert after.calibration.intercept == pytest.approx(-2, abs=0.15)
    assert after.votes.intercept == pytest.approx(-2, abs=0.15)
    assert [one.agreement for one in after.triage] == [0.9, 0.99]
    assert after.outputs is not None
    assert after.answers_of is None


@settings(max_examples=40)
@given(seed=st.integers(0, 1000), count=st.integers(30, 60))
def test_galaxies_without_a_mistake_do_not_make_a_step(seed, count):
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    raw = np.where(labels == 1, random.uniform(0.9, 1, count), random.uniform(0, 0.1, count))
    fitted = fit_calibration(raw.astype(np.float32), smoothed(labels))
    p = fitted(raw.astype(np.float32))
    assert np.isfinite([fitted.slope, fitted.intercept]).all()
    # Laplace's rule of succession, more or less: 30 galaxies cannot prove 99.9%.
    assert 0.001 < p[labels == 0].mean() < 0.2
    assert 0.8 < p[labels == 1].mean() < 0.999


def test_the_steepest_calibration_does_not_overflow():
    steep = Calibration(slope=1e6, intercept=0)
    assert steep(np.array([0, 0.5, 1], np.float32)).tolist() == pytest.approx([0, 0.5, 1])


@given(labels=st.lists(st.integers(0, 1), min_size=1, max_size=50))
def test_smoothed_labels_keep_their_order_and_stay_inside(labels):
    moved = smoothed(np.array(labels))
    assert ((moved > 0) & (moved < 1)).all()
    assert ((moved > 0.5) == (np.array(labels) == 1)).all()


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([0, 1] * 14, "28 galaxies with images and votes; calibrating needs at least 30"),
        ([0] * 40, "0 of 40 galaxies are spiral; calibrating needs at least 5 of each class"),
        ([1] * 40 + [0] * 4, "4 of 44 galaxies are elliptical"),
    ],
)
def test_too_few_galaxies_are_refused(labels, said):
    labels = np.array(labels)
    places = np.arange(len(labels))
    galaxies = Voted(labels, labels.astype(np.float32), labels, labels * 1.0, places)
    with pytest.raises(GalaxiesError, match=f"^mine: {said}"):
        require_enough(galaxies, "mine")


def test_shares_move_the_odds_and_leave_no_promise():
    galaxies = shifted(4000, seed=5, shift=0)
    outputs = summarise_outputs(galaxies.raw, galaxies.labels)
    few = galaxies.take((galaxies.labels == 0) | (np.arange(4000) % 4 == 0))
    adjusted, share = adjust_shares(BEFORE, outputs, few.raw)
    assert share == pytest.approx(few.labels.mean(), abs=0.02)
    assert adjusted.calibration.slope == 1
    assert adjusted.calibration.intercept == pytest.approx(np.log(0.25), abs=0.15)
    assert {one.threshold for one in adjusted.triage} == {None}
    assert adjusted.outputs is None


def test_a_recalibrated_bundle_differs_in_its_description_alone(tree_bundle, tmp_path):
    before = read_description(tree_bundle)
    on = calibrated_on("mine", [3, 1, 2], "votes")
    made = judgement(calibration=Calibration(slope=2, intercept=1), calibrated=on)
    for name in ("one", "two"):
        copy_recalibrated(tree_bundle, tmp_path / name, before.judged(made))
    one, two = tmp_path / "one", tmp_path / "two"
    assert sorted(path.name for path in one.iterdir()) == sorted(
        path.name for path in tree_bundle.iterdir()
    )
    for path in one.iterdir():
        assert path.read_bytes() == (two / path.name).read_bytes()
        same = path.read_bytes() == (tree_bundle / path.name).read_bytes()
        assert same == (path.name != "bundle.json")
    assert read_description(one) == before.judged(made)
    assert on == calibrated_on("mine", [1, 2, 3], "votes")


def test_only_bundles_are_replaced(tree_bundle, tmp_path):
    require_free(tmp_path / "new", overwrite=False)
    with pytest.raises(GalaxiesError, match="exists; --overwrite replaces it"):
        require_free(tree_bundle, overwrite=False)
    require_free(tree_bundle, overwrite=True)
    with pytest.raises(GalaxiesError, match="exists and is not a bundle; give another folder"):
        require_free(tmp_path, overwrite=True)


def test_pretrained_bundles_go_by_their_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    from pathlib import Path

    assert (bundle_folder(Path("real")) / "bundle.json").is_file()
    assert bundle_folder(Path("models/cnn")) == Path("models/cnn")
    (tmp_path / "real").mkdir()
    assert bundle_folder(Path("real")) == Path("real")
