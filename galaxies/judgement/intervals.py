"""95% intervals of shares, and of differences between models on the same galaxies."""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from galaxies.errors import needs

_CLOSE: Final = 1e-9

_NORMAL: Final = 1.959964
"""Between minus and plus this lie 95% of a normal distribution."""


def wilson(right: float, trials: float) -> tuple[float, float]:
    """Compute the interval of Wilson (1927) for a share.

    "Probable inference, the law of succession, and statistical inference". Its coverage is near 95%
    on average also for few galaxies, where the percentiles of a bootstrap cover too little.

    Parameters
    ----------
    right, trials : float
        Number of successes, and of independent trials.

    Examples
    --------
    >>> [round(end, 3) for end in wilson(45, 54)]
    [0.713, 0.91]
    """
    share, square = right / trials, _NORMAL**2 / trials
    middle = (share + square / 2) / (1 + square)
    half = _NORMAL / (1 + square) * np.sqrt(share * (1 - share) / trials + square / trials / 4)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def clopper_pearson(right: float, trials: float, confidence: float = 0.95) -> tuple[float, float]:
    """Compute the exact two-sided interval of Clopper & Pearson (1934) for a share.

    Its coverage is never below the confidence. Counts need not be whole, for galaxies of which
    some are the same.

    Examples
    --------
    >>> [round(end, 3) for end in clopper_pearson(54, 54)]
    [0.934, 1.0]
    """
    with needs("calibrate"):
        from scipy.special import betaincinv

    tail = (1 - confidence) / 2
    # Sums of shares may be a little away from 0 or all.
    low = float(betaincinv(right, trials - right + 1, tail)) if right > _CLOSE else 0.0
    high = 1.0
    if right < trials - _CLOSE:
        high = float(betaincinv(right + 1, trials - right, 1 - tail))
    return low, high


def student(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Compute the interval of the mean of a few repetitions, such as five seeds (Student 1908).

    "The probable error of a mean". The percentiles of a bootstrap of five numbers would cover 80%.

    Examples
    --------
    >>> import numpy as np
    >>> [round(end, 3) for end in student(np.array([0.1, 0.12, 0.11, 0.13, 0.14]))]
    [0.1, 0.14]
    """
    with needs("calibrate"):
        from scipy.special import stdtrit

    count = len(values)
    half = float(stdtrit(count - 1, 0.975) * values.std(ddof=1) / np.sqrt(count))
    return float(values.mean()) - half, float(values.mean()) + half


def clusters(images: npt.NDArray[np.str_] | npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    """Group the places (N,) of galaxies with identical images.

    Examples
    --------
    >>> import numpy as np
    >>> [group.tolist() for group in clusters(np.array(["b", "a", "b"]))]
    [[1], [0, 2]]
    """
    _, groups = np.unique(images, return_inverse=True)
    order = np.argsort(groups, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)


def resampled(
    groups: list[npt.NDArray[np.int64]], random: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Draw as many clusters as there are, with replacement, and list the places of their members.

    Field & Welsh (2007), "Bootstrapping clustered data".

    Examples
    --------
    >>> import numpy as np
    >>> groups = clusters(np.array(["b", "a", "b"]))
    >>> resampled(groups, np.random.default_rng(1)).tolist()
    [1, 0, 2]
    """
    chosen = random.integers(0, len(groups), len(groups))
    return np.concatenate([groups[number] for number in chosen])


class Difference(NamedTuple):
    """Difference of the accuracies of two models on the same galaxies."""

    accuracy: float
    """Accuracy of the first minus that of the second, each image counting once."""
    low: float
    high: float
    p_value: float
    """Probability of at least such a difference if both are equally good."""


def compare_models(
    first: npt.NDArray[np.bool_],
    second: npt.NDArray[np.bool_],
    images: npt.NDArray[np.str_] | npt.NDArray[np.int64] | None = None,
) -> Difference:
    """Compare two models galaxy by galaxy; overlapping intervals of each would say less.

    The exact test of McNemar (1947), and the interval of Agresti & Min (2005), "Simple improved
    confidence intervals for comparing matched proportions".

    Galaxies with identical images count as one, with the mean of their differences, as in
    Durkalski et al. (2003), "Analysis of clustered matched-pair data". The test stays exact: it
    takes only the sign of this mean. Mostly all have the same sign, because the models answer the
    same; the votes may differ.

    Parameters
    ----------
    first, second : ndarray of shape (N,), bool
        Whether each model is right about each galaxy.
    images : ndarray of shape (N,), str or int64, optional
        Which image each galaxy has, such as its SHA-1; by default all are different.

    Returns
    -------
    Difference

    Examples
    --------
    >>> import numpy as np
    >>> first, second = np.arange(200) >= 20, np.arange(200) >= 34
    >>> comparison = compare_models(first, second)
    >>> [round(number, 3) for number in comparison]
    [0.07, 0.033, 0.106, 0.0]

    If each image is there twice, the answer is the same:

    >>> images = np.tile(np.arange(200), 2)
    >>> compare_models(first[images], second[images], images) == comparison
    True
    """
    with needs("calibrate"):
        from scipy.special import bdtr

    groups = np.arange(len(first))
    if images is not None:
        _, groups = np.unique(images, return_inverse=True)
    sizes = np.bincount(groups)
    # Of each image, the shares of galaxies about which only one of the models is right.
    only_first = np.bincount(groups, first & ~second) / sizes
    only_second = np.bincount(groups, second & ~first) / sizes
    count, apart = len(sizes), float((only_first + only_second).sum())
    difference = float((only_first - only_second).sum())
    # Half an image more in each of the four cells.
    padded = count + 2
    middle = difference / padded
    half = _NORMAL * np.sqrt(apart + 1 - difference**2 / padded) / padded
    better, worse = int((only_first > only_second).sum()), int((only_second > only_first).sum())
    tail = float(bdtr(min(better, worse), better + worse, 0.5)) if better + worse else 1.0
    return Difference(
        difference / count, float(middle - half), float(middle + half), min(1.0, 2 * tail)
    )
