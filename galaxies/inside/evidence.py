"""Compute where in an image a network sees evidence for its answer, by several methods.

All methods explain one number, the logit of the answer against all other answers to the question.
For the first question only the two classes count.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from galaxies.base.arrays import Pixels
from galaxies.base.pool import in_order
from galaxies.bundle.description import Description
from galaxies.bundle.views import view_of
from galaxies.errors import GalaxiesError
from galaxies.inside.gradient import Floats32, Gradient
from galaxies.models.saved_network import NETWORK

STEPS: Final = 12
"""Steps along the path of integrated gradients."""

SMOOTH: Final = 0.7
"""Standard deviation, in pixels, of the Gaussian that smooths the evidence."""

BLUR: Final = 1 / 16
"""Standard deviation of the Gaussian for the blurred image, as a fraction of its side."""

ROUNDS: Final = 2
"""Rounds that refine the evidence. Chosen on galaxies that are not used to test it."""

REPLACED: Final = (0.02, 0.07, 0.15, 0.3)
"""Shares of the pixels, the most important first, that are replaced in each round."""

_TOGETHER: Final = 8
"""Images per batch of a thread."""


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
    >>> score = Score(Gradient(Path("models/cnn/network.onnx")), slice(0, 2))
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
        self._alone = gradient.kernel.shape[1] == 1

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
        direction = np.zeros((len(images), self.gradient.kernel.shape[1]), np.float32)
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
        direction = self.direction(images, answers)
        return (
            self.gradient.activations(images, layer),
            self.gradient.slopes(images, direction, layer),
        )

    @property
    def linear(self) -> bool:
        """Whether the score is linear in the mean of the last maps."""
        two = self._places.stop - self._places.start == 2
        return two and self.gradient.averages


def _but(logits: Floats32, answers: npt.NDArray[np.int64]) -> Floats32:
    others = logits.copy()
    others[np.arange(len(others)), answers] = -np.inf
    return others


def _log_sum(logits: Floats32) -> Floats32:
    largest = logits.max(axis=1)
    total = np.exp(logits - largest[:, None]).sum(axis=1)
    return np.asarray(largest + np.log(total), np.float32)


def sky(images: npt.NDArray[Any]) -> Floats32:
    """Make images of bare sky, with the median colour at the border of each image.

    Parameters
    ----------
    images : ndarray of shape (N, side, side, 3)
        Images.

    Returns
    -------
    ndarray of shape (N, side, side, 3), float32

    Examples
    --------
    >>> import numpy as np
    >>> image = np.full((1, 32, 32, 3), 12, np.uint8)
    >>> image[:, 12:20, 12:20] = 200
    >>> float(sky(image).max())
    12.0
    """
    width = max(1, images.shape[1] // 16)
    inner = slice(width, -width)
    border = np.ones(images.shape[1:3], bool)
    border[inner, inner] = False
    colour = np.median(images[:, border], axis=1).astype(np.float32)
    return np.broadcast_to(colour[:, None, None], images.shape).copy()


def turned(image: Pixels, angle: float) -> Pixels:
    """Rotate an image (side, side, 3) by an angle in degrees; new corners are filled with sky."""
    colour = sky(image[None])[0, 0, 0].round().astype(int)
    frame = Image.fromarray(image)
    fill = (int(colour[0]), int(colour[1]), int(colour[2]))
    return np.asarray(frame.rotate(angle, Image.Resampling.BICUBIC, fillcolor=fill))


def blurred(images: npt.NDArray[Any]) -> Floats32:
    """Blur images (N, side, side, 3) until no details are left; returns float32."""
    by_colour = np.moveaxis(images.astype(np.float32), 3, 1)
    return np.moveaxis(smoothed(by_colour, BLUR * images.shape[1]), 1, 3)


def smoothed(maps: Floats32, width: float = SMOOTH) -> Floats32:
    """Smooth maps with a Gaussian, mirrored at the edges, which preserves the sum.

    Parameters
    ----------
    maps : ndarray of shape (..., side, side), float32
        Maps.
    width : float
        Standard deviation, in pixels.

    Returns
    -------
    ndarray of shape (..., side, side), float32

    Examples
    --------
    >>> import numpy as np
    >>> point = np.zeros((1, 9, 9), np.float32)
    >>> point[0, 4, 4] = 1
    >>> smooth = smoothed(point)
    >>> round(float(smooth.sum()), 3), round(float(smooth.max()), 2)
    (1.0, 0.32)
    """
    side = maps.shape[-1]
    reach = min(int(np.ceil(4 * width)), side)
    steps = np.arange(-reach, reach + 1)
    kernel = np.exp(-0.5 * (steps / width) ** 2)
    matrix = np.zeros((side, side))  # the same for rows and columns
    for step, weight in zip(steps, kernel / kernel.sum(), strict=True):
        places = np.arange(side) + step
        places = np.where(places < 0, -1 - places, places)
        places = np.where(places >= side, 2 * side - 1 - places, places)
        np.add.at(matrix, (np.arange(side), places), weight)
    return np.asarray(matrix @ maps @ matrix.T, np.float32)


Method = Callable[[Score, Pixels, npt.NDArray[np.int64]], Floats32]
"""Computes evidence float32 (N, side, side) from a score, images (N, side, side, 3) and the places
of the answers (N,)."""


def contributions(score: Score, images: Pixels, answers: npt.NDArray[np.int64]) -> Floats32:
    """Compute the contribution of each position of the last maps: activations times gradient.

    If the score is linear in the mean of these maps (`Score.linear`), this is exact: the
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
    >>> score = Score(Gradient(Path("models/cnn/network.onnx")), slice(0, 2))
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
    found = np.maximum((activations * weights).sum(axis=3), 0)
    return _spread(np.asarray(found, np.float32), images.shape[1])


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
    >>> score = Score(Gradient(Path("models/cnn/network.onnx")), slice(0, 2))
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
    >>> score = Score(Gradient(Path("models/cnn/network.onnx")), slice(0, 2))
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
    ways = [integrated_gradients(score, images, answers, one, STEPS // 2) for one in starts]
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
    found = np.zeros(images.shape[:3], np.float32)
    for row in range(0, side, width):
        for column in range(0, side, width):
            square = np.s_[:, row : row + width, column : column + width]
            without = images.astype(np.float32)
            without[square] = bare[square]
            found[square] = (whole - score(without, answers))[:, None, None] / width**2
    return found


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
    >>> score = Score(Gradient(Path("models/cnn/network.onnx")), slice(0, 2))
    >>> images = np.load("data/images.npy")[:2]
    >>> answers = score.predicted(images)
    >>> in_batches(grad_cam, score, images, answers).shape
    (2, 64, 64)
    """
    workers = cpu_count() or 1
    together = max(1, min(_TOGETHER, -(-len(images) // workers)))
    maps = np.zeros(images.shape[:3], np.float32)

    def explain(start: int) -> None:
        some = slice(start, start + together)
        maps[some] = method(score, images[some], answers[some])

    with ThreadPoolExecutor(workers) as pool:
        for _ in in_order(pool, explain, range(0, len(images), together), 2 * workers):
            pass
    return maps


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
    if not len(images):
        return np.zeros(images.shape[:3], np.float32)
    score = Score(Gradient(folder / NETWORK), places)
    if answer is None:
        answers = score.predicted(images)
    else:
        answers = np.full(len(images), names.index(answer))
    total = np.zeros(images.shape[:3], np.float32)
    for view in range(description.views):
        total += _turned_back(in_batches(evidence, score, view_of(images, view), answers), view)
    return total / np.float32(description.views)


def _turned_back(maps: Floats32, view: int) -> Floats32:
    """Undo `view_of`."""
    maps = np.rot90(maps, -view, axes=(1, 2))
    return maps[:, :, ::-1] if view >= 4 else maps
