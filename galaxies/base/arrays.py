"""Arrays of images and probabilities, on disk and in memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

import numpy as np
import numpy.typing as npt

from galaxies.base.outputs import written_beside
from galaxies.errors import GalaxiesError

Floats = npt.NDArray[np.float64]

Pixels = npt.NDArray[np.uint8]
"""An image (height, width, 3), red, green and blue; or several (N, height, width, 3)."""

Decoding = Literal["scaled", "whole"]
"""How a JPEG is decoded: at the smallest scale that still has enough pixels, or at full scale."""

Probabilities = npt.NDArray[np.float32]
"""(N,) probability of "spiral"."""

Labels = npt.NDArray[np.int64]
"""(N,) classes: 0 elliptical, 1 spiral, -1 for a galaxy without a class."""

Outputs = npt.NDArray[np.float32]
"""Outputs of a model for N galaxies: (N,) probabilities of "spiral", or (N, outputs) as in
`galaxies.bundle.answers`."""

Device = Literal["cpu", "gpu"]
"""The device that computes."""

_HEADER: Final = 128


@contextmanager
def growing_array(
    path: Path, shape: tuple[int, ...], dtype: np.dtype[np.generic]
) -> Iterator[BinaryIO]:
    """Write a `.npy` file item by item, without knowing its length in advance.

    Unlike a writable memory map, this does not keep the written pages in memory.

    Parameters
    ----------
    path : Path
        The file to make; it appears when it is complete.
    shape : tuple of int
        Shape of one item.
    dtype : dtype
        Type of the items.

    Yields
    ------
    file
        Write the bytes of the items to it, in C order.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> path = Path("squares.npy")
    >>> with growing_array(path, (2,), np.dtype(np.int64)) as file:
    ...     for number in range(3):
    ...         _ = file.write(np.array([number, number**2]).tobytes())
    >>> open_array(path).tolist()
    [[0, 0], [1, 1], [2, 4]]
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
            raise RuntimeError(f"numpy wrote a header of {file.tell()} bytes")


def open_array(path: Path) -> npt.NDArray[Any]:
    """Map an array on disk into memory, read-only; pages are loaded when they are used."""
    array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


def shrink(images: Pixels, size: int) -> Pixels:
    """Average blocks of pixels.

    Parameters
    ----------
    images : ndarray of shape (N, side, side, 3), uint8
    size : int
        The new side; it must divide `side`.

    Returns
    -------
    ndarray of shape (N, size, size, 3), uint8

    Raises
    ------
    GalaxiesError
        If `size` does not divide `side`.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.zeros((1, 4, 4, 3), np.uint8)
    >>> images[:, :2, :2] = 200
    >>> shrink(images, 2)[0, :, :, 0].tolist()
    [[200, 0], [0, 0]]
    """
    count, side = images.shape[:2]
    if side % size:
        raise GalaxiesError(
            f"{side} pixels cannot be averaged to {size}: {size} does not divide {side}"
        )
    block = side // size
    shape = (count, size, block, size, block, 3)
    # Rounded half up in whole numbers: the same on every machine.
    total = images.reshape(shape).sum(axis=(2, 4), dtype=np.uint32)
    return np.asarray((total + block * block // 2) // (block * block), dtype=np.uint8)


def in_full_batches(
    function: Callable[[Pixels], npt.NDArray[Any]], images: Pixels, batch: int
) -> npt.NDArray[Any]:
    """Apply a function to any number of images, in batches of equal size.

    The last batch is filled up with black images, and their results are dropped. A network is then
    compiled only once, whatever the number of images.

    Parameters
    ----------
    function : callable
        Takes uint8 (batch, side, side, 3) and returns an array (batch, ...).
    images : ndarray of shape (N, side, side, 3), uint8
        At least one.
    batch : int
        Images per batch.

    Returns
    -------
    ndarray (N, ...)

    Examples
    --------
    >>> import numpy as np
    >>> images = np.full((5, 2, 2, 3), 9, np.uint8)
    >>> in_full_batches(lambda batch: batch.mean(axis=(1, 2, 3)), images, batch=4).tolist()
    [9.0, 9.0, 9.0, 9.0, 9.0]
    """
    results = []
    for start in range(0, len(images), batch):
        part = images[start : start + batch]
        filled = np.zeros((batch, *part.shape[1:]), np.uint8)
        filled[: len(part)] = part
        results.append(function(filled)[: len(part)])
    return np.concatenate(results)
