"""All images of a survey as one array on disk, made and read without holding it in memory."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from galaxies.errors import GalaxiesError
from galaxies.images import Pixels, UnreadableImageError, UnreadableImages, read_images
from galaxies.outputs import written_beside
from galaxies.survey import list_images


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
        As in `galaxies.images.reduce_image`.
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


_HEADER = 128


@contextmanager
def growing_array(
    path: Path, shape: tuple[int, ...], dtype: np.dtype[np.generic]
) -> Iterator[BinaryIO]:
    """Write a `.npy` file item by item, its length unknown until the end.

    Unlike a writable memory map, this keeps no written page in the process.

    Parameters
    ----------
    path
        The file to make, written beside and renamed into place.
    shape, dtype
        Of one item, without the first axis.

    Yields
    ------
    file
        Takes the items' bytes in C order.
    """
    item = int(np.prod(shape)) * dtype.itemsize
    with written_beside(path) as beside, beside.open("wb") as file:
        file.write(bytes(_HEADER))
        yield file
        items = (file.tell() - _HEADER) // item
        file.seek(0)
        header = {"descr": dtype.str, "fortran_order": False, "shape": (items, *shape)}
        np.lib.format.write_array_header_1_0(file, header)
        if file.tell() != _HEADER:
            raise AssertionError(f"numpy wrote a header of {file.tell()} bytes")


def open_array(path: Path) -> npt.NDArray[Any]:
    """Map an array on disk into memory, read-only; pages are loaded as they are touched."""
    array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


def shrink(images: Pixels, size: int) -> Pixels:
    """Average blocks of pixels.

    Parameters
    ----------
    images
        uint8 (N, side, side, 3).
    size
        The side wanted; divides `side`.

    Returns
    -------
    ndarray of uint8 (N, size, size, 3)
    """
    count, side = images.shape[:2]
    if side % size:
        raise GalaxiesError(f"{side} pixels cannot be averaged to {size}: it does not divide them")
    block = side // size
    shape = (count, size, block, size, block, 3)
    # Rounded half up in whole numbers: the same on every machine.
    total = images.reshape(shape).sum(axis=(2, 4), dtype=np.uint32)
    return np.asarray((total + block * block // 2) // (block * block), dtype=np.uint8)
