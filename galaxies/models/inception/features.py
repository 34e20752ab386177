"""The features of every galaxy in a survey."""

from pathlib import Path

import numpy as np

from galaxies.base.arrays import Pixels, growing_array
from galaxies.dataset.archive import UnreadableImages, list_images, read_images
from galaxies.errors import GalaxiesError
from galaxies.images.decode import UnreadableImageError
from galaxies.models.inception.backbone import EMBED_BATCH, FEATURES, embed_many, load_trunk


def embed_survey(
    archive: Path,
    trunk: Path,
    embeddings: Path,
    *,
    size: int,
    crop: float,
    max_unreadable: float,
    workers: int,
) -> int:
    """Run the trunk over every image of an archive.

    Parameters
    ----------
    archive
        The survey's zip.
    trunk
        Folder made by `galaxies.models.inception.backbone.make_trunk`.
    embeddings
        The `.npy` file to make: float16 (N, 2048), its rows those of `pack_images`, which reads
        the same archive in the same order and leaves out the same images.
    size, crop
        What the trunk sees, as in `galaxies.images.decode.reduce_image`.
    max_unreadable
        As in `pack_images`.
    workers
        Decoding threads; the trunk itself uses all cores.

    Returns
    -------
    int
        How many images were embedded.
    """
    members = list_images(archive)
    unreadable = UnreadableImages(archive, len(members), max_unreadable)
    model = load_trunk(trunk, size)
    batch: list[Pixels] = []
    done = 0
    with growing_array(embeddings, (FEATURES,), np.dtype(np.float16)) as file:

        def flush() -> None:
            nonlocal done
            file.write(embed_many(model, np.stack(batch)).tobytes())
            done += len(batch)
            batch.clear()

        for member, pixels in read_images(
            archive, members, size, crop, workers=workers, doing="embed"
        ):
            if isinstance(pixels, UnreadableImageError):
                unreadable.add(member, pixels)
                continue
            batch.append(pixels)
            if len(batch) == EMBED_BATCH:
                flush()
        if batch:
            flush()
        if not done:
            raise GalaxiesError(f"{archive}: no image could be read")
    return done
