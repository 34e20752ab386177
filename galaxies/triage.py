"""Which galaxies the machine may decide alone, and which ones still need people."""

from typing import Annotated, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from galaxies.calibration import Probabilities
from galaxies.errors import GalaxiesError
from galaxies.morphology import CLASSES
from galaxies.settings import TriageSettings

UNDECIDED: Final = "ask volunteers"
"""The decision where the machine must not decide alone."""

_CURVE_POINTS: Final = 200


class Promise(BaseModel):
    """From which certainty on a model agrees with the volunteers as often as is wished.

    The certainty of a model is the larger of its calibrated probabilities of the two classes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    agreement: Annotated[float, Field(gt=0.5, lt=1)]
    """Wished share of decisions that are the volunteers' own."""
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
    right, trials
        (N,) successes, and out of how many; at least one.
    confidence
        Between 0 and 1.
    """
    # Only training needs it; it takes half a second to import.
    from scipy.special import betaincinv

    wrong = trials - right
    return np.where(right > 0, betaincinv(np.maximum(right, 1), wrong + 1, 1 - confidence), 0.0)


def make_promises(
    p_spiral: Probabilities, labels: npt.NDArray[np.int64], settings: TriageSettings
) -> tuple[Promise, ...]:
    """Find for each wished agreement the least certainty that is proven to reach it.

    It is the certainty of the validation galaxy down to which the machine decides most galaxies,
    while the Clopper-Pearson bound on its agreement stays at the wished one or above.

    Parameters
    ----------
    p_spiral
        (N,) calibrated probabilities of validation galaxies.
    labels
        (N,) their places in `CLASSES`.
    settings
        Wished agreements, and the confidence of the bound.
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
    """Choose the promise that keeps a wished agreement, the least strict of those that do.

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
    p_spiral
        (N,) calibrated probabilities.
    threshold
        Of a `Promise`.

    Returns
    -------
    ndarray of str (N,)
        A class, or `UNDECIDED`.
    """
    said = np.array(CLASSES)[(p_spiral > 0.5).astype(int)]
    if threshold is None:
        return np.full(len(p_spiral), UNDECIDED)
    return np.where(certainty(p_spiral) >= threshold, said, UNDECIDED)


def judge_promises(
    table: pd.DataFrame, promises: tuple[Promise, ...]
) -> dict[str, dict[str, float | int | bool]]:
    """Find out on test galaxies what promises are worth.

    Parameters
    ----------
    table
        `label` and `p_spiral` of the test galaxies.
    promises
        Made on validation galaxies.

    Returns
    -------
    dict
        For each promise, named as in "99%": the `threshold`, the share of galaxies `decided`,
        the `agreement` on these, whether it was `kept`, and how many `galaxies_left` there are
        for people. `threshold` and `agreement` are absent where nothing is decided.
    """
    labels = table["label"].astype(str).to_numpy()
    p = table["p_spiral"].to_numpy()
    worth: dict[str, dict[str, float | int | bool]] = {}
    for promise in promises:
        said = decide(p, promise.threshold)
        decided = said != UNDECIDED
        found: dict[str, float | int | bool] = {
            "decided": float(decided.mean()),
            "galaxies_left": int((~decided).sum()),
        }
        if promise.threshold is not None:
            found["threshold"] = promise.threshold
        if decided.any():
            found["agreement"] = float((said == labels)[decided].mean())
            found["kept"] = found["agreement"] >= promise.agreement
        worth[f"{100 * promise.agreement:g}%"] = found
    return worth


def coverage(table: pd.DataFrame) -> pd.DataFrame:
    """Follow the agreement as the machine decides more and more galaxies, the surest first.

    Parameters
    ----------
    table
        `label` and `p_spiral` of the test galaxies.

    Returns
    -------
    DataFrame
        `decided` share, `agreement` on these, and `threshold`, the least certainty among them;
        some 200 rows evenly along the first, and none that parts equally certain galaxies.
    """
    p = table["p_spiral"].to_numpy()
    right = (p > 0.5) == table["label"].cat.codes.to_numpy()
    sure = certainty(p)
    order = np.argsort(-sure, kind="stable")
    sure, right = sure[order], right[order]
    last = np.flatnonzero(np.append(np.diff(sure) != 0, True))
    marks = np.linspace(0, len(sure) - 1, _CURVE_POINTS)
    rows = last[np.unique(np.searchsorted(last, marks))]
    return pd.DataFrame(
        {
            "decided": (rows + 1) / len(sure),
            "agreement": np.cumsum(right)[rows] / (rows + 1),
            "threshold": sure[rows],
        }
    )
