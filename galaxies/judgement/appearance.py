"""How an image looks, in a few numbers: sky, brightness, colour, sharpness, concentration.

A network that is trained to ignore colour and noise cannot tell that a frame has one band or is
half blank. These numbers can.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from galaxies.base.arrays import Pixels

NUMBERS: Final = 29

_RINGS: Final = (0, 1 / 16, 1 / 8, 1 / 4, 1 / 2)
"""Radii between which light is measured, in sides of the image."""

_BLOCKS: Final = 16
"""Blocks of pixels along each side of an image, whose means are compared."""

_CHUNK: Final = 64
"""Images at a time, so that they fit into the caches."""


def appearance(images: Pixels) -> npt.NDArray[np.float32]:
    """Describe images by numbers that have few outliers among galaxies.

    Parameters
    ----------
    images : ndarray of shape (N, side, side, 3), uint8
        Reduced images; the side must be at least 16 pixels.

    Returns
    -------
    ndarray of shape (N, 29), float32
        Mostly logarithms: five quantiles of each channel; differences between the channels; the
        brightness of the four sides, from dark to bright; roughness and slope; the share of
        neighbours with equal values; and the share of light in four rings. They do not change if
        the image is rotated by quarter turns or mirrored, if its side is a multiple of 16.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.zeros((2, 64, 64, 3), np.uint8)
    >>> appearance(images).shape
    (2, 29)
    """
    chunks = [_describe(images[start : start + _CHUNK]) for start in range(0, len(images), _CHUNK)]
    return np.concatenate(chunks) if chunks else np.empty((0, NUMBERS), np.float32)


def _describe(images: Pixels) -> npt.NDArray[np.float32]:
    count, side = len(images), images.shape[1]
    block = max(1, side // _BLOCKS)
    kept = side // block * block
    edge = (side - kept) // 2
    whole = images[:, edge : edge + kept, edge : edge + kept]
    rows = _sum_of(whole[:, place::block] for place in range(block))
    total = _sum_of(rows[:, :, place::block] for place in range(block))
    means = total.astype(np.float32) / block**2
    grey = means.mean(axis=3)
    quantiles = np.sort(means.reshape(count, -1, 3), axis=1)
    places = (np.array([0.05, 0.25, 0.5, 0.9, 0.99]) * (quantiles.shape[1] - 1)).astype(int)
    red, green, blue = np.moveaxis(means, 3, 0)
    colours = [np.abs(a - b).mean((1, 2)) for a, b in ((red, green), (green, blue), (red, blue))]
    band = max(1, grey.shape[1] // 8)
    bands = (grey[:, :band], grey[:, -band:], grey[:, :, :band], grey[:, :, -band:])
    sides = np.sort(np.stack([border.mean((1, 2)) for border in bands], axis=1), axis=1)
    # Sharpness needs all pixels; one channel is enough.
    pixels = images[..., 1].astype(np.int16)
    down = pixels[:, 1:] - pixels[:, :-1]
    across = pixels[:, :, 1:] - pixels[:, :, :-1]
    rough = down[:, 1:, 1:-1] - down[:, :-1, 1:-1] + across[:, 1:-1, 1:] - across[:, 1:-1, :-1]
    slope = (_mean_size(down) + _mean_size(across)) / 2
    flat = 1 - (_share_of_others(down) + _share_of_others(across)) / 2
    above = np.maximum(grey - sides[:, :2].mean(axis=1)[:, None, None], 0).reshape(count, -1)
    rings = np.einsum("np,pr->nr", above, _rings(grey.shape[1]))
    rings /= above.sum(axis=1, keepdims=True) + 1
    return np.concatenate(
        [
            np.log(quantiles[:, places].reshape(count, -1) + 4),
            np.log(np.stack(colours, axis=1) + 0.3),
            np.log(sides + 4),
            np.log(_mean_size(rough) + 0.3)[:, None],
            np.log(slope + 0.3)[:, None],
            np.log(flat + 0.01)[:, None],
            np.log(rings + 0.02),
        ],
        axis=1,
        dtype=np.float32,
    )


def _sum_of(parts: Iterator[npt.NDArray[Any]]) -> npt.NDArray[np.uint32]:
    """Add arrays; many times faster than a sum over short axes."""
    total = next(parts).astype(np.uint32)
    for part in parts:
        total += part
    return total


def _mean_size(values: npt.NDArray[np.int16]) -> npt.NDArray[np.float32]:
    sizes = np.abs(values).reshape(len(values), -1)
    return np.asarray(sizes.sum(axis=1, dtype=np.int32) / sizes.shape[1], dtype=np.float32)


def _share_of_others(values: npt.NDArray[np.int16]) -> npt.NDArray[np.float32]:
    """Compute the share of values other than 0."""
    flat = values.reshape(len(values), -1)
    return np.asarray(np.count_nonzero(flat, axis=1) / flat.shape[1], dtype=np.float32)


def _rings(side: int) -> npt.NDArray[np.float32]:
    """Make the masks (side * side, 4) of the rings."""
    place = np.arange(side) - (side - 1) / 2
    radius = np.hypot(*np.meshgrid(place, place)).ravel() / side
    edges = pairwise(_RINGS)
    return np.stack([(radius >= low) & (radius < high) for low, high in edges], 1).astype(
        np.float32
    )
