"""A galaxy has no up: the eight flips and quarter turns of an image."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from galaxies.base.arrays import Pixels, Probabilities

_CHUNK: Final = 512


def orient(images: Pixels, view: int) -> Pixels:
    """Turn images by a quarter `view % 4` times, mirrored first if `view` is 4 or more.

    Parameters
    ----------
    images
        (N, size, size, 3).
    view
        0, which changes nothing, to 7.
    """
    if view >= 4:
        images = images[:, :, ::-1]
    return np.ascontiguousarray(np.rot90(images, view % 4, axes=(1, 2)))


def average_orientations(
    score: Callable[[Any], Probabilities], inputs: npt.NDArray[Any], views: int
) -> tuple[Probabilities, Probabilities]:
    """Average a model's probabilities over orientations.

    Parameters
    ----------
    score
        Gives probabilities (N,) for N inputs.
    inputs
        Images (N, size, size, 3); where `views` is 1, anything that `score` takes.
    views
        How many of the eight orientations: 1 or 8.

    Returns
    -------
    mean, spread : ndarray of float32 (N,)
        The spread is the standard deviation over the orientations, 0 for one.
    """
    if views == 1:
        only = score(inputs)
        return only, np.zeros_like(only)
    each = np.stack([score(orient(inputs, view)) for view in range(views)]).astype(np.float64)
    return each.mean(axis=0).astype(np.float32), each.std(axis=0).astype(np.float32)


def score_rows(
    score: Callable[[Any], Probabilities],
    inputs: npt.NDArray[Any],
    rows: npt.NDArray[np.int64],
    views: int,
    *,
    doing: str,
) -> tuple[Probabilities, Probabilities]:
    """Do the same for rows of an array on disk, some hundred at a time, with a progress bar.

    Parameters
    ----------
    score, inputs, views
        As in `average_orientations`.
    rows
        (N,) which inputs.
    doing
        What the progress bar says.
    """
    parts = []
    with tqdm(total=len(rows), desc=doing, unit=" galaxies", unit_scale=True) as bar:
        for start in range(0, len(rows), _CHUNK):
            chunk = rows[start : start + _CHUNK]
            parts.append(average_orientations(score, inputs[chunk], views))
            bar.update(len(chunk))
    mean, spread = (np.concatenate(part) for part in zip(*parts, strict=True))
    return mean, spread
