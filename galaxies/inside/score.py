"""The number that an explanation explains: the logit of an answer against the others."""

from typing import Any

import numpy as np
import numpy.typing as npt

from galaxies.bundle.description import Description
from galaxies.errors import GalaxiesError
from galaxies.inside.gradient import Floats32, Gradient


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


def answers_that_count(description: Description, question: str | None) -> tuple[slice, list[str]]:
    """Find the places of the answers to a question among the outputs of a network.

    Parameters
    ----------
    description : Description
        Description of the bundle, for one of its campaigns.
    question : str, optional
        Name of the question; by default the first question of the campaign, for which only the two
        classes count.

    Returns
    -------
    places : slice
    names : list of str
        The answers in order.

    Raises
    ------
    GalaxiesError
        If the network does not answer the question.

    Examples
    --------
    >>> from galaxies.bundle.description import read_description
    >>> from galaxies.bundle.pretrained import PRETRAINED
    >>> answers_that_count(read_description(PRETRAINED / "real"), "bar")
    (slice(5, 7, None), ['bar_yes', 'bar_no'])
    """
    campaign, answered = description.answers_of, description.answered
    start = description.layout.places(campaign).start if answered else 0
    if question in (None, campaign.first.name):
        return slice(start, start + 2), list(campaign.first.names[:2])
    if question not in answered:
        names = ", ".join(answered) or campaign.first.name
        raise GalaxiesError(f"the bundle does not answer {question!r}; choose one of: {names}")
    asked = campaign.question(question)
    return slice(start + asked.places.start, start + asked.places.stop), list(asked.names)
