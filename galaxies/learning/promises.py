"""Promises: the confidence threshold above which a model may decide alone."""

from typing import Annotated, Final

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from galaxies.base.arrays import Floats, Probabilities
from galaxies.base.questions import CLASSES
from galaxies.errors import GalaxiesError, needs
from galaxies.settings import TriageSettings

UNDECIDED: Final = "ask volunteers"
"""The decision where the machine must not decide alone."""

_STEPS: Final = 20
"""Thresholds that are tested, at the most. Few, because the first that fails ends the tests: of
many, one fails by chance."""


class Promise(BaseModel):
    """The confidence threshold above which a model reaches a target agreement.

    The certainty of a model is the larger of its calibrated probabilities of the two classes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    agreement: Annotated[float, Field(gt=0.5, lt=1)]
    """Target share of decisions that agree with the volunteers."""
    confidence: Annotated[float, Field(gt=0, lt=1)]
    """With which the galaxies that it was made on prove it."""
    threshold: Annotated[float, Field(ge=0.5, le=1)] | None
    """The least certainty; `None` where these galaxies can prove it for none."""


def certainty(p_spiral: Probabilities) -> npt.NDArray[np.float64]:
    """Give the larger of the two classes' probabilities, (N,) from 0.5 to 1."""
    p = p_spiral.astype(np.float64)
    return np.maximum(p, 1 - p)


def lower_bound(
    right: npt.NDArray[np.int64], trials: npt.NDArray[np.int64], confidence: float
) -> npt.NDArray[np.float64]:
    """One-sided lower bound on a binomial share.

    Clopper & Pearson (1934), "The use of confidence or fiducial limits illustrated in the case of
    the binomial".

    Parameters
    ----------
    right, trials : ndarray of shape (N,), int64
        Successes, and out of how many; at least one.
    confidence : float
        Between 0 and 1.
    """
    # Those who only predict need not wait for it: it takes half a second to import.
    with needs("pipeline"):
        from scipy.special import betaincinv

    wrong = trials - right
    return np.where(right > 0, betaincinv(np.maximum(right, 1), wrong + 1, 1 - confidence), 0.0)


def make_promises(
    p_spiral: Probabilities, labels: npt.NDArray[np.int64], settings: TriageSettings
) -> tuple[Promise, ...]:
    """Find for each target agreement a confidence threshold that is proven to reach it.

    The galaxies are ordered by their certainty and cut into 20 steps of equally many. The first
    threshold that is tested is the step that is likeliest to pass, by the certainties themselves;
    from there the tests go down, step by step, until the Clopper-Pearson bound on the agreement
    falls below the target. The last threshold before that is promised. Tests in an
    order that is fixed beforehand, up to the first that fails, share one confidence:
    fixed-sequence testing in Angelopoulos et al. (2021), "Learn then test: calibrating predictive
    algorithms to achieve risk control". The lowest of all thresholds whose bound reaches the
    target would not have it, because the same labels choose among many.

    What is guaranteed: with the settings' confidence, galaxies of the same certainties whose
    labels come about in the same way agree as often as promised. It holds given the certainties
    (Hoeffding 1956, "On the distribution of the number of successes in independent trials": that
    the galaxies differ in how likely they agree makes the bound no less safe), for labels that
    are independent, and neglects that the two numbers of the calibration were fitted on the same
    labels. It holds on no other survey.

    Parameters
    ----------
    p_spiral : ndarray of shape (N,), float32
        Calibrated probabilities of validation galaxies.
    labels : ndarray of shape (N,), int64
        Their places in `CLASSES`; any other number agrees with no decision.
    settings : TriageSettings
        Target agreements, and the confidence of the bound.

    Examples
    --------
    >>> p = np.repeat(np.array([0.01, 0.99, 0.6], np.float32), 100)
    >>> labels = np.concatenate([np.zeros(100), np.ones(100), np.arange(100) % 2]).astype(int)
    >>> targets = TriageSettings(agreement=[0.95], confidence=0.9)
    >>> make_promises(p, labels, targets)[0].threshold
    0.99
    """
    order = np.argsort(-certainty(p_spiral), kind="stable")
    sure = certainty(p_spiral)[order]
    right = ((p_spiral > 0.5) == labels)[order]
    # As bundles keep six decimals; what a rounded threshold takes in is counted below.
    last = np.unique(np.ceil(np.linspace(0, len(sure), _STEPS + 1)[1:]).astype(np.int64)) - 1
    steps = np.unique(np.floor(sure[last] * 1e6) / 1e6)[::-1]
    decided = np.searchsorted(-sure, -steps, side="right")
    wrong = decided - np.cumsum(right)[decided - 1]
    expected_wrong = decided - np.cumsum(sure)[decided - 1]
    bounds = lower_bound(decided - wrong, decided, settings.confidence)
    promises = []
    for agreement in settings.agreement:
        chances = _chances(expected_wrong, decided, agreement, settings.confidence)
        first = int(np.argmax(chances))
        proven = int(np.argmin(np.append(bounds[first:] >= agreement, False)))
        promises.append(
            Promise(
                agreement=agreement,
                confidence=settings.confidence,
                threshold=float(steps[first + proven - 1]) if proven else None,
            )
        )
    return tuple(promises)


def _chances(
    expected_wrong: Floats, decided: npt.NDArray[np.int64], agreement: float, confidence: float
) -> list[float]:
    """Chance of each step that its bound reaches the target, by the certainties alone.

    Parameters
    ----------
    expected_wrong : ndarray of shape (N,), float64
        Decisions that are expected to disagree: they are rare, and so follow Poisson's law.
    decided : ndarray of shape (N,), int64
    agreement, confidence : float
        The target.
    """
    with needs("pipeline"):
        from scipy.special import bdtr, pdtr

    chances = []
    for count, expected in zip(decided.tolist(), expected_wrong.tolist(), strict=True):
        wrong = np.arange(int(count * (1 - agreement)) + 2)
        tolerated = int((bdtr(wrong, count, 1 - agreement) <= 1 - confidence).sum()) - 1
        chances.append(float(pdtr(tolerated, expected)) if tolerated >= 0 else 0.0)
    return chances


def choose_promise(promises: tuple[Promise, ...], agreement: float) -> Promise:
    """Choose the promise that reaches a target agreement, the least strict of those that do.

    Raises
    ------
    GalaxiesError
        If none is that strict.
    """
    strict = [promise for promise in promises if promise.agreement >= agreement]
    if not strict:
        made = ", ".join(f"{promise.agreement:g}" for promise in promises)
        raise GalaxiesError(
            f"no promise of an agreement of {agreement:g}: the model was trained with "
            f"triage.agreement [{made}]; ask for less, or add it there and train again"
        )
    return min(strict, key=lambda promise: promise.agreement)


def decide(p_spiral: Probabilities, threshold: float | None) -> npt.NDArray[np.str_]:
    """Decide what the machine may decide.

    Parameters
    ----------
    p_spiral : ndarray of shape (N,), float32
        Calibrated probabilities.
    threshold : float, optional
        Of a `Promise`.

    Returns
    -------
    ndarray of shape (N,), str
        A class, or `UNDECIDED`.
    """
    labels = np.array(CLASSES)[(p_spiral > 0.5).astype(int)]
    if threshold is None:
        return np.full(len(p_spiral), UNDECIDED)
    return np.where(certainty(p_spiral) >= threshold, labels, UNDECIDED)
