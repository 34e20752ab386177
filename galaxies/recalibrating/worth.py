"""Test a calibration on the votes of a survey, on galaxies that it was not fitted on."""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from galaxies.base.arrays import Floats
from galaxies.bundle.description import Judgement
from galaxies.judgement.intervals import clusters, resampled, wilson
from galaxies.judgement.miscalibration import expected_calibration_error
from galaxies.judgement.promises import certainty
from galaxies.recalibrating.refitting import Voted, recalibrate

FOLDS: Final = 5
REPEATS: Final = 10

_BINS: Final = 15
_RESAMPLES: Final = 500
_SEED: Final = 123


class Range(NamedTuple):
    """A score and its 95% interval; NaN if it cannot be computed."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if np.isnan(self.value):
            return "none"
        return f"{self.value:.3f} ({self.low:.3f}-{self.high:.3f})"


class Decided(NamedTuple):
    """The decisions for a target agreement."""

    agreement: float
    """The target."""
    decided: Range
    """Share of the galaxies."""
    agreed: Range
    """Share of the decisions that agree with the votes."""


class Worth(NamedTuple):
    """Scores of the probabilities, decisions and vote fractions of a bundle."""

    accuracy: Range
    calibration_error: Range
    vote_error: Range
    """Root mean square."""
    decided: tuple[Decided, ...]


def folds(galaxies: Voted, random: np.random.Generator) -> npt.NDArray[np.int64]:
    """Assign galaxies to stratified folds, identical images to the same fold.

    Parameters
    ----------
    galaxies : Voted
        Galaxies with labels.
    random : Generator
        Random numbers.

    Returns
    -------
    ndarray of shape (N,), int64
        Numbers below `FOLDS`.

    Examples
    --------
    >>> import numpy as np
    >>> from galaxies.recalibrating.refitting import Voted
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
    """Calibrated answers of a bundle for N galaxies, and whether it decides, for each target."""

    p: Floats
    votes: Floats
    decided: npt.NDArray[np.bool_]
    """(targets, N)."""


def judge_recalibration(judgement: Judgement, galaxies: Voted) -> tuple[Worth, Worth]:
    """Compute the scores of a bundle before and after it is calibrated on some galaxies.

    Ten times, the galaxies are divided into five folds; each fold is tested with the calibrations
    and promises fitted on the other four. The intervals of shares are those of Wilson (1927); those
    of errors are from resampling galaxies (Efron & Tibshirani 1993, "An introduction to the
    bootstrap"), identical images together.

    Parameters
    ----------
    judgement : Judgement
        That of the bundle.
    galaxies : Voted
        Galaxies that the bundle was not trained on.

    Returns
    -------
    before, after : Worth

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from galaxies.bundle.description import read_description
    >>> from galaxies.recalibrating.refitting import Voted
    >>> labels = np.arange(60) % 2
    >>> too_low = np.where(labels, 0.4, 0.1).astype(np.float32)
    >>> galaxies = Voted(np.arange(60), too_low, labels, labels * 1.0, np.arange(60))
    >>> judgement = read_description(Path("models/cnn")).judgement
    >>> before, after = judge_recalibration(judgement, galaxies)
    >>> before.accuracy.value < 1, after.accuracy.value
    (True, 1.0)
    """
    random = np.random.default_rng(_SEED)
    before = _answers(judgement, galaxies)
    after = [
        _held_out(judgement, galaxies, folds(galaxies, random))
        for _ in tqdm(range(REPEATS), desc="cross-validate", unit=" times")
    ]
    targets = [promise.agreement for promise in judgement.triage]
    return _worth([before], galaxies, targets), _worth(after, galaxies, targets)


def _answers(judgement: Judgement, galaxies: Voted) -> _Answers:
    p = judgement.calibration(galaxies.raw)
    sure = certainty(p)
    never = 2.0
    least = [
        promise.threshold if promise.threshold is not None else never
        for promise in judgement.triage
    ]
    decided = sure >= np.array(least)[:, None]
    return _Answers(p.astype(np.float64), judgement.votes(galaxies.raw).astype(float), decided)


def _held_out(judgement: Judgement, galaxies: Voted, dealt: npt.NDArray[np.int64]) -> _Answers:
    """Compute the answers for each fold with the calibration fitted on the others."""
    count = len(dealt)
    shape = (len(judgement.triage), count)
    answers = _Answers(np.empty(count), np.empty(count), np.empty(shape, bool))
    for fold in range(FOLDS):
        inside = dealt == fold
        fitted = recalibrate(judgement, galaxies.take(~inside))
        held_out = _answers(fitted, galaxies.take(inside))
        answers.p[inside], answers.votes[inside] = held_out.p, held_out.votes
        answers.decided[:, inside] = held_out.decided
    return answers


def _worth(repeats: list[_Answers], galaxies: Voted, targets: list[float]) -> Worth:
    right = np.stack([(answers.p > 0.5) == galaxies.labels for answers in repeats])
    everything, images = np.ones_like(right), galaxies.same_pixels
    decided = []
    for place, target in enumerate(targets):
        sure = np.stack([answers.decided[place] for answers in repeats])
        shares = _share(sure, everything, images), _share(right & sure, sure, images)
        decided.append(Decided(target, *shares))
    error, vote_error = _errors(repeats, galaxies)
    return Worth(_share(right, everything, images), error, vote_error, tuple(decided))


def _share(
    part: npt.NDArray[np.bool_], whole: npt.NDArray[np.bool_], images: npt.NDArray[np.int64]
) -> Range:
    """Compute the share of `whole` (repetitions, N) that is in `part`, with its interval.

    That of Wilson (1927), which does not need whole counts, for the mean counts of all repetitions,
    as if there were one. Identical `images` count once.
    """
    inside, out_of = part.mean(axis=0), whole.mean(axis=0)
    if not whole.any():
        return Range(np.nan, np.nan, np.nan)
    share = float(inside.sum() / out_of.sum())
    different = len(np.unique(images)) / len(images)
    trials = out_of.sum() * different
    return Range(share, *wilson(share * trials, trials))


def _errors(repeats: list[_Answers], galaxies: Voted) -> tuple[Range, Range]:
    """Compute the calibration error and the error against the votes, with intervals."""

    def errors(answers: _Answers, places: npt.NDArray[np.int64]) -> tuple[float, float]:
        off = answers.votes[places] - galaxies.vote_fractions[places]
        gaps = expected_calibration_error(galaxies.labels[places], answers.p[places], _BINS)
        return gaps, float(np.sqrt(np.mean(off**2)))

    values = np.mean(
        [errors(answers, np.arange(len(galaxies.labels))) for answers in repeats], axis=0
    )
    random = np.random.default_rng(_SEED)
    groups = clusters(galaxies.same_pixels)
    drawn = np.array(
        [
            errors(repeats[number % len(repeats)], resampled(groups, random))
            for number in range(_RESAMPLES)
        ]
    )
    # A resample contains galaxies twice, which increases its calibration error; this is subtracted.
    drawn[:, 0] -= max(0.0, drawn[:, 0].mean() - values[0])
    low, high = np.percentile(drawn.clip(0), (2.5, 97.5), axis=0)
    ranges = [Range(*map(float, interval)) for interval in zip(values, low, high, strict=True)]
    return ranges[0], ranges[1]
