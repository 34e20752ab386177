import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from galaxies.recalibrating.refitting import Voted
from galaxies.recalibrating.worth import _share, folds, judge_recalibration
from tests.recalibrating.test_refitting import BEFORE, shifted


def test_before_and_after_are_judged_on_other_galaxies():
    galaxies = shifted(600, seed=2)
    before, after = judge_recalibration(BEFORE, galaxies)
    p = galaxies.raw.astype(float)
    assert before.accuracy.value == ((p > 0.5) == galaxies.labels).mean()
    assert after.accuracy.value > before.accuracy.value
    assert after.calibration_error.value < 0.05 < before.calibration_error.value
    for worth in (before, after):
        for found in (worth.accuracy, worth.calibration_error, worth.vote_error):
            assert found.low <= found.value <= found.high
    assert str(judge_recalibration(BEFORE, galaxies)) == str((before, after))


def test_labels_without_meaning_cannot_look_good():
    # Fitted and judged on the same galaxies, thresholds would find some luck to promise.
    random = np.random.default_rng(3)
    galaxies = shifted(200, seed=3)._replace(raw=random.uniform(0, 1, 200).astype(np.float32))
    _, after = judge_recalibration(BEFORE, galaxies)
    assert after.accuracy.value < 0.6
    assert after.decided[1].decided.value == 0


@settings(max_examples=40)
@given(
    seed=st.integers(0, 1000),
    labels=st.lists(st.integers(0, 1), min_size=30, max_size=80),
    copies=st.integers(1, 3),
)
def test_folds_are_even_in_each_class_and_keep_identical_pixels_together(seed, labels, copies):
    labels = np.repeat(labels, copies)
    same = np.repeat(np.arange(len(labels) // copies), copies)
    galaxies = Voted(np.arange(len(labels)), labels.astype(np.float32), labels, labels * 1.0, same)
    dealt = folds(galaxies, np.random.default_rng(seed))
    for one in np.unique(same):
        assert len(set(dealt[same == one])) == 1
    for place in (0, 1):
        counts = np.bincount(dealt[labels == place], minlength=5)
        assert np.ptp(counts) <= copies


def test_a_few_right_decisions_do_not_prove_that_all_are():
    galaxies = shifted(40, seed=4, shift=0)
    agreed = galaxies._replace(raw=np.where(galaxies.labels == 1, 0.999, 0.001).astype(np.float32))
    for worth in judge_recalibration(BEFORE, agreed):
        assert worth.accuracy.value == worth.accuracy.high == 1
        assert worth.accuracy.low == pytest.approx(0.912, abs=5e-4)  # Wilson's, for 40 of 40


def test_ten_repetitions_are_not_ten_times_the_galaxies():
    inside = np.random.default_rng(5).random(400) < 0.8
    repeated, everything = np.tile(inside, (10, 1)), np.ones((10, 400), bool)
    repeated[1, :4] ^= True  # a little scatter between the repetitions
    images = np.arange(400)
    alone, many = _share(inside[None], everything[:1], images), _share(repeated, everything, images)
    assert many.value == pytest.approx(alone.value, abs=0.01)
    assert many.high - many.low == pytest.approx(alone.high - alone.low, rel=0.02)


def test_copies_of_a_galaxy_are_not_more_galaxies():
    inside, everything = np.arange(400) % 5 > 0, np.ones((1, 400), bool)
    copied = np.tile(inside, 4)[None]
    once = _share(inside[None], everything, np.arange(400))
    often = _share(copied, np.ones((1, 1600), bool), np.tile(np.arange(400), 4))
    assert often == pytest.approx(once)
    galaxies = shifted(100, seed=6)
    four = galaxies.take(np.tile(np.arange(100), 4))
    for alone, together in zip(
        judge_recalibration(BEFORE, galaxies), judge_recalibration(BEFORE, four), strict=True
    ):
        for name in ("accuracy", "vote_error"):
            wide, narrow = getattr(alone, name), getattr(together, name)
            assert narrow.high - narrow.low > 0.8 * (wide.high - wide.low)


def test_a_share_of_nothing_is_unknown_and_of_less_than_a_galaxy_nearly_so():
    nothing = np.zeros((2, 5), bool)
    assert str(_share(nothing, nothing, np.arange(5))) == "none"
    half = nothing.copy()
    half[0, 0] = True
    found = _share(half, half, np.arange(5))
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low < 0.2
