"""How well the answers to all questions are judged."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import betabinom

from galaxies.bundle.answers import read_outputs
from galaxies.bundle.predictor import Prediction, prediction_table
from galaxies.judgement.vote_scores import Answered, answered, beta_binomial, score_answers
from galaxies.questions.campaign import Campaign
from galaxies.questions.gz1 import GZ1
from galaxies.questions.gz2 import GZ2
from galaxies.questions.kaggle import KAGGLE
from galaxies.questions.layout import Layout
from galaxies.questions.registry import CAMPAIGNS

LAYOUT = Layout((GZ2, GZ1))
EACH = pytest.mark.parametrize("campaign", CAMPAIGNS.values(), ids=CAMPAIGNS)


def drawn(count: int, layout: Layout, seed: int = 0) -> np.ndarray:
    """Shares that obey the tree, and concentrations."""
    random = np.random.default_rng(seed)
    network = random.normal(0, 2, (count, layout.outputs)).astype(np.float32)
    return read_outputs(network, layout).astype(float)


def perfect(campaign: Campaign = GZ2, count: int = 300, volunteers: float = 40) -> Answered:
    layout = Layout((campaign,))
    outputs = drawn(count, layout)
    shares, concentrations = outputs[:, : layout.answers], outputs[:, layout.answers :]
    counted = np.full(count, volunteers)
    return Answered(campaign, shares, counted, shares.copy(), concentrations)


@EACH
def test_a_perfect_prediction_makes_no_error(campaign):
    scores = score_answers(perfect(campaign, 2000))
    assert scores["rmse"] == 0 < scores["noise"] < scores["rmse_of_the_means"]
    assert scores["galaxies"] == 2000
    assert set(scores["questions"]) == {question.name for question in campaign.questions}
    for found in scores["questions"].values():
        assert found["rmse"] == 0
        assert found["accuracy"] == 1
        assert found["agreed"] > 0
    assert list(scores["answers"].values()) == pytest.approx([1] * len(campaign.answers))


def test_errors_are_those_of_the_challenge():
    galaxies = perfect()
    predicted = galaxies.voted + np.where(galaxies.voted < 0.5, 0.1, -0.1)
    scores = score_answers(galaxies._replace(predicted=predicted))
    assert scores["rmse"] == pytest.approx(0.1)
    means = np.broadcast_to(galaxies.voted.mean(axis=0), (300, 37))
    scores = score_answers(galaxies._replace(predicted=means))
    assert scores["rmse"] == pytest.approx(scores["rmse_of_the_means"])
    assert scores["answers"] == {}


def test_intervals_hold_for_votes_drawn_as_predicted_and_for_others_they_do_not():
    random = np.random.default_rng(2)
    for campaign in (GZ2, GZ1):
        galaxies = perfect(campaign, 3000)
        question = campaign.first
        alpha = galaxies.voted[:, question.places] * galaxies.concentrations[:, [0]] + 1e-3
        gamma = random.gamma(alpha)
        expected = gamma / gamma.sum(axis=1, keepdims=True)
        voted = np.full(galaxies.voted.shape, np.nan)
        voted[:, question.places] = random.multinomial(40, expected) / 40
        galaxies = galaxies._replace(voted=voted)
        found = score_answers(galaxies)
        # Which takes all answers.
        assert ("rmse" in found) == (campaign == GZ1)
        # Three standard errors; the answers of a galaxy depend on each other.
        assert found["questions"][question.name]["intervals_hold"] == pytest.approx(0.9, abs=0.015)
        for times, least, most in ((4, 0.5, 0.85), (0.25, 0.92, 1)):
            other = galaxies._replace(concentrations=galaxies.concentrations * times)
            scores = score_answers(other)["questions"][question.name]
            assert least < scores["intervals_hold"] < most


def test_the_chance_of_votes_is_that_of_scipy():
    volunteers, shares = np.array([7.0, 3.0, 1.0]), np.array([[0.2, 0.8], [0.5, 0.5], [1.0, 0.0]])
    concentrations = np.array([[5.0], [0.4], [90.0]])
    found = beta_binomial(volunteers, shares, concentrations)
    assert found.shape == (3, 2, 8)
    yes, no = concentrations * shares + 1e-3, concentrations * (1 - shares) + 1e-3
    for galaxy, answer in np.ndindex(3, 2):
        expected = betabinom.cdf(
            np.arange(8), int(volunteers[galaxy]), yes[galaxy, answer], no[galaxy, answer]
        )
        assert found[galaxy, answer] == pytest.approx(expected, abs=1e-9)


def test_hard_votes_and_unknown_answers_are_not_counted():
    galaxies = perfect(count=60)
    hard = galaxies._replace(volunteers=np.zeros(60))
    scores = score_answers(hard)
    assert "rmse" not in scores
    assert scores["questions"]["smooth"] == {"agreed": pytest.approx(30, abs=29), "accuracy": 1}
    assert scores["answers"] == {}
    galaxies.predicted[:, GZ2.question("bar").places] = np.nan  # never learned
    galaxies.voted[:, GZ2.question("odd").places] = np.nan  # never asked
    assert {"bar", "odd"}.isdisjoint(score_answers(galaxies)["questions"])
    assert score_answers(galaxies.where(np.zeros(60, bool))) == {
        "galaxies": 0, "questions": {}, "answers": {},
    }  # fmt: skip


def test_votes_and_predictions_meet_by_galaxy():
    outputs = drawn(4, LAYOUT).astype(np.float32)
    answers, concentrations = np.split(outputs, [LAYOUT.answers], axis=1)
    galaxies = pd.DataFrame({"galaxy_id": [9, 2, 5, 7], "split": ["test", "train", "test", "test"]})
    p = outputs[:, 0]
    alone = Prediction(p, p, p, p, p)
    votes = pd.DataFrame({"galaxy_id": [2, 5, 7, 9], "volunteers": np.float32([1, 2, 3, 4])})
    votes["weight"] = np.float32(1)
    # Votes of Kaggle's challenge are not compared with the answers of Galaxy Zoo 2.
    voted = Layout((KAGGLE, GZ2))
    shares = pd.DataFrame(0.5, votes.index, list(voted.columns))
    votes = pd.concat([votes, shares], axis=1)
    assert answered(votes, prediction_table(galaxies, alone, LAYOUT)) == ()
    whole = alone._replace(answers=answers, concentrations=concentrations)
    [found] = answered(votes, prediction_table(galaxies, whole, LAYOUT))
    assert found.campaign == GZ2
    assert found.volunteers.tolist() == [4, 2, 3]
    assert found.predicted == pytest.approx(answers[[0, 2, 3], LAYOUT.places(GZ2)])
    assert found.concentrations == pytest.approx(concentrations[[0, 2, 3], :11])
    types = pd.DataFrame(0.25, votes.index, list(Layout((GZ1,)).columns))
    both = answered(pd.concat([votes, types], axis=1), prediction_table(galaxies, whole, LAYOUT))
    assert [one.campaign for one in both] == [GZ2, GZ1]
    assert both[1].voted.tolist() == [[0.25] * 3] * 3
    assert both[1].concentrations == pytest.approx(concentrations[[0, 2, 3], 11:])
    # A weight of next to nothing is never drawn; galaxies that were not asked do not matter.
    votes["weight"] = np.float32([1, 1, 1e-9, 1])
    votes.loc[votes["galaxy_id"] == 9, list(voted.columns)] = np.nan
    [left] = answered(votes, prediction_table(galaxies, whole, LAYOUT))
    assert left.volunteers.tolist() == [2]
