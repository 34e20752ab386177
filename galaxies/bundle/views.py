"""Views: the eight flips and quarter turns of an image. The sky has no up or down."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from galaxies.base.arrays import Outputs, Pixels, Probabilities
from galaxies.base.pool import in_order
from galaxies.bundle.answers import p_spiral, vote_spread
from galaxies.questions.layout import ClassPlaces

Predict = Callable[[Any], Outputs]
"""Computes the outputs of a model for N inputs."""

_CHUNK: Final = 512


def view_of(images: Pixels, view: int) -> Pixels:
    """Rotate images by `view % 4` quarter turns, mirrored first if `view` is 4 or more.

    Parameters
    ----------
    images : ndarray of shape (N, size, size, 3), uint8
        Images.
    view : int
        From 0, which changes nothing, to 7.

    Returns
    -------
    ndarray of shape (N, size, size, 3), uint8

    Examples
    --------
    >>> import numpy as np
    >>> image = np.array([[1, 2], [3, 4]], np.uint8)[None, :, :, None].repeat(3, axis=3)
    >>> [view_of(image, view)[0, :, :, 0].tolist() for view in (0, 1, 4)]
    [[[1, 2], [3, 4]], [[2, 4], [1, 3]], [[2, 1], [4, 3]]]
    """
    if view >= 4:
        images = images[:, :, ::-1]
    return np.ascontiguousarray(np.rot90(images, view % 4, axes=(1, 2)))


def average_views(
    predict: Predict, inputs: npt.NDArray[Any], views: int, classes: ClassPlaces
) -> tuple[Outputs, Probabilities]:
    """Average the outputs of a model over views.

    Parameters
    ----------
    predict : Predict
        The model.
    inputs : ndarray of shape (N, size, size, 3), uint8
        Images; with one view, any input of `predict`.
    views : int
        Number of views, 1 or 8.
    classes : ClassPlaces
        Places of the answers that the spread is of; any for a model that predicts only the class.

    Returns
    -------
    mean : Outputs
    spread : ndarray of shape (N,), float32
        Standard deviation of the fraction of volunteers who answer "spiral": the variance that the
        model predicts plus the variance between views.

    Examples
    --------
    >>> import numpy as np
    >>> from galaxies.questions.layout import ClassPlaces
    >>> def brightness_of_a_corner(images):
    ...     return images[:, 0, 0, 0].astype(np.float32) / 255
    >>> image = np.zeros((1, 2, 2, 3), np.uint8)
    >>> image[0, 0, 0] = 255
    >>> average_views(brightness_of_a_corner, image, 8, ClassPlaces(0, 1, 2))[0].tolist()
    [0.25]
    """
    if views == 1:
        only = predict(inputs)
        return only, vote_spread(only, classes)
    each = [predict(view_of(inputs, view)) for view in range(views)]
    expected = np.mean(
        [vote_spread(outputs, classes).astype(np.float64) ** 2 for outputs in each], axis=0
    )
    between = np.var([p_spiral(outputs, classes).astype(np.float64) for outputs in each], axis=0)
    mean = np.asarray(np.mean(each, axis=0, dtype=np.float64), dtype=np.float32)
    return mean, np.sqrt(expected + between).astype(np.float32)


def predict_rows(
    predict: Predict,
    inputs: npt.NDArray[Any],
    rows: npt.NDArray[np.int64],
    views: int,
    classes: ClassPlaces,
    *,
    workers: int,
    doing: str,
) -> tuple[Outputs, Probabilities]:
    """Average over views for rows of an array on disk, with a progress bar.

    Parameters
    ----------
    predict : Predict
        The model.
    inputs : ndarray of shape (M, ...)
        All inputs.
    rows : ndarray of shape (N,), int64
        The rows to predict, 512 at a time.
    views : int
        Number of views, 1 or 8.
    classes : ClassPlaces
        Places of the answers that the spread is of; any for a model that predicts only the class.
    workers : int
        Number of threads.
    doing : str
        Text of the progress bar.

    Returns
    -------
    mean : Outputs
    spread : ndarray of shape (N,), float32

    Examples
    --------
    >>> import numpy as np
    >>> from galaxies.questions.layout import ClassPlaces
    >>> inputs = np.linspace(0, 1, 9, dtype=np.float32)
    >>> rows = np.array([2, 4])
    >>> mean, _ = predict_rows(
    ...     lambda chunk: chunk, inputs, rows, 1, ClassPlaces(0, 1, 2), workers=1, doing="predict"
    ... )
    >>> mean.tolist()
    [0.25, 0.5]
    """

    def predict_chunk(chunk: npt.NDArray[np.int64]) -> tuple[Outputs, Probabilities]:
        return average_views(predict, inputs[chunk], views, classes)

    chunks = np.split(rows, range(_CHUNK, len(rows), _CHUNK))
    predicted = []
    with (
        ThreadPoolExecutor(workers) as pool,
        tqdm(total=len(rows), desc=doing, unit=" galaxies", unit_scale=True) as bar,
    ):
        for averaged in in_order(pool, predict_chunk, chunks, 2 * workers):
            predicted.append(averaged)
            bar.update(len(averaged[0]))
    mean, spread = (np.concatenate(parts) for parts in zip(*predicted, strict=True))
    return mean, spread
