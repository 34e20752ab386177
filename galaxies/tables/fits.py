"""FITS tables."""

import math
import os
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from galaxies.errors import GalaxiesError
from galaxies.tables.columns import ROWS, Words, described
from galaxies.tables.sources import Source, is_plain_file, opened

_STRUCTURE: Final = frozenset(
    ("XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "PCOUNT", "GCOUNT", "TFIELDS", "THEAP",
     "EXTNAME", "EXTVER", "EXTLEVEL", "CHECKSUM", "DATASUM", "COMMENT", "HISTORY", "END", "")
)  # fmt: skip

KEYWORDS: Final = {
    "agreement": "AGREEMNT",
    "calibration": "CALIBRAT",
    "questions": "QUESTION",
    "threshold": "THRESHLD",
}
"""Keywords of metadata whose names are too long for FITS."""

_NAMES: Final = {keyword: name for name, keyword in KEYWORDS.items()}
_BLOCK: Final = 2880
_CARD: Final = 80
_LOOKED_AT: Final = 40  # blocks of headers


def open_fits(path: str, exact: Collection[str]) -> Source:
    """Open the first table of a FITS file; see `galaxies.tables.text.open_csv`.

    On disk it is mapped into memory piece by piece; a compressed file, or one in a bucket, is in
    memory as a whole.
    """
    with _table(path) as hdu:
        names = [column.name for column in hdu.columns]
        if twice := {name for name in names if names.count(name) > 1}:
            raise GalaxiesError(f"{path}: has two columns {min(twice)!r}; rename one")
        rows = len(hdu.data) if names else 0
        fields = [_field(hdu, place) for place in range(len(names))]
        columns = {card.keyword for card in hdu.header.cards if card.keyword[-1:].isdigit()}
        metadata = {
            _NAMES.get(keyword, keyword.lower()): str(value)
            for keyword, value in hdu.header.items()
            if keyword not in _STRUCTURE | columns
        }
    schema = pa.schema(fields)

    def tables(columns: Sequence[str]) -> Iterator[pa.Table]:
        with _table(path) as hdu:
            for start in range(0, rows, ROWS):
                piece = hdu.data[start : start + ROWS]
                arrays = [_values(hdu, piece, name, schema.field(name).type) for name in columns]
                yield pa.table(arrays, schema=pa.schema([schema.field(name) for name in columns]))

    return Source(schema, rows, metadata, tables)


def is_fits_table(path: str) -> bool:
    """Whether a file is FITS without an image before its first table.

    Of an image, it reads one block only: there may be a million files.

    Examples
    --------
    >>> is_fits_table("survey.zip")
    False
    """
    name = path.lower().removesuffix(".gz")
    if not name.endswith((".fits", ".fit")):
        return False
    try:
        with opened(path) as file:
            start = file.read(_BLOCK)
            if b"NAXIS=0" not in start[: 4 * _CARD].replace(b" ", b""):
                return False
            start += file.read(_LOOKED_AT * _BLOCK)
    except GalaxiesError:
        return False  # whoever reads the image says what is wrong with it
    blocks = range(_BLOCK, len(start), _BLOCK)
    first = next((block for block in blocks if start.startswith(b"XTENSION=", block)), len(start))
    kind = start[first : first + _CARD].replace(b" ", b"")
    return b"TABLE" in kind and b"ZIMAGE  =" not in start[first:]


@contextmanager
def _table(path: str) -> Iterator[Any]:
    """Open the first table of a file."""
    from astropy.io import fits

    try:
        with opened(path) as file, _quietly_opened(file, is_plain_file(path)) as hdus:
            for hdu in hdus:
                if type(hdu) in (fits.BinTableHDU, fits.TableHDU):
                    where = hdu.fileinfo()
                    file.seek(0, os.SEEK_END)
                    if file.tell() < where["datLoc"] + hdu.size:
                        raise GalaxiesError(f"{path}: cut off; copy it again")
                    yield hdu
                    return
            raise GalaxiesError(f"{path}: has no table")
    except (OSError, ValueError, TypeError, KeyError, IndexError) as error:
        reason = " ".join(str(error).split())[:200]
        raise GalaxiesError(f"{path}: damaged or not a FITS table ({reason})") from error


def _quietly_opened(file: IO[bytes], memmap: bool) -> Any:  # noqa: ANN401
    """Open without astropy's warnings; what they are about is checked here."""
    from astropy.io import fits
    from astropy.utils.exceptions import AstropyUserWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyUserWarning)
        hdus = fits.open(file, memmap=memmap, lazy_load_hdus=False)
    return hdus


def _field(hdu: Any, place: int) -> pa.Field:  # noqa: ANN401 - astropy has no types
    column = hdu.columns[place]
    words = Words(
        str(hdu.header.get(f"TCOMM{place + 1}", "")),
        column.unit or "",
        str(hdu.header.get(f"TUCD{place + 1}", "")),
    )
    return described(column.name, _values(hdu, hdu.data[:0], column.name, None).type, words)


def _values(hdu: Any, data: Any, name: str, kind: pa.DataType | None) -> pa.Array:  # noqa: ANN401
    """Convert a column; blanks, TNULL and a logical value that is neither T nor F are missing."""
    column = hdu.columns[name]
    if str(column.format).lstrip("0123456789") == "L":
        raw = np.asarray(data.view(np.ndarray)[column.name])
        raw = raw.reshape(len(raw), math.prod(raw.shape[1:]))[:, 0] if raw.ndim > 1 else raw
        return pa.array(raw == ord("T"), pa.bool_(), mask=~np.isin(raw, (ord("T"), ord("F"))))
    if str(column.format).lstrip("0123456789")[:1] == "A":
        return _texts(np.asarray(data.view(np.ndarray)[column.name]))
    values = np.asarray(data[name])
    if values.dtype.kind in "US":  # of a table in ASCII, or of variable length
        return _texts(values.astype("S"))
    values = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("="), copy=False))
    if values.ndim > 1:
        return pa.FixedSizeListArray.from_arrays(
            pa.array(values.ravel()), math.prod(values.shape[1:])
        )
    missing: npt.NDArray[np.bool_] | None = None
    if values.dtype.kind in "iu" and column.null is not None:
        null = int(column.null) + int(column.bzero or 0)
        limits = np.iinfo(values.dtype)
        if limits.min <= null <= limits.max:
            missing = values == null
    elif values.dtype.kind == "f":
        missing = np.isnan(values)  # how the format writes a missing number
    return pa.array(values, kind, mask=missing)


def _texts(values: npt.NDArray[np.bytes_]) -> pa.Array:
    """Decode texts, without the blanks or zeros at their end; an empty one is missing."""
    if values.ndim > 1:  # an array of texts in a cell is rare; its first is kept
        values = values.reshape(len(values), math.prod(values.shape[1:]))[:, 0]
    held = pa.array(np.ascontiguousarray(values), pa.binary())
    try:
        texts = held.cast(pa.string())
    except pa.ArrowInvalid:  # FITS is ASCII, but some programs write Latin letters
        texts = pa.array([text.decode("latin-1") for text in held.to_pylist()], pa.string())
    texts = pc.utf8_rtrim_whitespace(texts)
    return pc.if_else(pc.equal(texts, ""), None, texts)
