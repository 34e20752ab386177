"""Views: the eight flips and quarter turns of an image. A galaxy has no up."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from galaxies.base.arrays import Pixels, Probabilities
from galaxies.base.pool import in_order

Predict = Callable[[Any], Probabilities]
"""Gives raw probabilities (N,) for N inputs."""

_CHUNK: Final = 512


def view_of(images: Pixels, view: int) -> Pixels:
    """Turn images by a quarter `view % 4` times, mirrored first if `view` is 4 or more.

    Parameters
    ----------
    images : ndarray of shape (N, size, size, 3), uint8
    view : int
        0, which changes nothing, to 7.

    Returns
    -------
    ndarray of shape (N, size, size, 3), uint8
    """
    if view >= 4:
        images = images[:, :, ::-1]
    return np.ascontiguousarray(np.rot90(images, view % 4, axes=(1, 2)))


def average_views(
    predict: Predict, inputs: npt.NDArray[Any], views: int
) -> tuple[Probabilities, Probabilities]:
    """Average a model's probabilities over views.

    Parameters
    ----------
    predict : Predict
        The model.
    inputs : ndarray
        Images uint8 (N, size, size, 3); where `views` is 1, anything that `predict` takes.
    views : int
        How many of the eight: 1 or 8.

    Returns
    -------
    mean, spread : ndarray of shape (N,), float32
        The spread is the standard deviation over the views, 0 for one.
    """
    if views == 1:
        only = predict(inputs)
        return only, np.zeros_like(only)
    each = np.stack([predict(view_of(inputs, view)) for view in range(views)]).astype(np.float64)
    return each.mean(axis=0).astype(np.float32), each.std(axis=0).astype(np.float32)


def predict_rows(
    predict: Predict,
    inputs: npt.NDArray[Any],
    rows: npt.NDArray[np.int64],
    views: int,
    *,
    workers: int,
    doing: str,
) -> tuple[Probabilities, Probabilities]:
    """Do the same for rows of an array on disk, some hundred at a time, with a progress bar.

    Parameters
    ----------
    predict, inputs, views
        As in `average_views`.
    rows : ndarray of shape (N,), int64
        Which inputs.
    workers : int
        Threads that predict, some hundred inputs each at a time.
    doing : str
        What the progress bar says.

    Returns
    -------
    mean, spread : ndarray of shape (N,), float32
    """

    def predict_chunk(chunk: npt.NDArray[np.int64]) -> tuple[Probabilities, Probabilities]:
        return average_views(predict, inputs[chunk], views)

    chunks = np.split(rows, range(_CHUNK, len(rows), _CHUNK))
    predicted = []
    with (
        ThreadPoolExecutor(workers) as pool,
        tqdm(total=len(rows), desc=doing, unit=" galaxies", unit_scale=True) as bar,
    ):
        for one in in_order(pool, predict_chunk, chunks, 2 * workers):
            predicted.append(one)
            bar.update(len(one[0]))
    mean, spread = (np.concatenate(one) for one in zip(*predicted, strict=True))
    return mean, spread
