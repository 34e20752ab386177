"""The features of every galaxy in a survey."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from galaxies.base.arrays import Decoding, Pixels, growing_array
from galaxies.base.pool import batched, in_order
from galaxies.dataset.archive import UnreadableImages, list_images, read_images
from galaxies.errors import GalaxiesError
from galaxies.images.decode import UnreadableImageError
from galaxies.models.forward import BATCH, ForwardPass

Features = npt.NDArray[np.float16]
"""(N, 2048)."""

FEATURES: Final = 2048
"""Numbers that the backbone makes of one image."""

BACKBONE: Final = "backbone.onnx"
"""The backbone's file in its folder, and in a bundle."""


def extract_features(backbone: ForwardPass, images: Pixels) -> Features:
    """Describe any number of images by their features.

    Parameters
    ----------
    backbone
        Of `BACKBONE`.
    images : ndarray of uint8 (N, size, size, 3)
        At least one.

    Returns
    -------
    ndarray of float16 (N, 2048)
        Half precision: its error, 0.05%, is far below the differences between galaxies.

    Raises
    ------
    GalaxiesError
        If a feature is no number or too large, as weights that are no backbone's would make it.
    """
    features = backbone(images)
    if not (np.abs(features) < np.finfo(np.float16).max).all():  # False for NaN, too
        raise GalaxiesError("inception.weights: these weights make features that are no numbers")
    return features.astype(np.float16)


def survey_features(
    archive: Path,
    backbone: Path,
    features: Path,
    *,
    size: int,
    crop: float,
    decoding: Decoding,
    max_unreadable: float,
    workers: int,
) -> int:
    """Run the backbone over every image of an archive.

    Parameters
    ----------
    archive
        The survey's zip.
    backbone
        Folder made by `galaxies.models.inception.backbone.make_backbone`.
    features
        The `.npy` file to make: float16 (N, 2048), its rows those of `pack_images`, which reads
        the same archive in the same order and leaves out the same images.
    size, crop, decoding
        What the backbone sees, as in `galaxies.images.decode.decode_reduced`.
    max_unreadable
        As in `pack_images`.
    workers
        Threads that decode, and as many that compute; the file does not depend on it.

    Returns
    -------
    int
        How many images were described.
    """
    members = list_images(archive)
    unreadable = UnreadableImages(archive, len(members), max_unreadable)
    forward = ForwardPass(backbone / BACKBONE)
    found = read_images(archive, members, size, crop, decoding, workers=workers, doing="features")

    def readable() -> Iterator[Pixels]:
        for member, pixels in found:
            if isinstance(pixels, UnreadableImageError):
                unreadable.add(member, pixels)
            else:
                yield pixels

    def extract(batch: tuple[Pixels, ...]) -> Features:
        return extract_features(forward, np.stack(batch))

    done = 0
    with (
        growing_array(features, (FEATURES,), np.dtype(np.float16)) as file,
        ThreadPoolExecutor(workers) as pool,
    ):
        for some in in_order(pool, extract, batched(readable(), BATCH), 2 * workers):
            file.write(some.tobytes())
            done += len(some)
        if not done:
            raise GalaxiesError(f"{archive}: no image could be read")
    return done
