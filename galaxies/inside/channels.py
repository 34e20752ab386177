"""Find the channels of a layer that matter for a decision, and what excites them."""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from galaxies.base.arrays import Pixels
from galaxies.inside.gradient import Layer
from galaxies.inside.score import Score

PATCHES: Final = 9
"""Number of patches for each channel."""

_TOGETHER: Final = 32


class Channel(NamedTuple):
    """An important channel, with the patches that excite it."""

    number: int
    weight: float
    """Its share of the layer's effect on the score."""
    patches: list[Pixels]
    """(width, width, 3) from up to nine galaxies, the most exciting first."""


def channels_that_matter(
    score: Score, images: Pixels, answers: npt.NDArray[np.int64], layer: str, count: int
) -> list[Channel]:
    """Find the most important channels of a layer.

    The effect of a channel on the score of an image is its activation times the gradient, summed
    over the positions (Molchanov et al. 2017, "Pruning convolutional neural networks for resource
    efficient inference"). The importance is the mean absolute effect over the images.

    Parameters
    ----------
    score : Score
        The score to explain.
    images : ndarray of shape (N, side, side, 3), uint8
        Images for the effect and for the patches: at most one from each image, as wide as the
        receptive field.
    answers : ndarray of shape (N,), int64
        Places of the answers.
    layer : str
        One of `score.gradient.layers`.
    count : int
        Number of channels; fewer if the layer has fewer.

    Returns
    -------
    list of Channel
        The most important first.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from galaxies.inside.gradient import Gradient
    >>> from galaxies.inside.score import Score
    >>> score = Score(Gradient(Path("models/cnn")), slice(0, 2))
    >>> images = np.load("data/images.npy")[:2]
    >>> answers = score.predicted(images)
    >>> layer = list(score.gradient.layers)[0]
    >>> found = channels_that_matter(score, images, answers, layer, count=3)
    >>> len(found), found[0].weight >= found[1].weight, len(found[0].patches)
    (3, True, 2)
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
        strongest_first = np.argsort(-excited[:, number], kind="stable")[:PATCHES]
        patches = [
            _patch(
                images[one], score.gradient.layers[layer], divmod(at[one, number], columns), rows
            )
            for one in strongest_first
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
