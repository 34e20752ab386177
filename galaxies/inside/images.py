"""Change images: bare sky, blur, turns."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from galaxies.base.arrays import Pixels
from galaxies.inside.gradient import Floats32

SMOOTH: Final = 0.7
"""Standard deviation, in pixels, of the Gaussian that smooths the evidence."""

BLUR: Final = 1 / 16
"""Standard deviation of the Gaussian for the blurred image, as a fraction of its side."""


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
