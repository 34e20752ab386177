"""Write FITS tables."""

from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from galaxies.errors import GalaxiesError
from galaxies.tables.columns import is_main_id, words_of
from galaxies.tables.fits import KEYWORDS
from galaxies.tables.pieces import Extent, Pieces, as_text, measure
from galaxies.tables.rows import text_metadata

_WIDTHS: Final = {"I": 16, "J": 32, "K": 64}
_INTEGERS: Final = {
    pa.int8(): "I", pa.uint8(): "I", pa.int16(): "I", pa.uint16(): "J", pa.int32(): "J",
    pa.uint32(): "K", pa.int64(): "K", pa.uint64(): "K",
}  # fmt: skip
_SIGN: Final = 2**63
"""TZERO of unsigned 64-bit integers."""
_DIGITS: Final = 20  # of 2^64 - 1


class _Column(NamedTuple):
    """How a column is stored."""

    form: str
    """TFORM."""
    dtype: np.dtype[Any]
    null: int | None = None
    """The stored integer that means a missing value."""
    zero: int | None = None


def write_fits(path: Path, schema: pa.Schema, pieces: Pieces) -> None:
    """Write a FITS table in two passes: the header has the number of rows and the widths of text.

    The types depend on the schema only, but for unsigned 64-bit integers with missing values: these
    are signed, or text if they are too large. A missing integer is TNULL, a missing logical value
    0, a missing number NaN and a missing text empty.
    """
    from astropy.io import fits

    extent = measure(schema, pieces, _longest)
    columns = [_stored(field, extent) for field in schema]
    dtype = np.dtype([(f"f{place}", column.dtype) for place, column in enumerate(columns)])
    header = _header(schema, columns, extent.rows)
    fits.PrimaryHDU().writeto(path)
    with closing(fits.StreamingHDU(str(path), header)) as stream:
        for piece in pieces():
            data = np.zeros(len(piece), dtype)
            for place, (field, column) in enumerate(zip(schema, columns, strict=True)):
                data[f"f{place}"] = _values(field, piece[field.name], column)
            if len(piece):
                stream.write(data.view(np.uint8))


def _header(schema: pa.Schema, columns: list[_Column], rows: int) -> Any:  # noqa: ANN401
    from astropy.io import fits

    header = fits.Header()
    header["XTENSION"] = ("BINTABLE", "binary table")
    header["BITPIX"], header["NAXIS"] = 8, 2
    header["NAXIS1"] = (sum(column.dtype.itemsize for column in columns), "bytes in a row")
    header["NAXIS2"] = (rows, "rows")
    header["PCOUNT"], header["GCOUNT"] = 0, 1
    header["TFIELDS"] = (len(columns), "columns")
    for number, (field, column) in enumerate(zip(schema, columns, strict=True), 1):
        words = words_of(field)
        header[f"TTYPE{number}"] = _ascii(field.name)
        header[f"TFORM{number}"] = column.form
        if column.null is not None:
            header[f"TNULL{number}"] = column.null
        if column.zero is not None:
            header[f"TSCAL{number}"], header[f"TZERO{number}"] = 1, column.zero
        if words.unit:
            header[f"TUNIT{number}"] = _ascii(words.unit)
        if words.ucd:
            header[f"TUCD{number}"] = _ascii(words.ucd)
        if words.description:
            header[f"TCOMM{number}"] = _ascii(words.description)
    header["EXTNAME"] = "GALAXIES"
    for key, value in text_metadata(schema).items():
        word = KEYWORDS.get(key, key.upper())
        header[word if len(word) <= 8 else f"HIERARCH {word}"] = _ascii(value)
    return header


