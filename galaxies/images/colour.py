"""Colours on the screen: the asinh mapping of the Sloan survey's own colour images."""

import numpy as np

from galaxies.base.arrays import Floats, Pixels

BANDS = ("g", "r", "i")

# Weights of the bands in the blue, green and red channel, and the asinh stretch; chosen so that the
# sky noise and the surface brightness of galaxies land on the pixel values of Sloan's own colour
# images.
CHANNEL_WEIGHT = {"g": 1.33, "r": 0.93, "i": 0.80}

SLOPE = 510.0  # grey levels per nanomaggy per pixel where light is faint
ASINH_SCALE = 40.5  # grey levels per factor e where it is bright
BLACK = 2.6  # grey levels below which the screen is black


def colour_image(bands: Floats) -> Pixels:
    """Compose a colour image with the asinh stretch of Lupton et al. 2004 (PASP 116, 133).

    Parameters
    ----------
    bands : ndarray of shape (3, n, n), float64
        Light per survey pixel in nanomaggies, bands g, r, i.

    Returns
    -------
    ndarray of shape (n, n, 3), uint8

    Examples
    --------
    >>> colour_image(np.full((3, 2, 2), 0.05))[0, 0].tolist()
    [17, 20, 29]
    """
    weights = np.array([CHANNEL_WEIGHT[name] for name in reversed(BANDS)])
    channels = np.moveaxis(bands[::-1], 0, -1) * weights
    intensity = np.maximum(channels.mean(axis=-1, keepdims=True), 1e-9)
    # One factor for all channels keeps the colour; each channel saturates by itself, so bright
    # stars are white.
    image = channels * (grey_level(intensity) / intensity) - BLACK
    return np.asarray(np.clip(image, 0, 255).round(), dtype=np.uint8)


def grey_level(light: Floats) -> Floats:
    """Brightness on the screen, up to about 255, of colourless light in nanomaggies per pixel."""
    return np.asarray(ASINH_SCALE * np.arcsinh(SLOPE / ASINH_SCALE * light), dtype=np.float64)
