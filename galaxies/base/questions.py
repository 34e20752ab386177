"""What the volunteers' votes make of a galaxy."""

from typing import Final

import numpy as np
import numpy.typing as npt

CLASSES: Final = ("elliptical", "spiral")
"""The order of the classes everywhere: a galaxy's label is its place here, 0 or 1."""

VOTED: Final = (*CLASSES, "artifact")
"""What each of the three vote fractions speaks for: smooth, features or disk, star or artifact."""


def most_voted(votes: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Find what most volunteers saw.

    Parameters
    ----------
    votes
        Vote fractions (N, 3): smooth, features or disk, star or artifact.

    Returns
    -------
    ndarray of shape (N,), int64
        Places in `VOTED`. A tie goes to the earlier column: smooth before features or disk
        before star or artifact.
    """
    return np.asarray(np.argmax(votes, axis=1), dtype=np.int64)


def spiral_fraction(
    p_smooth: npt.NDArray[np.float32], p_features: npt.NDArray[np.float32]
) -> npt.NDArray[np.float64]:
    """Share of "features or disk" among the votes that took the object for a galaxy.

    Parameters
    ----------
    p_smooth, p_features
        Vote fractions (N,), not both zero.

    Returns
    -------
    ndarray of shape (N,), float64
        What the probability of "spiral" is compared with.
    """
    features = p_features.astype(np.float64)
    return features / (features + p_smooth)
