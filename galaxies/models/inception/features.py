"""The features of every galaxy in a survey."""

from pathlib import Path

import numpy as np

from galaxies.base.arrays import Decoding, Pixels, growing_array
from galaxies.dataset.archive import UnreadableImages, list_images, read_images
from galaxies.errors import GalaxiesError
from galaxies.images.decode import UnreadableImageError
from galaxies.models.inception.backbone import BATCH, FEATURES, extract_features, load_backbone


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
        Decoding threads; the backbone itself uses all cores.

    Returns
    -------
    int
        How many images were described.
    """
    members = list_images(archive)
    unreadable = UnreadableImages(archive, len(members), max_unreadable)
    model = load_backbone(backbone, size)
    batch: list[Pixels] = []
    done = 0
    with growing_array(features, (FEATURES,), np.dtype(np.float16)) as file:

        def flush() -> None:
            nonlocal done
            file.write(extract_features(model, np.stack(batch)).tobytes())
            done += len(batch)
            batch.clear()

        for member, pixels in read_images(
            archive, members, size, crop, decoding, workers=workers, doing="features"
        ):
            if isinstance(pixels, UnreadableImageError):
                unreadable.add(member, pixels)
                continue
            batch.append(pixels)
            if len(batch) == BATCH:
                flush()
        if batch:
            flush()
        if not done:
            raise GalaxiesError(f"{archive}: no image could be read")
    return done
