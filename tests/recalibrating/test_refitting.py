import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from galaxies.bundle.description import Description, Judgement, read_description
from galaxies.bundle.folder import (
    bundle_folder,
    copy_recalibrated,
    read_learned,
    require_free,
    write_learned,
)
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
from tests.conftest import PROMISES

BEFORE = Description(
    model="tree",
    title="tree",
    size=32,
    crop=0.5,
    decoding="scaled",
    views=1,
    calibration=Calibration(slope=1, intercept=0),
    votes=Calibration(slope=1, intercept=0),
    triage=PROMISES,
    survey="drawn",
    galaxies=80,
)


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
    assert (after.survey, after.galaxies, after.versions) == ("drawn", 80, BEFORE.versions)


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
    galaxies = Voted(labels, labels.astype(np.float32), labels, labels * 1.0, labels)
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
    update = {
        "calibration": Calibration(slope=2, intercept=1),
        "calibrated": calibrated_on("mine", [3, 1, 2], "votes"),
    }
    for name in ("one", "two"):
        copy_recalibrated(tree_bundle, tmp_path / name, before.model_copy(update=update))
    one, two = tmp_path / "one", tmp_path / "two"
    assert sorted(path.name for path in one.iterdir()) == sorted(
        path.name for path in tree_bundle.iterdir()
    )
    for path in one.iterdir():
        assert path.read_bytes() == (two / path.name).read_bytes()
        same = path.read_bytes() == (tree_bundle / path.name).read_bytes()
        assert same == (path.name != "bundle.json")
    assert read_description(one).calibrated == update["calibrated"]
    assert update["calibrated"] == calibrated_on("mine", [1, 2, 3], "votes")


def test_a_bundle_of_another_format_is_refused_in_one_line(tree_bundle, tmp_path):
    assert read_learned(tree_bundle) is None
    old = tmp_path / "old"
    copy_recalibrated(tree_bundle, old, read_description(tree_bundle))
    text = (old / "bundle.json").read_text(encoding="utf-8")
    for other in (4, 6):
        (old / "bundle.json").write_text(text.replace('"format": 5', f'"format": {other}'))
        with pytest.raises(GalaxiesError, match=rf"bundle\.json: format {other}, but .* reads 5; "):
            read_description(old)


def test_a_campaign_is_changed_there_and_back():
    judgement = Judgement(
        calibration=Calibration(slope=2, intercept=1), votes=BEFORE.votes, triage=PROMISES[:1]
    )
    both = BEFORE.model_copy(update={"others": {"gz1": judgement}})
    assert both.by("gz2") == both
    other = both.by("gz1")
    assert (other.campaign, list(other.others)) == ("gz1", ["gz2"])
    assert (other.calibration, other.triage) == (judgement.calibration, judgement.triage)
    assert (other.survey, other.size) == (both.survey, both.size)
    assert other.by("gz2") == both
    with pytest.raises(GalaxiesError, match=r"^this bundle supports the campaign gz2, not gz1; "):
        BEFORE.by("gz1")


def test_what_a_bundle_learned_from_is_read_back_sorted(tmp_path):
    ids = np.array([587722952767439450, 3, 100008], np.int64)
    write_learned(tmp_path, ids)
    learned = read_learned(tmp_path)
    assert learned is not None
    assert learned.tolist() == sorted(ids.tolist())
    for content in (b"", b"text", (tmp_path / "learned.npy").read_bytes()[:-3]):
        (tmp_path / "learned.npy").write_bytes(content)
        with pytest.raises(GalaxiesError, match=r"learned.npy: damaged"):
            read_learned(tmp_path)


def test_a_hundred_thousand_galaxies_take_less_than_a_megabyte(tmp_path):
    write_learned(tmp_path, np.arange(100_000, dtype=np.int64))
    assert (tmp_path / "learned.npy").stat().st_size < 1_000_000


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
