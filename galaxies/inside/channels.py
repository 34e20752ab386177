"""Find the channels of a layer that carry a decision, and what excites them."""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from galaxies.base.arrays import Pixels
from galaxies.inside.gradient import Floats32, Gradient
from galaxies.inside.score import Score

PATCHES: Final = 4
"""Number of patches for each channel."""

_TOGETHER: Final = 32


def channel_shares(
    score: Score, images: Pixels, answers: npt.NDArray[np.int64], layer: str
) -> tuple[Floats32, Floats32]:
    """Compute how much of a decision each channel of a layer carries.

    The effect of a channel on the score of an image is its activation times the gradient, summed
    over the positions (Molchanov et al. 2017, "Pruning convolutional neural networks for resource
    efficient inference").

    Parameters
    ----------
    score : Score
        The score to explain.
    images : ndarray of shape (N, side, side, 3), uint8
        Images.
    answers : ndarray of shape (N,), int64
        Places of the answers.
    layer : str
        One of `score.gradient.layers`.

    Returns
    -------
    activations : ndarray of shape (N, rows, columns, channels), float32
    shares : ndarray of shape (N, channels), float32
        The effects, divided by the sum of their absolute values: positive for the answer, negative
        against it. All 0 if no channel has an effect.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from galaxies.inside.gradient import Gradient
    >>> from galaxies.inside.score import Score
    >>> score = Score(Gradient(Path("models/cnn")), slice(0, 2))
    >>> images = np.load("data/images.npy")[:2]
    >>> answers = score.predicted(images)
    >>> _, shares = channel_shares(score, images, answers, "relu_0")
    >>> shares.shape, np.abs(shares).sum(axis=1).round(3).tolist()
    ((2, 24), [1.0, 1.0])
    """
    activations, slopes = score.by_channel(images, answers, layer)
    effects = (activations * slopes).sum(axis=(1, 2))
    total = np.abs(effects).sum(axis=1, keepdims=True)
    shares = np.divide(effects, total, out=np.zeros_like(effects), where=total > 0)
    return activations, shares


class _Excited(NamedTuple):
    """Where a layer is most active, for a number of galaxies."""

    strongest: Floats32
    """(N, channels) the largest activation."""
    places: npt.NDArray[np.int64]
    """(N, channels) where it is, counted along the rows."""

    @classmethod
    def of(cls, activations: Floats32) -> "_Excited":
        flat = activations.reshape(len(activations), -1, activations.shape[3])
        return cls(flat.max(axis=1), flat.argmax(axis=1))


class Exciting:
    """What excites the channels of a network most, among many galaxies.

    Parameters
    ----------
    gradient : Gradient
        The network.
    images : ndarray of shape (N, side, side, 3), uint8
        The galaxies.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from galaxies.inside.gradient import Gradient
    >>> exciting = Exciting(Gradient(Path("models/cnn")), np.load("data/images.npy")[:9])
    >>> [patch.shape for patch in exciting.patches("relu_0", 3, count=2)]
    [(5, 5, 3), (5, 5, 3)]
    """

    def __init__(self, gradient: Gradient, images: Pixels) -> None:
        self._gradient = gradient
        self._images = images
        batches: dict[str, list[_Excited]] = {layer: [] for layer in gradient.layers}
        self._rows: dict[str, int] = {}
        for start in range(0, len(images), _TOGETHER):
            batch = gradient.activations(images[start : start + _TOGETHER])
            for layer, activations in batch.items():
                batches[layer].append(_Excited.of(activations))
                self._rows[layer] = activations.shape[1]
        self._excited = {
            layer: _Excited(*map(np.concatenate, zip(*parts, strict=True)))
            for layer, parts in batches.items()
        }

    def patches(self, layer: str, channel: int, count: int = PATCHES) -> list[Pixels]:
        """Cut out the parts of the galaxies that excite a channel most, the most exciting first.

        Parameters
        ----------
        layer : str
            A layer of the network.
        channel : int
            One of its channels.
        count : int
            Number of patches, at most one from each galaxy.

        Returns
        -------
        list of ndarray of shape (width, width, 3), uint8
            As wide as the receptive field; none from galaxies to which the channel is silent.
        """
        excited = self._excited[layer]
        strongest = excited.strongest[:, channel]
        field, rows = self._gradient.layers[layer].field, self._rows[layer]
        patches = []
        for galaxy in np.argsort(-strongest, kind="stable")[:count]:
            if strongest[galaxy] > 0:
                image = self._images[galaxy]
                position = divmod(int(excited.places[galaxy, channel]), rows)
                patches.append(cut_out(image, field_of(position, rows, field, len(image))))
        return patches


def field_of(position: tuple[int, int], rows: int, field: int, side: int) -> tuple[int, int, int]:
    """Find the square of an image that a position of a layer sees.

    Parameters
    ----------
    position : tuple of int
        Row and column of the position.
    rows : int
        Number of rows of the layer.
    field : int
        Side of the receptive field, in pixels.
    side : int
        Side of the image, in pixels.

    Returns
    -------
    tuple of int
        Top, left and width in pixels; the square is moved into the image.

    Examples
    --------
    >>> field_of((0, 3), rows=8, field=16, side=64)
    (0, 20, 16)
    """
    width = min(field, side)
    top, left = (
        int(np.clip(round((place + 0.5) * side / rows - width / 2), 0, side - width))
        for place in position
    )
    return top, left, width


def cut_out(image: Pixels, square: tuple[int, int, int]) -> Pixels:
    """Cut a square, from `field_of`, out of an image."""
    top, left, width = square
    return image[top : top + width, left : left + width]
