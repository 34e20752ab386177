"""Scores of a network on all questions of Galaxy Zoo."""

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from galaxies.base.arrays import Floats
from galaxies.base.selection import unselected
from galaxies.errors import needs
from galaxies.questions.campaign import Campaign, Question
from galaxies.questions.layout import Layout, layout_of
from galaxies.questions.registry import CAMPAIGNS

AGREED: Final = 0.8
"""Smallest fraction of the volunteers for an answer that counts as right."""

ASKED: Final = 0.5
"""Smallest fraction of the volunteers who must have reached the question."""

INTERVAL: Final = 0.9

_FEWEST: Final = 1e-3

_SEED: Final = 1


class Answered(NamedTuple):
    """Observed and predicted vote fractions of N galaxies in one campaign."""

    campaign: Campaign
    voted: Floats
    """(N, answers) vote fractions; NaN where the survey has no answer."""
    volunteers: Floats
    """(N,) number of volunteers; 0 for hard votes."""
    predicted: Floats
    """(N, answers) NaN for questions that the network does not answer."""
    concentrations: Floats
    """(N, questions)."""

    def where(self, kept: npt.NDArray[np.bool_]) -> "Answered":
        """Select galaxies by a mask (N,)."""
        return Answered(self.campaign, *(values[kept] for values in self[1:]))


def answered(votes: pd.DataFrame, predictions: pd.DataFrame) -> tuple[Answered, ...]:
    """Join the votes on the test galaxies and the predictions of the network.

    Parameters
    ----------
    votes : DataFrame
        Output of `galaxies.dataset.votes.read_survey_votes`.
    predictions : DataFrame
        Output of `galaxies.bundle.predictor.prediction_table`.

    Returns
    -------
    tuple of Answered
        For each campaign that is both voted and predicted, the galaxies with any answer, drawn by
        their weights (`galaxies.base.selection.unselected`); empty if the model predicts only the
        class.

    Examples
    --------
    >>> import pandas as pd
    >>> votes = pd.read_parquet("data/votes.parquet")
    >>> [galaxies] = answered(votes, pd.read_parquet("data/predictions/cnn.parquet"))
    >>> galaxies.voted.shape, galaxies.predicted.shape, galaxies.concentrations.shape
    ((20, 37), (20, 37), (20, 11))
    """
    test = predictions[predictions["split"] == "test"]
    voted = votes.set_index("galaxy_id").loc[test["galaxy_id"]]
    columns = set(votes.columns) & set(predictions.columns)
    layouts = [Layout((campaign,)) for campaign in layout_of(columns, CAMPAIGNS.values()).campaigns]
    answered_by_campaign = []
    for layout in layouts:
        galaxies = Answered(
            layout.campaigns[0],
            voted[list(layout.columns)].to_numpy(np.float64),
            voted["volunteers"].to_numpy(np.float64),
            test[list(layout.columns)].to_numpy(np.float64),
            test[list(layout.concentrations)].to_numpy(np.float64),
        )
        drawn: npt.NDArray[np.bool_] = np.asarray(~np.isnan(galaxies.voted).all(axis=1))
        drawn[drawn] = unselected(voted["weight"].to_numpy()[drawn])
        answered_by_campaign.append(galaxies.where(drawn))
    return tuple(answered_by_campaign)


def score_answers(galaxies: Answered) -> dict[str, Any]:
    """Compute the scores of all answers.

    Parameters
    ----------
    galaxies : Answered
        Output of `answered`.

    Returns
    -------
    dict
        `rmse` over all answers, for Kaggle's 37 columns the score of the challenge, for galaxies
        with counted votes on all of them; `rmse_of_the_means`, that of the best constant
        prediction; `noise`, the noise of the votes. `questions`: the same for each question;
        `accuracy` where at least 80% of the volunteers agree, among galaxies for which at least
        half reached the question; and `intervals_hold`, the share of answers with a number of
        votes inside the 90% interval, which is 0.9 if the predicted distributions are right.
        `answers`: Pearson's correlation of observed and predicted fractions. Scores that cannot be
        computed for these galaxies are left out.

    Examples
    --------
    >>> import pandas as pd
    >>> votes = pd.read_parquet("data/votes.parquet")
    >>> [galaxies] = answered(votes, pd.read_parquet("data/predictions/cnn.parquet"))
    >>> scores = score_answers(galaxies)
    >>> list(scores)
    ['galaxies', 'rmse', 'rmse_of_the_means', 'noise', 'questions', 'answers']
    >>> scores["noise"] < scores["rmse"] < scores["rmse_of_the_means"]
    True
    """
    everything = slice(0, len(galaxies.campaign.answers))
    both = ~np.isnan(galaxies.voted + galaxies.predicted).any(axis=1)
    counted = galaxies.where(np.asarray(both & (galaxies.volunteers > 0)))
    scores: dict[str, Any] = {"galaxies": len(galaxies.voted)}
    if len(counted.voted) > 1:
        scores |= _errors(counted, everything)
    each = {
        question.name: _score_question(galaxies, place, question)
        for place, question in enumerate(galaxies.campaign.questions)
    }
    scores["questions"] = {
        name: question_scores for name, question_scores in each.items() if question_scores
    }
    scores["answers"] = _correlations(galaxies)
    return scores