def _ascii(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode()


def _longest(field: pa.Field, texts: pa.ChunkedArray) -> int:
    """Count the bytes of the longest text; letters beyond ASCII are escaped, but not in IDs."""
    if is_main_id(field):
        # FITS fills texts up with blanks, and ends them at a zero.
        strange = pc.match_substring_regex(texts, r"[^\x20-\x7e]| $")
        if pc.any(strange).as_py():
            place = pc.index(strange, True).as_py()
            raise GalaxiesError(
                f"{field.name} {texts[place].as_py()!r} has letters that FITS cannot hold; "
                "write .parquet, .csv, .vot or .ecsv"
            )
    if pc.all(pc.string_is_ascii(texts)).as_py() is not False:
        return int(pc.max(pc.binary_length(texts)).as_py() or 0)
    return max(map(len, _bytes(texts)))


def _bytes(texts: pa.ChunkedArray) -> list[bytes]:
    return [
        b"" if text is None else text.encode("ascii", "backslashreplace").replace(b"\0", b"\\x00")
        for text in texts.to_pylist()
    ]


def _stored(field: pa.Field, extent: Extent) -> _Column:
    kind, name = field.type, field.name
    if pa.types.is_boolean(kind):
        return _Column("L", np.dtype("u1"))
    if pa.types.is_floating(kind):
        return (
            _Column("D", np.dtype(">f8")) if kind == pa.float64() else _Column("E", np.dtype(">f4"))
        )
    if pa.types.is_integer(kind):
        if kind == pa.uint64():
            return _unsigned(name, extent)
        form = _INTEGERS[kind]
        return _Column(form, np.dtype(f">i{_WIDTHS[form] // 8}"), _null(name, form, extent))
    if name not in extent.longest:  # a list of a fixed size
        element = _stored(field.with_type(kind.value_type), extent)
        return _Column(
            f"{kind.list_size}{element.form}",
            np.dtype((element.dtype, (kind.list_size,))),
            None,
            element.zero,
        )
    width = max(1, extent.longest[name])
    return _Column(f"{width}A", np.dtype(f"S{width}"))


def _unsigned(name: str, extent: Extent) -> _Column:
    """Store unsigned 64-bit integers with TZERO alone.

    With TNULL, astropy compares it with the sum of the stored integer and TZERO, but the standard
    and STILTS with the stored integer: no value is missing for both.
    """
    if name not in extent.blank:
        return _Column("K", np.dtype(">i8"), zero=_SIGN)
    if extent.highest.get(name, 0) < _SIGN:
        return _Column("K", np.dtype(">i8"), null=-_SIGN)
    return _Column(f"{_DIGITS}A", np.dtype(f"S{_DIGITS}"))


def _null(name: str, form: str, extent: Extent) -> int | None:
    """Choose the integer for missing values: the smallest of the type, unless the data have it."""
    smallest = -(1 << (_WIDTHS[form] - 1))
    largest = -smallest - 1
    if name not in extent.lowest or extent.lowest[name] > smallest:
        return smallest
    return largest if extent.highest[name] < largest else None


def _values(field: pa.Field, column: pa.ChunkedArray, stored: _Column) -> npt.NDArray[Any]:
    """Convert a column to what is stored."""
    kind = field.type
    if pa.types.is_boolean(kind):
        letters = pc.if_else(column, ord("T"), ord("F"))
        return np.asarray(pc.fill_null(letters, 0), np.uint8)
    if pa.types.is_floating(kind):
        return np.asarray(pc.fill_null(column, float("nan")), stored.dtype)
    if pa.types.is_integer(kind) and stored.dtype.kind != "S":
        return _integers(field, column, stored)
    if stored.dtype.subdtype is not None:
        whole = column.combine_chunks()
        inner = pa.chunked_array([whole.fill_null([None] * kind.list_size).flatten()]
                                 if whole.null_count else [whole.flatten()])  # fmt: skip
        element = stored._replace(dtype=stored.dtype.base)
        flat = _values(field.with_type(kind.value_type), inner, element)
        return flat.reshape(len(column), kind.list_size)
    return np.array(_bytes(as_text(column)), stored.dtype)


def _integers(field: pa.Field, column: pa.ChunkedArray, stored: _Column) -> npt.NDArray[Any]:
    missing = column.is_null().to_numpy()
    values = np.asarray(pc.fill_null(column, 0))
    if stored.zero is not None:
        values = (values ^ np.uint64(stored.zero)).view(np.int64)
    values = values.astype(stored.dtype)
    if missing.any():
        if stored.null is None:
            raise GalaxiesError(
                f"column {field.name!r} has missing values and all integers of its type, which "
                "FITS cannot hold; write .parquet, .csv, .vot or .ecsv"
            )
        values[missing] = stored.null
    return values
