"""Explain the answers of a bundle."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from galaxies.base.arrays import Pixels
from galaxies.bundle.description import Description
from galaxies.bundle.views import view_of
from galaxies.errors import GalaxiesError
from galaxies.inside.gradient import Floats32, Gradient
from galaxies.inside.methods import evidence, in_batches
from galaxies.inside.score import Score, answers_that_count


def explain(
    folder: Path,
    description: Description,
    images: Pixels,
    question: str | None = None,
    answer: str | None = None,
) -> Floats32:
    """Compute where in images the network of a bundle sees evidence for an answer.

    Parameters
    ----------
    folder : Path
        The bundle.
    description : Description
        Its description.
    images : ndarray of shape (N, size, size, 3), uint8
        Cropped and reduced images.
    question : str, optional
        Name of the question, such as `bar`; by default the first.
    answer : str, optional
        Name of the answer, such as `bar_yes`; by default the predicted answer for each image.

    Returns
    -------
    ndarray of shape (N, size, size), float32
        Positive where the image is evidence for the answer. If the bundle averages eight views, the
        mean of their evidence, each rotated back.

    Raises
    ------
    GalaxiesError
        If the bundle is not a convolutional network, if the images have the wrong size, or if there
        is no such question or answer.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from galaxies.bundle.description import read_description
    >>> folder = Path("models/cnn")
    >>> explain(folder, read_description(folder), np.load("data/images.npy")[:2]).shape
    (2, 64, 64)
    """
    score, _, answers = asked(folder, description, images, question, answer)
    return explain_answers(score, description.views, images, answers)


class Asked(NamedTuple):
    """A question and its answers that count, by name."""

    question: str
    answers: list[str]


def asked(
    folder: Path,
    description: Description,
    images: Pixels,
    question: str | None,
    answer: str | None,
) -> tuple[Score, Asked, npt.NDArray[np.int64]]:
    """Check what is asked of a bundle, as for `explain`.

    Returns
    -------
    score : Score
        The score to explain.
    names : Asked
        The question and its answers.
    answers : ndarray of shape (N,), int64
        Place of the answer for each image.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from galaxies.bundle.description import read_description
    >>> folder = Path("models/cnn")
    >>> images = np.load("data/images.npy")[:2]
    >>> _, names, answers = asked(folder, read_description(folder), images, "bar", "bar_no")
    >>> names.question, names.answers, answers.tolist()
    ('bar', ['bar_yes', 'bar_no'], [1, 1])
    """
    if description.model != "cnn":
        raise GalaxiesError(
            f"{folder}: a {description.title} cannot be explained; use a CNN bundle"
        )
    size = description.size
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (size, size, 3):
        raise GalaxiesError(
            f"{folder}: images must be uint8 (N, {size}, {size}, 3), "
            f"got {images.dtype} {images.shape}"
        )
    places, names = answers_that_count(description, question)
    if answer is not None and answer not in names:
        raise GalaxiesError(f"{answer!r} is not an answer here; choose one of: {', '.join(names)}")
    score = Score(Gradient(folder), places)
    if answer is not None:
        answers = np.full(len(images), names.index(answer))
    elif len(images):
        answers = score.predicted(images)
    else:
        answers = np.zeros(0, np.int64)
    return score, Asked(question or description.answers_of.first.name, names), answers


def explain_answers(
    score: Score, views: int, images: Pixels, answers: npt.NDArray[np.int64]
) -> Floats32:
    """Average the evidence for answers over the views, each rotated back."""
    total = np.zeros(images.shape[:3], np.float32)
    for view in range(views):
        total += _turned_back(in_batches(evidence, score, view_of(images, view), answers), view)
    return total / np.float32(views)


def _turned_back(maps: Floats32, view: int) -> Floats32:
    """Undo `view_of`."""
    maps = np.rot90(maps, -view, axes=(1, 2))
    return maps[:, :, ::-1] if view >= 4 else maps