def _errors(galaxies: Answered, places: slice) -> dict[str, float | int]:
    voted, predicted = galaxies.voted[:, places], galaxies.predicted[:, places]
    few = np.maximum(galaxies.volunteers[:, None] - 1, 1)
    return {
        "galaxies": len(voted),
        "rmse": float(np.sqrt(np.mean((voted - predicted) ** 2))),
        "rmse_of_the_means": float(np.sqrt(np.mean((voted - voted.mean(axis=0)) ** 2))),
        "noise": float(np.sqrt(np.mean(voted * (1 - voted) / few))),
    }


def _score_question(galaxies: Answered, place: int, question: Question) -> dict[str, float | int]:
    columns = question.places
    both = ~np.isnan(galaxies.voted[:, columns] + galaxies.predicted[:, columns]).any(axis=1)
    complete = galaxies.where(np.asarray(both))
    scores: dict[str, float | int] = {}
    counted = complete.where(np.asarray(complete.volunteers > 0))
    if len(counted.voted) > 1:
        scores |= _errors(counted, columns)
        scores["intervals_hold"] = _intervals_hold(counted, place, columns)
    # If a survey has this question without those that lead to it, everybody was asked.
    total = complete.voted[:, columns].sum(axis=1)
    voted = complete.voted[:, columns][total >= ASKED] / total[total >= ASKED, None]
    agreed = voted.max(axis=1, initial=0) >= AGREED
    if agreed.any():
        right = voted.argmax(axis=1) == complete.predicted[total >= ASKED][:, columns].argmax(
            axis=1
        )
        scores["agreed"] = int(agreed.sum())
        scores["accuracy"] = float(right[agreed].mean())
    return scores


def _intervals_hold(galaxies: Answered, place: int, columns: slice) -> float:
    """Compute the share of answers with a number of votes inside the predicted interval.

    Numbers of votes are whole, so that an interval of exactly 90% does not exist, and one of at
    least 90% would also hold for a network that is four times too sure. Therefore a number of votes
    is spread evenly over its step of the distribution (randomised probability integral transform:
    Smith 1985; Czado, Gneiting & Held 2009, "Predictive model assessment for count data").
    """
    counts = np.rint(galaxies.voted[:, columns] * galaxies.volunteers[:, None])
    came = counts.sum(axis=1) > 0
    if not came.any():
        return 1.0
    shares = galaxies.predicted[came][:, columns]
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1e-30)
    concentrations = galaxies.concentrations[came, place][:, None]
    cumulated = beta_binomial(counts[came].sum(axis=1), shares, concentrations)
    votes = counts[came].astype(np.int64)[..., None]
    up_to = np.take_along_axis(cumulated, votes, axis=2)[..., 0]
    below = np.where(
        votes[..., 0] > 0,
        np.take_along_axis(cumulated, np.maximum(votes - 1, 0), axis=2)[..., 0],
        0.0,
    )
    between = np.random.default_rng(_SEED).random(below.shape)
    tail = (1 - INTERVAL) / 2
    return float(np.mean(np.abs(below + between * (up_to - below) - 0.5) < 0.5 - tail))


def beta_binomial(volunteers: Floats, shares: Floats, concentrations: Floats) -> Floats:
    """Compute the cumulative beta-binomial distribution of the number of votes for each answer.

    Parameters
    ----------
    volunteers : ndarray of shape (N,), float64
        Number of volunteers who reached the question; whole numbers.
    shares : ndarray of shape (N, answers), float64
        Expected fractions among them.
    concentrations : ndarray of shape (N, 1), float64
        Concentration of the Dirichlet distribution of the fractions.

    Returns
    -------
    ndarray of shape (N, answers, most + 1), float64
        Probability of at most 0, 1, ... votes, up to the largest number of volunteers.

    Examples
    --------
    >>> import numpy as np
    >>> beta_binomial(np.array([2.0]), np.array([[0.5]]), np.array([[2.0]])).round(3).tolist()
    [[[0.333, 0.667, 1.0]]]
    """
    with needs("calibrate"):
        from scipy.special import betaln, gammaln

    asked = volunteers[:, None, None]
    votes = np.minimum(np.arange(volunteers.max() + 1), asked)
    yes = (concentrations * shares + _FEWEST)[..., None]
    no = (concentrations * (1 - shares) + _FEWEST)[..., None]
    ways = gammaln(asked + 1) - gammaln(votes + 1) - gammaln(asked - votes + 1)
    chance = np.exp(ways + betaln(votes + yes, asked - votes + no) - betaln(yes, no))
    chance = np.where(np.arange(volunteers.max() + 1) <= asked, chance, 0.0)
    return np.cumsum(chance, axis=2)


def _correlations(galaxies: Answered) -> dict[str, float]:
    """Correlate observed with predicted fractions, if both vary between galaxies."""
    correlations: dict[str, float] = {}
    for place, answer in enumerate(galaxies.campaign.answers):
        voted, predicted = galaxies.voted[:, place], galaxies.predicted[:, place]
        both = ~np.isnan(voted + predicted) & (galaxies.volunteers > 0)
        if both.sum() > 1 and np.ptp(voted[both]) > 0 and np.ptp(predicted[both]) > 0:
            correlations[answer.words] = float(np.corrcoef(voted[both], predicted[both])[0, 1])
    return correlations
