"""All images of a survey as one array on disk, made and read without holding it in memory."""

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from galaxies.base.arrays import growing_array
from galaxies.dataset.archive import UnreadableImages, list_images, read_images
from galaxies.errors import GalaxiesError
from galaxies.images.decode import UnreadableImageError


class Packed(NamedTuple):
    """What `pack_images` found."""

    table: pd.DataFrame
    """`galaxy_id` int64, `row` int32, `sha1` of the packed pixels, in order of `galaxy_id`."""
    unreadable: list[str]
    """Members that were left out."""


def pack_images(
    archive: Path, images: Path, *, size: int, crop: float, max_unreadable: float, workers: int
) -> Packed:
    """Decode, crop and reduce every image of an archive into one array.

    Parameters
    ----------
    archive
        The survey's zip.
    images
        The `.npy` file to make: uint8 (N, size, size, 3).
    size, crop
        As in `galaxies.images.decode.reduce_image`.
    max_unreadable
        Share of the images that may be unreadable.
    workers
        Decoding threads.

    Raises
    ------
    GalaxiesError
        If the archive is unusable, or more images are unreadable than tolerated.
    """
    members = list_images(archive)
    unreadable = UnreadableImages(archive, len(members), max_unreadable)
    ids: list[int] = []
    hashes: list[str] = []
    with growing_array(images, (size, size, 3), np.dtype(np.uint8)) as file:
        for member, pixels in read_images(
            archive, members, size, crop, workers=workers, doing="pack"
        ):
            if isinstance(pixels, UnreadableImageError):
                unreadable.add(member, pixels)
                continue
            data = pixels.tobytes()
            file.write(data)
            ids.append(member.galaxy_id)
            hashes.append(hashlib.sha1(data, usedforsecurity=False).hexdigest())
        if not ids:
            raise GalaxiesError(f"{archive}: no image could be read")
    rows = np.arange(len(ids), dtype=np.int32)
    table = pd.DataFrame({"galaxy_id": np.array(ids, np.int64), "row": rows, "sha1": hashes})
    return Packed(table, unreadable.names)
