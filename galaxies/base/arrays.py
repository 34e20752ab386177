"""Arrays of images and probabilities, on disk and in memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from galaxies.base.outputs import written_beside
from galaxies.errors import GalaxiesError

Floats = npt.NDArray[np.float64]

Pixels = npt.NDArray[np.uint8]
"""An image (height, width, 3), red, green and blue; or several (N, height, width, 3)."""


Probabilities = npt.NDArray[np.float32]
"""(N,) probability of "spiral"."""


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
