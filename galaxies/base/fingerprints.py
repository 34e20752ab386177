"""Fingerprints of images: the same frame is found again under another number or another quality."""

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

_PLACES: Final = np.arange(_SIDE)
_COSINES: Final = np.cos(
    np.pi * (2 * _PLACES[None, :] + 1) * _PLACES[:, None] / (2 * _SIDE)
).astype(np.float32)
"""(16, 16) the discrete cosine transform."""

_LOWEST: Final = sorted(
    (row + column, row, column) for row in range(_SIDE) for column in range(_SIDE) if row + column
)[: 64 * _WORDS]
"""The 192 lowest frequencies, without the mean."""


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
        rows, columns = np.array([(row, column) for _, row, column in _LOWEST]).T
        bits = np.ascontiguousarray(np.packbits(waves[:, rows, columns] > 0, axis=1))
        marks[start : start + _TOGETHER] = bits.view(">u8")
    return marks


def matches(marks: Fingerprints, among: Fingerprints) -> npt.NDArray[np.int64]:
    """Find each image among others.

    Parameters
    ----------
    marks : ndarray of shape (N, 3), uint64
        Fingerprints to look for.
    among : ndarray of shape (M, 3), uint64
        Fingerprints to search.

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
    for start in range(0, len(marks), _TOGETHER // 8):
        block = marks[start : start + _TOGETHER // 8]
        apart = np.zeros((len(block), len(among)), np.uint8)
        for word in range(_WORDS):
            apart += np.bitwise_count(block[:, word, None] ^ among[None, :, word])
        nearest = apart.argmin(axis=1)
        near = np.take_along_axis(apart, nearest[:, None], axis=1)[:, 0] <= MOST_DIFFERENT
        places[start : start + len(block)] = np.where(near, nearest, -1)
    return places


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
