"""Judge the machine's decisions by the answers of people about a random sample of them."""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from galaxies.base.arrays import Probabilities
from galaxies.errors import needs
from galaxies.judgement.anytime import (
    Right,
    anytime_lower_bound,
    is_proven,
    most_that_fail,
    running_evidence,
)
from galaxies.judgement.calibration import Calibration, fit_calibration, smoothed
from galaxies.judgement.promises import certainty, lower_bound
from galaxies.questions.campaign import CLASSES
from galaxies.volunteers.samples import Audited

_FOR_ALL: Final = 2 / 3
"""Share of the error that is allowed for the statement about all decisions; the rest is for the
bounds on `p_spiral`."""

CHOOSING: Final = 100
"""Number of answers that choose the bounds; the later ones prove them."""

_STEPS: Final = 20


class Audit(NamedTuple):
    """Result of an audit; all statements hold together with the confidence that was asked for."""

    answered: int
    agreed: int
    confidence: float
    """Confidence with which the target agreement holds."""
    lower: float
    """The agreement that can be promised."""
    holds: bool
    """Whether the target agreement is proven for all decisions."""
    bounds: tuple[float, float] | None
    """If it does not hold for all, it is proven for galaxies with `p_spiral` up to the first value,
    as ellipticals, and from the second, as spirals; `None` if it cannot be proven for any."""
    kept: float
    """Share of the machine's decisions outside the bounds."""


def judge_answers(audited: Audited, agreement: float, confidence: float) -> Audit:
    """Compute what the answers prove about all decisions of the machine.

    By default one may look after each answer and stop at any time: a likelihood-ratio test against
    the target, as in `galaxies.judgement.anytime.running_evidence`. A sample that is judged once
    has the exact binomial bound of Clopper & Pearson (1934). Both hold for any survey and any model
    because the sample is random.

    If the target cannot be proven for all decisions, the first hundred answers choose bounds on
    `p_spiral`, from narrow to wide, and the later ones prove them, up to the first that fails
    (fixed-sequence testing, as in `galaxies.judgement.promises.make_promises`). The statement about
    all decisions has two thirds of the allowed probability of an error, the bounds have one third.

    Parameters
    ----------
    audited : Audited
        At least one galaxy.
    agreement : float
        Target agreement.
    confidence : float
        Probability that nothing that is said is wrong.

    Returns
    -------
    Audit

    Examples
    --------
    >>> import numpy as np
    >>> from galaxies.volunteers.samples import Audited
    >>> p = np.full(120, 0.99, np.float32)
    >>> audited = Audited(p, np.ones(120, np.int64), decided=np.full(3000, 0.99, np.float32))
    >>> judged = judge_answers(audited, 0.95, 0.9)
    >>> judged.holds, round(judged.confidence, 3), round(judged.lower, 3)
    (True, 0.983, 0.967)
    """
    right = (audited.p_spiral > 0.5) == audited.answers
    allowed = 1 - confidence
    bound, chance = _judge_all(right, audited, agreement, 1 - _FOR_ALL * allowed)
    holds = bound >= agreement
    narrower = 1 - (1 - _FOR_ALL) * allowed
    bounds = None if holds else _bounds(audited, agreement, narrower)
    kept = np.zeros(len(audited.decided), bool)
    if bounds is not None:
        kept = _outside(audited.decided, bounds)
    return Audit(
        answered=len(right),
        agreed=int(right.sum()),
        confidence=max(0.0, 1 - chance / _FOR_ALL),
        lower=bound,
        holds=holds,
        bounds=bounds,
        kept=float(kept.mean()),
    )


