"""Read catalogues: Parquet, CSV, FITS, VOTable, ECSV and HATS, with one interface."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import pyarrow as pa

from galaxies.errors import GalaxiesError
from galaxies.tables.columns import (
    ID_NAMES,
    ROWS,
    Rebatched,
    choose_column,
    require_exact,
    require_short,
)
from galaxies.tables.fits import open_fits
from galaxies.tables.hats import open_hats, properties_file
from galaxies.tables.parquet import open_parquet
from galaxies.tables.sources import Source
from galaxies.tables.text import open_csv, open_ecsv
from galaxies.tables.votable import open_votable

_OPENERS: Final = {
    ".parquet": open_parquet,
    ".csv": open_csv,
    ".fits": open_fits,
    ".fit": open_fits,
    ".vot": open_votable,
    ".votable": open_votable,
    ".ecsv": open_ecsv,
}
_COMPRESSED: Final = ".gz"

CATALOGUE_SUFFIXES: Final = (
    *_OPENERS,
    *(f"{suffix}{_COMPRESSED}" for suffix in _OPENERS if suffix != ".parquet"),
)
"""Suffixes of the tables that `read_catalogue` reads."""


@dataclass(frozen=True)
class Catalogue:
    """A table on disk or in a bucket; its rows are read when `pieces` is iterated over."""

    name: str
    """Its path, for errors."""
    schema: pa.Schema
    """Columns and types; `galaxies.tables.columns.words_of` returns description, unit and UCD of a
    field. Text is `string`, whatever the file has."""
    count: int
    """Number of rows."""
    ids: str | None
    """Name of the column of IDs, integers or text; `None` if there is none."""
    metadata: Mapping[str, str]
    """What the file says about the whole table; keys in lower case if it is FITS."""
    _source: Source = field(repr=False)

    def pieces(self, columns: Sequence[str] | None = None, rows: int = ROWS) -> Iterator[pa.Table]:
        """Iterate over the rows in order.

        Parameters
        ----------
        columns : sequence of str, optional
            The columns to read; by default all.
        rows : int
            Rows in each piece; the last may be smaller.

        Yields
        ------
        Table
            Missing values are null.

        Raises
        ------
        GalaxiesError
            If the file is damaged, or a text is longer than
            `galaxies.tables.columns.LONGEST_TEXT`.
        """
        wanted = list(self.schema.names if columns is None else columns)
        return iter(Rebatched(self._short(wanted), rows))

    def _short(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Make sure that no text is so long that a piece of the table would fill the memory."""
        row = 0
        for table in self._source.tables(columns):
            require_short(self.name, table, row)
            row += len(table)
            yield table


def read_catalogue(path: str, id_column: str | None = None) -> Catalogue:
    """Open a catalogue; its format is that of the suffix.

    Parquet, CSV, ECSV and FITS are read piece by piece; VOTables, compressed FITS files and FITS
    files in a bucket need memory for the whole table.

    Parameters
    ----------
    path : str
        A path, or an address that fsspec supports: .parquet, .csv, .fits, .vot or .ecsv, or, but
        for Parquet, one of these with .gz; or the folder of a HATS catalogue.
    id_column : str, optional
        Column with the IDs; by default one of `galaxies.tables.columns.ID_NAMES`. In CSV, IDs
        are int64, uint64 or text, whichever has the same letters; another column gets the first
        type that fits: logical, int64, uint64, float64, text.

    Returns
    -------
    Catalogue

    Raises
    ------
    GalaxiesError
        If the file cannot be read, is damaged, or has another suffix, or if its IDs are numbers
        with a point.

    Examples
    --------
    >>> catalogue = read_catalogue("catalogue.csv")
    >>> catalogue.count, catalogue.ids, catalogue.schema.field("redshift").type
    (6, 'id', DataType(double))
    >>> [piece.num_rows for piece in catalogue.pieces(["id", "path"], rows=4)]
    [4, 2]
    """
    lower = path.lower()
    bare = lower.removesuffix(_COMPRESSED)
    open_one = next((opener for suffix, opener in _OPENERS.items() if bare.endswith(suffix)), None)
    if open_one is None and properties_file(path):
        open_one = open_hats
    if open_one is None or (bare != lower and open_one is open_parquet):
        raise GalaxiesError(
            f"{path}: unknown suffix of a table; readable are {', '.join(CATALOGUE_SUFFIXES)}"
        )
    source = open_one(
        path, {name.lower() for name in (ID_NAMES if id_column is None else [id_column])}
    )
    ids = choose_column(path, source.schema.names, ID_NAMES, "--id", id_column)
    if ids is not None:
        require_exact(path, source.schema.field(ids))
    return Catalogue(path, source.schema, source.rows, ids, source.metadata, source)
