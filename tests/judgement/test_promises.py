import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from galaxies.errors import GalaxiesError
from galaxies.judgement.promises import (
    UNDECIDED,
    Promise,
    certainty,
    choose_promise,
    decide,
    lower_bound,
    make_promises,
)
from galaxies.settings import TriageSettings

TARGETS = TriageSettings(agreement=[0.9, 0.95], confidence=0.9, search=False)


def target(agreement):
    return TriageSettings(agreement=[agreement], confidence=0.9, search=False)


def drawn(count, seed):
    """Probabilities that are right by construction, mostly sure, and classes drawn by them."""
    random = np.random.default_rng(seed)
    p = (1 / (1 + np.exp(-random.normal(0, 4, count)))).astype(np.float32)
    return p, (random.uniform(size=count) < p).astype(np.int64)


@given(
    trials=st.integers(1, 400), share=st.floats(0, 1), confidence=st.sampled_from([0.8, 0.9, 0.95])
)
def test_the_bound_is_that_of_clopper_and_pearson(trials, share, confidence):
    right = round(share * trials)
    low = float(lower_bound(np.array([right]), np.array([trials]), confidence)[0])
    assert 0 <= low <= right / trials
    if right == 0:
        assert low == 0
    else:
        # With the bound as the true share, so many right or more come by a chance of 10%, say.
        assert binom.sf(right - 1, trials, low) == pytest.approx(1 - confidence, rel=1e-5)


def test_promises_are_kept_as_often_as_the_confidence_says():
    p, labels = drawn(400_000, seed=99)
    kept, made = 0, 0
    for seed in range(200):
        promises = make_promises(*drawn(500, seed), TARGETS)
        for promise in promises:
            if promise.threshold is None:
                continue
            made += 1
            sure = certainty(p) >= promise.threshold
            kept += ((p > 0.5) == labels)[sure].mean() >= promise.agreement
    assert made > 300
    assert kept / made > 0.9


def test_sure_galaxies_that_are_wrong_once_do_not_end_the_tests_too_early():
    # One mistake among the surest 100 of 1,000; a sequence that starts there would stop there.
    p = np.linspace(0.9999, 0.95, 1000).astype(np.float32)
    labels = np.ones(1000, np.int64)
    labels[20] = 0
    promise = make_promises(p, labels, target(0.95))[0]
    assert promise.threshold == pytest.approx(0.95, abs=1e-5)


def test_wrong_certainties_cost_decisions_and_no_promise():
    # All are said to be sure, and the votes are drawn without them.
    missed = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        p = random.uniform(0.99, 1, 400).astype(np.float32)
        labels = (random.uniform(size=400) < 0.94).astype(np.int64)
        promise = make_promises(p, labels, target(0.95))[0]
        missed += promise.threshold is not None
    assert missed <= 20


@settings(max_examples=50)
@given(seed=st.integers(0, 1000), count=st.integers(1, 300))
def test_what_is_promised_is_proven_by_its_own_bound(seed, count):
    p, labels = drawn(count, seed)
    for promise in make_promises(p, labels, TARGETS):
        if promise.threshold is not None:
            some = certainty(p) >= promise.threshold
            right = ((p > 0.5) == labels)[some]
            bound = lower_bound(np.array([right.sum()]), np.array([len(right)]), 0.9)
            assert bound[0] >= promise.agreement


@settings(max_examples=50)
@given(seed=st.integers(0, 1000), count=st.integers(5, 300))
@example(seed=438, count=169)  # each alone proves 95%, but not 90%
def test_a_stricter_target_never_decides_more(seed, count):
    promises = make_promises(*drawn(count, seed), TARGETS)
    loose, strict = (one.threshold if one.threshold is not None else 2 for one in promises)
    assert loose <= strict


def test_the_threshold_is_the_lowest_that_the_validation_galaxies_prove():
    # 100 sure galaxies, all right, of which 60 are surer; then 50 of which half are wrong.
    p = np.repeat([0.01, 0.97, 0.7], [60, 40, 50]).astype(np.float32)
    labels = np.concatenate([np.zeros(60), np.ones(40), np.arange(50) % 2]).astype(np.int64)
    promise = make_promises(p, labels, TARGETS)[1]
    assert promise.threshold == pytest.approx(0.97, abs=2e-6)
    decisions = decide(p, promise.threshold)
    assert np.unique(decisions, return_counts=True)[1].tolist() == [50, 60, 40]
    assert decisions[0] == "elliptical"
    assert decisions[70] == "spiral"
    assert decisions[120] == UNDECIDED


def test_what_cannot_be_proven_is_not_promised():
    p, labels = np.full(20, 0.99, np.float32), np.ones(20, np.int64)
    promises = make_promises(p, labels, target(0.99))
    assert promises[0].threshold is None
    assert set(decide(p, None)) == {UNDECIDED}


def test_the_least_strict_promise_that_suffices_is_chosen():
    promises = tuple(
        Promise(agreement=one, confidence=0.9, threshold=0.6) for one in (0.99, 0.9, 0.95)
    )
    assert choose_promise(promises, 0.93).agreement == 0.95
    assert choose_promise(promises, 0.99).agreement == 0.99
    with pytest.raises(GalaxiesError, match=r"no promise for an agreement of 0\.995.*0\.99, 0\.9"):
        choose_promise(promises, 0.995)


def test_nothing_is_promised_without_galaxies():
    nothing = make_promises(np.empty(0, np.float32), np.empty(0, np.int64), TARGETS)
    assert [(one.threshold, one.decided) for one in nothing] == [(None, 0.0)] * 2


def test_a_promise_for_several_surveys_is_proven_for_each():
    """The second survey is wrong where it is surest; its own promise begins below that."""
    random = np.random.default_rng(5)
    p = np.concatenate(
        [
            np.full(560, 0.99),
            random.uniform(0.6, 0.8, 400),  # of the first survey
            random.uniform(0.975, 0.985, 1040),  # of the second
        ]
    ).astype(np.float32)
    second = np.zeros(2000, bool)
    second[500:560] = second[960:] = True
    labels = np.ones(2000, np.int64)
    labels[500:524] = labels[560:960] = 0
    own = [make_promises(p[some], labels[some], target(0.95))[0] for some in (~second, second)]
    strictest = max(one.threshold for one in own)
    assert (labels[second & (p >= strictest)] == 1).mean() < 0.7  # it does not hold there
    [promise] = make_promises(p, labels, target(0.95), (~second, second))
    for some in (~second, second):
        assert (labels[some & (p >= promise.threshold)] == 1).mean() >= 0.95
