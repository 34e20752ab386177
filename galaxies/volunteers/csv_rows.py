"""Rows of the CSV tables that `galaxies ask` and `galaxies audit` write."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from galaxies.errors import GalaxiesError


class Row(NamedTuple):
    """A row of a table."""

    line: int
    """The line where it ends, from 1."""
    cells: dict[str, str | None]
    """By column; `None` where the row is too short."""


def read_rows(path: Path, needed: Sequence[str], hint: str) -> Iterator[Row]:
    r"""Iterate over the rows of a table.

    Parameters
    ----------
    path : Path
        The table, CSV in UTF-8.
    needed : sequence of str
        Columns that it must have.
    hint : str
        What to do if one of them is missing.

    Yields
    ------
    Row

    Raises
    ------
    GalaxiesError
        If the file cannot be read, is not such a table, or lacks a column.

    Examples
    --------
    >>> from pathlib import Path
    >>> path = Path("answers.csv")
    >>> _ = path.write_text("galaxy_id,answer\n7,spiral\n8\n")
    >>> [(row.line, row.cells["answer"]) for row in read_rows(path, ["answer"], "add it")]
    [(2, 'spiral'), (3, None)]
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            missing = [name for name in needed if name not in (rows.fieldnames or ())]
            if missing:
                raise GalaxiesError(f"{path}: no column {missing[0]!r}; {hint}")
            for cells in rows:
                yield Row(rows.line_num, cells)
    except OSError as error:
        raise GalaxiesError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise GalaxiesError(f"{path}: not UTF-8 text at byte {error.start}") from error
    except csv.Error as error:
        raise GalaxiesError(f"{path}: not a CSV table: {error}") from error
