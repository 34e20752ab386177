"""The volunteers' votes, read and checked."""

import reprlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from galaxies.base.questions import (
    ALL_COLUMNS,
    ALL_QUESTIONS,
    COLUMNS,
    FIRST,
    TYPE,
    Campaign,
    chosen_by_answer,
)
from galaxies.dataset.layout import (
    COUNTS,
    LARGEST_ID,
    SURVEY,
    VOTE_COLUMNS,
    VOTES,
    WHOLE_ID,
    read_campaign,
    survey_file,
)
from galaxies.errors import GalaxiesError


def read_votes(path: Path) -> pd.DataFrame:
    """Read and check the volunteers' answers to the first question.

    Parameters
    ----------
    path : Path
        A CSV file with the columns `GalaxyID` and `VOTE_COLUMNS`; others are ignored.

    Returns
    -------
    DataFrame
        `galaxy_id` int64 and `p_smooth`, `p_features`, `p_artifact` float32, in order of
        `galaxy_id`. Galaxies of which the survey does not answer the first question, all three
        cells blank, are left out.

    Raises
    ------
    GalaxiesError
        If the file is empty or no CSV, a column is missing, or a row has an ID that is no whole
        number or stands twice, or a vote that is no number in [0, 1], or no vote at all, or no
        galaxy has votes. The line in the file is named.
    """
    table = _read_text(path, required=("GalaxyID", *VOTE_COLUMNS))
    frame = _read_ids(path, table)
    blank = (table[list(VOTE_COLUMNS)].map(str.strip) == "").all(axis=1)
    table, frame = table[~blank], frame[~blank]
    if table.empty:
        raise GalaxiesError(
            f"{path}: no galaxy has an answer to the first question, in {', '.join(VOTE_COLUMNS)}"
        )
    for column, name in VOTE_COLUMNS.items():
        frame[name] = _read_shares(path, table, column, blank=False)
    none = frame["p_smooth"] + frame["p_features"] + frame["p_artifact"] <= 0
    texts = table["GalaxyID"].str.strip()
    _refuse(path, none, lambda row: f"GalaxyID {texts[row]} has no votes at all")
    return frame.sort_values("galaxy_id", ignore_index=True)


def read_answers(path: Path, campaign: Campaign = "gz2") -> pd.DataFrame:
    r"""Read and check the volunteers' answers to all of Galaxy Zoo's questions.

    Parameters
    ----------
    path : Path
        A CSV file with the column `GalaxyID` and any of
        `galaxies.base.questions.ALL_COLUMNS`; other columns are ignored.
    campaign : {"gz1", "gz2"}
        Whose question `Class1.1` to `Class1.3` answer; those of Galaxy Zoo 1 are returned as
        `Type1.1` to `Type1.3`.

    Returns
    -------
    DataFrame
        `galaxy_id` int64 and the 40 columns float32, NaN where a cell is blank or a column
        absent, in order of `galaxy_id`. Shares need not add up: in real tables they do not always
        (`galaxies.base.questions.tree_errors`).

    Raises
    ------
    GalaxiesError
        If the file is empty or no CSV, has no column of answers, or a row has an ID that is no
        whole number or stands twice, or a share that is no number in [0, 1]. The line in the file
        is named.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "votes.csv")
    ...     _ = path.write_text("GalaxyID,Class6.1,Class6.2\n7,0.25,0.75\n8,,\n")
    ...     answers = read_answers(path)
    >>> answers[["galaxy_id", "Class1.1", "Class6.1"]].to_numpy().tolist()
    [[7.0, nan, 0.25], [8.0, nan, nan]]
    """
    table = _read_text(path, required=("GalaxyID",))
    if campaign == "gz1":
        if clash := [column for column in TYPE.columns if column in table.columns]:
            raise GalaxiesError(
                f"{path}: column {clash[0]!r} beside campaign: gz1, whose answers stand in "
                f"{TYPE.columns[0].replace('Type', 'Class')}; remove it, or survey.yaml"
            )
        table = table.rename(columns=dict(zip(FIRST["gz2"].columns, TYPE.columns, strict=True)))
    known = [column for column in ALL_COLUMNS if column in table.columns]
    if not known:
        raise GalaxiesError(
            f"{path}: no column of answers such as {COLUMNS[0]!r}; "
            f"found {', '.join(table.columns[:8])[:200]!r}"
        )
    frame = _read_ids(path, table)
    for column in ALL_COLUMNS:
        frame[column] = (
            _read_shares(path, table, column, blank=True) if column in known else np.float32("nan")
        )
    return frame.sort_values("galaxy_id", ignore_index=True)


