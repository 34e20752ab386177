"""Read and check the volunteers' votes."""

import reprlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

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
from galaxies.questions.tree import (
    ALL_COLUMNS,
    ALL_QUESTIONS,
    COLUMNS,
    FIRST,
    TYPE,
    Campaign,
    chosen_by_answer,
)


def read_votes(path: Path) -> pd.DataFrame:
    """Read and check the votes on the first question.

    Parameters
    ----------
    path : Path
        A CSV file with the columns `GalaxyID` and `VOTE_COLUMNS`; others are ignored.

    Returns
    -------
    DataFrame
        `galaxy_id` int64 and `p_smooth`, `p_features`, `p_artifact` float32, in order of
        `galaxy_id`. Galaxies without votes on the first question (three blank cells) are left out.

    Raises
    ------
    GalaxiesError
        If the file is empty or not a CSV table, if a column is missing, if an ID is not a whole
        number or occurs twice, if a vote fraction is not a number in [0, 1] or all three are zero,
        or if no galaxy has votes. The error gives the line in the file.

    Examples
    --------
    >>> from pathlib import Path
    >>> votes = read_votes(Path("data/simulated/training_solutions_rev1.csv"))
    >>> list(votes), len(votes)
    (['galaxy_id', 'p_smooth', 'p_features', 'p_artifact'], 40)
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
    r"""Read and check the votes on all questions of Galaxy Zoo.

    Parameters
    ----------
    path : Path
        A CSV file with the column `GalaxyID` and any of
        `galaxies.questions.tree.ALL_COLUMNS`; other columns are ignored.
    campaign : {"gz1", "gz2"}
        Campaign of the columns `Class1.1` to `Class1.3`; those of Galaxy Zoo 1 are returned as
        `Type1.1` to `Type1.3`.

    Returns
    -------
    DataFrame
        `galaxy_id` int64 and the 40 columns float32, NaN for a blank cell or a missing column, in
        order of `galaxy_id`. The fractions of a question need not sum to those that lead to it: in
        real tables they sometimes do not (`galaxies.questions.tree.tree_errors`).

    Raises
    ------
    GalaxiesError
        If the file is empty or not a CSV table, if it has no column of answers, if an ID is not a
        whole number or occurs twice, or if a vote fraction is not a number in [0, 1]. The error
        gives the line in the file.

    Examples
    --------
    >>> from pathlib import Path
    >>> path = Path("votes.csv")
    >>> _ = path.write_text("GalaxyID,Class6.1,Class6.2\n7,0.25,0.75\n8,,\n")
    >>> answers = read_answers(path)
    >>> answers[["galaxy_id", "Class1.1", "Class6.1"]].to_numpy().tolist()
    [[7.0, nan, 0.25], [8.0, nan, nan]]
    """
    table = _read_text(path, required=("GalaxyID",))
    if campaign == "gz1":
        if clash := [column for column in TYPE.columns if column in table.columns]:
            raise GalaxiesError(
                f"{path}: column {clash[0]!r} beside campaign: gz1, whose answers are in "
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
    """Read all votes of a survey, and the number of volunteers.

    Parameters
    ----------
    folder : Path
        Such as `data/gz2`.
    volunteers : int
        Number of volunteers to assume if the survey has no counts.

    Returns
    -------
    DataFrame
        `galaxy_id` int64; the 40 columns float32 as in `read_answers`; `volunteers` float32, the
        number of volunteers, 0 for hard votes; `survey` text, the survey of origin, or empty. Votes
        are hard if all galaxies with votes on the same questions have only fractions of 0 and 1.

    Raises
    ------
    GalaxiesError
        If a file is missing or damaged, as in `read_answers` and `read_campaign`.

    Examples
    --------
    >>> from pathlib import Path
    >>> votes = read_survey_votes(Path("data/simulated"), volunteers=45)
    >>> votes.shape, bool(votes["volunteers"].between(40, 50).all())
    ((40, 43), True)
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
    """Read the number of votes for each answer.

    Parameters
    ----------
    path : Path
        The file `galaxies.dataset.layout.COUNTS` of a survey.

    Returns
    -------
    DataFrame
        `galaxy_id` and the columns in the file, at least those of the first question.

    Raises
    ------
    GalaxiesError
        If the file is damaged, if one of these columns is missing, or if a galaxy occurs twice.

    Examples
    --------
    >>> from pathlib import Path
    >>> counts = read_counts(Path("data/simulated/answers.parquet"))
    >>> bool(counts[["Class1.1", "Class1.2", "Class1.3"]].sum(axis=1).between(40, 50).all())
    True
    """
    try:
        counts = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise GalaxiesError(f"{path}: not a Parquet table ({reason}); remove it") from error
    for column in ("galaxy_id", *FIRST["gz2"].columns):
        if column not in counts.columns:
            raise GalaxiesError(f"{path}: no column {column!r}; add it, or remove the file")
    twice = counts.loc[counts["galaxy_id"].duplicated(), "galaxy_id"]
    if not twice.empty:
        raise GalaxiesError(f"{path}: galaxy_id {twice.iloc[0]} occurs twice; remove one")
    return counts


