"""Draw a sample that is not selected from galaxies with weights."""

from typing import Any

import numpy as np
import numpy.typing as npt


def unselected(weights: npt.NDArray[np.floating[Any]], seed: int = 0) -> npt.NDArray[np.bool_]:
    """Keep each galaxy with a probability in proportion to its weight.

    The galaxy with the largest weight is certain (rejection sampling: von Neumann 1951, "Various
    techniques used in connection with random digits"). What is kept is a sample as if nobody had
    selected it, each galaxy counting once, so that counts, intervals and proofs that know no
    weights are valid on it.

    Parameters
    ----------
    weights : ndarray of shape (N,), float
        Above 0.
    seed : int
        Seed of the random numbers.

    Returns
    -------
    ndarray of shape (N,), bool
        Which galaxies are kept; all of them if their weights are equal.

    Examples
    --------
    >>> import numpy as np
    >>> kept = unselected(np.repeat([1.0, 0.25], 1000))
    >>> int(kept[:1000].sum()), round(kept[1000:].mean(), 1)
    (1000, 0.2)
    """
    if not len(weights):
        return np.zeros(0, dtype=bool)
    chances = weights / weights.max()
    return np.asarray(np.random.default_rng(seed).random(len(weights)) < chances)
