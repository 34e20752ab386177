"""Where in an image a network sees reasons for its answer, by one of several methods.

What is explained is one number: the answer's logit against those of the question's other answers,
as a logit of the answer against them all. Of the first question only the two classes count.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from galaxies.base.arrays import Pixels
from galaxies.base.pool import in_order
from galaxies.base.questions import ALL_QUESTIONS, FIRST, Campaign
from galaxies.errors import GalaxiesError
from galaxies.inside.gradient import Floats32, Gradient

STEPS: Final = 16
"""From the bare sky to the image, in integrated gradients."""

SMOOTH: Final = 1.5
"""Pixels, the standard deviation of the Gaussian that smooths evidence from pixel to pixel."""

_TOGETHER: Final = 8
"""Images that a thread explains at a time."""


class Score:
    """The number that is explained: a logit of an answer against the others of its question.

    Parameters
    ----------
    gradient : Gradient
        Of a network with 52 numbers, or with one, the logit of "spiral".
    places : slice
        Where the answers that count stand among the numbers.
    """

    def __init__(self, gradient: Gradient, places: slice) -> None:
        self._gradient = gradient
        self._places = places
        self._alone = gradient.kernel.shape[1] == 1

    def _logits(self, images: npt.NDArray[Any]) -> Floats32:
        numbers = self._gradient.numbers(images)
        if self._alone:
            numbers = np.concatenate([np.zeros_like(numbers), numbers], axis=1)
        return numbers[:, self._places]

    def predicted(self, images: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Tell which of the answers the network gives, int64 (N,)."""
        return np.argmax(self._logits(images), axis=1)

    def __call__(self, images: npt.NDArray[Any], answers: npt.NDArray[np.int64]) -> Floats32:
        """Compute the score, float32 (N,), of an answer for each image (N, side, side, 3)."""
        logits = self._logits(images)
        others = _but(logits, answers)
        return logits[np.arange(len(logits)), answers] - _log_sum(others)

    def direction(self, images: npt.NDArray[Any], answers: npt.NDArray[np.int64]) -> Floats32:
        """Compute how the score changes with each of the network's numbers, (N, numbers)."""
        count = self._places.stop - self._places.start
        # The logarithm of a sum of one exponential is linear: its slope is the same everywhere.
        logits = self._logits(images) if count > 2 else np.zeros((len(images), count), np.float32)
        others = _but(logits, answers)
        slopes = -np.exp(others - _log_sum(others)[:, None])
        slopes[np.arange(len(slopes)), answers] = 1
        if self._alone:
            return np.asarray(slopes[:, 1:], np.float32)
        direction = np.zeros((len(images), self._gradient.kernel.shape[1]), np.float32)
        direction[:, self._places] = slopes
        return direction

    def slopes(self, images: npt.NDArray[Any], answers: npt.NDArray[np.int64]) -> Floats32:
        """Compute the score's gradient, float32 (N, side, side, 3)."""
        return self._gradient.gradient(images, self.direction(images, answers))

    @property
    def linear(self) -> bool:
        """Whether the score is linear in the mean of the last maps."""
        two = self._places.stop - self._places.start == 2
        return two and self._gradient.maps_name is not None

    def maps(self, images: npt.NDArray[Any]) -> Floats32:
        """Compute the last maps, float32 (N, rows, columns, channels)."""
        return self._gradient.maps(images).transpose(0, 2, 3, 1)

    def through_kernel(self, images: npt.NDArray[Any], answers: npt.NDArray[np.int64]) -> Floats32:
        """Weigh each channel of the last maps by what it does to the score, (N, channels)."""
        return self.direction(images, answers) @ self._gradient.kernel.T


def _but(logits: Floats32, answers: npt.NDArray[np.int64]) -> Floats32:
    others = logits.copy()
    others[np.arange(len(others)), answers] = -np.inf
    return others


def _log_sum(logits: Floats32) -> Floats32:
    largest = logits.max(axis=1)
    total = np.exp(logits - largest[:, None]).sum(axis=1)
    return np.asarray(largest + np.log(total), np.float32)


