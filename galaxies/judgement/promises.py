"""Promises: the confidence threshold above which the machine decides."""

from collections.abc import Sequence
from typing import Annotated, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from galaxies.base.arrays import Floats, Probabilities
from galaxies.errors import GalaxiesError, needs
from galaxies.questions.campaign import CLASSES
from galaxies.settings import TriageSettings

UNDECIDED: Final = "ask volunteers"
"""The decision if the machine must not decide."""

_STEPS: Final = 20
"""Largest number of thresholds to test. The first that fails ends the tests, and one of many would
fail by chance."""


_HALF: Final = 0.5
"""Share of the galaxies that the usual target decides."""


class Promise(BaseModel):
    """The confidence threshold above which a model reaches a target agreement.

    The certainty is the larger of the calibrated probabilities of the two classes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    agreement: Annotated[float, Field(gt=0.5, lt=1)]
    """Target share of decisions that agree with the volunteers."""
    confidence: Annotated[float, Field(gt=0, lt=1)]
    """Confidence of the proof on the validation galaxies."""
    threshold: Annotated[float, Field(ge=0.5, le=1)] | None
    """The lowest certainty; `None` if the target cannot be proven for any."""
    decided: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the validation galaxies that reach it."""


def certainty(p_spiral: Probabilities) -> npt.NDArray[np.float64]:
    """Compute the larger of the two class probabilities, (N,) from 0.5 to 1."""
    p = p_spiral.astype(np.float64)
    return np.maximum(p, 1 - p)


def lower_bound(
    right: npt.NDArray[np.int64], trials: npt.NDArray[np.int64], confidence: float
) -> npt.NDArray[np.float64]:
    """Compute a one-sided lower bound on a binomial probability.

    Clopper & Pearson (1934), "The use of confidence or fiducial limits illustrated in the case of
    the binomial".

    Parameters
    ----------
    right, trials : ndarray of shape (N,), int64
        Number of successes, and of trials (at least one).
    confidence : float
        Between 0 and 1.

    Returns
    -------
    ndarray of shape (N,), float64

    Examples
    --------
    >>> import numpy as np
    >>> right, trials = np.array([229, 230]), np.array([229, 230])
    >>> (lower_bound(right, trials, 0.9) >= 0.99).tolist()
    [False, True]
    """
    # Imported here because predicting does not need it, and it takes half a second.
    with needs("calibrate"):
        from scipy.special import betaincinv

    wrong = trials - right
    return np.where(right > 0, betaincinv(np.maximum(right, 1), wrong + 1, 1 - confidence), 0.0)


def make_promises(
    p_spiral: Probabilities,
    labels: npt.NDArray[np.int64],
    settings: TriageSettings,
    surveys: Sequence[npt.NDArray[np.bool_]] = (),
) -> tuple[Promise, ...]:
    """Find the confidence threshold that is proven to reach each target agreement.

    The galaxies are sorted by certainty and divided into 20 steps with equally many. The first
    threshold to be tested is the step that is most likely to pass, according to the certainties.
    From there the tests go down, step by step, until the Clopper-Pearson bound on the agreement is
    below the target. The last threshold before that is promised. Tests in an order that is fixed
    in advance, up to the first that fails, need no correction for their number: fixed-sequence
    testing in Angelopoulos et al. (2021), "Learn then test: calibrating predictive algorithms to
    achieve risk control". The lowest of all thresholds that pass would not be valid, because
    the same labels select it from many. The targets are tested from the loosest to the strictest,
    and no stricter one promises what a looser one does not.

    The guarantee: with the confidence in the settings, galaxies with the same certainties and votes
    from the same process agree as often as promised. It is conditional on the certainties
    (Hoeffding 1956, "On the distribution of the number of successes in independent trials": unequal
    probabilities of agreement do not weaken the bound), assumes independent labels, and neglects
    that the two parameters of the calibration were fitted on the same labels. It does not hold for
    other surveys.

    Parameters
    ----------
    p_spiral : ndarray of shape (N,), float32
        Calibrated probabilities of validation galaxies.
    labels : ndarray of shape (N,), int64
        Places in `CLASSES`; any other number agrees with no decision.
    settings : TriageSettings
        Target agreements, and the confidence of the bound.
    surveys : sequence of ndarray of shape (N,), bool
        Galaxies of each of several surveys. A threshold passes only if the bound on each of them
        passes too, which needs no correction for their number (intersection-union test: Berger
        1982, "Multiparameter hypothesis testing and acceptance sampling"). The strictest of their
        own thresholds would not do: the others are not tested there.

    Returns
    -------
    tuple of Promise
        One for each target agreement; its threshold is `None` if nothing is proven.

    Examples
    --------
    >>> import numpy as np
    >>> from galaxies.settings import TriageSettings
    >>> p = np.repeat(np.array([0.01, 0.99, 0.6], np.float32), 100)
    >>> labels = np.concatenate([np.zeros(100), np.ones(100), np.arange(100) % 2]).astype(int)
    >>> targets = TriageSettings(agreement=[0.95], confidence=0.9, search=False)
    >>> make_promises(p, labels, targets)[0].threshold
    0.99
    """
    order = np.argsort(-certainty(p_spiral), kind="stable")
    sure = certainty(p_spiral)[order]
    right = ((p_spiral > 0.5) == labels)[order]
    # Bundles have six decimals; galaxies above the rounded threshold are counted below.
    last = np.unique(np.ceil(np.linspace(0, len(sure), _STEPS + 1)[1:]).astype(np.int64)) - 1
    steps = np.unique(np.floor(sure[last[last >= 0]] * 1e6) / 1e6)[::-1]
    decided = np.searchsorted(-sure, -steps, side="right")
    tested = [_Tested.at(steps, sure, right)]
    tested += [
        _Tested.at(steps, sure[of_survey], right[of_survey])
        for of_survey in (s[order] for s in surveys)
    ]
    bounds = np.min([test.bounds(settings.confidence) for test in tested], axis=0)
    promised: dict[float, int | None] = {}
    most: int | None = len(steps) - 1 if len(steps) else None
    for agreement in sorted(settings.agreement):
        # A stricter target never decides more, so what a looser one leaves open stays open.
        if most is not None:
            chances = [test.chances(agreement, settings.confidence) for test in tested]
            first = int(np.argmax(np.min(chances, axis=0)))
            proven = int(np.argmin(np.append(bounds[first:] >= agreement, False)))
            most = min(first + proven - 1, most) if proven and first <= most else None
        promised[agreement] = most
    return tuple(
        Promise(
            agreement=agreement,
            confidence=settings.confidence,
            threshold=None if place is None else float(steps[place]),
            decided=0.0 if place is None else round(float(decided[place] / len(sure)), 6),
        )
        for agreement in settings.agreement
        for place in [promised[agreement]]
    )


