"""How well the answers to all questions are judged."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import betabinom

from galaxies.bundle.answers import ANSWERS, NUMBERS, read_outputs
from galaxies.bundle.predictor import Prediction, prediction_table
from galaxies.judgement.vote_scores import Answered, answered, beta_binomial, score_answers
from galaxies.questions.tree import ALL_COLUMNS, ALL_QUESTIONS, QUESTIONS, TYPE

SMOOTH = QUESTIONS[0]


def drawn(count: int, seed: int = 0) -> np.ndarray:
    """Shares that obey the tree, and concentrations."""
    random = np.random.default_rng(seed)
    return read_outputs(random.normal(0, 2, (count, NUMBERS)).astype(np.float32)).astype(float)


def perfect(count: int = 300, volunteers: float = 40) -> Answered:
    outputs = drawn(count)
    shares = outputs[:, :ANSWERS]
    return Answered(shares, np.full(count, volunteers), shares.copy(), outputs[:, ANSWERS:])


def test_a_perfect_prediction_makes_no_error():
    scores = score_answers(perfect())
    assert scores["rmse"] == 0 < scores["noise"] < scores["rmse_of_the_means"]
    assert scores["galaxies"] == 300
    assert set(scores["questions"]) == {question.name for question in ALL_QUESTIONS}
    for found in scores["questions"].values():
        assert found["rmse"] == 0
        assert found["accuracy"] == 1
        assert found["agreed"] > 0
    assert list(scores["answers"].values()) == pytest.approx([1] * 40)


def test_errors_are_those_of_the_challenge():
    galaxies = perfect()
    predicted = galaxies.voted + np.where(galaxies.voted < 0.5, 0.1, -0.1)
    scores = score_answers(galaxies._replace(predicted=predicted))
    assert scores["rmse"] == pytest.approx(0.1)
    means = np.broadcast_to(galaxies.voted.mean(axis=0), (300, ANSWERS))
    scores = score_answers(galaxies._replace(predicted=means))
    assert scores["rmse"] == pytest.approx(scores["rmse_of_the_means"])
    assert scores["answers"] == {}


def test_intervals_hold_for_votes_drawn_as_predicted_and_for_others_they_do_not():
    outputs, random = drawn(3000), np.random.default_rng(2)
    shares, concentrations = outputs[:, :ANSWERS], outputs[:, ANSWERS:]
    voted = np.full(shares.shape, np.nan)
    for question in (SMOOTH, TYPE):
        place = ALL_QUESTIONS.index(question)
        alpha = shares[:, question.places] * concentrations[:, [place]] + 1e-3
        gamma = random.gamma(alpha)
        expected = gamma / gamma.sum(axis=1, keepdims=True)
        voted[:, question.places] = random.multinomial(40, expected) / 40
    galaxies = Answered(voted, np.full(3000, 40.0), shares, concentrations)
    found = score_answers(galaxies)
    assert "rmse" not in found  # which takes all 37 columns
    for name in ("smooth", "type"):
        # Three standard errors; the answers of a galaxy depend on each other.
        assert found["questions"][name]["intervals_hold"] == pytest.approx(0.9, abs=0.015)
    for times, least, most in ((4, 0.5, 0.85), (0.25, 0.92, 1)):
        other = galaxies._replace(concentrations=concentrations * times)
        assert least < score_answers(other)["questions"]["smooth"]["intervals_hold"] < most


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
    galaxies = perfect(60)
    hard = galaxies._replace(volunteers=np.zeros(60))
    scores = score_answers(hard)
    assert "rmse" not in scores
    assert scores["questions"]["smooth"] == {"agreed": pytest.approx(30, abs=29), "accuracy": 1}
    assert scores["answers"] == {}
    galaxies.predicted[:, QUESTIONS[2].places] = np.nan  # never learned
    galaxies.voted[:, TYPE.places] = np.nan  # never asked
    assert {"bar", "type"}.isdisjoint(score_answers(galaxies)["questions"])
    assert score_answers(galaxies.where(np.zeros(60, bool))) == {
        "galaxies": 0, "questions": {}, "answers": {},
    }  # fmt: skip


def test_votes_and_predictions_meet_by_galaxy():
    outputs = drawn(4).astype(np.float32)
    galaxies = pd.DataFrame({"galaxy_id": [9, 2, 5, 7], "split": ["test", "train", "test", "test"]})
    p = outputs[:, 0]
    alone = Prediction(p, p, p, p, p)
    assert answered(pd.DataFrame(), prediction_table(galaxies, alone)) is None
    whole = alone._replace(answers=outputs[:, :ANSWERS], concentrations=outputs[:, ANSWERS:])
    votes = pd.DataFrame({"galaxy_id": [2, 5, 7, 9], "volunteers": np.float32([1, 2, 3, 4])})
    shares = pd.DataFrame(0.5, votes.index, list(ALL_COLUMNS))
    found = answered(pd.concat([votes, shares], axis=1), prediction_table(galaxies, whole))
    assert found is not None
    assert found.volunteers.tolist() == [4, 2, 3]
    assert found.predicted == pytest.approx(outputs[[0, 2, 3], :ANSWERS])
    assert found.concentrations.shape == (3, len(ALL_QUESTIONS))
