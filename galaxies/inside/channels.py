"""Which channels of a layer matter for a decision, and what excites them."""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from galaxies.base.arrays import Pixels
from galaxies.inside.evidence import Score
from galaxies.inside.gradient import Layer

PATCHES: Final = 9
"""Shown of each channel."""

_TOGETHER: Final = 32


class Channel(NamedTuple):
    """One that matters, with what excites it."""

    number: int
    weight: float
    """The share of the layer's effect on the score that it has."""
    patches: list[Pixels]
    """(width, width, 3) of up to nine galaxies, the most exciting first."""


def channels_that_matter(
    score: Score, images: Pixels, answers: npt.NDArray[np.int64], layer: str, count: int
) -> list[Channel]:
    """Find the channels of a layer that do most to the score.

    What a channel does for one image is its activation times the gradient, summed over the
    positions (Molchanov et al. 2017, "Pruning convolutional neural networks for resource
    efficient inference"); of this the mean size over the images counts.

    Parameters
    ----------
    score : Score
    images : ndarray of shape (N, side, side, 3), uint8
        To measure it on, and to take patches from: one of each image, as wide as what a position
        of the layer sees.
    answers : ndarray of shape (N,), int64
        Their places.
    layer : str
        One of `score.gradient.layers`.
    count : int
        How many; fewer where the layer has fewer.
    """
    effects, strongest, places = [], [], []
    for start in range(0, len(images), _TOGETHER):
        some = slice(start, start + _TOGETHER)
        activations, slopes = score.by_channel(images[some], answers[some], layer)
        effects.append(np.abs((activations * slopes).sum(axis=(1, 2))))
        flat = activations.reshape(len(activations), -1, activations.shape[3])
        strongest.append(flat.max(axis=1))
        places.append(flat.argmax(axis=1))
    rows, columns = activations.shape[1:3]
    effect = np.concatenate(effects).mean(axis=0)
    excited, at = np.concatenate(strongest), np.concatenate(places)
    found = []
    for number in np.argsort(-effect, kind="stable")[:count]:
        foremost = np.argsort(-excited[:, number], kind="stable")[:PATCHES]
        patches = [
            _patch(
                images[one], score.gradient.layers[layer], divmod(at[one, number], columns), rows
            )
            for one in foremost
        ]
        found.append(Channel(int(number), float(effect[number] / (effect.sum() or 1)), patches))
    return found


def _patch(image: Pixels, layer: Layer, position: tuple[int, int], rows: int) -> Pixels:
    side = len(image)
    width = min(layer.field, side)
    corner = [
        int(np.clip(round((place + 0.5) * side / rows - width / 2), 0, side - width))
        for place in position
    ]
    return image[corner[0] : corner[0] + width, corner[1] : corner[1] + width]
