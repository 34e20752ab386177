"""Views: the eight flips and quarter turns of an image. A galaxy has no up."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from galaxies.base.arrays import Pixels, Probabilities
from galaxies.base.pool import in_order
from galaxies.base.questions import Campaign
from galaxies.learning.outputs import Outputs, p_spiral, vote_spread

Predict = Callable[[Any], Outputs]
"""Gives a model's numbers for N inputs."""

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
    predict: Predict, inputs: npt.NDArray[Any], views: int, campaign: Campaign
) -> tuple[Outputs, Probabilities]:
    """Average a model's numbers over views.

    Parameters
    ----------
    predict : Predict
        The model.
    inputs : ndarray
        Images uint8 (N, size, size, 3); where `views` is 1, anything that `predict` takes.
    views : int
        How many of the eight: 1 or 8.
    campaign : {"gz1", "gz2"}
        By whose first question the spread is meant.

    Returns
    -------
    mean : Outputs
    spread : ndarray of shape (N,), float32
        Standard deviation of the share of volunteers who would say "spiral": what the model itself
        expects, and what the views differ by, the variances added.
    """
    if views == 1:
        only = predict(inputs)
        return only, vote_spread(only, campaign)
    each = [predict(view_of(inputs, view)) for view in range(views)]
    expected = np.mean([vote_spread(one, campaign).astype(np.float64) ** 2 for one in each], axis=0)
    between = np.var([p_spiral(one, campaign).astype(np.float64) for one in each], axis=0)
    mean = np.asarray(np.mean(each, axis=0, dtype=np.float64), dtype=np.float32)
    return mean, np.sqrt(expected + between).astype(np.float32)


def predict_rows(
    predict: Predict,
    inputs: npt.NDArray[Any],
    rows: npt.NDArray[np.int64],
    views: int,
    campaign: Campaign,
    *,
    workers: int,
    doing: str,
) -> tuple[Outputs, Probabilities]:
    """Do the same for rows of an array on disk, some hundred at a time, with a progress bar.

    Parameters
    ----------
    predict, inputs, views, campaign
        As in `average_views`.
    rows : ndarray of shape (N,), int64
        Which inputs.
    workers : int
        Threads that predict, some hundred inputs each at a time.
    doing : str
        What the progress bar says.

    Returns
    -------
    mean : Outputs
    spread : ndarray of shape (N,), float32
    """

    def predict_chunk(chunk: npt.NDArray[np.int64]) -> tuple[Outputs, Probabilities]:
        return average_views(predict, inputs[chunk], views, campaign)

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
