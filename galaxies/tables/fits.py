"""FITS tables."""

import os
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any, Final

import numpy as np
import pyarrow as pa

from galaxies.errors import GalaxiesError
from galaxies.tables.columns import ROWS, choose_table
from galaxies.tables.fits_columns import fits_field, fits_values
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
_STEP: Final = 1000 * _BLOCK
_ONES: Final = 0xFFFFFFFF


def open_fits(path: str, exact: Collection[str]) -> Source:
    """Open the only table of a FITS file with IDs; see `galaxies.tables.text.open_csv`.

    On disk it is mapped into memory piece by piece; a compressed file, or one in a bucket, is in
    memory as a whole.
    """
    with _table(path, exact) as (hdu, file):
        _check_sums(path, hdu, file)
        names = [column.name for column in hdu.columns]
        if twice := {name for name in names if names.count(name) > 1}:
            raise GalaxiesError(f"{path}: has two columns {min(twice)!r}; rename one")
        rows = len(hdu.data) if names else 0
        fields = [fits_field(path, hdu, place) for place in range(len(names))]
        columns = {card.keyword for card in hdu.header.cards if card.keyword[-1:].isdigit()}
        metadata = {
            _NAMES.get(keyword, keyword.lower()): str(value)
            for keyword, value in hdu.header.items()
            if keyword not in _STRUCTURE | columns
        }
    schema = pa.schema(fields)

    def tables(columns: Sequence[str]) -> Iterator[pa.Table]:
        with _table(path, exact) as (hdu, _):
            for start in range(0, rows, ROWS):
                piece = hdu.data[start : start + ROWS]
                arrays = [fits_values(path, hdu, piece, name) for name in columns]
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
def _table(path: str, exact: Collection[str]) -> Iterator[tuple[Any, IO[bytes]]]:
    """Open the table of a file that is the catalogue."""
    from astropy.io import fits

    try:
        with opened(path) as file, _quietly_opened(file, is_plain_file(path)) as hdus:
            found = [hdu for hdu in hdus if type(hdu) in (fits.BinTableHDU, fits.TableHDU)]
            if not found:
                raise GalaxiesError(f"{path}: has no table")
            found = [hdu for hdu in found if hdu.header["NAXIS2"]] or found[:1]
            held = [[column.name or "" for column in hdu.columns] for hdu in found]
            hdu = found[choose_table(path, held, exact)]
            file.seek(0, os.SEEK_END)
            if file.tell() < hdu.fileinfo()["datLoc"] + hdu.size:
                raise GalaxiesError(f"{path}: cut off; copy it again")
            yield hdu, file
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


def _check_sums(path: str, hdu: Any, file: IO[bytes]) -> None:  # noqa: ANN401
    """Compare a table with `DATASUM` and `CHECKSUM`, sums of 32-bit numbers."""
    datasum = str(hdu.header.get("DATASUM", "")).strip()
    checksum = str(hdu.header.get("CHECKSUM", "")).strip()
    if not datasum.isdigit() and not checksum:
        return
    where = hdu.fileinfo()
    data = _sum(file, where["datLoc"], hdu.size + -hdu.size % _BLOCK)
    header = _sum(file, where["hdrLoc"], where["datLoc"] - where["hdrLoc"])
    wrong = [
        *(["DATASUM"] if datasum.isdigit() and data != int(datasum) else []),
        *(["CHECKSUM"] if checksum and _folded(data + header) not in (0, _ONES) else []),
    ]
    if wrong:
        raise GalaxiesError(
            f"{path}: its table does not match {' and '.join(wrong)} of its header; copy it again, "
            "or write it again if a program changed it without them"
        )


def _sum(file: IO[bytes], start: int, size: int) -> int:
    """Add 32-bit numbers in ones' complement."""
    file.seek(start)
    total = 0
    while size > 0 and (data := file.read(min(size, _STEP))):
        size -= len(data)
        numbers = np.frombuffer(data + bytes(-len(data) % 4), ">u4")
        total = _folded(total + int(numbers.sum(dtype=np.uint64)))
    return total


def _folded(total: int) -> int:
    while total > _ONES:
        total = (total & _ONES) + (total >> 32)
    return total
