"""Features: the numbers that InceptionV3 makes of an image."""

from typing import Final

import numpy as np
import numpy.typing as npt

from galaxies.base.arrays import Pixels
from galaxies.errors import GalaxiesError
from galaxies.models.predicting.forward import ForwardPass

Features = npt.NDArray[np.float16]
"""(N, 2048)."""

FEATURES: Final = 2048
"""Numbers that the backbone makes of one image."""


def extract_features(backbone: ForwardPass, images: Pixels) -> Features:
    """Describe any number of images by their features.

    Parameters
    ----------
    backbone : ForwardPass
        Of `BACKBONE`.
    images : ndarray of shape (N, size, size, 3), uint8
        At least one.

    Returns
    -------
    ndarray of shape (N, 2048), float16
        Half precision: its error, 0.05%, is far below the differences between galaxies.

    Raises
    ------
    GalaxiesError
        If a feature is no number or too large, as weights that are no backbone's would make it.
    """
    features = backbone(images)
    if not (np.abs(features) < np.finfo(np.float16).max).all():  # False for NaN, too
        raise GalaxiesError("inception.weights: these weights give features that are not finite")
    return features.astype(np.float16)