def sky(images: npt.NDArray[Any]) -> Floats32:
    """Measure the sky's colour at the image's border, and make images of it alone.

    Parameters
    ----------
    images : ndarray of shape (N, side, side, 3)

    Returns
    -------
    ndarray of shape (N, side, side, 3), float32
    """
    width = max(1, images.shape[1] // 16)
    inner = slice(width, -width)
    border = np.ones(images.shape[1:3], bool)
    border[inner, inner] = False
    colour = np.median(images[:, border], axis=1).astype(np.float32)
    return np.broadcast_to(colour[:, None, None], images.shape).copy()


def smoothed(maps: Floats32, width: float = SMOOTH) -> Floats32:
    """Smooth maps float32 (N, side, side) by a Gaussian; each keeps its sum.

    Parameters
    ----------
    maps : ndarray of shape (N, side, side), float32
    width : float
        Standard deviation, in pixels.
    """
    side = maps.shape[1]
    reach = min(int(np.ceil(3 * width)), side)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    kernel /= kernel.sum()
    # As one matrix, mirrored at the edges: the same for rows and columns.
    matrix = np.zeros((side, side))
    for step, weight in zip(range(-reach, reach + 1), kernel, strict=True):
        places = np.arange(side) + step
        places = np.where(places < 0, -1 - places, places)
        places = np.where(places >= side, 2 * side - 1 - places, places)
        np.add.at(matrix, (np.arange(side), places), weight)
    return np.asarray(matrix @ maps @ matrix.T, np.float32)


Method = Callable[[Score, Pixels, npt.NDArray[np.int64]], Floats32]
"""From a score, images (N, side, side, 3) and the places of the answers (N,) to evidence float32
(N, side, side)."""


def contributions(score: Score, images: Pixels, answers: npt.NDArray[np.int64]) -> Floats32:
    """Read off what each position of the last maps contributes.

    Exact where the score is linear in their mean: the contributions then add up to the score, less
    the biases of the answers. They are class activation maps (Zhou et al. 2016, "Learning deep
    features for discriminative localization").

    Returns
    -------
    ndarray of shape (N, rows, columns), float32
    """
    maps = score.maps(images)
    weights = score.through_kernel(images, answers)
    each = np.einsum("nijc,nc->nij", maps, weights) / (maps.shape[1] * maps.shape[2])
    return np.asarray(each, np.float32)


def _spread(maps: Floats32, side: int) -> Floats32:
    """Bring coarse maps onto the image's pixels, linearly between their centres; same sum."""
    coarse = maps.shape[1]
    places = np.clip((np.arange(side) + 0.5) * coarse / side - 0.5, 0, coarse - 1)
    matrix = np.maximum(1 - np.abs(places[:, None] - np.arange(coarse)), 0)
    matrix /= matrix.sum(axis=0)
    return np.asarray(matrix @ maps @ matrix.T, np.float32)


def spread_contributions(score: Score, images: Pixels, answers: npt.NDArray[np.int64]) -> Floats32:
    """Compute `contributions` and bring them onto the image's pixels."""
    return _spread(contributions(score, images, answers), images.shape[1])


def grad_cam(score: Score, images: Pixels, answers: npt.NDArray[np.int64]) -> Floats32:
    """Compute Grad-CAM at the last maps (Selvaraju et al. 2017), brought onto the pixels.

    Where the answers are linear in the mean of these maps it is the positive part of
    `contributions`.
    """
    return _spread(np.maximum(contributions(score, images, answers), 0), images.shape[1])


def integrated_gradients(
    score: Score,
    images: Pixels,
    answers: npt.NDArray[np.int64],
    steps: int = STEPS,
) -> Floats32:
    """Add up the gradients on the way from the bare sky to the image.

    Integrated gradients of Sundararajan, Taly & Yan (2017, "Axiomatic attribution for deep
    networks"), summed over the colours: it adds up to the score of the image less that of the
    sky, but for the finite steps.

    Parameters
    ----------
    score : Score
    images : ndarray of shape (N, side, side, 3), uint8
    answers : ndarray of shape (N,), int64
        Their places.
    steps : int
        Taken at the nodes of Gauss and Legendre.
    """
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    bare = sky(images)
    galaxy = images.astype(np.float32) - bare
    total = np.zeros_like(galaxy)
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        at = bare + np.float32(node) * galaxy
        total += np.float32(weight) * score.slopes(at, answers)
    return np.asarray((total * galaxy).sum(axis=3), np.float32)


def smooth_gradients(
    score: Score, images: Pixels, answers: npt.NDArray[np.int64], draws: int = 16
) -> Floats32:
    """Average the gradient over noisy copies, times what stands above the sky.

    SmoothGrad of Smilkov et al. (2017), times the input; the noise has a tenth of the image's
    range.
    """
    random = np.random.default_rng(0)
    pixels = images.astype(np.float32)
    spread = 0.1 * np.ptp(pixels, axis=(1, 2, 3), keepdims=True)
    total = np.zeros_like(pixels)
    for _ in range(draws):
        noise = spread * random.standard_normal(pixels.shape[1:], dtype=np.float32)
        total += score.slopes(pixels + noise, answers) / draws
    return np.asarray((total * (pixels - sky(images))).sum(axis=3), np.float32)


def occlusion(score: Score, images: Pixels, answers: npt.NDArray[np.int64]) -> Floats32:
    """Cover one square after the other with sky, and note how far the score falls.

    After Zeiler & Fergus (2014, "Visualizing and understanding convolutional networks"). The
    squares are an eighth of the image wide and half of that apart; what each takes away is shared
    out among its pixels.
    """
    side = images.shape[1]
    width = max(2, side // 8)
    starts = np.unique(np.append(np.arange(0, side - width, width // 2), side - width))
    bare, whole = sky(images), score(images, answers)
    evidence = np.zeros(images.shape[:3], np.float32)
    covered = np.zeros((side, side), np.float32)
    for row in starts:
        for column in starts:
            square = np.s_[row : row + width, column : column + width]
            without = images.astype(np.float32)
            without[:, *square] = bare[:, *square]
            fall = whole - score(without, answers)
            evidence[:, *square] += fall[:, None, None] / width**2
            covered[square] += 1
    return evidence / covered
