"""Prove an agreement from a random sample, valid whenever one stops."""

from typing import Final

import numpy as np
import numpy.typing as npt

Right = npt.NDArray[np.bool_]
"""(N,) whether each answer agrees with the machine, in the order in which they were drawn."""

_ALTERNATIVES: Final = 20
"""Number of agreements above the target that the evidence averages over."""


def most_that_fail(population: int, agreement: float) -> int:
    """Find the largest number of agreeing galaxies that is below a target agreement.

    Examples
    --------
    >>> most_that_fail(1000, 0.95), most_that_fail(10, 0.95)
    (949, 9)
    """
    # 0.95 * 1000 may be a little more than 950.
    return int(np.ceil(round(agreement * population, 6))) - 1


def running_evidence(right: Right, population: int, most: int) -> npt.NDArray[np.float64]:
    """Compute the evidence that more than `most` of the galaxies agree, after each answer.

    A likelihood ratio: the probability of the answers if the share of agreeing galaxies is above
    the target (an even mixture of 20 shares), over their probability if exactly `most` agree. Where
    at most so many agree, the evidence is a non-negative supermartingale, and it ever reaches 1 / a
    with a probability of at most a (Ville 1939). So one may look after each answer and stop at any
    time. The galaxies are drawn without replacement, from a population of known size.

    Waudby-Smith & Ramdas (2024), "Estimating means of bounded random variables by betting",
    Journal of the Royal Statistical Society B 86, 1; without replacement in their section 5.

    Parameters
    ----------
    right : ndarray of shape (N,), bool
        Whether each answer agrees, in random order.
    population : int
        Number of galaxies from which the N were drawn.
    most : int
        Number of agreeing galaxies in the population that is to be refuted.

    Returns
    -------
    ndarray of shape (N,), float64
        Logarithm of the evidence; infinite if more than `most` answers agree.

    Examples
    --------
    >>> import numpy as np
    >>> flawless = running_evidence(np.ones(100, bool), 10_000, most_that_fail(10_000, 0.95))
    >>> round(float(np.exp(flawless[-1])), 1)
    34.2
    """
    numbers = right.astype(np.float64)
    agreed = (np.cumsum(numbers) - numbers)[:, None]
    differed = (np.cumsum(1 - numbers) - (1 - numbers))[:, None]
    middle = (np.arange(_ALTERNATIVES) + 0.5) / _ALTERNATIVES
    # No alternative expects fewer galaxies to differ than have differed.
    more = np.minimum(most + (population - most) * middle, population - differed)
    factors = np.where(
        right[:, None],
        (more - agreed) / np.maximum(most - agreed, 1e-300),
        (population - more - differed) / np.maximum(population - most - differed, 1e-300),
    )
    with np.errstate(divide="ignore"):
        each = np.cumsum(np.log(np.maximum(factors, 0)), axis=0)
    top = np.maximum(each.max(axis=1, initial=-np.inf), -1e300)
    with np.errstate(divide="ignore"):
        evidence = top + np.log(np.exp(each - top[:, None]).mean(axis=1))
    return np.where(np.cumsum(right) > most, np.inf, evidence)


def is_proven(right: Right, population: int, most: int, confidence: float) -> bool:
    """Whether the evidence has ever been strong enough that more than `most` galaxies agree."""
    evidence = running_evidence(right, population, most)
    return bool(evidence.max(initial=-np.inf) >= -np.log1p(-confidence))


def anytime_lower_bound(right: Right, population: int, confidence: float) -> float:
    """Compute a lower bound on the agreement that holds at all times.

    Parameters
    ----------
    right : ndarray of shape (N,), bool
        Whether each answer agrees, in random order.
    population : int
        Number of galaxies from which the N were drawn.
    confidence : float
        Probability that the bound is never above the agreement, after however many answers.

    Returns
    -------
    float
        Share of the population.

    Examples
    --------
    >>> import numpy as np
    >>> right = np.arange(500) % 50 > 0
    >>> round(anytime_lower_bound(right, 3044, 0.9), 3)
    0.962
    """
    low, high = -1, population  # that more than -1 agree is true, that more than all, is not
    while high - low > 1:
        most = (low + high) // 2
        if is_proven(right, population, most, confidence):
            low = most
        else:
            high = most
    return (low + 1) / population
