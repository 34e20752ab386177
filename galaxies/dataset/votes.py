"""The volunteers' votes, read and checked."""

import reprlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from galaxies.dataset.layout import LARGEST_ID, VOTE_COLUMNS, WHOLE_ID
from galaxies.errors import GalaxiesError


def read_votes(path: Path) -> pd.DataFrame:
    """Read and check the volunteers' vote fractions.

    Parameters
    ----------
    path
        A CSV file with the columns `GalaxyID` and `VOTE_COLUMNS`; others are ignored.

    Returns
    -------
    DataFrame
        `galaxy_id` int64 and `p_smooth`, `p_features`, `p_artifact` float32, in order of
        `galaxy_id`.

    Raises
    ------
    GalaxiesError
        If the file is empty or no CSV, a column is missing, or a row has an ID that is no whole
        number or stands twice, or a vote that is no number in [0, 1], or no vote at all. The
        line in the file is named.
    """
    try:
        # As text first: a float64 would round the 18 digits of an SDSS objID.
        # Blank lines are read, so that a row's place tells its line.
        table = pd.read_csv(
            path, dtype=str, encoding="utf-8-sig", keep_default_na=False, skip_blank_lines=False
        ).fillna("")
    except (pd.errors.EmptyDataError, pd.errors.ParserError) as error:
        raise GalaxiesError(f"{path}: not a CSV table: {str(error).strip()}") from error
    except UnicodeDecodeError as error:
        raise GalaxiesError(f"{path}: not UTF-8 text at byte {error.start}") from error
    if not isinstance(table.index, pd.RangeIndex):  # pandas took the first field for a name
        raise GalaxiesError(f"{path}: rows have more fields than the header")
    for column in ("GalaxyID", *VOTE_COLUMNS):
        if column not in table.columns:
            raise GalaxiesError(
                f"{path}: no column {column!r}; found {', '.join(table.columns[:8])[:200]!r}"
            )
        if f"{column}.1" in table.columns:  # pandas's name for another one
            raise GalaxiesError(f"{path}: column {column!r} twice")
    table = table[(table != "").any(axis=1)]
    if table.empty:
        raise GalaxiesError(f"{path}: no rows")

    texts = table["GalaxyID"].str.strip()
    whole = texts.str.fullmatch(WHOLE_ID.pattern)
    fits = whole & (texts.where(whole, "0").map(int) <= LARGEST_ID)
    _refuse(path, ~fits, lambda row: f"GalaxyID {reprlib.repr(texts[row])} is not a whole number")
    frame = pd.DataFrame({"galaxy_id": texts.astype("int64")})
    repeated = frame["galaxy_id"].duplicated()
    _refuse(path, repeated, lambda row: f"GalaxyID {texts[row]} stands twice")
    for column, name in VOTE_COLUMNS.items():
        numbers = pd.to_numeric(table[column].str.strip(), errors="coerce")
        found = table[column]
        _refuse(
            path,
            ~numbers.between(0, 1),
            lambda row, column=column, found=found: (  # type: ignore[misc]
                f"{column} of GalaxyID {texts[row]} is {reprlib.repr(found[row])}, not from 0 to 1"
            ),
        )
        frame[name] = numbers.astype(np.float32)
    none = frame["p_smooth"] + frame["p_features"] + frame["p_artifact"] <= 0
    _refuse(path, none, lambda row: f"GalaxyID {texts[row]} has no votes at all")
    return frame.sort_values("galaxy_id", ignore_index=True)


def _refuse(path: Path, bad: "pd.Series[bool]", say: Callable[[int], str]) -> None:
    """Name the first bad row by its line in the file, and how many more there are."""
    rows = bad.index[bad]
    if len(rows):
        more = f" (and {len(rows) - 1} more such rows)" if len(rows) > 1 else ""
        raise GalaxiesError(f"{path}: line {rows[0] + 2}: {say(int(rows[0]))}{more}")
