"""Read a table from `galaxies classify` piece by piece."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from tqdm import tqdm

from galaxies.classifying.inputs.tables import reading_table
from galaxies.classifying.table_files import fits_keyword, read_stream
from galaxies.errors import GalaxiesError

COLUMNS: Final = ("galaxy_id", "p_spiral", "spread", "decision")
"""Columns that are read."""

_TEXTS: Final = ("galaxy_id", "decision")


def recorded(path: Path, name: str) -> str | None:
    """Find what a table records about how it was made.

    Parameters
    ----------
    path : Path
        A table from `galaxies classify`.
    name : str
        `BUNDLE`, `CAMPAIGN` or `AGREEMENT` of `galaxies.classifying.table_files`.

    Returns
    -------
    str or None
        `None` if it is not recorded, as in CSV tables.

    Examples
    --------
    >>> from pathlib import Path
    >>> from galaxies.classifying.table_files import BUNDLE
    >>> len(recorded(Path("classes.parquet"), BUNDLE))
    64
    """
    if path.suffix.lower() == ".parquet":
        with reading_table(str(path)):
            found = (pq.read_schema(path).metadata or {}).get(name.encode())
        return found.decode() if found else None
    if path.suffix.lower() == ".fits":
        from astropy.io import fits

        try:
            found = fits.getheader(path, 1).get(fits_keyword(name))
        except (OSError, IndexError) as error:
            raise GalaxiesError(f"{path}: damaged or not a FITS table ({error})") from error
        return str(found) if found else None
    return None


def fingerprint(classes: Path) -> str:
    """Compute the SHA-256 of a table, by which a sample recognises it."""
    with classes.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_classes(path: Path) -> Iterator[pd.DataFrame]:
    """Read the class of each galaxy.

    Parameters
    ----------
    path : Path
        A table from `galaxies classify`: .parquet, .csv or .fits.

    Yields
    ------
    DataFrame
        About a hundred thousand rows at a time, in order: `galaxy_id` and `decision` text,
        `p_spiral` and `spread` float32, NaN if the image could not be read.

    Raises
    ------
    GalaxiesError
        If the file is not such a table, or if a probability is not between 0 and 1.

    Examples
    --------
    >>> from pathlib import Path
    >>> sum(len(piece) for piece in read_classes(Path("classes.parquet")))
    40
    """
    if not path.is_file():
        raise GalaxiesError(f"{path}: no such file; create it with galaxies classify")
    row = 0
    with tqdm(desc="read classes", unit=" galaxies", unit_scale=True) as bar:
        for piece in read_stream(path, COLUMNS):
            for name in _TEXTS:
                piece[name] = piece[name].astype("str").fillna("")
            for name in ("p_spiral", "spread"):
                numbers = pd.to_numeric(piece[name], errors="coerce").astype(np.float32)
                _refuse(path, piece[name], numbers, row)
                piece[name] = numbers
            row += len(piece)
            bar.update(len(piece))
            yield piece.reset_index(drop=True)


def _refuse(path: Path, found: "pd.Series[Any]", numbers: "pd.Series[float]", row: int) -> None:
    """Raise an error for the first value that is not between 0 and 1."""
    bad = ~numbers.between(0, 1) & found.notna() & (found.astype("str") != "")
    if bad.any():
        place = int(np.argmax(bad.to_numpy()))
        raise GalaxiesError(
            f"{path}: row {row + place + 1}: {found.name} is {str(found.iloc[place])[:40]!r}, "
            "not between 0 and 1"
        )
