import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from galaxies.judgement.miscalibration import (
    decompose_brier,
    error_by_chance,
    expected_calibration_error,
    reliability_bins,
)


def drawn(count, seed, slope=1.0):
    """Probabilities with an accuracy of 0.84, too sure if the slope is below 1."""
    random = np.random.default_rng(seed)
    logit = random.normal(0, 3, count)
    labels = (random.random(count) < 1 / (1 + np.exp(-slope * logit))).astype(np.int64)
    return labels, 1 / (1 + np.exp(-logit))


@pytest.mark.parametrize(("galaxies", "error"), [(54, 0.124), (243, 0.060), (2490, 0.019)])
def test_right_probabilities_have_a_calibration_error_by_chance(galaxies, error):
    found = [error_by_chance(*drawn(galaxies, seed), 15, seed) for seed in range(30)]
    assert np.mean([one.mean for one in found]) == pytest.approx(error, rel=0.2)


def test_the_p_value_is_uniform_if_the_probabilities_are_right_and_small_if_not():
    p_values = [error_by_chance(*drawn(250, seed), 15, seed).p_value for seed in range(120)]
    for level in (0.1, 0.5):
        share = np.mean(np.array(p_values) <= level)
        assert share == pytest.approx(level, abs=2.5 * np.sqrt(level * (1 - level) / 120))
    assert error_by_chance(*drawn(2000, 1, slope=0.4), 15, 1).p_value < 0.01


@settings(max_examples=30)
@given(count=st.integers(2, 300), seed=st.integers(0, 99), slope=st.floats(0.2, 2))
def test_the_parts_of_the_brier_score_add_up(count, seed, slope):
    labels, p = drawn(count, seed, slope)
    parts = decompose_brier(labels, p)
    whole = parts.miscalibration - parts.discrimination + parts.uncertainty
    assert whole == pytest.approx(np.mean((p - labels) ** 2))
    assert parts.miscalibration >= -1e-12
    assert -1e-12 <= parts.discrimination <= parts.uncertainty + 1e-12


def test_the_band_holds_95_in_100_bins_of_right_probabilities():
    inside = []
    for seed in range(60):
        bins = reliability_bins(*drawn(600, seed), 15, seed)
        inside += ((bins["low"] <= bins["observed"]) & (bins["observed"] <= bins["high"])).tolist()
    assert 0.94 < np.mean(inside) < 0.99  # shares of 40 galaxies are steps


def test_a_tie_at_the_edge_of_a_bin_changes_nothing():
    p = np.full(100, 0.3)
    labels = (np.arange(100) < 30).astype(np.int64)
    assert expected_calibration_error(labels, p, 1) == pytest.approx(0)