def read_survey_votes(folder: Path, volunteers: int) -> pd.DataFrame:
    """Read all that a survey's volunteers said, and how many they were.

    Parameters
    ----------
    folder : Path
        Such as `data/gz2`.
    volunteers : int
        Taken to stand behind vote fractions where the survey keeps no counts.

    Returns
    -------
    DataFrame
        `galaxy_id` int64, the 40 columns float32 as in `read_answers`, and `volunteers` float32:
        how many there were, 0 for hard votes. Votes are hard where no galaxy that answers the same
        questions has a share that is neither 0 nor 1. `survey` text: which of several surveys a
        galaxy came from, empty where nothing is said.

    Raises
    ------
    GalaxiesError
        If a file is absent or damaged, as in `read_answers` and `read_campaign`.
    """
    path = survey_file(folder, VOTES)
    answers = read_answers(path, read_campaign(folder))
    shares = answers[list(ALL_COLUMNS)].to_numpy()
    _, alike = np.unique(np.isnan(shares), axis=0, return_inverse=True)
    divided = ((shares > 0) & (shares < 1)).any(axis=1)
    soft = np.bincount(alike.ravel(), weights=divided)[alike.ravel()] > 0
    answers["volunteers"] = np.where(soft, np.float32(volunteers), np.float32(0))
    path = folder / COUNTS
    if path.is_file():
        counts = read_counts(path).set_index("galaxy_id")[list(FIRST["gz2"].columns)]
        counted = counts.sum(axis=1).reindex(answers["galaxy_id"])
        known: npt.NDArray[np.bool_] = counted.notna().to_numpy()
        answers.loc[known, "volunteers"] = counted[known].to_numpy(np.float32)
    surveys = _read_surveys(survey_file(folder, VOTES))
    answers["survey"] = answers["galaxy_id"].map(surveys).fillna("")
    return answers


def read_counts(path: Path) -> pd.DataFrame:
    """Read how many volunteers gave each answer.

    Parameters
    ----------
    path : Path
        `galaxies.dataset.layout.COUNTS` of a survey.

    Returns
    -------
    DataFrame
        `galaxy_id` and the columns that are there, those of the first question among them.

    Raises
    ------
    GalaxiesError
        If it is damaged, lacks one of these, or has a galaxy twice.
    """
    try:
        counts = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise GalaxiesError(f"{path}: no Parquet table ({reason}); remove it") from error
    for column in ("galaxy_id", *FIRST["gz2"].columns):
        if column not in counts.columns:
            raise GalaxiesError(f"{path}: no column {column!r}; put it there, or remove the file")
    twice = counts.loc[counts["galaxy_id"].duplicated(), "galaxy_id"]
    if not twice.empty:
        raise GalaxiesError(f"{path}: galaxy_id {twice.iloc[0]} stands twice; remove one")
    return counts


def _read_surveys(path: Path) -> "pd.Series[str]":
    """Read which survey each galaxy came from; checked as `read_answers` checks."""
    text = _read_text(path, required=("GalaxyID",))
    names = text[SURVEY] if SURVEY in text.columns else pd.Series("", index=text.index)
    return pd.Series(names.to_numpy(str), index=_read_ids(path, text)["galaxy_id"])


