"""How far probabilities are from what is observed, and how far chance alone would put them."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from galaxies.base.arrays import Floats, Labels
from galaxies.errors import needs

_DRAWS = 1000
"""Number of times that labels are drawn from the probabilities."""


def expected_calibration_error(labels: Labels, p: Floats, bins: int) -> float:
    """Compute the expected calibration error: the mean gap between predicted and observed.

    Naeini, Cooper & Hauskrecht (2015), with bins of equal mass as in Nixon et al. (2019).

    Examples
    --------
    >>> import numpy as np
    >>> expected_calibration_error(np.array([0, 1]), np.array([0.1, 0.7]), bins=2)
    0.2
    """
    order = np.argsort(p, kind="stable")
    gaps = (p - labels)[order]
    return float(
        sum(abs(gaps_of_bin.sum()) for gaps_of_bin in np.array_split(gaps, min(bins, len(p))))
        / len(p)
    )


class ByChance(NamedTuple):
    """What the calibration error would be if the probabilities were right."""

    mean: float
    """Its mean: with few galaxies in a bin, observed shares differ from the true ones."""
    p_value: float
    """Probability of at least the error that was found."""


def error_by_chance(labels: Labels, p: Floats, bins: int, seed: int) -> ByChance:
    """Draw labels from the probabilities, and compute the calibration error of each draw.

    Consistency resampling: Bröcker & Smith (2007), "Increasing the reliability of reliability
    diagrams"; as a test in Vaicenavicius et al. (2019), "Evaluating model calibration in
    classification".

    Parameters
    ----------
    labels : ndarray of shape (N,), int64
        Classes.
    p : ndarray of shape (N,), float64
        Probabilities of "spiral".
    bins : int
        Number of bins.
    seed : int
        Seed of the draws.

    Returns
    -------
    ByChance

    Examples
    --------
    >>> import numpy as np
    >>> random = np.random.default_rng(0)
    >>> p = random.uniform(size=54)
    >>> labels = (random.uniform(size=54) < p).astype(int)
    >>> round(expected_calibration_error(labels, p, 15), 2)
    0.13
    >>> by_chance = error_by_chance(labels, p, 15, seed=1)
    >>> round(by_chance.mean, 2), by_chance.p_value > 0.1
    (0.17, True)
    """
    errors = _errors_by_chance(p, bins, seed)
    observed = expected_calibration_error(labels, p, bins)
    # The draw that was observed is one of them (Phipson & Smyth 2010).
    as_large = 1 + int((errors >= observed - 1e-12).sum())
    return ByChance(float(errors.mean()), as_large / (len(errors) + 1))


def _errors_by_chance(p: Floats, bins: int, seed: int) -> Floats:
    gaps = np.zeros(_DRAWS)
    for counts, expected in _drawn_counts(p, bins, seed):
        gaps += np.abs(counts - expected)
    return gaps / len(p)


def _drawn_counts(p: Floats, bins: int, seed: int) -> list[tuple[npt.NDArray[np.int64], float]]:
    """Draw the number of spirals in each bin `_DRAWS` times; also returns that expected."""
    random = np.random.default_rng(seed)
    counts_of_bins = []
    for p_of_bin in np.array_split(np.sort(p), min(bins, len(p))):
        counts = np.zeros(_DRAWS, np.int64)
        for start in range(
            0, len(p_of_bin), 1000
        ):  # a million galaxies would need a billion numbers
            chunk = p_of_bin[start : start + 1000]
            counts += (random.random((_DRAWS, len(chunk)), np.float32) < chunk).sum(axis=1)
        counts_of_bins.append((counts, float(p_of_bin.sum())))
    return counts_of_bins


def reliability_bins(labels: Labels, p: Floats, bins: int, seed: int) -> pd.DataFrame:
    """Compare predicted probabilities with observed shares, in bins with equally many galaxies.

    Parameters
    ----------
    labels : ndarray of shape (N,), int64
        Classes.
    p : ndarray of shape (N,), float64
        Probabilities of "spiral".
    bins : int
        Number of bins; fewer if there are fewer galaxies.
    seed : int
        Seed of the draws.

    Returns
    -------
    DataFrame
        `predicted` mean probability, `observed` share of spirals and `galaxies` of each bin; `low`
        and `high`, between which 95% of the observed shares would be if the probabilities were
        right (Bröcker & Smith 2007).

    Examples
    --------
    >>> import numpy as np
    >>> p = np.repeat([0.1, 0.9], 100)
    >>> bins = reliability_bins((np.arange(200) % 10 == 0).astype(int), p, 2, seed=0)
    >>> bins[["predicted", "observed"]].to_numpy().round(2).tolist()
    [[0.1, 0.1], [0.9, 0.1]]
    >>> bool(bins["low"][1] > 0.8)
    True
    """
    order = np.argsort(p, kind="stable")
    drawn = [counts for counts, _ in _drawn_counts(p, bins, seed)]
    rows = []
    for galaxies, counts in zip(np.array_split(order, min(bins, len(p))), drawn, strict=True):
        low, high = np.quantile(counts / len(galaxies), (0.025, 0.975))
        rows.append(
            {
                "predicted": float(p[galaxies].mean()),
                "observed": float(labels[galaxies].mean()),
                "galaxies": len(galaxies),
                "low": float(low),
                "high": float(high),
            }
        )
    return pd.DataFrame(rows)


class Brier(NamedTuple):
    """Parts of the Brier score: it is miscalibration - discrimination + uncertainty."""

    miscalibration: float
    """What the best monotonic recalibration on the same galaxies would save."""
    discrimination: float
    """What recalibrated probabilities save against the share of spirals alone."""
    uncertainty: float
    """Brier score of the share of spirals alone."""


def decompose_brier(labels: Labels, p: Floats) -> Brier:
    """Divide the Brier score into three parts, without bins.

    Dimitriadis, Gneiting & Jordan (2021), "Stable reliability diagrams for probabilistic
    classifiers", by isotonic regression. Like the calibration error, the miscalibration of few
    galaxies is not 0 even if the probabilities are right.

    Parameters
    ----------
    labels : ndarray of shape (N,), int64
        Classes.
    p : ndarray of shape (N,), float64
        Probabilities of "spiral".

    Returns
    -------
    Brier

    Examples
    --------
    >>> import numpy as np
    >>> parts = decompose_brier(np.array([0, 0, 1, 1]), np.array([0.2, 0.2, 0.8, 0.8]))
    >>> [round(part, 3) for part in parts]
    [0.04, 0.25, 0.25]
    """
    with needs("calibrate"):
        from sklearn.isotonic import IsotonicRegression

    best = IsotonicRegression(y_min=0, y_max=1).fit_transform(p, labels)
    raw, recalibrated = (
        float(np.mean((probabilities - labels) ** 2)) for probabilities in (p, best)
    )
    uncertainty = float(labels.mean() * (1 - labels.mean()))
    return Brier(raw - recalibrated, uncertainty - recalibrated, uncertainty)
