"""Fingerprints of images: the same frame is found again under another number or another quality.

Also turned or mirrored, because the sky has no up or down.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from galaxies.base.arrays import Pixels

Fingerprints = npt.NDArray[np.uint64]
"""(N, 3) fingerprints of images, 192 bits each."""

MOST_DIFFERENT: Final = 24
"""Largest number of different bits of one frame. Frames saved again at 299 instead of 424 pixels
differ by at most 11 bits, 15 million pairs of different galaxies by at least 34
(`docs/data.md`)."""

_SIDE: Final = 16

_WORDS: Final = 3

_TOGETHER: Final = 1024

_AT_ONCE: Final = 16
"""Images that are compared at once; more would not stay in the cache."""

_PLACES: Final = np.arange(_SIDE)
_COSINES: Final = np.cos(
    np.pi * (2 * _PLACES[None, :] + 1) * _PLACES[:, None] / (2 * _SIDE)
).astype(np.float32)
"""(16, 16) the discrete cosine transform."""

_LOWEST: Final = sorted(
    (row + column, row, column) for row in range(_SIDE) for column in range(_SIDE) if row + column
)[: 64 * _WORDS]
"""The 192 lowest frequencies, without the mean."""

_ROWS, _COLUMNS = np.array([(row, column) for _, row, column in _LOWEST]).T

_TRANSPOSED: Final = np.array(
    [
        next((k for k, (_, *other) in enumerate(_LOWEST) if other == [column, row]), place)
        for place, (_, row, column) in enumerate(_LOWEST)
    ]
)
"""Places of the frequencies in an image with rows and columns exchanged. Three of the 192 are not
among the lowest there; they keep their own, which may cost three bits."""


def fingerprints(images: Pixels) -> Fingerprints:
    """Compute the fingerprints of packed images.

    A bit is the sign of a coefficient of the discrete cosine transform of the square root of the
    brightness on 16x16 pixels, after the perceptual hash of Zauner (2010), "Implementation and
    benchmarking of perceptual image hash functions".

    Parameters
    ----------
    images : ndarray of shape (N, side, side, 3), uint8
        Packed images.

    Returns
    -------
    ndarray of shape (N, 3), uint64

    Examples
    --------
    >>> import numpy as np
    >>> images = np.load("data/images.npy")
    >>> marks = fingerprints(images)
    >>> brighter = fingerprints((images * 0.9).astype(np.uint8))
    >>> matches(brighter, marks).tolist() == list(range(len(images)))
    True
    """
    marks = np.empty((len(images), _WORDS), np.uint64)
    edges = np.linspace(0, images.shape[1], _SIDE + 1).astype(np.int64)
    starts, widths = edges[:-1].clip(max=images.shape[1] - 1), np.diff(edges).clip(min=1)
    for start in range(0, len(images), _TOGETHER):
        grey = images[start : start + _TOGETHER].sum(axis=3, dtype=np.float32)
        sums = np.add.reduceat(np.add.reduceat(grey, starts, axis=1), starts, axis=2)
        small = np.sqrt(sums / (widths[:, None] * widths))
        waves = _COSINES @ small @ _COSINES.T
        marks[start : start + _TOGETHER] = _packed(waves[:, _ROWS, _COLUMNS] > 0)
    return marks


def _packed(bits: npt.NDArray[np.bool_]) -> Fingerprints:
    whole = np.ascontiguousarray(np.packbits(bits, axis=1))
    words: Fingerprints = whole.view(">u8").astype(np.uint64)
    return words


def views(marks: Fingerprints) -> npt.NDArray[np.uint64]:
    """Compute the fingerprints of images after quarter turns and mirrors.

    No image is needed: mirrored, a cosine has the same sign or the opposite one, and with rows and
    columns exchanged so are the frequencies. This is exact to three bits for sides that 16 divides;
    for others, such as 45 pixels, the parts that are averaged differ when turned.

    Parameters
    ----------
    marks : ndarray of shape (N, 3), uint64
        Fingerprints.

    Returns
    -------
    ndarray of shape (8, N, 3), uint64
        The first are `marks`.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.load("data/images.npy")
    >>> upside_down = fingerprints(images[:, ::-1])
    >>> matches(upside_down, views(fingerprints(images))[2]).tolist()[:3]
    [0, 1, 2]
    """
    bits = np.unpackbits(np.ascontiguousarray(marks.astype(">u8")).view(np.uint8), axis=1) != 0
    odd_column, odd_row = _COLUMNS % 2 == 1, _ROWS % 2 == 1
    mirrored = [bits, bits ^ odd_column, bits ^ odd_row, bits ^ odd_column ^ odd_row]
    transposed = [each[:, _TRANSPOSED] for each in mirrored]
    return np.stack([_packed(each) for each in mirrored + transposed])


def upright(marks: Fingerprints) -> Fingerprints:
    """Choose one of the eight views of each image, the same one however it is turned.

    Parameters
    ----------
    marks : ndarray of shape (N, 3), uint64
        Fingerprints.

    Returns
    -------
    ndarray of shape (N, 3), uint64
        Without the three bits that are unknown when turned.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.load("data/images.npy")
    >>> turned = np.rot90(images, axes=(1, 2))
    >>> bool((upright(fingerprints(turned)) == upright(fingerprints(images))).all())
    True
    """
    known = (np.arange(len(_TRANSPOSED)) != _TRANSPOSED) | (_ROWS == _COLUMNS)
    every = views(marks) & _packed(known[None])
    first = np.lexsort([every[:, :, word] for word in range(_WORDS)], axis=0)[0]
    chosen: Fingerprints = every[first, np.arange(len(marks))]
    return chosen


def matches(
    marks: Fingerprints, among: Fingerprints, *, turned: bool = False
) -> npt.NDArray[np.int64]:
    """Find each image among others.

    Parameters
    ----------
    marks : ndarray of shape (N, 3), uint64
        Fingerprints to look for.
    among : ndarray of shape (M, 3), uint64
        Fingerprints to search.
    turned : bool
        Whether to find also images that were turned by quarters or mirrored.

    Returns
    -------
    ndarray of shape (N,), int64
        The place of the most similar one, or -1 if more than `MOST_DIFFERENT` bits differ.

    Examples
    --------
    >>> import numpy as np
    >>> marks = np.array([[0, 0, 0], [1, 2, 3]], np.uint64)
    >>> matches(np.array([[1, 2, 7], [2**64 - 1, 0, 0]], np.uint64), marks).tolist()
    [1, -1]
    """
    places = np.full(len(marks), -1, np.int64)
    if not len(among):
        return places
    every = views(marks) if turned else marks[None]
    for here, apart in _differences(every, among):
        nearest = apart.argmin(axis=1)
        near = apart[np.arange(len(apart)), nearest] <= MOST_DIFFERENT
        places[here] = np.where(near, nearest, -1)
    return places


def same_images(marks: Fingerprints) -> npt.NDArray[np.int64]:
    """Give copies of an image the same number, also turned or mirrored ones.

    Parameters
    ----------
    marks : ndarray of shape (N, 3), uint64
        Fingerprints.

    Returns
    -------
    ndarray of shape (N,), int64
        The place of the first of the copies.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.load("data/images.npy")[:2]
    >>> both = np.concatenate([images, np.rot90(images, axes=(1, 2))])
    >>> same_images(fingerprints(both)).tolist()
    [0, 1, 0, 1]
    """
    numbers = np.arange(len(marks))
    for here, apart in _differences(views(marks), marks):
        near = apart <= MOST_DIFFERENT
        for place, first in zip(range(here.start, here.stop), near.argmax(axis=1), strict=True):
            if first < place:
                numbers[place] = numbers[first]
    return numbers


def _differences(
    every: npt.NDArray[np.uint64], among: Fingerprints
) -> Iterator[tuple[slice, npt.NDArray[np.uint8]]]:
    """Count the bits (n, M) that differ from others in the best view, a few at a time."""
    words = np.ascontiguousarray(among.T)
    count = every.shape[1]
    unlike = np.empty((_AT_ONCE, len(among)), np.uint64)
    bits, apart, fewest = np.empty((3, _AT_ONCE, len(among)), np.uint8)
    for start in range(0, count, _AT_ONCE):
        n = min(_AT_ONCE, count - start)
        fewest[:] = 255
        for marks in every[:, start : start + n]:
            apart[:] = 0
            for word in range(_WORDS):
                np.bitwise_xor(marks[:, word, None], words[word], out=unlike[:n])
                np.bitwise_count(unlike[:n], out=bits[:n])
                apart[:n] += bits[:n]
            np.minimum(fewest[:n], apart[:n], out=fewest[:n])
        yield slice(start, start + n), fewest[:n]


def as_text(marks: Fingerprints) -> list[str]:
    """Write each fingerprint as 48 hexadecimal digits."""
    return ["".join(f"{word:016x}" for word in mark) for mark in marks.tolist()]


def from_text(texts: "npt.ArrayLike") -> Fingerprints:
    """Read fingerprints written by `as_text`.

    Examples
    --------
    >>> import numpy as np
    >>> marks = np.array([[1, 2, 3]], np.uint64)
    >>> from_text(as_text(marks)).tolist()
    [[1, 2, 3]]
    """
    words = [
        [int(text[16 * word : 16 * word + 16], 16) for word in range(_WORDS)]
        for text in np.asarray(texts, dtype=str).tolist()
    ]
    return np.array(words, np.uint64).reshape(-1, _WORDS)
