"""Write tables of any length, piece by piece: Parquet, CSV, FITS, VOTable, ECSV and HATS."""

import gzip
import shutil
from pathlib import Path
from typing import Final

import pyarrow as pa

from galaxies.base.outputs import written_beside
from galaxies.errors import GalaxiesError
from galaxies.tables.fits_writing import write_fits
from galaxies.tables.hats import HATS_SUFFIX, require_positions, write_hats
from galaxies.tables.parquet import write_parquet
from galaxies.tables.pieces import Pieces
from galaxies.tables.rows import write_csv, write_ecsv, write_votable

_WRITERS: Final = {
    ".parquet": write_parquet,
    ".csv": write_csv,
    ".fits": write_fits,
    ".vot": write_votable,
    ".ecsv": write_ecsv,
    HATS_SUFFIX: write_hats,
}
_COMPRESSED: Final = ".gz"

TABLE_SUFFIXES: Final = (*_WRITERS, ".csv.gz", ".fits.gz", ".vot.gz", ".ecsv.gz")
"""Suffixes of the tables that `write_table` writes."""


def require_table(path: Path) -> None:
    """Refuse a name whose suffix is not in `TABLE_SUFFIXES`."""
    if not path.name.lower().endswith(TABLE_SUFFIXES):
        raise GalaxiesError(f"{path}: unknown suffix; possible are {', '.join(TABLE_SUFFIXES)}")


def require_columns(path: Path, schema: pa.Schema) -> None:
    """Refuse columns that the format of a name cannot do without or hold."""
    if path.name.lower().endswith(HATS_SUFFIX):
        require_positions(path, schema)


def compress(plain: Path, path: Path) -> None:
    """Compress a file with gzip; two runs give identical bytes."""
    # Without name and time in the header.
    with (
        plain.open("rb") as source,
        path.open("wb") as target,
        gzip.GzipFile("", "wb", 6, target, mtime=0) as packed,
    ):
        shutil.copyfileobj(source, packed, 1 << 20)


def write_table(path: Path, schema: pa.Schema, pieces: Pieces) -> None:
    """Write a table; its format is that of the suffix.

    One piece is in memory at a time, for Parquet a row group of 131,072 rows, and for HATS a
    partition. Two runs give identical bytes, but for the date in HATS.

    Parameters
    ----------
    path : Path
        The file to make, or the folder for HATS, with one of `TABLE_SUFFIXES`.
    schema : Schema
        Columns of the table. Every format but CSV keeps description, unit and UCD of each field
        (`galaxies.tables.columns.described`) and the metadata of the schema: as keywords in FITS,
        as PARAMs in VOTable, as properties in HATS.
    pieces : callable
        Returns an iterator over the pieces, with the columns of the schema; it is called twice for
        Parquet, FITS and HATS.

    Raises
    ------
    GalaxiesError
        If the disk is full, or if the format cannot hold an ID.

    Examples
    --------
    >>> from pathlib import Path
    >>> import pyarrow as pa
    >>> table = pa.table({"galaxy_id": [100008], "p_spiral": [0.93]})
    >>> write_table(Path("t.csv"), table.schema, lambda: iter([table]))
    >>> print(Path("t.csv").read_text(), end="")
    galaxy_id,p_spiral
    100008,0.93
    """
    require_table(path)
    lower = path.name.lower()
    write = _WRITERS[Path(lower.removesuffix(_COMPRESSED)).suffix]
    try:
        with written_beside(path) as beside:
            if not lower.endswith(_COMPRESSED):
                write(beside, schema, pieces)
                return
            plain = beside.with_name(f"plain{beside.name.removesuffix(_COMPRESSED)}")
            write(plain, schema, pieces)
            compress(plain, beside)
            plain.unlink()
    except OSError as error:
        reason = error.strerror or str(error)
        raise GalaxiesError(f"{path}: {reason}; the same command tries again") from error
