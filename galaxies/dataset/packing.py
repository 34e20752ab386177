"""All images of a survey as one array on disk, made and read without holding it in memory."""

import hashlib
from collections.abc import Container
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from galaxies.base.arrays import Decoding, growing_array
from galaxies.base.fingerprints import as_text, fingerprints
from galaxies.dataset.archive import list_images, read_images
from galaxies.errors import GalaxiesError


class Packed(NamedTuple):
    """Result of `pack_images`."""

    table: pd.DataFrame
    """`galaxy_id` int64, `row` int32, and of the packed pixels their `sha1` and `fingerprint`, in
    order of `galaxy_id`."""
    unreadable: list[str]
    """Names of the images that were left out."""


class _Image(NamedTuple):
    """What the table says about an image."""

    galaxy_id: int
    sha1: str
    fingerprint: str


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
        The zip archive of the survey.
    images : Path
        The `.npy` file to make, shape (N, size, size, 3), uint8.
    size : int
    crop : float
    decoding : {"scaled", "whole"}
        As in `galaxies.images.decode.decode_reduced`.
    max_unreadable : float
        Share of the images that may be unreadable.
    workers : int
        Number of threads; the file does not depend on it.
    only : container of int, optional
        IDs of the galaxies to pack; by default all.

    Returns
    -------
    Packed

    Raises
    ------
    GalaxiesError
        If the archive cannot be used, or if too many images are unreadable.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> packed = pack_images(
    ...     Path("data/simulated/images_training_rev1.zip"),
    ...     Path("images.npy"),
    ...     size=64,
    ...     crop=0.5,
    ...     decoding="scaled",
    ...     max_unreadable=0.001,
    ...     workers=4,
    ... )
    >>> np.load("images.npy").shape, list(packed.table), packed.unreadable
    ((40, 64, 64, 3), ['galaxy_id', 'row', 'sha1', 'fingerprint'], [])
    """
    members = [
        member for member in list_images(archive) if only is None or member.galaxy_id in only
    ]
    if not members:
        raise GalaxiesError(f"{archive}: contains no image of the requested galaxies")
    packed: list[_Image] = []
    with growing_array(images, (size, size, 3), np.dtype(np.uint8)) as file:
        for member, pixels in read_images(
            archive,
            members,
            size,
            crop,
            decoding,
            max_unreadable=max_unreadable,
            workers=workers,
            doing="pack",
        ):
            data = pixels.tobytes()
            file.write(data)
            sha1 = hashlib.sha1(data, usedforsecurity=False).hexdigest()
            [fingerprint] = as_text(fingerprints(pixels[None]))
            packed.append(_Image(member.galaxy_id, sha1, fingerprint))
        if not packed:
            raise GalaxiesError(f"{archive}: no image could be read")
    table = pd.DataFrame(packed)
    table.insert(1, "row", np.arange(len(packed), dtype=np.int32))
    readable = frozenset(image.galaxy_id for image in packed)
    return Packed(table, [member.name for member in members if member.galaxy_id not in readable])
