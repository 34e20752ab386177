"""The table of votes as it is in a file: rows of text, checked line by line."""

import csv
import reprlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from galaxies.dataset.layout import (
    CAMPAIGN,
    LARGEST_ID,
    SURVEY,
    WEIGHT,
    WHOLE_ID,
    read_campaign,
)
from galaxies.errors import GalaxiesError
from galaxies.questions.registry import CAMPAIGNS

LEAST_SUM: Final = 0.5
"""Smallest sum of the fractions for the first question. The rest may have given an answer that the
survey leaves out, such as a merger in Galaxy Zoo 1."""

LARGEST_SUM: Final = 1.1
"""The largest; corrected fractions may miss 1 a little."""

LEAST_WEIGHT: Final = 1e-9
"""Smallest weight of a galaxy. Beside larger or smaller ones, others would not count at all."""

LARGEST_WEIGHT: Final = 1e9


def campaigns_of(path: Path, table: pd.DataFrame) -> "pd.Series[str]":
    """Find the name of each row's campaign: in its own column, or that of the survey."""
    usual = read_campaign(path.parent).name
    if CAMPAIGN not in table.columns:
        if "Type1.1" in table.columns:
            raise GalaxiesError(
                f"{path}: column 'Type1.1' is of a survey merged by galaxies 0.1; merge the "
                "surveys again"
            )
        return pd.Series(usual, index=table.index)
    campaigns = table[CAMPAIGN].str.strip().replace("", usual)
    refuse(
        path,
        ~campaigns.isin(list(CAMPAIGNS)),
        lambda row: f"{CAMPAIGN} {campaigns[row]!r} must be {' or '.join(CAMPAIGNS)}",
    )
    return campaigns


def require_columns(path: Path, table: pd.DataFrame, columns: Iterable[str]) -> None:
    """Refuse a table without one of some columns."""
    for column in columns:
        if column not in table.columns:
            raise GalaxiesError(
                f"{path}: no column {column!r}; found {', '.join(table.columns[:8])[:200]!r}"
            )


def read_rows(path: Path, required: tuple[str, ...]) -> pd.DataFrame:
    """Read a CSV table as text, indexed by row; empty rows are left out."""
    try:
        # As text first: float64 would round the 18 digits of an SDSS object ID. Blank lines are
        # kept, so that the index gives the line.
        table = pd.read_csv(
            path, dtype=str, encoding="utf-8-sig", keep_default_na=False, skip_blank_lines=False
        ).fillna("")
    except (pd.errors.EmptyDataError, pd.errors.ParserError) as error:
        raise GalaxiesError(f"{path}: not a CSV table: {str(error).strip()}") from error
    except UnicodeDecodeError as error:
        raise GalaxiesError(f"{path}: not UTF-8 text at byte {error.start}") from error
    if not isinstance(table.index, pd.RangeIndex):  # pandas took the first field as the index
        raise GalaxiesError(f"{path}: rows have more fields than the header")
    require_columns(path, table, required)
    answers = [column for campaign in CAMPAIGNS.values() for column in campaign.columns]
    for column in dict.fromkeys((*required, CAMPAIGN, SURVEY, WEIGHT, *answers)):
        if f"{column}.1" in table.columns:  # the name that pandas gives to a second one
            raise GalaxiesError(f"{path}: column {column!r} twice")
    table = table[(table != "").any(axis=1)]
    if (table.iloc[:, -1] == "").any():
        _refuse_cut_off(path)
    if table.empty:
        raise GalaxiesError(f"{path}: no rows")
    return table


def _refuse_cut_off(path: Path) -> None:
    """Refuse rows with fewer fields than the header, which pandas fills with blanks."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        header = next(rows)
        for cells in rows:
            if any(cells) and len(cells) < len(header):
                raise GalaxiesError(
                    f"{path}: line {rows.line_num}: has {len(cells)} of {len(header)} fields; the "
                    "file is cut off or damaged, so copy it again"
                )


def read_ids(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Check the IDs, and return them as `galaxy_id` int64."""
    texts = table["GalaxyID"].str.strip()
    whole = texts.str.fullmatch(WHOLE_ID.pattern)
    fits = whole & (texts.where(whole, "0").map(int) <= LARGEST_ID)
    refuse(path, ~fits, lambda row: f"GalaxyID {reprlib.repr(texts[row])} is not a whole number")
    frame = pd.DataFrame({"galaxy_id": texts.astype("int64")})
    repeated = frame["galaxy_id"].duplicated()
    refuse(path, repeated, lambda row: f"GalaxyID {texts[row]} occurs twice")
    return frame


def read_shares(path: Path, table: pd.DataFrame, column: str, *, blank: bool) -> "pd.Series[float]":
    """Check a column of vote fractions; returns float32, NaN for allowed blank cells."""
    cells = table[column].str.strip()
    numbers = pd.to_numeric(cells, errors="coerce")
    bad = ~numbers.between(0, 1)
    if blank:
        bad &= cells != ""
    texts = table["GalaxyID"].str.strip()
    refuse(
        path,
        bad,
        lambda row: (
            f"{column} of GalaxyID {texts[row]} is {reprlib.repr(table.loc[row, column])}, "
            "not between 0 and 1"
        ),
    )
    return numbers.astype(np.float32)


def refuse_sums(path: Path, table: pd.DataFrame, columns: Sequence[str]) -> None:
    """Refuse fractions for the first question that are far from 1 together; blanks are allowed."""
    numbers = table[list(columns)].apply(pd.to_numeric, errors="coerce")
    sums = numbers.sum(axis=1, skipna=False)
    texts = table["GalaxyID"].str.strip()
    refuse(
        path,
        ~sums.between(LEAST_SUM, LARGEST_SUM) & sums.notna(),
        lambda row: (
            f"the votes of GalaxyID {texts[row]} on the first question "
            f"({', '.join(columns)}) sum to {sums[row]:.4g}, not to 1; give the fraction of the "
            "volunteers for each answer"
        ),
    )


def read_weights(path: Path, table: pd.DataFrame) -> "pd.Series[float]":
    """Check the weights; 1 for blank cells, or without the column."""
    if WEIGHT not in table.columns:
        return pd.Series(1.0, index=table.index)
    texts = table[WEIGHT].str.strip().replace("", "1")
    weights = pd.to_numeric(texts, errors="coerce")
    refuse(
        path,
        ~weights.between(LEAST_WEIGHT, LARGEST_WEIGHT),
        lambda row: (
            f"{WEIGHT} {reprlib.repr(texts[row])} is not a number above 0, from "
            f"{LEAST_WEIGHT:g} to {LARGEST_WEIGHT:g}; divide all weights by a typical one"
        ),
    )
    return weights


def refuse(path: Path, bad: "pd.Series[bool]", say: Callable[[int], str]) -> None:
    """Raise an error with the line of the first bad row, and the number of others."""
    rows = bad.index[bad]
    if len(rows):
        more = f" (and {len(rows) - 1} more such rows)" if len(rows) > 1 else ""
        raise GalaxiesError(f"{path}: line {rows[0] + 2}: {say(int(rows[0]))}{more}")
