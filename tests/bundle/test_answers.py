"""What a network's numbers say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import beta

from galaxies.bundle.answers import (
    ANSWERS,
    LEAST,
    MOST,
    NUMBERS,
    p_spiral,
    read_outputs,
    vote_spread,
)
from galaxies.bundle.views import average_views
from galaxies.questions.tree import ALL_QUESTIONS, FIRST, QUESTIONS, TYPE, tree_errors

NETWORK = arrays(np.float32, (4, NUMBERS), elements=st.floats(-90, 90, width=32))
KAGGLE = slice(0, TYPE.places.start)


@given(NETWORK)
def test_answers_obey_the_tree_whatever_the_network_says(network):
    outputs = read_outputs(network)
    assert outputs.dtype == np.float32
    shares = outputs[:, :ANSWERS]
    assert ((shares >= 0) & (shares <= 1)).all()
    assert tree_errors(outputs[:, KAGGLE].astype(np.float64)).max() < 1e-6
    assert outputs[:, TYPE.places].sum(axis=1) == pytest.approx(1, abs=1e-6)
    concentrations = np.log(outputs[:, ANSWERS:])
    assert (concentrations >= LEAST - 1e-6).all()
    assert (concentrations <= MOST + 1e-6).all()
    for campaign in FIRST:
        p, spread = p_spiral(outputs, campaign), vote_spread(outputs, campaign)
        assert ((p >= 0) & (p <= 1)).all()
        assert ((spread >= 0) & (spread <= 0.5)).all()


@given(NETWORK)
def test_the_mean_of_eight_views_obeys_the_tree(network):
    turns = iter(np.roll(network, turn, axis=1) for turn in range(8))
    images = np.zeros((4, 2, 2, 3), np.uint8)
    mean, spread = average_views(lambda _: read_outputs(next(turns)), images, 8, "gz2")
    assert tree_errors(mean[:, KAGGLE].astype(np.float64)).max() < 1e-6
    assert spread.shape == (4,)


@pytest.mark.parametrize("campaign", ["gz1", "gz2"])
def test_each_campaign_has_its_first_question(campaign):
    network = np.zeros((1, NUMBERS), np.float32)
    network[0, FIRST[campaign].places] = np.log([0.2, 0.6, 0.2])
    outputs = read_outputs(network)
    assert p_spiral(outputs, campaign) == pytest.approx([0.75])
    assert p_spiral(outputs, "gz2" if campaign == "gz1" else "gz1") == pytest.approx([0.5])
    alone = np.array([0.3], np.float32)
    assert p_spiral(alone, campaign) == alone
    assert vote_spread(alone, campaign) == [0]


@given(
    shares=st.tuples(st.floats(0.01, 1), st.floats(0.01, 1), st.floats(0.01, 1)),
    concentration=st.floats(0.5, 400),
    campaign=st.sampled_from(["gz1", "gz2"]),
)
def test_the_spread_is_that_of_a_beta_distribution(shares, concentration, campaign):
    outputs = np.full((1, NUMBERS), np.nan)
    expected = np.array(shares) / sum(shares)
    outputs[0, FIRST[campaign].places] = expected
    outputs[0, ANSWERS + ALL_QUESTIONS.index(FIRST[campaign])] = concentration
    elliptical, spiral, _ = expected * concentration
    assert vote_spread(outputs, campaign) == pytest.approx([beta.std(spiral, elliptical)], rel=1e-5)


def test_views_that_differ_widen_the_spread():
    sure = np.full((1, NUMBERS), 10, np.float32)
    one, other = sure.copy(), sure.copy()
    one[0, QUESTIONS[0].places], other[0, QUESTIONS[0].places] = [3, 0, -9], [0, 3, -9]
    images = np.zeros((1, 2, 2, 3), np.uint8)

    def averaged(said):
        views = iter(said)
        return average_views(lambda _: read_outputs(next(views)), images, 8, "gz2")

    same, apart = averaged([one] * 8), averaged([one, other] * 4)
    assert same[1] == pytest.approx(vote_spread(read_outputs(one), "gz2"))
    between = np.ptp([p_spiral(read_outputs(said), "gz2") for said in (one, other)]) / 2
    assert apart[1] == pytest.approx(np.hypot(same[1], between), rel=1e-4)
    assert p_spiral(apart[0], "gz2") == pytest.approx([0.5])
