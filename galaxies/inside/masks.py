"""Masks of a galaxy, and of its arms, bar and ring."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from galaxies.base.arrays import Pixels

Masks = npt.NDArray[np.bool_]
"""(N, side, side)."""


def galaxy_masks(images: Pixels) -> Masks:
    """Segment the galaxy at the centre.

    After smoothing, the galaxy is the region three standard deviations above the sky, measured at
    the border, that contains the brightest pixel near the centre; holes are filled.

    Parameters
    ----------
    images : ndarray of shape (N, side, side, 3), uint8
        Images.

    Returns
    -------
    ndarray of shape (N, side, side), bool

    Examples
    --------
    >>> import numpy as np
    >>> image = np.full((1, 32, 32, 3), 12, np.uint8)
    >>> image[:, 12:20, 12:20] = 200
    >>> mask = galaxy_masks(image)[0]
    >>> bool(mask[16, 16]), bool(mask[0, 0])
    (True, False)
    """
    from scipy.ndimage import binary_fill_holes, gaussian_filter, label

    count, side = images.shape[:2]
    smooth = gaussian_filter(images.mean(axis=3), (0, 1, 1))
    width = max(1, side // 16)
    border = np.ones((side, side), bool)
    border[width:-width, width:-width] = False
    middle = slice(side // 2 - side // 8, side // 2 + side // 8 + 1)
    masks = np.zeros((count, side, side), bool)
    for mask, grey in zip(masks, smooth, strict=True):
        sky = np.median(grey[border])
        noise = max(1.4826 * float(np.median(np.abs(grey[border] - sky))), 0.5)
        regions, _ = label(grey > sky + 3 * noise)
        row, column = np.unravel_index(grey[middle, middle].argmax(), grey[middle, middle].shape)
        region = regions[row + middle.start, column + middle.start]
        if region:
            mask[:] = binary_fill_holes(regions == region)
    return masks


def feature_masks(components: Mapping[str, npt.NDArray[np.float64]]) -> Masks:
    """Find the pixels where arms, bar and ring give at least a fifth of the light.

    Parameters
    ----------
    components : mapping of ndarray of shape (N, side, side), float64
        Light of each component by its name; and `sky`, the level that counts as none.

    Returns
    -------
    ndarray of shape (N, side, side), bool

    Examples
    --------
    >>> import numpy as np
    >>> one, none = np.ones((1, 1, 1)), np.zeros((1, 1, 1))
    >>> feature_masks({"disk": 3 * one, "arms": one, "bar": none, "ring": none, "sky": none}).item()
    True
    """
    told = components["arms"] + components["bar"] + components["ring"]
    return np.asarray(told >= 0.2 * sum(components.values()), bool)
