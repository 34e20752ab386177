"""Methods that show where in an image a network sees evidence for an answer.

All explain the same number, the `Score`.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from typing import Final

import numpy as np
import numpy.typing as npt

from galaxies.base.arrays import Pixels
from galaxies.base.pool import in_order
from galaxies.inside.gradient import Floats32
from galaxies.inside.images import blurred, sky, smoothed
from galaxies.inside.score import Score

STEPS: Final = 12
"""Steps along the path of integrated gradients."""

ROUNDS: Final = 2
"""Rounds that refine the evidence. Chosen on galaxies that are not used to test it."""

REPLACED: Final = (0.02, 0.07, 0.15, 0.3)
"""Shares of the pixels, the most important first, that are replaced in each round."""

_TOGETHER: Final = 8
"""Images per batch of a thread."""

Method = Callable[[Score, Pixels, npt.NDArray[np.int64]], Floats32]
"""Computes evidence float32 (N, side, side) from a score, images (N, side, side, 3) and the places
of the answers (N,)."""


def contributions(score: Score, images: Pixels, answers: npt.NDArray[np.int64]) -> Floats32:
    """Compute the contribution of each position of the last maps: activations times gradient.

    With two answers, and a last layer that is linear in the mean of these maps, this is exact: the
    contributions are class activation maps (Zhou et al. 2016, "Learning deep features for
    discriminative localization"), and sum to the score minus the biases of the answers.

    Parameters
    ----------
    score : Score
        The score to explain.
    images : ndarray of shape (N, side, side, 3), uint8
        Images.
    answers : ndarray of shape (N,), int64
        Places of the answers.

    Returns
    -------
    ndarray of shape (N, rows, columns), float32

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from galaxies.inside.gradient import Gradient
    >>> from galaxies.inside.score import Score
    >>> score = Score(Gradient(Path("models/cnn")), slice(0, 2))
    >>> images = np.load("data/images.npy")[:2]
    >>> answers = score.predicted(images)
    >>> contributions(score, images, answers).shape
    (2, 8, 8)
    """
    activations, slopes = score.by_channel(images, answers, list(score.gradient.layers)[-1])
    return np.asarray((activations * slopes).sum(axis=3), np.float32)


def _spread(maps: Floats32, side: int) -> Floats32:
    """Interpolate coarse maps linearly to the pixels of the image, which preserves the sum."""
    coarse = maps.shape[1]
    places = np.clip((np.arange(side) + 0.5) * coarse / side - 0.5, 0, coarse - 1)
    matrix = np.maximum(1 - np.abs(places[:, None] - np.arange(coarse)), 0)
    matrix /= matrix.sum(axis=0)
    return np.asarray(matrix @ maps @ matrix.T, np.float32)


def spread_contributions(score: Score, images: Pixels, answers: npt.NDArray[np.int64]) -> Floats32:
    """Compute `contributions`, interpolated to the pixels of the image."""
    return _spread(contributions(score, images, answers), images.shape[1])


def grad_cam(score: Score, images: Pixels, answers: npt.NDArray[np.int64]) -> Floats32:
    """Compute Grad-CAM of the last maps (Selvaraju et al. 2017), interpolated to the pixels."""
    activations, slopes = score.by_channel(images, answers, list(score.gradient.layers)[-1])
    weights = slopes.mean(axis=(1, 2), keepdims=True)
    evidence = np.maximum((activations * weights).sum(axis=3), 0)
    return _spread(np.asarray(evidence, np.float32), images.shape[1])


def integrated_gradients(
    score: Score,
    images: Pixels,
    answers: npt.NDArray[np.int64],
    start: Floats32,
    steps: int = STEPS,
) -> Floats32:
    """Integrate the gradients along a straight path from other images to these.

    Integrated gradients of Sundararajan, Taly & Yan (2017, "Axiomatic attribution for deep
    networks"), summed over the colours, with Gauss-Legendre quadrature. Apart from the finite
    number of steps, they sum to the score minus that of the start.

    Parameters
    ----------
    score : Score
        The score to explain.
    images : ndarray of shape (N, side, side, 3), uint8
        Images.
    answers : ndarray of shape (N,), int64
        Places of the answers.
    start : ndarray of shape (N, side, side, 3), float32
        Images at the start of the path.
    steps : int
        Number of steps.

    Returns
    -------
    ndarray of shape (N, side, side), float32

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from galaxies.inside.gradient import Gradient
    >>> from galaxies.inside.images import sky
    >>> from galaxies.inside.score import Score
    >>> score = Score(Gradient(Path("models/cnn")), slice(0, 2))
    >>> images = np.load("data/images.npy")[:2]
    >>> answers = score.predicted(images)
    >>> start = sky(images)
    >>> total = integrated_gradients(score, images, answers, start, steps=48).sum(axis=(1, 2))
    >>> change = score(images, answers) - score(start, answers)
    >>> bool(np.allclose(total, change, rtol=0.2, atol=0.5))
    True
    """
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    way = images.astype(np.float32) - start
    total = np.zeros_like(way)
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        total += np.float32(weight) * score.slopes(start + np.float32(node) * way, answers)
    return np.asarray((total * way).sum(axis=3), np.float32)


def from_sky(score: Score, images: Pixels, answers: npt.NDArray[np.int64]) -> Floats32:
    """Compute integrated gradients from the bare sky."""
    return smoothed(integrated_gradients(score, images, answers, sky(images)))


def from_blur(score: Score, images: Pixels, answers: npt.NDArray[np.int64]) -> Floats32:
    """Compute integrated gradients from the blurred image."""
    return smoothed(integrated_gradients(score, images, answers, blurred(images)))


def replacing_gradients(
    score: Score, images: Pixels, answers: npt.NDArray[np.int64], maps: Floats32
) -> Floats32:
    """Average the gradients along paths that replace the most important pixels of a map first.

    There are three paths: the pixels are replaced by sky, placed on bare sky, or sharpened in the
    blurred image. These paths replace pixel by pixel, instead of all pixels gradually as in
    integrated gradients, and are equally valid (Friedman 2004, "Paths and consistency in additive
    cost sharing"). With few steps the sum is not exact.

    Parameters
    ----------
    score : Score
        The score to explain.
    images : ndarray of shape (N, side, side, 3), uint8
        Images.
    answers : ndarray of shape (N,), int64
        Places of the answers.
    maps : ndarray of shape (N, side, side), float32
        Importance of the pixels.

    Returns
    -------
    ndarray of shape (N, side, side), float32

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from galaxies.inside.gradient import Gradient
    >>> from galaxies.inside.score import Score
    >>> score = Score(Gradient(Path("models/cnn")), slice(0, 2))
    >>> images = np.load("data/images.npy")[:2]
    >>> answers = score.predicted(images)
    >>> maps = from_sky(score, images, answers)
    >>> replacing_gradients(score, images, answers, maps).shape
    (2, 64, 64)
    """
    pixels, bare, soft = images.astype(np.float32), sky(images), blurred(images)
    order = np.argsort(-maps.reshape(len(maps), -1), axis=1, kind="stable")
    rank = np.argsort(order, axis=1).reshape(*maps.shape, 1)
    total = np.zeros(maps.shape, np.float32)
    for share in REPLACED:
        important = rank < share * maps[0].size
        for inside, outside in ((bare, pixels), (pixels, bare), (pixels, soft)):
            start = soft if outside is soft else bare
            slopes = score.slopes(np.where(important, inside, outside), answers)
            total += (slopes * (pixels - start)).sum(axis=3)
    return np.asarray(total / (3 * len(REPLACED)), np.float32)


def evidence(score: Score, images: Pixels, answers: npt.NDArray[np.int64]) -> Floats32:
    """Compute evidence with the method of choice.

    The mean of integrated gradients from the sky, which show the effect of the galaxy's light, and
    from the blurred image, which show the effect of its details (Sturmfels, Lundberg & Lee 2020,
    "Visualizing the impact of feature attribution baselines"), is refined in `ROUNDS` rounds: the
    gradients when its most important pixels are replaced are averaged with it.
    """
    starts = (sky(images), blurred(images))
    ways = [integrated_gradients(score, images, answers, start, STEPS // 2) for start in starts]
    total = np.asarray((ways[0] + ways[1]) / 2, np.float32)
    for _ in range(ROUNDS):
        total += replacing_gradients(score, images, answers, smoothed(total))
    return smoothed(np.asarray(total / (1 + ROUNDS), np.float32))


def smooth_gradients(
    score: Score, images: Pixels, answers: npt.NDArray[np.int64], draws: int = 8
) -> Floats32:
    """Average the gradient over noisy copies, times the light above the sky.

    SmoothGrad of Smilkov et al. (2017), times the input; the noise has a tenth of the range of the
    image.
    """
    random = np.random.default_rng(0)
    pixels = images.astype(np.float32)
    spread = 0.1 * np.ptp(pixels, axis=(1, 2, 3), keepdims=True)
    total = np.zeros_like(pixels)
    for _ in range(draws):
        noise = spread * random.standard_normal(pixels.shape[1:], dtype=np.float32)
        total += score.slopes(pixels + noise, answers) / draws
    return smoothed(np.asarray((total * (pixels - sky(images))).sum(axis=3), np.float32))


def occlusion(score: Score, images: Pixels, answers: npt.NDArray[np.int64]) -> Floats32:
    """Cover one square after another with sky, and measure how far the score falls.

    After Zeiler & Fergus (2014, "Visualizing and understanding convolutional networks"). The
    squares are adjacent, each an eighth of the image wide.
    """
    side = images.shape[1]
    width = max(2, side // 8)
    bare, whole = sky(images), score(images, answers)
    evidence = np.zeros(images.shape[:3], np.float32)
    for row in range(0, side, width):
        for column in range(0, side, width):
            square = np.s_[:, row : row + width, column : column + width]
            without = images.astype(np.float32)
            without[square] = bare[square]
            evidence[square] = (whole - score(without, answers))[:, None, None] / width**2
    return evidence


METHODS: Final[dict[str, Method]] = {
    "contributions": spread_contributions,
    "grad_cam": grad_cam,
    "smooth_gradients": smooth_gradients,
    "occlusion": occlusion,
    "from_sky": from_sky,
    "from_blur": from_blur,
}
"""Other methods, to compare `evidence` with."""


def by_all_methods(
    score: Score, images: Pixels, answers: npt.NDArray[np.int64]
) -> dict[str, Floats32]:
    """Explain images with each of `METHODS`, and with `evidence`."""
    methods = METHODS | {"evidence": evidence}
    return {name: method(score, images, answers) for name, method in methods.items()}


def in_batches(
    method: Method, score: Score, images: Pixels, answers: npt.NDArray[np.int64]
) -> Floats32:
    """Apply a method to any number of images, in small batches, on all cores.

    Parameters
    ----------
    method : callable
        `evidence`, or one of `METHODS`.
    score : Score
        The score to explain.
    images : ndarray of shape (N, side, side, 3), uint8
        Images.
    answers : ndarray of shape (N,), int64
        Places of the answers.

    Returns
    -------
    ndarray of shape (N, side, side), float32

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from galaxies.inside.gradient import Gradient
    >>> from galaxies.inside.score import Score
    >>> score = Score(Gradient(Path("models/cnn")), slice(0, 2))
    >>> images = np.load("data/images.npy")[:2]
    >>> answers = score.predicted(images)
    >>> in_batches(grad_cam, score, images, answers).shape
    (2, 64, 64)
    """
    workers = cpu_count() or 1
    together = max(1, min(_TOGETHER, -(-len(images) // workers)))
    maps = np.zeros(images.shape[:3], np.float32)

    def explain(start: int) -> None:
        batch = slice(start, start + together)
        maps[batch] = method(score, images[batch], answers[batch])

    with ThreadPoolExecutor(workers) as pool:
        for _ in in_order(pool, explain, range(0, len(images), together), 2 * workers):
            pass
    return maps
