"""The number that an explanation explains: the logit of an answer against the others."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from galaxies.errors import GalaxiesError
from galaxies.inside.gradient import Floats32, Gradient
from galaxies.questions.tree import ALL_QUESTIONS, FIRST, Campaign


class Score:
    """The number to explain: the logit of an answer against the others to its question.

    Parameters
    ----------
    gradient : Gradient
        A network with 52 outputs, or with one, the logit of "spiral".
    places : slice
        Places of the answers among the outputs.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from galaxies.inside.gradient import Gradient
    >>> score = Score(Gradient(Path("models/cnn")), slice(0, 2))
    >>> images = np.load("data/images.npy")[:2]
    >>> answers = score.predicted(images)
    >>> score(images, answers).shape, bool((score(images, answers) >= 0).all())
    ((2,), True)
    >>> score.slopes(images, answers).shape
    (2, 64, 64, 3)
    """

    def __init__(self, gradient: Gradient, places: slice) -> None:
        self.gradient = gradient
        self._places = places
        self._alone = gradient.size == 1

    def _logits(self, images: npt.NDArray[Any]) -> Floats32:
        numbers = self.gradient.numbers(images)
        if self._alone:
            numbers = np.concatenate([np.zeros_like(numbers), numbers], axis=1)
        return numbers[:, self._places]

    def predicted(self, images: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Return the places of the predicted answers, int64 (N,)."""
        return np.asarray(np.argmax(self._logits(images), axis=1), np.int64)

    def __call__(self, images: npt.NDArray[Any], answers: npt.NDArray[np.int64]) -> Floats32:
        """Compute the score of an answer for each image (N, side, side, 3); returns (N,)."""
        logits = self._logits(images)
        others = _but(logits, answers)
        return logits[np.arange(len(logits)), answers] - _log_sum(others)

    def direction(self, images: npt.NDArray[Any], answers: npt.NDArray[np.int64]) -> Floats32:
        """Compute the derivative of the score by each output of the network, (N, numbers)."""
        count = self._places.stop - self._places.start
        # With only two answers the score is linear, so the logits do not matter.
        logits = self._logits(images) if count > 2 else np.zeros((len(images), count), np.float32)
        others = _but(logits, answers)
        slopes = -np.exp(others - _log_sum(others)[:, None])
        slopes[np.arange(len(slopes)), answers] = 1
        if self._alone:
            return np.asarray(slopes[:, 1:], np.float32)
        direction = np.zeros((len(images), self.gradient.size), np.float32)
        direction[:, self._places] = slopes
        return direction

    def slopes(self, images: npt.NDArray[Any], answers: npt.NDArray[np.int64]) -> Floats32:
        """Compute the gradient of the score by the pixels, float32 (N, side, side, 3)."""
        return self.gradient.gradient(images, self.direction(images, answers))

    def by_channel(
        self, images: npt.NDArray[Any], answers: npt.NDArray[np.int64], layer: str
    ) -> tuple[Floats32, Floats32]:
        """Compute the activations of a layer, and the gradient of the score by them.

        Returns
        -------
        tuple of two ndarrays of shape (N, rows, columns, channels), float32
        """
        return self.gradient.by_channel(images, self.direction(images, answers), layer)


def _but(logits: Floats32, answers: npt.NDArray[np.int64]) -> Floats32:
    others = logits.copy()
    others[np.arange(len(others)), answers] = -np.inf
    return others


def _log_sum(logits: Floats32) -> Floats32:
    largest = logits.max(axis=1)
    total = np.exp(logits - largest[:, None]).sum(axis=1)
    return np.asarray(largest + np.log(total), np.float32)


def answers_that_count(question: str | None, campaign: Campaign, learned: Sequence[str]) -> slice:
    """Find the places of the answers to a question among the outputs of a network.

    Parameters
    ----------
    question : str, optional
        Name of the question; by default the first question of the campaign, for which only the two
        classes count.
    campaign : {"gz1", "gz2"}
        The campaign.
    learned : sequence of str
        Names of the questions that the network answers; empty if it predicts only the class.

    Returns
    -------
    slice

    Raises
    ------
    GalaxiesError
        If the network does not answer the question.

    Examples
    --------
    >>> answers_that_count("bar", "gz2", ["smooth", "bar"])
    slice(5, 7, None)
    """
    first = FIRST[campaign]
    if question in (None, first.name):
        start = first.places.start if learned else 0
        return slice(start, start + 2)
    if question not in learned:
        known = ", ".join(learned) or first.name
        raise GalaxiesError(f"the bundle does not answer {question!r}; choose one of: {known}")
    return next(one.places for one in ALL_QUESTIONS if one.name == question)
