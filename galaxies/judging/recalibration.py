"""What a calibration on a survey's own votes is worth, on galaxies that it was not fitted on."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from galaxies.base.arrays import Floats
from galaxies.judging.scores import expected_calibration_error
from galaxies.learning.bundle import Description
from galaxies.learning.promises import certainty
from galaxies.learning.recalibration import Voted, recalibrate

FOLDS: Final = 5
REPEATS: Final = 10

_BINS: Final = 15
_RESAMPLES: Final = 500
_SEED: Final = 123


class Range(NamedTuple):
    """A score and its 95% interval; NaN where there is nothing to score."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if np.isnan(self.value):
            return "none"
        return f"{self.value:.3f} ({self.low:.3f}-{self.high:.3f})"


class Decided(NamedTuple):
    """What is decided for a target agreement."""

    agreement: float
    """The target."""
    decided: Range
    """Share of the galaxies."""
    agreed: Range
    """Share of the decisions that agree with the votes."""


class Worth(NamedTuple):
    """How good a bundle's probabilities, decisions and vote fractions are for some galaxies."""

    accuracy: Range
    calibration_error: Range
    vote_error: Range
    """Root mean square."""
    decided: tuple[Decided, ...]


def folds(galaxies: Voted, random: np.random.Generator) -> npt.NDArray[np.int64]:
    """Deal galaxies into folds, each class evenly, identical pixels together.

    Returns
    -------
    ndarray of shape (N,), int64
        Numbers below `FOLDS`.

    Examples
    --------
    >>> labels = np.repeat([0, 1], 10)
    >>> galaxies = Voted(np.arange(20), np.zeros(20, np.float32), labels, labels * 1.0,
    ...                  np.arange(20))
    >>> dealt = folds(galaxies, np.random.default_rng(0))
    >>> np.bincount(dealt[labels == 1]).tolist()
    [2, 2, 2, 2, 2]
    """
    _, first, group = np.unique(galaxies.same_pixels, return_index=True, return_inverse=True)
    order = random.permutation(len(first))
    order = order[np.argsort(galaxies.labels[first][order], kind="stable")]
    dealt = np.empty(len(first), np.int64)
    dealt[order] = np.arange(len(first)) % FOLDS
    return dealt[group]


class _Answers(NamedTuple):
    """Of N galaxies: what a bundle says of each, and whether it decides for each target."""

    p: Floats
    votes: Floats
    decided: npt.NDArray[np.bool_]
    """(targets, N)."""


def judge_recalibration(description: Description, galaxies: Voted) -> tuple[Worth, Worth]:
    """Judge a bundle before and after it is calibrated on some galaxies.

    Ten times over, the galaxies are dealt into five folds; each fold is judged by calibrations and
    promises that were fitted on the other four. The intervals are from resampling the galaxies and
    the repetitions together (Efron & Tibshirani 1993, "An introduction to the bootstrap").

    Parameters
    ----------
    description : Description
        The bundle's, as it is.
    galaxies : Voted
        None of which it learned from.

    Returns
    -------
    before, after : Worth
    """
    random = np.random.default_rng(_SEED)
    before = _answers(description, galaxies)
    after = [
        _held_out(description, galaxies, folds(galaxies, random))
        for _ in tqdm(range(REPEATS), desc="cross-validate", unit=" times")
    ]
    targets = [promise.agreement for promise in description.triage]
    return _worth([before], galaxies, targets), _worth(after, galaxies, targets)


def _answers(description: Description, galaxies: Voted) -> _Answers:
    p = description.calibration(galaxies.raw)
    sure = certainty(p)
    never = 2.0
    least = [one.threshold if one.threshold is not None else never for one in description.triage]
    decided = sure >= np.array(least)[:, None]
    return _Answers(p.astype(np.float64), description.votes(galaxies.raw).astype(float), decided)


def _held_out(description: Description, galaxies: Voted, dealt: npt.NDArray[np.int64]) -> _Answers:
    """Answer for each fold by what was fitted on the others."""
    count = len(dealt)
    shape = (len(description.triage), count)
    answers = _Answers(np.empty(count), np.empty(count), np.empty(shape, bool))
    for fold in range(FOLDS):
        inside = dealt == fold
        fitted = recalibrate(description, galaxies.take(~inside))
        some = _answers(fitted, galaxies.take(inside))
        answers.p[inside], answers.votes[inside] = some.p, some.votes
        answers.decided[:, inside] = some.decided
    return answers


def _worth(repeats: list[_Answers], galaxies: Voted, targets: list[float]) -> Worth:
    everything = np.arange(len(galaxies.labels))
    scores = np.mean([_scores(one, galaxies, everything) for one in repeats], axis=0)
    drawn = np.stack(list(_resampled(repeats, galaxies)))
    # Few draws decide nothing at all; where all do, the scores are NaN as well.
    drawn = np.where(np.isnan(drawn), scores, drawn)
    low, high = np.percentile(drawn, (2.5, 97.5), axis=0)
    # A resample repeats galaxies, which adds to its calibration error: that much is taken off.
    shift = max(0.0, drawn[:, 1].mean() - scores[1])
    low[1], high[1] = max(0.0, low[1] - shift), high[1] - shift
    ranges = [Range(*map(float, one)) for one in zip(scores, low, high, strict=True)]
    decided = tuple(
        Decided(target, *ranges[3 + 2 * place : 5 + 2 * place])
        for place, target in enumerate(targets)
    )
    return Worth(ranges[0], ranges[1], ranges[2], decided)


def _resampled(repeats: list[_Answers], galaxies: Voted) -> Iterator[Floats]:
    random = np.random.default_rng(_SEED)
    count = len(galaxies.labels)
    for number in range(_RESAMPLES):
        some = random.integers(0, count, count)
        yield _scores(repeats[number % len(repeats)], galaxies, some)


def _scores(answers: _Answers, galaxies: Voted, some: npt.NDArray[np.int64]) -> Floats:
    """Accuracy, calibration error, vote error; decided share and agreement for each target."""
    labels, p = galaxies.labels[some], answers.p[some]
    right = (p > 0.5) == labels
    votes = answers.votes[some] - galaxies.vote_fractions[some]
    scores = [
        float(right.mean()),
        expected_calibration_error(labels, p, _BINS),
        float(np.sqrt(np.mean(votes**2))),
    ]
    for decided in answers.decided[:, some]:
        scores += [float(decided.mean()), float(right[decided].mean()) if decided.any() else np.nan]
    return np.array(scores)
