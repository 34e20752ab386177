"""How well a network answers all of Galaxy Zoo's questions."""

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from galaxies.base.arrays import Floats
from galaxies.base.questions import (
    ALL_COLUMNS,
    ALL_QUESTIONS,
    ANSWERS,
    COLUMNS,
    Question,
)
from galaxies.errors import needs

AGREED: Final = 0.8
"""Share of the volunteers who answer the same, from which on there is a right answer."""

ASKED: Final = 0.5
"""Share of the volunteers who must have come to a question for it to have one."""

INTERVAL: Final = 0.9

_FEWEST: Final = 1e-3


class Answered(NamedTuple):
    """What volunteers and network said of N galaxies."""

    voted: Floats
    """(N, 40) shares in the order of `ALL_COLUMNS`; NaN where the survey does not answer."""
    volunteers: Floats
    """(N,) 0 for hard votes."""
    predicted: Floats
    """(N, 40) NaN for questions that the network did not learn."""
    concentrations: Floats
    """(N, 12)."""

    def where(self, kept: npt.NDArray[np.bool_]) -> "Answered":
        """Select galaxies by a mask (N,)."""
        return Answered(*(one[kept] for one in self))


def answered(votes: pd.DataFrame, predictions: pd.DataFrame) -> Answered | None:
    """Put the test galaxies' votes and the network's answers side by side.

    Parameters
    ----------
    votes : DataFrame
        As `galaxies.dataset.votes.read_survey_votes` returns it.
    predictions : DataFrame
        As `galaxies.models.predicting.predictor.prediction_table` makes it.

    Returns
    -------
    Answered or None
        `None` where the model knows the class alone.
    """
    if ALL_COLUMNS[0] not in predictions.columns:
        return None
    test = predictions[predictions["split"] == "test"]
    voted = votes.set_index("galaxy_id").loc[test["galaxy_id"]]
    concentrations = [f"concentration_{question.name}" for question in ALL_QUESTIONS]
    return Answered(
        voted[list(ALL_COLUMNS)].to_numpy(np.float64),
        voted["volunteers"].to_numpy(np.float64),
        test[list(ALL_COLUMNS)].to_numpy(np.float64),
        test[concentrations].to_numpy(np.float64),
    )


def score_answers(galaxies: Answered) -> dict[str, Any]:
    """Judge the answers.

    Parameters
    ----------
    galaxies : Answered

    Returns
    -------
    dict
        `rmse` over Kaggle's 37 columns, as the challenge was scored, of the galaxies that answer
        all of them by counted votes; beside it `rmse_of_the_means`, of the best constant
        prediction, and `noise`, the error that is in the votes themselves. `questions`: the same of
        each question; `accuracy` where at least 80% of the volunteers agree, among the galaxies of
        which at least half came to the question; and `intervals_hold`, the share of answers whose
        number of votes lies in the stated 90% interval. `answers`: Pearson's correlation of voted
        and predicted shares. What cannot be judged on these galaxies is left out.
    """
    kaggle = slice(0, len(COLUMNS))
    both = ~np.isnan(galaxies.voted[:, kaggle] + galaxies.predicted[:, kaggle]).any(axis=1)
    counted = galaxies.where(np.asarray(both & (galaxies.volunteers > 0)))
    scores: dict[str, Any] = {"galaxies": len(galaxies.voted)}
    if len(counted.voted) > 1:
        scores |= _errors(counted, kaggle)
    each = {
        question.name: _score_question(galaxies, place, question)
        for place, question in enumerate(ALL_QUESTIONS)
    }
    scores["questions"] = {name: found for name, found in each.items() if found}
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
    known = galaxies.where(np.asarray(both))
    scores: dict[str, float | int] = {}
    counted = known.where(np.asarray(known.volunteers > 0))
    if len(counted.voted) > 1:
        scores |= _errors(counted, columns)
        scores["intervals_hold"] = _intervals_hold(counted, place, columns)
    # Where a survey answers this question without those that lead to it, all were asked.
    total = known.voted[:, columns].sum(axis=1)
    said = known.voted[:, columns][total >= ASKED] / total[total >= ASKED, None]
    agreed = said.max(axis=1, initial=0) >= AGREED
    if agreed.any():
        right = said.argmax(axis=1) == known.predicted[total >= ASKED][:, columns].argmax(axis=1)
        scores["agreed"] = int(agreed.sum())
        scores["accuracy"] = float(right[agreed].mean())
    return scores


def _intervals_hold(galaxies: Answered, place: int, columns: slice) -> float:
    """Share of answers whose number of votes lies in the stated interval, where any was asked."""
    counts = np.rint(galaxies.voted[:, columns] * galaxies.volunteers[:, None])
    came = counts.sum(axis=1) > 0
    if not came.any():
        return 1.0
    shares = galaxies.predicted[came][:, columns]
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1e-30)
    concentrations = galaxies.concentrations[came, place][:, None]
    cumulated = beta_binomial(counts[came].sum(axis=1), shares, concentrations)
    said = counts[came].astype(np.int64)[..., None]
    up_to = np.take_along_axis(cumulated, said, axis=2)[..., 0]
    below = np.where(
        said[..., 0] > 0,
        np.take_along_axis(cumulated, np.maximum(said - 1, 0), axis=2)[..., 0],
        0.0,
    )
    tail = (1 - INTERVAL) / 2
    return float(np.mean((up_to > tail) & (below < 1 - tail)))


def beta_binomial(volunteers: Floats, shares: Floats, concentrations: Floats) -> Floats:
    """Compute the chance that up to so many volunteers give an answer.

    Parameters
    ----------
    volunteers : ndarray of shape (N,), float64
        Who came to the question; whole numbers.
    shares : ndarray of shape (N, answers), float64
        Expected of them.
    concentrations : ndarray of shape (N, 1), float64

    Returns
    -------
    ndarray of shape (N, answers, most + 1), float64
        By number of votes, from 0 to the most volunteers that came to any galaxy.

    Examples
    --------
    >>> beta_binomial(np.array([2.0]), np.array([[0.5]]), np.array([[2.0]])).round(3).tolist()
    [[[0.333, 0.667, 1.0]]]
    """
    with needs("pipeline"):
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
    """Correlate voted with predicted shares, where either differs between galaxies."""
    found: dict[str, float] = {}
    for place, column in enumerate(ALL_COLUMNS):
        voted, predicted = galaxies.voted[:, place], galaxies.predicted[:, place]
        both = ~np.isnan(voted + predicted) & (galaxies.volunteers > 0)
        if both.sum() > 1 and np.ptp(voted[both]) > 0 and np.ptp(predicted[both]) > 0:
            found[ANSWERS[column].words] = float(np.corrcoef(voted[both], predicted[both])[0, 1])
    return found
