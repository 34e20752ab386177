"""Columns of FITS tables as arrays of Arrow, with every value and every element."""

import math
import re
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from galaxies.errors import GalaxiesError
from galaxies.tables.columns import Words, described

_FORMAT: Final = re.compile(r"\d*([PQ]?)([LXBIJKAEDCM])(?!\d)")
"""TFORM of a binary table; one in ASCII has its width behind the letter."""
_INTEGERS: Final = "BIJK"
_OF_LISTS: Final = {
    "L": pa.bool_(), "X": pa.bool_(), "B": pa.uint8(), "I": pa.int16(), "J": pa.int32(),
    "K": pa.int64(), "E": pa.float32(), "D": pa.float64(), "C": pa.list_(pa.float32(), 2),
    "M": pa.list_(pa.float64(), 2),
}  # fmt: skip
"""Types of the elements of columns of variable length."""
_WHOLE: Final = 2**64


def fits_field(path: str, hdu: Any, place: int) -> pa.Field:  # noqa: ANN401 - astropy has no types
    """Describe a column."""
    column = hdu.columns[place]
    words = Words(
        str(hdu.header.get(f"TCOMM{place + 1}", "")),
        column.unit or "",
        str(hdu.header.get(f"TUCD{place + 1}", "")),
    )
    return described(column.name, fits_values(path, hdu, hdu.data[:0], column.name).type, words)


def fits_values(path: str, hdu: Any, data: Any, name: str) -> pa.Array:  # noqa: ANN401
    """Convert a column; blanks, TNULL and a logical value that is neither T nor F are missing.

    Of a column with several elements in a cell, each cell becomes a list; a complex number becomes
    its real and imaginary part.
    """
    column = hdu.columns[name]
    raw = np.asarray(data.view(np.ndarray)[name])
    match = _FORMAT.match(str(column.format))
    lists, letter = match.groups() if match else ("", str(column.format)[:1])
    if lists:
        return _of_lists(path, column, data[name], letter)
    if letter == "L":
        missing = ~np.isin(raw, (ord("T"), ord("F")))
        return _shaped(pa.array((raw == ord("T")).ravel(), mask=missing.ravel()), raw)
    if letter == "A":
        return _shaped(_texts(raw.ravel()), raw)
    if match and letter in _INTEGERS:
        return _numbers(path, column, raw)
    if not match:  # in ASCII
        kind = np.dtype(np.int64 if letter == "I" else np.float64)
        values = np.asarray(data[name]).astype(kind) if len(raw) else np.zeros(0, kind)
    else:
        values = np.asarray(data[name])
    values = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("="), copy=False))
    if values.dtype.kind == "c":
        values = values.view(values.real.dtype).reshape(*values.shape, 2)
    missing = np.zeros(values.shape, np.bool_)
    if values.ndim == 1 and values.dtype.kind in "iu" and column.null is not None:
        missing = values == int(column.null)
    elif values.ndim == 1 and values.dtype.kind == "f":
        missing = np.isnan(values)  # how the format writes a missing number
    return _shaped(pa.array(values.ravel(), mask=missing.ravel()), values)


def _shaped(flat: pa.Array, values: npt.NDArray[Any]) -> pa.Array:
    """Put the elements of each cell together."""
    if values.ndim == 1:
        return flat
    return pa.FixedSizeListArray.from_arrays(flat, math.prod(values.shape[1:]))


def _scale(column: Any) -> tuple[float, float | int]:  # noqa: ANN401
    """Return TSCAL and TZERO, which is an integer if it is whole."""
    zero = column.bzero if column.bzero not in (None, "") else 0
    scale = column.bscale if column.bscale not in (None, "") else 1
    return float(scale), int(zero) if float(zero).is_integer() else float(zero)


def _numbers(path: str, column: Any, raw: npt.NDArray[Any]) -> pa.Array:  # noqa: ANN401
    """Scale integers; with TZERO alone they stay integers, and none is rounded."""
    scale, zero = _scale(column)
    stored = raw.astype(raw.dtype.newbyteorder("="), copy=False)
    missing = np.zeros(stored.shape, np.bool_) if column.null is None else stored == column.null
    if scale != 1 or not isinstance(zero, int):
        scaled = stored.astype(np.float64) * scale + zero
        return _shaped(pa.array(scaled.ravel(), mask=missing.ravel()), scaled)
    limits = np.iinfo(stored.dtype)
    lowest, highest = int(limits.min) + zero, int(limits.max) + zero
    width = stored.dtype.itemsize
    names = [f"u{width}", *(f"{sign}{size}" for size in (1, 2, 4, 8) for sign in "iu")]
    ranges = [(kind, np.iinfo(kind)) for kind in (stored.dtype, *map(np.dtype, names))]
    fitting = (kind for kind, held in ranges if held.min <= lowest and highest <= held.max)
    kind = next(fitting, np.dtype(np.int64))
    held = stored[~missing]
    if held.size:
        lowest, highest = int(held.min()) + zero, int(held.max()) + zero
        if lowest < np.iinfo(kind).min or highest > np.iinfo(kind).max:
            raise GalaxiesError(
                f"{path}: column {column.name!r}: TZERO {zero} leads beyond 64-bit integers; write "
                "the column again without it"
            )
    # In the arithmetic of 64 bits, in which nothing is rounded.
    values = (stored.astype(np.int64).view(np.uint64) + np.uint64(zero % _WHOLE)).astype(kind)
    return _shaped(pa.array(values.ravel(), mask=missing.ravel()), values)


def _of_lists(path: str, column: Any, values: Any, letter: str) -> pa.Array:  # noqa: ANN401
    """Convert a column of variable length."""
    if _scale(column) != (1, 0):
        raise GalaxiesError(
            f"{path}: column {column.name!r}: lists with TSCAL or TZERO are not read; write the "
            "column again without them"
        )
    if letter == "A":
        return _texts(np.array(["".join(value).encode() for value in values], np.bytes_))
    lists = [
        np.stack([value.real, value.imag], -1).tolist() if letter in "CM" else value.tolist()
        for value in map(np.asarray, values)
    ]
    return pa.array(lists, pa.list_(_OF_LISTS[letter]))


def _texts(values: npt.NDArray[np.bytes_]) -> pa.Array:
    """Decode texts, without the blanks at their end or what is behind a zero; "" is missing."""
    held = pa.array(np.ascontiguousarray(values), pa.binary())
    try:
        texts = held.cast(pa.string())
    except pa.ArrowInvalid:  # FITS is ASCII, but some programs write Latin letters
        texts = pa.array([text.decode("latin-1") for text in held.to_pylist()], pa.string())
    texts = pc.replace_substring_regex(texts, "(?s)\x00.*", "")
    texts = pc.utf8_rtrim_whitespace(texts)
    return pc.if_else(pc.equal(texts, ""), None, texts)
