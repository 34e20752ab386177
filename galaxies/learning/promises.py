"""Promises: the confidence threshold above which a model may decide alone."""

from typing import Annotated, Final

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from galaxies.base.arrays import Probabilities
from galaxies.base.questions import CLASSES
from galaxies.errors import GalaxiesError
from galaxies.settings import TriageSettings

UNDECIDED: Final = "ask volunteers"
"""The decision where the machine must not decide alone."""


class Promise(BaseModel):
    """The confidence threshold above which a model reaches a target agreement.

    The certainty of a model is the larger of its calibrated probabilities of the two classes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    agreement: Annotated[float, Field(gt=0.5, lt=1)]
    """Target share of decisions that agree with the volunteers."""
    confidence: Annotated[float, Field(gt=0, lt=1)]
    """With which the validation galaxies prove it."""
    threshold: Annotated[float, Field(ge=0.5, le=1)] | None
    """The least certainty; `None` where the validation galaxies can prove it for none."""


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
    # Only training needs it; it takes half a second to import.
    from scipy.special import betaincinv

    wrong = trials - right
    return np.where(right > 0, betaincinv(np.maximum(right, 1), wrong + 1, 1 - confidence), 0.0)


def make_promises(
    p_spiral: Probabilities, labels: npt.NDArray[np.int64], settings: TriageSettings
) -> tuple[Promise, ...]:
    """Find for each target agreement the confidence threshold that is proven to reach it.

    It is the certainty of the validation galaxy down to which the machine decides most galaxies,
    while the Clopper-Pearson bound on its agreement stays at the target or above.

    Parameters
    ----------
    p_spiral : ndarray of shape (N,), float32
        Calibrated probabilities of validation galaxies.
    labels : ndarray of shape (N,), int64
        Their places in `CLASSES`.
    settings : TriageSettings
        Target agreements, and the confidence of the bound.
    """
    sure = certainty(p_spiral)
    right = (p_spiral > 0.5) == labels
    # As bundles keep six decimals; what a rounded threshold takes in is counted below.
    steps = np.unique(np.floor(sure * 1e6) / 1e6)
    order = np.argsort(-sure, kind="stable")
    decided = np.searchsorted(-sure[order], -steps, side="right")
    kept = np.cumsum(right[order])[decided - 1]
    bounds = lower_bound(kept, decided, settings.confidence)
    promises = []
    for agreement in settings.agreement:
        good = steps[bounds >= agreement]
        promises.append(
            Promise(
                agreement=agreement,
                confidence=settings.confidence,
                threshold=float(good.min()) if len(good) else None,
            )
        )
    return tuple(promises)


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
