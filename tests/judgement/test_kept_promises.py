import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from galaxies.judgement.kept_promises import coverage, judge_promises
from galaxies.judgement.promises import Promise


def table(p, labels):
    return pd.DataFrame(
        {
            "label": pd.Categorical.from_codes(labels, categories=["elliptical", "spiral"]),
            "p_spiral": np.asarray(p, np.float32),
        }
    )


def test_promises_are_judged_on_what_they_decide():
    promise = Promise(agreement=0.95, confidence=0.9, threshold=0.9)
    judged = judge_promises(table([0.05, 0.95, 0.92, 0.5], np.array([0, 1, 0, 0])), (promise,))
    assert judged == {
        "95%": {
            "decided": 0.75,
            "galaxies_left": 1,
            "threshold": 0.9,
            "agreement": pytest.approx(2 / 3),
            "agreement_low": pytest.approx(0.094, abs=0.001),  # Clopper & Pearson
            "agreement_high": pytest.approx(0.992, abs=0.001),
            "verdict": "undetermined",
        }
    }


@pytest.mark.parametrize(
    ("right", "verdict"), [(990, "kept"), (900, "missed"), (955, "undetermined")]
)
def test_a_promise_is_kept_or_missed_only_beyond_chance(right, verdict):
    labels = (np.arange(1000) < right).astype(np.int64)
    promise = Promise(agreement=0.95, confidence=0.9, threshold=0.9)
    assert (
        judge_promises(table(np.full(1000, 0.99), labels), (promise,))["95%"]["verdict"] == verdict
    )


def test_copies_of_an_image_are_one_trial():
    labels = (np.arange(1000) < 990).astype(np.int64)
    promise = Promise(agreement=0.95, confidence=0.9, threshold=0.9)
    copies = table(np.full(1000, 0.99), labels).assign(sha1=np.arange(1000) % 50)
    alone = judge_promises(copies, (promise,))["95%"]
    assert alone["verdict"] == "undetermined"
    assert alone["agreement"] == 0.99
    assert alone["agreement_low"] < 0.93


@settings(max_examples=50)
@given(seed=st.integers(0, 1000), count=st.integers(1, 600))
def test_the_curve_ends_at_all_galaxies_and_the_plain_accuracy(seed, count):
    random = np.random.default_rng(seed)
    p = (1 / (1 + np.exp(-random.normal(0, 4, count)))).astype(np.float32)
    labels = (random.uniform(size=count) < p).astype(np.int64)
    curve = coverage(table(p, labels))
    assert len(curve) <= 200
    assert curve["decided"].is_monotonic_increasing
    assert curve["threshold"].is_monotonic_decreasing
    assert curve["decided"].iloc[-1] == 1
    assert curve["agreement"].iloc[-1] == pytest.approx(((p > 0.5) == labels).mean())


def test_equally_sure_galaxies_are_decided_together():
    curve = coverage(table([0.875, 0.875, 0.125, 0.6], np.array([1, 0, 0, 1])))
    assert curve["decided"].tolist() == [0.75, 1]
    assert curve["agreement"].tolist() == [pytest.approx(2 / 3), 0.75]


def test_a_promise_that_was_not_made_decides_nothing():
    p, labels = np.full(20, 0.99, np.float32), np.ones(20, np.int64)
    none = Promise(agreement=0.99, confidence=0.9, threshold=None)
    worth = judge_promises(table(p, labels), (none,))
    assert worth == {"99%": {"decided": 0.0, "galaxies_left": 20}}
