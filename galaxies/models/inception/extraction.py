"""Compute the features of all galaxies of a survey."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from galaxies.base.arrays import Decoding, Pixels, growing_array
from galaxies.base.pool import batched, in_order
from galaxies.bundle.forward import BATCH, ForwardPass
from galaxies.dataset.archive import list_images, read_images
from galaxies.errors import GalaxiesError
from galaxies.judgement.appearance import NUMBERS, appearance
from galaxies.judgement.familiarity import Looks
from galaxies.models.inception.features import FEATURES, Features, extract_features
from galaxies.models.inception.weights import BACKBONE


def survey_features(
    archive: Path,
    backbone: Path,
    features: Path,
    looks: Path,
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
    archive : Path
        The zip archive of the survey.
    backbone : Path
        Output of `galaxies.models.inception.backbone.make_backbone`.
    features : Path
        The `.npy` file to make: float16 (N, 2048), with the same rows as `pack_images`, which reads
        the archive in the same order and leaves out the same images.
    looks : Path
        The `.npy` file to make: float32 (N, 29), how the images look, as in
        `galaxies.judgement.appearance`.
    size : int
    crop : float
    decoding : {"scaled", "whole"}
        As in `galaxies.images.decode.decode_reduced`.
    max_unreadable : float
        Share of the images that may be unreadable.
    workers : int
        Number of threads that decode, and that compute; the file does not depend on it.

    Returns
    -------
    int
        Number of images.

    Raises
    ------
    GalaxiesError
        If the archive cannot be used, or if too many images are unreadable.
    """
    members = list_images(archive)
    forward = ForwardPass(backbone / BACKBONE)
    frames = read_images(
        archive,
        members,
        size,
        crop,
        decoding,
        max_unreadable=max_unreadable,
        workers=workers,
        doing="features",
    )
    images = (pixels for _, pixels in frames)

    def extract(batch: tuple[Pixels, ...]) -> tuple[Features, Looks]:
        together = np.stack(batch)
        return extract_features(forward, together), appearance(together)

    done = 0
    with (
        growing_array(features, (FEATURES,), np.dtype(np.float16)) as file,
        growing_array(looks, (NUMBERS,), np.dtype(np.float32)) as other,
        ThreadPoolExecutor(workers) as pool,
    ):
        for computed, seen in in_order(pool, extract, batched(images, BATCH), 2 * workers):
            file.write(computed.tobytes())
            other.write(seen.tobytes())
            done += len(computed)
        if not done:
            raise GalaxiesError(f"{archive}: no image could be read")
    return done