def _read_surveys(path: Path) -> "pd.Series[str]":
    """Read the survey of origin of each galaxy, with the checks of `read_answers`."""
    text = _read_text(path, required=("GalaxyID",))
    names = text[SURVEY] if SURVEY in text.columns else pd.Series("", index=text.index)
    return pd.Series(names.to_numpy(str), index=_read_ids(path, text)["galaxy_id"])


def first_votes(votes: pd.DataFrame, first: pd.DataFrame) -> pd.DataFrame:
    """List the votes that define the class of each galaxy of a survey.

    Parameters
    ----------
    votes : DataFrame
        Output of `read_survey_votes`.
    first : DataFrame
        Output of `read_votes`.

    Returns
    -------
    DataFrame
        `galaxy_id` and the three fractions of `first`. NaN for galaxies without votes on the first
        question, and for galaxies that were chosen by their answer to it: these are all in one
        class, and must not count in the scores.

    Examples
    --------
    >>> from pathlib import Path
    >>> folder = Path("data/simulated")
    >>> votes = read_survey_votes(folder, volunteers=45)
    >>> first = first_votes(votes, read_votes(folder / "training_solutions_rev1.csv"))
    >>> list(first), len(first)
    (['galaxy_id', 'p_smooth', 'p_features', 'p_artifact'], 40)
    """
    campaign = campaign_of(votes)
    table = votes[["galaxy_id"]].merge(first, how="left")
    hard = (votes["volunteers"] == 0).to_numpy()
    chosen = chosen_by_answer(votes[list(ALL_COLUMNS)].to_numpy(), hard)
    place = ALL_QUESTIONS.index(FIRST[campaign])
    table.loc[chosen[:, place], list(VOTE_COLUMNS.values())] = np.nan
    return table


def campaign_of(votes: pd.DataFrame) -> Campaign:
    """Find the campaign whose first question defines the classes of a survey.

    Parameters
    ----------
    votes : DataFrame
        Output of `read_survey_votes`.

    Returns
    -------
    {"gz1", "gz2"}
        `gz2` if any galaxy has votes on its first question.

    Examples
    --------
    >>> from pathlib import Path
    >>> campaign_of(read_survey_votes(Path("data/simulated"), volunteers=45))
    'gz2'
    """
    answered = votes[list(FIRST["gz2"].columns)].notna().to_numpy().any()
    typed = votes[list(TYPE.columns)].notna().to_numpy().any()
    return "gz1" if typed and not answered else "gz2"


def _read_text(path: Path, required: tuple[str, ...]) -> pd.DataFrame:
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
    for column in required:
        if column not in table.columns:
            raise GalaxiesError(
                f"{path}: no column {column!r}; found {', '.join(table.columns[:8])[:200]!r}"
            )
    for column in dict.fromkeys((*required, *ALL_COLUMNS)):
        if f"{column}.1" in table.columns:  # the name that pandas gives to a second one
            raise GalaxiesError(f"{path}: column {column!r} twice")
    table = table[(table != "").any(axis=1)]
    if table.empty:
        raise GalaxiesError(f"{path}: no rows")
    return table


def _read_ids(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Check the IDs, and return them as `galaxy_id` int64."""
    texts = table["GalaxyID"].str.strip()
    whole = texts.str.fullmatch(WHOLE_ID.pattern)
    fits = whole & (texts.where(whole, "0").map(int) <= LARGEST_ID)
    _refuse(path, ~fits, lambda row: f"GalaxyID {reprlib.repr(texts[row])} is not a whole number")
    frame = pd.DataFrame({"galaxy_id": texts.astype("int64")})
    repeated = frame["galaxy_id"].duplicated()
    _refuse(path, repeated, lambda row: f"GalaxyID {texts[row]} occurs twice")
    return frame


def _read_shares(
    path: Path, table: pd.DataFrame, column: str, *, blank: bool
) -> "pd.Series[float]":
    """Check a column of vote fractions; returns float32, NaN for allowed blank cells."""
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
            "not between 0 and 1"
        ),
    )
    return numbers.astype(np.float32)


def _refuse(path: Path, bad: "pd.Series[bool]", say: Callable[[int], str]) -> None:
    """Raise an error with the line of the first bad row, and the number of others."""
    rows = bad.index[bad]
    if len(rows):
        more = f" (and {len(rows) - 1} more such rows)" if len(rows) > 1 else ""
        raise GalaxiesError(f"{path}: line {rows[0] + 2}: {say(int(rows[0]))}{more}")