class _Tested(NamedTuple):
    """The decisions at each threshold."""

    decided: npt.NDArray[np.int64]
    wrong: npt.NDArray[np.int64]
    expected_wrong: Floats
    """According to the certainties; being rare, they follow a Poisson distribution."""

    @classmethod
    def at(cls, steps: Floats, sure: Floats, right: npt.NDArray[np.bool_]) -> Self:
        """Count, for certainties that decrease."""
        decided = np.searchsorted(-sure, -steps, side="right")
        agreed = np.concatenate([[0], np.cumsum(right)])[decided]
        expected = np.concatenate([[0.0], np.cumsum(sure)])[decided]
        return cls(decided, decided - agreed, decided - expected)

    def bounds(self, confidence: float) -> Floats:
        """Compute the lower bounds on the agreement; 0 where nothing is decided."""
        return lower_bound(self.decided - self.wrong, self.decided, confidence)

    def chances(self, agreement: float, confidence: float) -> list[float]:
        """Compute the probability that each step passes, from the certainties."""
        with needs("calibrate"):
            from scipy.special import bdtr, pdtr

        chances = []
        for count, expected in zip(
            self.decided.tolist(), self.expected_wrong.tolist(), strict=True
        ):
            wrong = np.arange(int(count * (1 - agreement)) + 2)
            tolerated = int((bdtr(wrong, count, 1 - agreement) <= 1 - confidence).sum()) - 1
            chances.append(float(pdtr(tolerated, expected)) if tolerated >= 0 else 0.0)
        return chances


def choose_promise(promises: tuple[Promise, ...], agreement: float | None) -> Promise:
    """Choose the least strict promise that reaches a target agreement.

    Without a target, it is the strictest promise that is proven and decides at least half of the
    validation galaxies; if there is none, the one that decides most of them.

    Raises
    ------
    GalaxiesError
        If no promise is strict enough.
    """
    if agreement is None:
        half = [
            promise
            for promise in promises
            if promise.threshold is not None and promise.decided >= _HALF
        ]
        if half:
            return max(half, key=lambda promise: promise.agreement)
        return max(promises, key=lambda promise: (promise.decided, -promise.agreement))
    strict = [promise for promise in promises if promise.agreement >= agreement]
    if not strict:
        made = ", ".join(f"{promise.agreement:g}" for promise in promises)
        raise GalaxiesError(
            f"no promise for an agreement of {agreement:g}: the bundle has {made}; lower "
            "the target, or add it to triage.agreement and train again"
        )
    return min(strict, key=lambda promise: promise.agreement)


def decide(p_spiral: Probabilities, threshold: float | None) -> npt.NDArray[np.str_]:
    """Decide all galaxies whose certainty reaches a threshold.

    Parameters
    ----------
    p_spiral : ndarray of shape (N,), float32
        Calibrated probabilities.
    threshold : float, optional
        Threshold of a `Promise`; `None` decides nothing.

    Returns
    -------
    ndarray of shape (N,), str
        A class, or `UNDECIDED`.

    Examples
    --------
    >>> import numpy as np
    >>> decide(np.array([0.02, 0.6, 0.98], np.float32), threshold=0.95).tolist()
    ['elliptical', 'ask volunteers', 'spiral']
    """
    labels = np.array(CLASSES)[(p_spiral > 0.5).astype(int)]
    if threshold is None:
        return np.full(len(p_spiral), UNDECIDED)
    return np.where(certainty(p_spiral) >= threshold, labels, UNDECIDED)