def _judge_all(
    right: Right, audited: Audited, agreement: float, confidence: float
) -> tuple[float, float]:
    """Compute the lower bound on the agreement, and the p-value of the target."""
    decided = len(audited.decided)
    if not audited.once:
        evidence = running_evidence(right, decided, most_that_fail(decided, agreement))
        return (
            anytime_lower_bound(right, decided, confidence),
            float(np.exp(-max(evidence.max(), 0.0))),
        )
    with needs("calibrate"):
        from scipy.special import betainc

    answered, agreed = len(right), int(right.sum())
    # The probability that so many agree if the agreement is exactly the target.
    chance = float(betainc(agreed, answered - agreed + 1, agreement)) if agreed else 1.0
    return float(lower_bound(np.array([agreed]), np.array([answered]), confidence)[0]), chance


def _bounds(audited: Audited, agreement: float, confidence: float) -> tuple[float, float] | None:
    """Find the bounds on `p_spiral` outside which the target agreement is proven.

    If the machine is biased, both may be on one side of 0.5; what is proven is the class that they
    give, not that of the machine.
    """
    first = slice(0, CHOOSING)
    proven = None
    if len(audited.answers) <= CHOOSING:
        return None
    tried = _bounds_to_try(audited.p_spiral[first], audited.answers[first], agreement)
    for bounds in tried:
        right = (audited.p_spiral >= bounds[1]) == audited.answers
        inside = _outside(audited.p_spiral, bounds)
        later = right[CHOOSING:][inside[CHOOSING:]]
        chosen = right[first][inside[first]]
        everything = int(_outside(audited.decided, bounds).sum())
        most = most_that_fail(everything, agreement) - int(chosen.sum())
        if audited.once:
            proof = _proven_at_once(later, agreement, confidence)
        else:
            proof = is_proven(later, everything - len(chosen), most, confidence)
        if not proof:
            break
        proven = bounds
    return proven


def _proven_at_once(right: Right, agreement: float, confidence: float) -> bool:
    if not len(right):
        return False
    bound = lower_bound(np.array([right.sum()]), np.array([len(right)]), confidence)
    return bool(bound[0] >= agreement)


def _bounds_to_try(
    p: Probabilities, answers: npt.NDArray[np.int64], agreement: float
) -> list[tuple[float, float]]:
    """List bounds, from those that are the easiest to prove to those that keep the most galaxies.

    The probabilities are first calibrated on the answers: on a different survey they are biased
    towards one class, and symmetric bounds would leave almost nothing. The evidence for a share
    that agrees above the target grows with each answer by the divergence of the two on average
    (Kullback & Leibler 1951), so the tests begin where this times the number of answers is largest.
    """
    galaxies = answers < len(CLASSES)
    if len(np.unique(answers[galaxies])) < len(CLASSES):
        return []
    calibration = fit_calibration(p[galaxies], smoothed(answers[galaxies]))
    if calibration.slope <= 0:
        return []
    sure = np.sort(certainty(calibration(p)))[::-1]
    # Artifacts agree with no decision.
    expected = np.cumsum(sure) / np.arange(1, len(sure) + 1) * galaxies.mean()
    last = np.unique(np.linspace(0, len(sure), _STEPS + 1).astype(np.int64)[1:]) - 1
    speed = np.where(
        expected > agreement,
        expected * np.log(expected / agreement)
        + (1 - expected) * np.log(np.maximum((1 - expected) / max(1 - agreement, 1e-12), 1e-12)),
        0.0,
    )[last] * (last + 1)
    if speed.max() <= 0:
        return []
    return [_of_certainty(calibration, float(sure[place])) for place in last[int(speed.argmax()) :]]


def _of_certainty(calibration: Calibration, least: float) -> tuple[float, float]:
    """Turn a calibrated certainty into bounds on `p_spiral`, with six decimals.

    They are rounded so that galaxies of just this certainty are kept: a tree has many of them.
    """
    elliptical, spiral = calibration.raw_of(1 - least), calibration.raw_of(least)
    upper = float(np.floor(spiral * 1e6))
    return min(float(np.ceil(elliptical * 1e6)), upper - 1) / 1e6, upper / 1e6


def _outside(p_spiral: Probabilities, bounds: tuple[float, float]) -> npt.NDArray[np.bool_]:
    return np.asarray((p_spiral <= bounds[0]) | (p_spiral >= bounds[1]))
