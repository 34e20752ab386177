"""Colour images: the asinh stretch of SDSS colour images."""

import numpy as np

from galaxies.base.arrays import Floats, Pixels

BANDS = ("g", "r", "i")

# Weights of the bands in the blue, green and red channel, and the asinh stretch; chosen so that
# sky noise and surface brightness of galaxies have the same pixel values as in SDSS colour images.
CHANNEL_WEIGHT = {"g": 1.33, "r": 0.93, "i": 0.80}

SLOPE = 510.0  # grey levels per nanomaggy per pixel where light is faint
ASINH_SCALE = 40.5  # grey levels per factor e where light is bright
BLACK = 2.6  # grey levels that become black


def colour_image(bands: Floats) -> Pixels:
    """Compose a colour image with the asinh stretch of Lupton et al. 2004 (PASP 116, 133).

    Parameters
    ----------
    bands : ndarray of shape (3, n, n), float64
        Flux per SDSS pixel in nanomaggies, bands g, r, i.

    Returns
    -------
    ndarray of shape (n, n, 3), uint8

    Examples
    --------
    >>> import numpy as np
    >>> colour_image(np.full((3, 2, 2), 0.05))[0, 0].tolist()
    [17, 20, 29]
    """
    # Planes one after the other, changed in place: channels side by side take twice as long.
    weights = np.array([CHANNEL_WEIGHT[name] for name in reversed(BANDS)])
    channels = bands[::-1] * weights[:, None, None]
    intensity = np.maximum(channels.mean(axis=0), 1e-9)
    # One factor for all channels keeps the colour. Each channel saturates separately, so bright
    # stars are white.
    channels *= grey_level(intensity) / intensity
    channels -= BLACK
    np.rint(np.clip(channels, 0, 255, out=channels), out=channels)
    image = np.empty((*bands.shape[1:], 3), np.uint8)
    for place, channel in enumerate(channels):
        image[:, :, place] = channel
    return image


def grey_level(light: Floats) -> Floats:
    """Convert flux in nanomaggies per pixel to grey levels, up to about 255."""
    return np.asarray(ASINH_SCALE * np.arcsinh(SLOPE / ASINH_SCALE * light), dtype=np.float64)
