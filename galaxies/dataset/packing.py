"""All images of a survey as one array on disk, made and read without holding it in memory."""

import hashlib
from collections.abc import Container
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from galaxies.base.arrays import Decoding, growing_array
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
    archive: Path,
    images: Path,
    *,
    size: int,
    crop: float,
    decoding: Decoding,
    max_unreadable: float,
    workers: int,
    only: Container[int] | None = None,
) -> Packed:
    """Decode, crop and reduce the images of an archive into one array.

    Parameters
    ----------
    archive : Path
        The survey's zip.
    images : Path
        The `.npy` file to make, shape (N, size, size, 3), uint8.
    size : int
    crop : float
    decoding : {"scaled", "whole"}
        As in `galaxies.images.decode.decode_reduced`.
    max_unreadable : float
        Share of the images that may be unreadable.
    workers : int
        Decoding threads; the file does not depend on it.
    only : container of int, optional
        IDs of the galaxies that are packed; all unless given.

    Raises
    ------
    GalaxiesError
        If the archive is unusable, or more images are unreadable than tolerated.

    Examples
    --------
    >>> packed = pack_images(
    ...     Path("data/kaggle/images_training_rev1.zip"),
    ...     Path("images.npy"),
    ...     size=64,
    ...     crop=0.5,
    ...     decoding="scaled",
    ...     max_unreadable=0.001,
    ...     workers=4,
    ... )  # doctest: +SKIP
    """
    members = [one for one in list_images(archive) if only is None or one.galaxy_id in only]
    if not members:
        raise GalaxiesError(f"{archive}: holds no image of the galaxies that are asked for")
    unreadable = UnreadableImages(archive, len(members), max_unreadable)
    ids: list[int] = []
    hashes: list[str] = []
    with growing_array(images, (size, size, 3), np.dtype(np.uint8)) as file:
        for member, pixels in read_images(
            archive, members, size, crop, decoding, workers=workers, doing="pack"
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
