"""Calibrated probabilities, fitted on validation galaxies."""

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict
from threadpoolctl import threadpool_limits

from galaxies.base.arrays import Probabilities
from galaxies.errors import needs

NEAREST = 1e-6  # distance from 0 and 1, which have no logit


class Calibration(BaseModel):
    """Platt's sigmoid on the logit: `sigmoid(slope * logit(p) + intercept)`.

    Platt (1999), "Probabilistic outputs for support vector machines". On the logit of a
    probability it is the beta calibration of Kull et al. (2017) with equal slopes.

    Examples
    --------
    >>> import numpy as np
    >>> calibration = Calibration(slope=2.0, intercept=0.0)
    >>> calibration(np.array([0.2, 0.5, 0.8], np.float32)).round(3)
    array([0.059, 0.5  , 0.941], dtype=float32)
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    slope: float
    intercept: float

    def __call__(self, raw: Probabilities) -> Probabilities:
        """Calibrate raw probabilities (N,) of any model; returns float32 (N,)."""
        # Beyond +-700 the exponential would overflow; the probability is 0 or 1 long before that.
        scores = np.clip(self.slope * _logit(raw) + self.intercept, -700, 700)
        return np.asarray(1 / (1 + np.exp(-scores)), dtype=np.float32)

    def inverse(self, probabilities: Probabilities) -> Probabilities:
        """Find the raw probabilities (N,) of calibrated ones."""
        scores = (_logit(probabilities) - self.intercept) / self.slope
        return np.asarray(1 / (1 + np.exp(-np.clip(scores, -700, 700))), dtype=np.float32)

    def raw_of(self, probability: float) -> float:
        """Find the raw probability of a calibrated one; the slope must not be 0.

        Examples
        --------
        >>> round(Calibration(slope=1, intercept=0).with_odds(3).raw_of(0.75), 6)
        0.5
        """
        p = min(max(probability, NEAREST), 1 - NEAREST)
        score = (np.log(p / (1 - p)) - self.intercept) / self.slope
        return float(1 / (1 + np.exp(-np.clip(score, -700, 700))))

    def with_odds(self, factor: float) -> "Calibration":
        """Multiply the odds of "spiral" of every galaxy.

        Examples
        --------
        >>> import numpy as np
        >>> even = Calibration(slope=1, intercept=0)
        >>> round(float(even.with_odds(3)(np.array([0.5], np.float32))[0]), 6)
        0.75
        """
        return Calibration(slope=self.slope, intercept=self.intercept + float(np.log(factor)))


def fit_calibration(
    raw: Probabilities, targets: npt.NDArray[np.int64] | npt.NDArray[np.float64]
) -> Calibration:
    """Fit the sigmoid by maximum likelihood.

    Parameters
    ----------
    raw : ndarray of shape (N,), float32
        Probabilities from the model, before calibration.
    targets : ndarray of shape (N,), int64 or float64
        Classes as places in `CLASSES`, both of which must occur, or vote fractions.

    Returns
    -------
    Calibration

    Examples
    --------
    >>> import numpy as np
    >>> raw = np.array([0.2, 0.2, 0.8, 0.8], np.float32)
    >>> calibration = fit_calibration(raw, np.array([0.1, 0.1, 0.9, 0.9]))
    >>> calibration(raw).round(2)
    array([0.1, 0.1, 0.9, 0.9], dtype=float32)
    """
    # Imported here because predicting does not need it, and it takes a second.
    with needs("calibrate"):
        from sklearn.linear_model import LogisticRegression

    # Each galaxy counts for both answers, weighted by its votes.
    logits = np.tile(_logit(raw), 2)[:, None]
    answers = np.repeat([1, 0], len(raw))
    votes = np.concatenate([targets, 1 - targets])
    # Without a penalty, so that a calibrated model keeps slope 1 and intercept 0.
    fit = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000)
    # For two parameters, one thread is faster than several.
    with threadpool_limits(1, "blas"):
        fit.fit(logits, answers, sample_weight=votes)
    return Calibration(slope=float(fit.coef_[0, 0]), intercept=float(fit.intercept_[0]))


def smoothed(labels: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Move labels away from 0 and 1, so that a fit to few galaxies is not overconfident.

    The targets of Platt (1999): each of n spirals counts as (n + 1) / (n + 2), each of n
    ellipticals as 1 / (n + 2). Otherwise a perfect separation would be fitted by a step.

    Parameters
    ----------
    labels : ndarray of shape (N,), int64
        Places in `CLASSES`.

    Returns
    -------
    ndarray of shape (N,), float64

    Examples
    --------
    >>> import numpy as np
    >>> smoothed(np.array([0, 1, 1])).round(3).tolist()
    [0.333, 0.75, 0.75]
    """
    spirals = int((labels == 1).sum())
    ellipticals = len(labels) - spirals
    return np.where(labels == 1, (spirals + 1) / (spirals + 2), 1 / (ellipticals + 2))


def softened(fractions: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Apply `smoothed` to hard votes; other vote fractions are not changed.

    Parameters
    ----------
    fractions : ndarray of shape (N,), float64
        Vote fractions.

    Returns
    -------
    ndarray of shape (N,), float64

    Examples
    --------
    >>> import numpy as np
    >>> softened(np.array([0.0, 1.0, 1.0])).round(3).tolist()
    [0.333, 0.75, 0.75]
    >>> softened(np.array([0.0, 0.9])).tolist()
    [0.0, 0.9]
    """
    hard = (fractions == 0) | (fractions == 1)
    return smoothed(fractions.astype(np.int64)) if hard.all() else fractions


def _logit(probabilities: Probabilities) -> npt.NDArray[np.float64]:
    p = np.clip(probabilities.astype(np.float64), NEAREST, 1 - NEAREST)
    return np.log(p / (1 - p))
