"""What a network's numbers say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import beta

from galaxies.bundle.answers import LEAST, MOST, p_spiral, read_outputs, vote_spread
from galaxies.bundle.views import average_views
from galaxies.questions.gz1 import GZ1
from galaxies.questions.gz2 import GZ2
from galaxies.questions.kaggle import KAGGLE
from galaxies.questions.layout import Layout

LAYOUT = Layout((KAGGLE, GZ2, GZ1))
ANSWERS, OUTPUTS = LAYOUT.answers, LAYOUT.outputs
NETWORK = arrays(np.float32, (4, OUTPUTS), elements=st.floats(-90, 90, width=32))
CLASSES = LAYOUT.class_places(GZ2)
EACH = pytest.mark.parametrize("campaign", LAYOUT.campaigns, ids=lambda one: one.name)


def read(network):
    return read_outputs(network, LAYOUT)


@given(NETWORK)
def test_answers_obey_the_tree_whatever_the_network_says(network):
    outputs = read(network)
    assert outputs.dtype == np.float32
    shares = outputs[:, :ANSWERS]
    assert ((shares >= 0) & (shares <= 1)).all()
    for campaign in LAYOUT.campaigns:
        mine = outputs[:, LAYOUT.places(campaign)].astype(np.float64)
        assert campaign.tree_errors(mine).max() < 1e-6
    concentrations = np.log(outputs[:, ANSWERS:])
    assert (concentrations >= LEAST - 1e-6).all()
    assert (concentrations <= MOST + 1e-6).all()
    for campaign in LAYOUT.campaigns:
        classes = LAYOUT.class_places(campaign)
        p, spread = p_spiral(outputs, classes), vote_spread(outputs, classes)
        assert ((p >= 0) & (p <= 1)).all()
        assert ((spread >= 0) & (spread <= 0.5)).all()


@given(NETWORK)
def test_the_mean_of_eight_views_obeys_the_tree(network):
    turns = iter(np.roll(network, turn, axis=1) for turn in range(8))
    images = np.zeros((4, 2, 2, 3), np.uint8)
    mean, spread = average_views(lambda _: read(next(turns)), images, 8, CLASSES)
    for campaign in LAYOUT.campaigns:
        mine = mean[:, LAYOUT.places(campaign)].astype(np.float64)
        assert campaign.tree_errors(mine).max() < 1e-6
    assert spread.shape == (4,)


@EACH
def test_each_campaign_has_its_first_question(campaign):
    network = np.zeros((1, OUTPUTS), np.float32)
    network[0, LAYOUT.places(campaign)][:3] = np.log([0.2, 0.6, 0.2])
    outputs = read(network)
    for other in LAYOUT.campaigns:
        expected = 0.75 if other == campaign else 0.5
        assert p_spiral(outputs, LAYOUT.class_places(other)) == pytest.approx([expected])
    alone = np.array([0.3], np.float32)
    assert p_spiral(alone, LAYOUT.class_places(campaign)) == alone
    assert vote_spread(alone, LAYOUT.class_places(campaign)) == [0]


@given(NETWORK)
def test_a_campaigns_answers_do_not_depend_on_the_other_campaigns(network):
    outputs = read(network)
    for campaign in LAYOUT.campaigns:
        alone = Layout((campaign,))
        places = LAYOUT.places(campaign), LAYOUT.concentration_places(campaign)
        mine = np.concatenate([network[:, one] for one in places], axis=1)
        expected = np.concatenate([outputs[:, one] for one in places], axis=1)
        assert np.array_equal(read_outputs(mine, alone), expected)


@given(
    shares=st.tuples(st.floats(0.01, 1), st.floats(0.01, 1), st.floats(0.01, 1)),
    concentration=st.floats(0.5, 400),
    campaign=st.sampled_from(LAYOUT.campaigns),
)
def test_the_spread_is_that_of_a_beta_distribution(shares, concentration, campaign):
    outputs = np.full((1, OUTPUTS), np.nan)
    expected = np.array(shares) / sum(shares)
    outputs[0, LAYOUT.places(campaign)][:3] = expected
    outputs[0, ANSWERS + LAYOUT.questions.index((campaign, campaign.first))] = concentration
    elliptical, spiral, _ = expected * concentration
    spread = vote_spread(outputs, LAYOUT.class_places(campaign))
    assert spread == pytest.approx([beta.std(spiral, elliptical)], rel=1e-5)


def test_views_that_differ_widen_the_spread():
    sure = np.full((1, OUTPUTS), 10, np.float32)
    first = slice(CLASSES.elliptical, CLASSES.elliptical + 3)
    one, other = sure.copy(), sure.copy()
    one[0, first], other[0, first] = [3, 0, -9], [0, 3, -9]
    images = np.zeros((1, 2, 2, 3), np.uint8)

    def averaged(said):
        views = iter(said)
        return average_views(lambda _: read(next(views)), images, 8, CLASSES)

    same, apart = averaged([one] * 8), averaged([one, other] * 4)
    assert same[1] == pytest.approx(vote_spread(read(one), CLASSES))
    between = np.ptp([p_spiral(read(said), CLASSES) for said in (one, other)]) / 2
    assert apart[1] == pytest.approx(np.hypot(same[1], between), rel=1e-4)
    assert p_spiral(apart[0], CLASSES) == pytest.approx([0.5])