def first_votes(votes: pd.DataFrame, first: pd.DataFrame) -> pd.DataFrame:
    """List what makes the classes of all galaxies of a survey, also of those that have none.

    Parameters
    ----------
    votes : DataFrame
        As `read_survey_votes` returns it.
    first : DataFrame
        As `read_votes` returns it.

    Returns
    -------
    DataFrame
        `galaxy_id` and the three fractions of `first`, NaN where the survey does not answer the
        first question, and where galaxies were chosen by their answer to it: they are all of one
        class, and no score should count them.
    """
    campaign = campaign_of(votes)
    table = votes[["galaxy_id"]].merge(first, how="left")
    hard = (votes["volunteers"] == 0).to_numpy()
    chosen = chosen_by_answer(votes[list(ALL_COLUMNS)].to_numpy(), hard)
    place = ALL_QUESTIONS.index(FIRST[campaign])
    table.loc[chosen[:, place], list(VOTE_COLUMNS.values())] = np.nan
    return table


def campaign_of(votes: pd.DataFrame) -> Campaign:
    """Say by which campaign's question galaxies are sorted into the two classes.

    Parameters
    ----------
    votes : DataFrame
        As `read_survey_votes` returns it.

    Returns
    -------
    {"gz1", "gz2"}
        That of Galaxy Zoo 2 where any galaxy has an answer to it.
    """
    answered = votes[list(FIRST["gz2"].columns)].notna().to_numpy().any()
    typed = votes[list(TYPE.columns)].notna().to_numpy().any()
    return "gz1" if typed and not answered else "gz2"


def _read_text(path: Path, required: tuple[str, ...]) -> pd.DataFrame:
    """Read a CSV table as text, its rows named by their place; rows of nothing are left out."""
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
    for column in required:
        if column not in table.columns:
            raise GalaxiesError(
                f"{path}: no column {column!r}; found {', '.join(table.columns[:8])[:200]!r}"
            )
    for column in dict.fromkeys((*required, *ALL_COLUMNS)):
        if f"{column}.1" in table.columns:  # pandas's name for another one
            raise GalaxiesError(f"{path}: column {column!r} twice")
    table = table[(table != "").any(axis=1)]
    if table.empty:
        raise GalaxiesError(f"{path}: no rows")
    return table


def _read_ids(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Check the IDs, and give them as `galaxy_id` int64."""
    texts = table["GalaxyID"].str.strip()
    whole = texts.str.fullmatch(WHOLE_ID.pattern)
    fits = whole & (texts.where(whole, "0").map(int) <= LARGEST_ID)
    _refuse(path, ~fits, lambda row: f"GalaxyID {reprlib.repr(texts[row])} is not a whole number")
    frame = pd.DataFrame({"galaxy_id": texts.astype("int64")})
    repeated = frame["galaxy_id"].duplicated()
    _refuse(path, repeated, lambda row: f"GalaxyID {texts[row]} stands twice")
    return frame


def _read_shares(
    path: Path, table: pd.DataFrame, column: str, *, blank: bool
) -> "pd.Series[float]":
    """Check a column of shares, and give it as float32; NaN for a blank cell where one may be."""
    found = table[column].str.strip()
    numbers = pd.to_numeric(found, errors="coerce")
    bad = ~numbers.between(0, 1)
    if blank:
        bad &= found != ""
    texts = table["GalaxyID"].str.strip()
    _refuse(
        path,
        bad,
        lambda row: (
            f"{column} of GalaxyID {texts[row]} is {reprlib.repr(table.loc[row, column])}, "
            "not from 0 to 1"
        ),
    )
    return numbers.astype(np.float32)


def _refuse(path: Path, bad: "pd.Series[bool]", say: Callable[[int], str]) -> None:
    """Name the first bad row by its line in the file, and how many more there are."""
    rows = bad.index[bad]
    if len(rows):
        more = f" (and {len(rows) - 1} more such rows)" if len(rows) > 1 else ""
        raise GalaxiesError(f"{path}: line {rows[0] + 2}: {say(int(rows[0]))}{more}")
