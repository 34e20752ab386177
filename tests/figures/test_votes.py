"""Predicted beside voted answers."""

import numpy as np
import pandas as pd
import pytest

from galaxies.bundle.answers import read_outputs
from galaxies.figures.galleries import Portrait
from galaxies.figures.votes import choose_tree, draw_tree, draw_votes
from galaxies.questions.campaign import Campaign
from galaxies.questions.gz1 import GZ1
from galaxies.questions.gz2 import GZ2
from galaxies.questions.layout import Layout
from galaxies.questions.registry import CAMPAIGNS

pytestmark = pytest.mark.slow

GALAXY = Portrait(np.zeros((16, 16, 3), np.uint8), 7, None, None)
EACH = pytest.mark.parametrize("campaign", CAMPAIGNS.values(), ids=CAMPAIGNS)


def shares(count: int, seed: int, campaign: Campaign = GZ2) -> np.ndarray:
    layout = Layout((campaign,))
    network = np.random.default_rng(seed).normal(size=(count, layout.outputs)).astype(np.float32)
    return read_outputs(network, layout)[:, : layout.answers].astype(np.float64)


def words(figure) -> str:
    return " ".join(text.get_text() for text in figure.axes[0].texts)


def test_each_answer_that_both_know_has_a_panel():
    voted, predicted = shares(30, 1), shares(30, 2)
    assert len(draw_votes(voted, predicted, GZ2, "CNN").axes) == 1 + 37
    voted[:, GZ2.question("arm_number").places] = np.nan
    predicted[:, GZ2.question("bar").places] = np.nan
    figure = draw_votes(voted, predicted, GZ2, "CNN")
    assert len(figure.axes) == 1 + 37 - 6 - 2
    assert "spiral arms" in words(figure)
    assert "2 arms" not in words(figure)


def test_each_panel_has_correlation_and_skill_and_says_what_is_not_known():
    voted = np.full((4, 37), 0.5)
    bar = GZ2.question("bar").places
    voted[:, bar] = np.array([[0.1, 0.9], [0.3, 0.7], [0.5, 0.5], [0.7, 0.3]])
    predicted = voted.copy()
    predicted[:, bar.start] = 0.8 - voted[:, bar.start]
    texts = draw_votes(voted, predicted, GZ2, "CNN").axes[0].texts
    told = [text for text in texts if text.get_text().startswith("r ")]
    assert told[0].get_text() == "r –  s –"  # noqa: RUF001
    assert told[bar.start].get_text() == "r −1.00  s < 0"  # noqa: RUF001
    assert told[bar.start + 1].get_text() == "r 1.00  s 1.00"
    colours = [text.get_color() for text in told]
    assert colours[bar.start] != colours[bar.start + 1]


@EACH
def test_the_panels_are_those_of_the_campaign(campaign):
    figure = draw_votes(shares(30, 1, campaign), shares(30, 2, campaign), campaign, "CNN")
    assert len(figure.axes) == 1 + len(campaign.answers)
    for answer in campaign.answers:
        assert answer.words.split()[0] in words(figure)


def test_a_network_that_knows_the_class_alone_is_said_to():
    figure = draw_votes(shares(3, 1), np.full((3, 37), np.nan), GZ2, "CNN")
    assert len(figure.axes) == 1
    assert words(figure) == "CNN predicts only the class"


@EACH
def test_the_tree_shows_what_was_asked_and_by_how_many(campaign):
    voted, predicted = shares(1, 1, campaign)[0], shares(1, 2, campaign)[0]
    figure = draw_tree(GALAXY, voted, predicted, campaign, "CNN")
    said = words(figure)
    assert all(f"{one.name.replace('_', ' ')}?" in said for one in campaign.questions)
    if campaign != GZ1:
        disk = 1  # the second answer of the first question
        assert f"{voted[disk]:.2f}, {predicted[disk]:.2f}" in said
    none = draw_tree(GALAXY, np.full(len(voted), np.nan), predicted, campaign, "CNN")
    assert "galaxy 7" in words(none)
    assert "?" not in words(none)


def test_the_tree_is_that_of_a_galaxy_with_arms():
    votes = pd.DataFrame({"galaxy_id": [5, 4, 3], "arms_yes": [0.2, 0.9, np.nan]})
    assert choose_tree(votes) == 4
    assert choose_tree(votes.assign(arms_yes=np.nan)) == 3
    # A campaign that does not ask for arms.
    assert choose_tree(votes.rename(columns={"arms_yes": "type_spiral"})) == 4
    assert choose_tree(votes[["galaxy_id"]]) == 5
