"""Every stated guarantee against simulated truth: errors within the level and two standard errors.

`benchmarks/guarantees.py` makes the full tables.
"""

import numpy as np
import pytest

from galaxies.judgement.anytime import is_proven, most_that_fail
from galaxies.judgement.familiarity import KnownGalaxies
from galaxies.judgement.promises import decide, make_promises
from galaxies.settings import TriageSettings
from galaxies.volunteers.audit import judge_answers
from galaxies.volunteers.samples import Audited

pytestmark = pytest.mark.slow


def within(errors, trials, level):
    """Whether errors are as rare as promised, up to two standard errors of the simulation."""
    return errors / trials <= level + 2 * np.sqrt(level * (1 - level) / trials)


@pytest.mark.parametrize("population", [50, 300, 10_000])
@pytest.mark.parametrize("target", [0.9, 0.95])
def test_an_audit_of_decisions_below_the_target_holds_as_rarely_as_stated(population, target):
    random = np.random.default_rng(population)
    most = most_that_fail(population, target)
    truth = np.arange(population) < most  # the largest agreement that is below the target
    errors = sum(
        is_proven(random.permutation(truth)[:500], population, most, 0.9) for _ in range(600)
    )
    assert within(errors, 600, 0.1)


@pytest.mark.parametrize("once", [False, True])
@pytest.mark.parametrize("bias", [0, 2])
def test_an_audit_says_nothing_false_at_any_time(once, bias):
    """Looks after 100, 150, ... answers, and counts an audit with any false statement."""
    random = np.random.default_rng(7)
    errors = trials = 0
    for _ in range(80):
        logit = random.normal(1, 2, 2000)
        answers = (random.random(2000) < 1 / (1 + np.exp(-logit))).astype(np.int64)
        p = (1 / (1 + np.exp(-logit - bias))).astype(np.float32)
        right = (p > 0.5) == answers
        target = float(np.ceil(right.mean() * 1000 + 1) / 1000)  # just missed
        drawn = random.permutation(2000)[:500]
        false = False
        for looked_at in [500] if once else range(100, 501, 100):
            some = drawn[:looked_at]
            found = judge_answers(Audited(p[some], answers[some], p, once=once), target, 0.9)
            false |= found.holds or found.lower > right.mean()
            if found.bounds is not None:
                kept = (p <= found.bounds[0]) | (p >= found.bounds[1])
                false |= ((p >= found.bounds[1]) == answers)[kept].mean() < target
        errors, trials = errors + false, trials + 1
    assert within(errors, trials, 0.1)


@pytest.mark.parametrize("galaxies", [50, 500, 10_000])
@pytest.mark.parametrize("too_sure", [1, 2])
def test_a_promise_is_missed_as_rarely_as_stated(galaxies, too_sure):
    """Also by a model that is twice too sure: it costs decisions, never the guarantee."""
    random = np.random.default_rng(galaxies)
    targets = TriageSettings(agreement=[0.9, 0.95, 0.99], confidence=0.9, search=False)
    missed = np.zeros(3, int)
    trials = 400 if galaxies < 10_000 else 100
    for _ in range(trials):
        logit = random.normal(0, 3, galaxies)
        chance = 1 / (1 + np.exp(-logit))
        labels = (random.random(galaxies) < chance).astype(np.int64)
        p = (1 / (1 + np.exp(-logit * too_sure))).astype(np.float32)
        for place, promise in enumerate(make_promises(p, labels, targets)):
            classes = decide(p, promise.threshold)
            decided = classes != "ask volunteers"
            # The expected agreement of the decisions, not that of the labels that were seen.
            agreement = np.where(p > 0.5, chance, 1 - chance)[decided]
            missed[place] += decided.any() and agreement.mean() < promise.agreement
    assert all(within(one, trials, 0.1) for one in missed)


@pytest.mark.parametrize("known", [99, 500, 5000])
@pytest.mark.parametrize("survey", [50, 10_000])
def test_a_familiar_survey_and_galaxy_are_refused_as_rarely_as_stated(known, survey):
    """The known galaxies are drawn anew each time: all p-values share them."""
    random = np.random.default_rng(known)
    trials, refused, unfamiliar = 1000, 0, 0
    for _ in range(trials):
        galaxies = KnownGalaxies(
            np.zeros(1, np.float32),
            np.ones((1, 1), np.float32),
            np.sort(np.abs(random.normal(size=known).astype(np.float32))),
        )
        looks = random.normal(size=(survey, 1)).astype(np.float32)
        strange = int((~galaxies.familiar(looks)).sum())
        unfamiliar += strange / survey
        refused += galaxies.survey_p_value(strange, survey) <= 0.01
    # The share of unfamiliar galaxies is a mean over surveys, which differ by the known galaxies.
    deviation = np.sqrt(0.01 / known + 0.01 / survey)
    assert unfamiliar / trials <= 0.01 + 2 * deviation / np.sqrt(trials)
    assert within(refused, trials, 0.01)


def test_the_best_of_many_models_keeps_its_promise_if_others_prove_it():
    """Twenty equally good models; proven on what chose the best, too many would be missed."""
    random = np.random.default_rng(11)
    targets = TriageSettings(agreement=[0.9], confidence=0.9, search=True)
    trials, missed = 150, {True: 0, False: 0}
    for _ in range(trials):
        # Each model is right about 89% of the galaxies, and equally sure of all.
        p = np.full(400, 0.95, np.float32)
        labels = (random.random((20, 400)) < 0.89).astype(np.int64)
        for apart in missed:
            chooses = slice(0, 200) if apart else slice(0, 400)
            proves = slice(200, 400) if apart else slice(0, 400)
            best = labels[:, chooses].mean(axis=1).argmax()
            [promise] = make_promises(p[proves], labels[best, proves], targets)
            missed[apart] += promise.threshold is not None
    assert within(missed[True], trials, 0.1)
    assert not within(missed[False], trials, 0.1)


def test_a_promise_of_several_surveys_holds_for_each_as_often_as_stated():
    """The second survey is just below the target, wherever the machine decides."""
    random = np.random.default_rng(12)
    targets = TriageSettings(agreement=[0.9], confidence=0.9, search=False)
    second = np.arange(900) >= 600
    trials, missed = 300, 0
    for _ in range(trials):
        p = random.uniform(0.9, 1, 900).astype(np.float32)
        labels = (random.random(900) < np.where(second, 0.895, 0.99)).astype(np.int64)
        [promise] = make_promises(p, labels, targets, (~second, second))
        missed += promise.threshold is not None
    assert within(missed, trials, 0.1)
