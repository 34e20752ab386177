"""Read and write tables of any length, piece by piece."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from galaxies.base.outputs import written_beside
from galaxies.errors import GalaxiesError

Pieces = Callable[[], Iterator[pa.Table]]
"""Returns an iterator over the pieces of the table, each time it is called."""

BUNDLE: Final = "bundle"
"""Metadata of the schema: SHA-256 of the bundle that made the table. Parquet has it under this
name, FITS as `BUNDLE` in the header; CSV files cannot have it."""

CAMPAIGN: Final = "campaign"
"""Metadata: the campaign whose first question defines the classes."""

AGREEMENT: Final = "agreement"
"""Metadata: the target agreement of the decisions."""

CALIBRATION: Final = "calibration"
"""Metadata: the galaxies that the bundle was calibrated on."""

MADE_WITH: Final = (BUNDLE, CAMPAIGN, CALIBRATION, AGREEMENT)
"""All metadata of a table. FITS headers have their first eight letters."""

_ROW_GROUP: Final = 131_072

# By default pandas converts integers with missing values to floats.
_NULLABLE: Final = {pa.int64(): pd.Int64Dtype(), pa.int32(): pd.Int32Dtype()}


def write_stream(path: Path, schema: pa.Schema, pieces: Pieces) -> None:
    """Write a table as Parquet, CSV or FITS, by its suffix, with little memory.

    Parameters
    ----------
    path : Path
        The file to make.
    schema : Schema
        Columns of the table.
    pieces : callable
        Returns an iterator over at least one piece; it is called twice for FITS.

    Raises
    ------
    GalaxiesError
        If the disk is full.

    Examples
    --------
    >>> from pathlib import Path
    >>> import pyarrow as pa
    >>> table = pa.table({"galaxy_id": ["100008"], "p_spiral": [0.93]})
    >>> write_stream(Path("t.csv"), table.schema, lambda: iter([table]))
    >>> print(Path("t.csv").read_text(), end="")
    galaxy_id,p_spiral
    100008,0.93
    """
    write = _WRITERS[path.suffix.lower()]
    try:
        with written_beside(path) as beside:
            write(beside, schema, pieces)
    except OSError as error:
        reason = error.strerror or str(error)
        raise GalaxiesError(f"{path}: {reason}; the same command tries again") from error


def read_stream(path: Path, columns: Sequence[str]) -> Iterator[pd.DataFrame]:
    """Read some columns of a table, piece by piece.

    Parameters
    ----------
    path : Path
        Output of `write_stream`: .parquet, .csv or .fits.
    columns : sequence of str
        The columns; `galaxy_id` is read as text.

    Yields
    ------
    DataFrame
        At most 131,072 rows.

    Raises
    ------
    GalaxiesError
        If the file does not exist, is damaged or of another format, or lacks a column.

    Examples
    --------
    >>> from pathlib import Path
    >>> [piece] = read_stream(Path("classes.parquet"), ["galaxy_id", "label"])
    >>> piece.shape
    (40, 2)
    """
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise GalaxiesError(f"{path}: unknown suffix; readable are {', '.join(TABLE_SUFFIXES)}")
    if not path.is_file():
        raise GalaxiesError(f"{path}: no such table")
    try:
        for piece in read(path, columns):
            yield piece.astype({"galaxy_id": str})
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise GalaxiesError(
            f"{path}: not a table with the columns {', '.join(columns)}: {reason}"
        ) from error


def _read_parquet(path: Path, columns: Sequence[str]) -> Iterator[pd.DataFrame]:
    # With a pre-buffer, all data would stay in memory until the end.
    with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
        for batch in file.iter_batches(_ROW_GROUP, columns=list(columns)):
            yield batch.select(list(columns)).to_pandas()


def _read_csv(path: Path, columns: Sequence[str]) -> Iterator[pd.DataFrame]:
    # As text: float64 would round the 18 digits of an SDSS object ID.
    kinds = {"galaxy_id": str}
    with pd.read_csv(path, usecols=list(columns), dtype=kinds, chunksize=_ROW_GROUP) as pieces:
        yield from pieces


def _read_fits(path: Path, columns: Sequence[str]) -> Iterator[pd.DataFrame]:
    from astropy.io import fits

    with fits.open(path, memmap=True) as file:
        table = file[1].data
        for start in range(0, len(table), _ROW_GROUP):
            some = table[start : start + _ROW_GROUP]
            piece = pd.DataFrame({name: _native(some[name]) for name in columns})
            # FITS has no missing text: an unreadable image has an empty decision.
            yield piece.replace({"": None})


def _native(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Convert a column to the byte order of this machine."""
    return np.asarray(column, column.dtype.newbyteorder("="))


