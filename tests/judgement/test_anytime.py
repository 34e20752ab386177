import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from galaxies.judgement.anytime import (
    anytime_lower_bound,
    is_proven,
    most_that_fail,
    running_evidence,
)


@given(
    population=st.integers(2, 400),
    share=st.floats(0.5, 0.99),
    below=st.integers(0, 20),
    seen=st.integers(0, 10_000),
    agreed=st.floats(0, 1),
)
def test_the_evidence_is_expected_to_shrink_where_the_target_is_missed(
    population, share, below, seen, agreed
):
    """A supermartingale: its expectation after one more answer is at most what it is."""
    most = most_that_fail(population, share)
    true = max(most - below, 0)
    # A state that this population can reach.
    differ = population - true
    seen = min(seen, population - 1)
    ones = min(round(agreed * min(seen, true)), true)
    ones = max(ones, seen - differ)
    before = np.repeat([True, False], [ones, seen - ones])
    np.random.default_rng(seen).shuffle(before)
    now = np.exp(running_evidence(before, population, most)[-1]) if seen else 1.0
    chance = (true - ones) / (population - seen)
    after = 0.0
    for answer, probability in ((True, chance), (False, 1 - chance)):
        if probability > 0:
            evidence = running_evidence(np.append(before, answer), population, most)[-1]
            after += probability * np.exp(evidence)
    assert after <= now * (1 + 1e-9)


def test_a_whole_population_proves_its_agreement_and_no_more():
    right = np.arange(400) % 20 > 0  # 0.95
    assert is_proven(right, 400, most_that_fail(400, 0.95), 0.99)
    assert not is_proven(right, 400, most_that_fail(400, 0.953), 0.99)
    assert anytime_lower_bound(right, 400, 0.9) == 0.95


@pytest.mark.parametrize(
    ("population", "target", "most"), [(1000, 0.95, 949), (1000, 0.9504, 950), (3, 0.9, 2)]
)
def test_the_target_itself_is_reached(population, target, most):
    assert most_that_fail(population, target) == most


def test_the_bound_rises_with_every_agreement_and_needs_one():
    bounds = [anytime_lower_bound(np.ones(n, bool), 10_000, 0.9) for n in (1, 10, 100, 500)]
    assert bounds == sorted(bounds)
    assert bounds[-1] > 0.99
    assert anytime_lower_bound(np.zeros(10, bool), 10_000, 0.9) == 0
    assert anytime_lower_bound(np.ones(0, bool), 10_000, 0.9) == 0
