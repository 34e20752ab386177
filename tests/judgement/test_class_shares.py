import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from galaxies.judgement.calibration import Calibration
from galaxies.judgement.class_shares import (
    ClassOutputs,
    compare_with_mixture,
    estimate_spiral_share,
    odds_factor,
    share_interval,
    summarise_outputs,
)


def drawn(count, share, seed, shift=0.0):
    """Raw probabilities that are right for equal shares, of galaxies with another share."""
    random = np.random.default_rng(seed)
    labels = (random.uniform(size=count) < share).astype(np.int64)
    # With normal outputs of unit variance at +-1.5, the logit of the posterior is 3 x.
    x = random.normal(np.where(labels == 1, 1.5, -1.5) + shift)
    return (1 / (1 + np.exp(-3 * x))).astype(np.float32), labels


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.85])
def test_the_share_of_spirals_is_found(share):
    p, labels = drawn(20_000, share, seed=1)
    assert estimate_spiral_share(p, known=0.5) == pytest.approx(labels.mean(), abs=0.01)


def test_with_the_known_share_nothing_changes():
    p, _ = drawn(50_000, 0.5, seed=2)
    assert estimate_spiral_share(p, known=0.5) == pytest.approx(0.5, abs=0.01)
    assert odds_factor(known=0.3, share=0.3) == pytest.approx(1)


@given(known=st.floats(0.01, 0.99), share=st.floats(0.01, 0.99), p=st.floats(0.001, 0.999))
def test_odds_follow_bayes(known, share, p):
    moved = Calibration(slope=1, intercept=0).with_odds(odds_factor(known, share))
    spiral, elliptical = p * share / known, (1 - p) * (1 - share) / (1 - known)
    expected = spiral / (spiral + elliptical)
    assert moved(np.array([p], np.float32))[0] == pytest.approx(expected, abs=1e-5)


@given(known=st.floats(0.05, 0.95), seed=st.integers(0, 100), count=st.integers(1, 200))
def test_an_estimated_share_is_a_share(known, seed, count):
    p = np.random.default_rng(seed).uniform(0, 1, count).astype(np.float32)
    p[:1] = seed % 2  # a probability of exactly 0 or 1
    assert 0 < estimate_spiral_share(p, known) < 1


@given(seed=st.integers(0, 100), count=st.integers(5, 200))
def test_outputs_count_every_galaxy_once(seed, count):
    raw, labels = drawn(count, 0.5, seed)
    labels[:2] = 0, 1
    outputs = summarise_outputs(raw, labels)
    assert sum(outputs.spiral) == labels.sum()
    assert sum(outputs.elliptical) == count - labels.sum()
    # What a bundle keeps counts galaxies into the same bins.
    assert outputs.count(raw).tolist() == [
        a + b for a, b in zip(outputs.elliptical, outputs.spiral, strict=True)
    ]


def test_a_tree_that_gives_few_different_outputs_has_few_bins():
    raw = np.repeat(np.array([0.1, 0.9], np.float32), 50)
    outputs = summarise_outputs(raw, (raw > 0.5).astype(np.int64))
    assert len(outputs.edges) < 9
    assert compare_with_mixture(outputs, raw).p_value > 0.9


@pytest.mark.parametrize(
    "changes",
    [{"edges": (0.2, 0.1)}, {"edges": (0.1,)}, {"spiral": (0, 0, 0)}, {"elliptical": (-1, 2, 3)}],
)
def test_outputs_that_cannot_be_are_refused(changes):
    whole = {"edges": (0.1, 0.2), "elliptical": (1, 2, 3), "spiral": (1, 2, 3)}
    assert ClassOutputs(**whole)
    with pytest.raises(ValueError, match=r"edges|count|galaxy|greater"):
        ClassOutputs(**whole | changes)


def test_the_test_rejects_by_chance_as_often_as_it_says():
    rejected = 0
    for seed in range(200):
        outputs = summarise_outputs(*drawn(600, 0.5, seed))
        raw, _ = drawn(400, 0.8, seed + 1000)
        rejected += compare_with_mixture(outputs, raw).p_value < 0.05
    assert rejected <= 20


def test_the_test_sees_galaxies_that_look_different():
    outputs = summarise_outputs(*drawn(600, 0.5, 3))
    compressed = np.random.default_rng(4).uniform(0.3, 0.7, 400).astype(np.float32)
    found = compare_with_mixture(outputs, compressed)
    assert found.p_value < 0.001
    assert found.misfit > 0.3


@pytest.mark.parametrize(("known", "count", "share"), [(48, 300, 0.6), (500, 300, 0.6)])
def test_the_interval_of_a_share_covers_it_as_often_as_stated(known, count, share):
    """Also with 48 known galaxies, by which the estimate itself is biased."""
    trials, outside = 40, 0
    for seed in range(trials):
        outputs = summarise_outputs(*drawn(known, 0.4, seed))
        low, high = share_interval(outputs, drawn(count, share, seed + 1000)[0])
        outside += not low <= share <= high
    assert outside / trials <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / trials)


def test_the_interval_has_ends_within_0_and_1_and_holds_the_best_share():
    outputs = summarise_outputs(*drawn(200, 0.5, 1))
    for share in (0.0, 1.0):
        raw, _ = drawn(200, share, 2)
        low, high = share_interval(outputs, raw)
        assert 0 <= low <= compare_with_mixture(outputs, raw).share <= high <= 1
        assert high - low < 0.15