def _write_parquet(path: Path, schema: pa.Schema, pieces: Pieces) -> None:
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        waiting: list[pa.Table] = []
        for piece in pieces():
            waiting.append(piece)
            # Many small row groups would be slow to read.
            if sum(map(len, waiting)) >= _ROW_GROUP:
                writer.write_table(pa.concat_tables(waiting))
                waiting.clear()
        if waiting:
            writer.write_table(pa.concat_tables(waiting))


def _write_csv(path: Path, schema: pa.Schema, pieces: Pieces) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        for number, piece in enumerate(pieces()):
            frame = piece.to_pandas(types_mapper=_NULLABLE.get)
            frame.to_csv(file, index=False, header=number == 0, lineterminator="\n")


def _write_fits(path: Path, schema: pa.Schema, pieces: Pieces) -> None:
    """Write in two passes: the FITS header needs the number of rows and the width of texts."""
    from astropy.io import fits

    rows = 0
    kinds: dict[str, str] = {}
    for piece in pieces():
        rows += len(piece)
        for name in schema.names:
            kinds[name] = _wider(_fits_kind(piece[name]), kinds.get(name))
    dtype = np.dtype(list(kinds.items()))
    header = fits.BinTableHDU(np.zeros(0, dtype), name="GALAXIES").header
    header["NAXIS2"] = rows
    for name in MADE_WITH:
        value = (schema.metadata or {}).get(name.encode())
        if value:
            header[fits_keyword(name)] = value.decode()
    fits.PrimaryHDU().writeto(path)
    with closing(fits.StreamingHDU(str(path), header)) as stream:
        for piece in pieces():
            data = np.zeros(len(piece), dtype)
            for name in schema.names:
                data[name] = _fits_values(piece[name], dtype[name])
            stream.write(data.view(np.uint8))


def fits_keyword(name: str) -> str:
    """Return the keyword of a metadata name in a FITS header, which has at most eight letters."""
    return name[:8].upper()


def _fits_kind(column: pa.ChunkedArray) -> str:
    """Find the numpy type of a column; FITS has only big-endian numbers and ASCII."""
    kind = column.type
    if pa.types.is_floating(kind):
        return ">f8" if kind == pa.float64() else ">f4"
    if pa.types.is_integer(kind):
        # FITS integers cannot be missing.
        return ">f8" if column.null_count else ">i8"
    if pa.types.is_boolean(kind) and not column.null_count:
        return "u1"
    return f"S{max(map(len, _ascii(column)), default=1) or 1}"


def _wider(kind: str, earlier: str | None) -> str:
    if earlier is None or earlier == kind:
        return kind
    if kind[0] == earlier[0] == "S":
        return max(kind, earlier, key=lambda one: int(one[1:]))
    # Such as integers with missing values in one piece, booleans in another.
    return next((one for one in (kind, earlier) if one[0] == "S"), ">f8")


def _fits_values(column: pa.ChunkedArray, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    if dtype.kind == "S":
        return np.array(_ascii(column), dtype)
    return np.asarray(column.to_pandas(), dtype)


def _ascii(column: pa.ChunkedArray) -> list[bytes]:
    texts = ("" if value is None else str(value) for value in column.to_pylist())
    return [text.encode("ascii", "replace") for text in texts]


_WRITERS: Final = {".parquet": _write_parquet, ".csv": _write_csv, ".fits": _write_fits}
_READERS: Final = {".parquet": _read_parquet, ".csv": _read_csv, ".fits": _read_fits}
TABLE_SUFFIXES: Final = tuple(_WRITERS)
