"""The loss: what the volunteers' votes cost by what a network says."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax
from scipy.stats import dirichlet_multinomial

from galaxies.bundle.answers import TYPICAL, read_outputs
from galaxies.models.likelihood import ClassAccuracy, surprise, targets, untold
from galaxies.questions.gz1 import GZ1
from galaxies.questions.gz2 import GZ2
from galaxies.questions.kaggle import KAGGLE
from galaxies.questions.layout import Layout
from galaxies.training.parts import Votes

LAYOUT = Layout((GZ2, GZ1))
ANSWERS, OUTPUTS = LAYOUT.answers, LAYOUT.outputs
SMOOTH, ODD = GZ2.question("smooth"), GZ2.question("odd")
QUESTIONS = st.integers(0, len(LAYOUT.questions) - 1)


def numbers(seed: int, count: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1.5, (count, OUTPUTS)).astype(np.float32)


def blank(count: int = 1) -> np.ndarray:
    return np.full((count, ANSWERS), np.nan, np.float32)


def cost(target: np.ndarray, said: np.ndarray, sharpness: float = 2.0, **options) -> np.ndarray:
    votes, numbers = tf.constant(target), tf.constant(said)
    return np.asarray(surprise(votes, numbers, LAYOUT, sharpness, **options))


def test_targets_tell_hard_votes_from_counted_ones():
    shares = blank(3)
    shares[:, SMOOTH.places] = [0.25, 0.75, 0]
    shares[2, SMOOTH.places] = [0, 1, 0]
    made = targets(Votes(LAYOUT, shares, np.array([40, 8, 0], np.float32)), LAYOUT)
    assert made.shape == (3, 2 * ANSWERS)
    assert made.dtype == np.float32
    assert made[:, SMOOTH.places].tolist() == [[10, 30, 0], [2, 6, 0], [0, 0, 0]]
    assert made[:, ANSWERS : ANSWERS + 3].tolist() == [[0, 0, 0], [0, 0, 0], [0, 1, 0]]
    assert made.sum() == 40 + 8 + 1


def test_votes_that_galaxies_were_chosen_by_count_a_tenth():
    shares = blank(40)
    shares[:20, ODD.places] = [1, 0]
    shares[20:, SMOOTH.places] = np.eye(3)[np.arange(20) % 2]
    made = targets(Votes(LAYOUT, shares, np.zeros(40, np.float32)), LAYOUT)[:, ANSWERS:]
    assert made[:20, ODD.places] == pytest.approx(np.array([[0.1, 0]] * 20))
    assert (made[20:].sum(axis=1) == 1).all()


@settings(max_examples=30)
@given(seed=st.integers(0, 1000), place=QUESTIONS)
def test_counted_votes_follow_a_dirichlet_multinomial_distribution(seed, place):
    said, places = numbers(seed), LAYOUT.question_places[place]
    counts = np.random.default_rng(seed).integers(0, 30, places.stop - places.start)
    counts[0] += 1
    target = np.zeros((1, 2 * ANSWERS), np.float32)
    target[0, places] = counts
    shares = np.exp(log_softmax(said[0, places].astype(float)))
    concentration = np.exp(np.clip(said[0, ANSWERS + place] + TYPICAL, -1, 6))
    expected = -dirichlet_multinomial.logpmf(counts, shares * concentration + 1e-3, counts.sum())
    assert cost(target, said) == pytest.approx([expected], rel=1e-3, abs=1e-3)
    assert cost(target, said, counted=0.25) == pytest.approx([expected / 4], rel=1e-3, abs=1e-3)


@settings(max_examples=30)
@given(
    seed=st.integers(0, 1000),
    place=QUESTIONS,
    sharpness=st.floats(0.5, 4),
)
def test_a_hard_vote_costs_the_share_to_the_power_of_the_sharpness(seed, place, sharpness):
    said, places = numbers(seed), LAYOUT.question_places[place]
    target = np.zeros((1, 2 * ANSWERS), np.float32)
    target[0, ANSWERS + places.start] = 1
    shares = np.exp(log_softmax(said[0, places].astype(float))) ** sharpness
    expected = -np.log(shares[0] / shares.sum())
    assert cost(target, said, sharpness) == pytest.approx([expected], rel=1e-4, abs=1e-5)
    assert cost(target, said, sharpness, counted=9.0) == cost(target, said, sharpness)


@pytest.mark.parametrize("volunteers", [0, 45])
def test_questions_without_votes_cost_nothing(volunteers):
    shares = blank(2)
    shares[0, SMOOTH.places] = [0, 1, 0]
    made = targets(Votes(LAYOUT, shares, np.full(2, volunteers, np.float32)), LAYOUT)
    said = tf.Variable(numbers(3, 2))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(surprise(tf.constant(made), said, LAYOUT, 2.0))
    slope = np.asarray(tf.convert_to_tensor(tape.gradient(total, said)))
    answered = np.zeros(OUTPUTS, bool)
    answered[SMOOTH.places] = True
    answered[ANSWERS] = volunteers > 0  # of hard votes, the concentration says nothing
    assert (slope[0, answered] != 0).all()
    assert slope[0, ~answered] == pytest.approx(0, abs=1e-5)
    assert slope[1] == pytest.approx(0, abs=1e-5)
    assert cost(made, said.numpy())[1] == pytest.approx(0, abs=1e-4)


def test_no_logit_is_too_large():
    said = numbers(1) * 0
    said[0, SMOOTH.places] = [300, -300, 0]
    for start in (0, ANSWERS):
        target = np.zeros((1, 2 * ANSWERS), np.float32)
        target[0, start + 1] = 1
        assert np.isfinite(cost(target, said)).all()


@pytest.mark.parametrize("counted", [True, False])
def test_votes_are_least_surprising_to_who_expects_them(counted):
    shares = np.array([0.2, 0.7, 0.1])
    target = np.zeros((1, 2 * ANSWERS), np.float32)
    target[0, SMOOTH.places if counted else slice(ANSWERS, ANSWERS + 3)] = 100 * shares
    sharpness = 2.0
    best = numbers(0) * 0
    best[0, SMOOTH.places] = np.log(shares) / (1 if counted else sharpness)
    best[0, ANSWERS] = 3
    for seed in range(20):
        other = best.copy()
        other[0, SMOOTH.places] += np.random.default_rng(seed).normal(0, 0.5, 3)
        assert cost(target, best, sharpness) < cost(target, other, sharpness)
    assert read_outputs(best, LAYOUT)[0, :3] == pytest.approx(
        shares ** (1 if counted else 0.5) / (shares ** (1 if counted else 0.5)).sum(), abs=1e-5
    )


@pytest.mark.parametrize("campaign", LAYOUT.campaigns, ids=lambda one: one.name)
def test_accuracy_counts_the_galaxies_that_have_a_class(campaign):
    classes = LAYOUT.class_places(campaign)
    first = classes.elliptical
    votes, said = np.zeros((5, 2 * ANSWERS), np.float32), np.zeros((5, OUTPUTS), np.float32)
    said[:, first + 1] = 1  # spiral
    votes[0, first : first + 2] = [10, 30]
    votes[1, first : first + 2] = [30, 10]
    votes[2, ANSWERS + first + 1] = 1
    [other] = set(LAYOUT.campaigns) - {campaign}
    votes[3, LAYOUT.class_places(other).elliptical] = 5
    metric = ClassAccuracy(classes)
    metric.update_state(keras.ops.convert_to_tensor(votes), keras.ops.convert_to_tensor(said))
    assert float(metric.result()) == pytest.approx(2 / 3)


def test_votes_take_their_places_among_more_campaigns():
    wide = Layout((KAGGLE, GZ2, GZ1))
    shares = blank(2)
    shares[0, SMOOTH.places] = [0.25, 0.75, 0]
    shares[1, LAYOUT.places(GZ1)] = [0.5, 0.25, 0.25]
    votes = Votes(LAYOUT, shares, np.float32([40, 8]))
    narrow, made = targets(votes, LAYOUT), targets(votes, wide)
    assert made.shape == (2, 2 * wide.answers)
    assert made.sum() == narrow.sum() == 48
    for campaign in LAYOUT.campaigns:
        mine = made[:, wide.places(campaign)]
        assert np.array_equal(mine, narrow[:, LAYOUT.places(campaign)])
    # Kaggle's answers to the same questions are taught nothing.
    assert not made[:, wide.places(KAGGLE)].any()


def test_questions_are_untold_without_votes_or_with_votes_on_chosen_galaxies_alone():
    shares = blank(60)
    shares[:20, ODD.places] = [1, 0]
    shares[20:40, SMOOTH.places] = [0.5, 0.5, 0]
    shares[40:, LAYOUT.places(GZ1)] = np.eye(3)[np.arange(20) % 2]
    votes = Votes(LAYOUT, shares, np.where(np.arange(60) // 20 == 1, 40, 0).astype(np.float32))
    told = {0, 11}
    assert set(untold(votes, LAYOUT)) == set(range(12)) - told
    wide = Layout((KAGGLE, GZ2, GZ1))
    assert set(untold(votes, wide)) == set(range(23)) - {11 + place for place in told}
