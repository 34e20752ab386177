"""The table that `galaxies classify` made, read a piece at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from galaxies.classifying.inputs.tables import open_table, reading_table
from galaxies.classifying.table_files import BUNDLE, TABLE_SUFFIXES
from galaxies.errors import GalaxiesError

COLUMNS: Final = ("galaxy_id", "p_spiral", "spread", "decision")
"""Those that are read."""

_PIECE: Final = 65_536
"""Rows that are held at a time."""

_TEXTS: Final = ("galaxy_id", "decision")


def made_by(path: Path) -> str | None:
    """Find out which bundle made a table.

    Parameters
    ----------
    path : Path
        A table of `galaxies classify`.

    Returns
    -------
    str or None
        SHA-256 of the bundle; `None` if the table does not say, as no CSV table does.
    """
    if path.suffix.lower() == ".parquet":
        with reading_table(str(path)):
            found = (pq.read_schema(path).metadata or {}).get(BUNDLE.encode())
        return found.decode() if found else None
    if path.suffix.lower() == ".fits":
        from astropy.io import fits

        try:
            found = fits.getheader(path, 1).get(BUNDLE.upper())
        except (OSError, IndexError) as error:
            raise GalaxiesError(f"{path}: damaged or no FITS table ({error})") from error
        return str(found) if found else None
    return None


def read_classes(path: Path) -> Iterator[pd.DataFrame]:
    """Read what was said of each galaxy.

    Parameters
    ----------
    path : Path
        A table of `galaxies classify`: .parquet, .csv or .fits.

    Yields
    ------
    DataFrame
        Some ten thousand rows at a time, in their order: `galaxy_id` and `decision` text,
        `p_spiral` and `spread` float32, NaN where the image could not be read.

    Raises
    ------
    GalaxiesError
        If the file is no such table, or a probability is not from 0 to 1.

    Examples
    --------
    >>> pieces = read_classes(Path("classes.parquet"))
    >>> sum(len(piece) for piece in pieces)  # doctest: +SKIP
    61578
    """
    if not path.is_file():
        raise GalaxiesError(f"{path}: no such file; make it with galaxies classify")
    suffix = path.suffix.lower()
    if suffix not in TABLE_SUFFIXES:
        raise GalaxiesError(f"{path}: unknown suffix; read are {', '.join(TABLE_SUFFIXES)}")
    read = {".parquet": _read_parquet, ".csv": _read_csv, ".fits": _read_fits}[suffix]
    row = 0
    with tqdm(desc="read classes", unit=" galaxies", unit_scale=True) as bar:
        for piece in read(path):
            for name in _TEXTS:
                piece[name] = piece[name].fillna("").astype("str")
            for name in ("p_spiral", "spread"):
                numbers = pd.to_numeric(piece[name], errors="coerce").astype(np.float32)
                _refuse(path, piece[name], numbers, row)
                piece[name] = numbers
            row += len(piece)
            bar.update(len(piece))
            yield piece.reset_index(drop=True)


def _refuse(path: Path, found: "pd.Series[Any]", numbers: "pd.Series[float]", row: int) -> None:
    """Name the first value that is neither absent nor from 0 to 1."""
    bad = ~numbers.between(0, 1) & found.notna() & (found.astype("str") != "")
    if bad.any():
        place = int(np.argmax(bad.to_numpy()))
        raise GalaxiesError(
            f"{path}: row {row + place + 1}: {found.name} is {str(found.iloc[place])[:40]!r}, "
            "not from 0 to 1"
        )


def _check_columns(path: Path, found: list[str]) -> None:
    missing = [name for name in COLUMNS if name not in found]
    if missing:
        raise GalaxiesError(
            f"{path}: no column {missing[0]!r}; give a table that galaxies classify made; "
            f"found {', '.join(found[:8])[:200]!r}"
        )


def _read_parquet(path: Path) -> Iterator[pd.DataFrame]:
    with reading_table(str(path)), open_table(str(path)) as file:
        _check_columns(path, file.schema_arrow.names)
        for batch in file.iter_batches(_PIECE, columns=list(COLUMNS)):
            yield pa.Table.from_batches([batch]).to_pandas()


def _read_csv(path: Path) -> Iterator[pd.DataFrame]:
    try:
        with pd.read_csv(
            path, dtype=str, encoding="utf-8-sig", keep_default_na=False, chunksize=_PIECE
        ) as pieces:
            for piece in pieces:
                _check_columns(path, list(piece.columns))
                yield piece[list(COLUMNS)]
    except (pd.errors.EmptyDataError, pd.errors.ParserError) as error:
        raise GalaxiesError(f"{path}: not a CSV table: {str(error).strip()}") from error
    except UnicodeDecodeError as error:
        raise GalaxiesError(f"{path}: not UTF-8 text at byte {error.start}") from error


def _read_fits(path: Path) -> Iterator[pd.DataFrame]:
    from astropy.io import fits

    try:
        with fits.open(path, memmap=True) as file:
            table = file[1].data
            _check_columns(path, list(table.names))
            for start in range(0, len(table), _PIECE):
                piece = table[start : start + _PIECE]
                yield pd.DataFrame(
                    {
                        name: np.asarray(
                            piece[name], None if name in _TEXTS else np.float32
                        ).tolist()
                        for name in COLUMNS
                    }
                )
    except (OSError, IndexError, AttributeError, TypeError, ValueError) as error:
        raise GalaxiesError(f"{path}: damaged or no FITS table ({error})") from error
