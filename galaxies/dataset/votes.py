"""Read and check the volunteers' votes."""

import reprlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from galaxies.dataset.layout import (
    CAMPAIGN,
    COUNTS,
    FIRST_VOTES,
    LARGEST_ID,
    SURVEY,
    VOTES,
    WEIGHT,
    WHOLE_ID,
    read_campaign,
    survey_file,
)
from galaxies.errors import GalaxiesError
from galaxies.questions.campaign import Campaign
from galaxies.questions.layout import Layout, layout_of
from galaxies.questions.registry import CAMPAIGNS, in_order

LEAST_SUM: Final = 0.5
"""Smallest sum of the fractions for the first question. The rest may have given an answer that the
survey leaves out, such as a merger in Galaxy Zoo 1."""

LARGEST_SUM: Final = 1.1
"""The largest; corrected fractions may miss 1 a little."""


def read_votes(path: Path, campaign: Campaign | None = None) -> pd.DataFrame:
    """Read and check the votes on the first question of a campaign.

    Parameters
    ----------
    path : Path
        A CSV file with the column `GalaxyID` and those of the first question; others are ignored.
        The campaign of its rows is that of `galaxies.dataset.layout`.
    campaign : Campaign, optional
        Only galaxies of this campaign are read; by default those of the first in the table.

    Returns
    -------
    DataFrame
        `galaxy_id` int64 and `p_smooth`, `p_features`, `p_artifact` float32, in order of
        `galaxy_id`. Galaxies without votes on the first question (three blank cells) are left out.

    Raises
    ------
    GalaxiesError
        If the file is empty or not a CSV table, if a column is missing, if an ID is not a whole
        number or occurs twice, if a vote fraction is not a number in [0, 1], if the three are far
        from 1 together, or if no galaxy has votes. The error gives the line in the file.

    Examples
    --------
    >>> from pathlib import Path
    >>> votes = read_votes(Path("data/simulated/training_solutions_rev1.csv"))
    >>> list(votes), len(votes)
    (['galaxy_id', 'p_smooth', 'p_features', 'p_artifact'], 40)
    """
    table = _read_text(path, required=("GalaxyID",))
    campaigns = _campaigns(path, table)
    frame = _read_ids(path, table)
    if campaign is None:
        campaign = _first_with_classes(path, table, campaigns)
    columns = campaign.first.columns
    _require(path, table, columns)
    blank = (table[list(columns)].map(str.strip) == "").all(axis=1)
    mine = ~blank & (campaigns == campaign.name)
    table, frame = table[mine], frame[mine]
    if table.empty:
        raise GalaxiesError(
            f"{path}: no galaxy has an answer to the first question, in {', '.join(columns)}"
        )
    for column, name in zip(columns, FIRST_VOTES, strict=True):
        frame[name] = _read_shares(path, table, column, blank=False)
    none = frame[list(FIRST_VOTES)].sum(axis=1) <= 0
    texts = table["GalaxyID"].str.strip()
    _refuse(path, none, lambda row: f"GalaxyID {texts[row]} has no votes at all")
    _refuse_sums(path, table, columns)
    return frame.sort_values("galaxy_id", ignore_index=True)


def _first_with_classes(path: Path, table: pd.DataFrame, campaigns: "pd.Series[str]") -> Campaign:
    """Find the first campaign that has votes on its first question, or just the first."""
    asked = in_order({CAMPAIGNS[name] for name in campaigns.unique()})
    for campaign in asked:
        columns = [column for column in campaign.first.columns if column in table.columns]
        answered = table.loc[campaigns == campaign.name, columns].map(str.strip) != ""
        if answered.to_numpy().any():
            return campaign
    return asked[0]


def read_answers(path: Path) -> pd.DataFrame:
    r"""Read and check the votes on all questions.

    Parameters
    ----------
    path : Path
        A CSV file with the column `GalaxyID` and any of the columns of its campaign; others are
        ignored. The campaign of its rows is that of `galaxies.dataset.layout`.

    Returns
    -------
    DataFrame
        `galaxy_id` int64, then for each campaign in the table the fractions of all answers, with
        columns such as `kaggle.bar_yes`, float32: NaN for a blank cell, a missing column, or a
        galaxy of another campaign. In order of `galaxy_id`. The fractions of a question need not
        sum to the one that leads to it: in real tables they sometimes do not
        (`galaxies.questions.campaign.Campaign.tree_errors`).

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
    >>> answers[["galaxy_id", "kaggle.smooth", "kaggle.odd_yes"]].to_numpy().tolist()
    [[7.0, nan, 0.25], [8.0, nan, nan]]
    """
    table = _read_text(path, required=("GalaxyID",))
    campaigns = _campaigns(path, table)
    frame = _read_ids(path, table)
    fractions: list[pd.DataFrame] = []
    for campaign in in_order({CAMPAIGNS[name] for name in campaigns.unique()}):
        rows = table[campaigns == campaign.name]
        present = [column for column in campaign.columns if column in table.columns]
        if not present:
            raise GalaxiesError(
                f"{path}: no column of answers of {campaign.name}, such as "
                f"{campaign.columns[0]!r}; found {', '.join(table.columns[:8])[:200]!r}"
            )
        shares = np.full((len(table), len(campaign.answers)), np.nan, np.float32)
        mine = (campaigns == campaign.name).to_numpy()
        for column in present:
            place = campaign.columns.index(column)
            shares[mine, place] = _read_shares(path, rows, column, blank=True).to_numpy()
        if set(campaign.first.columns) <= set(present):
            _refuse_sums(path, rows, campaign.first.columns)
        if campaign.within:
            shares[mine] = campaign.down_the_tree(shares[mine].astype(np.float64))
        fractions.append(pd.DataFrame(shares, frame.index, Layout((campaign,)).columns))
    return pd.concat([frame, *fractions], axis=1).sort_values("galaxy_id", ignore_index=True)


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
        `galaxy_id` int64; the fractions as in `read_answers`; `volunteers` float32, the number of
        volunteers, 0 for hard votes; `weight` float32, what it counts for; `survey` text, the
        survey of origin, or empty. Votes are hard if all galaxies of one origin with votes on the
        same questions have only fractions of 0 and 1, or if others of them have counts.

    Raises
    ------
    GalaxiesError
        If a file is missing or damaged, as in `read_answers`.

    Examples
    --------
    >>> from pathlib import Path
    >>> votes = read_survey_votes(Path("data/simulated"), volunteers=45)
    >>> votes.shape, bool(votes["volunteers"].between(40, 50).all())
    ((40, 41), True)
    """
    path = survey_file(folder, VOTES)
    answers = read_answers(path)
    layout = layout_of(answers.columns, CAMPAIGNS.values())
    shares = answers[list(layout.columns)].to_numpy()
    text = _read_text(path, required=("GalaxyID",))
    origin = pd.DataFrame(
        {
            "campaign": _campaigns(path, text),
            "survey": text[SURVEY] if SURVEY in text.columns else "",
            "weight": _read_weights(path, text),
        }
    ).set_index(_read_ids(path, text)["galaxy_id"])
    origin = origin.loc[answers["galaxy_id"]]
    # Hard votes stay hard when they are merged with counted votes on the same questions.
    survey = pd.factorize(origin["survey"])[0]
    kinds = np.column_stack([np.isnan(shares), survey])
    alike = np.unique(kinds, axis=0, return_inverse=True)[1].ravel()
    divided = ((shares > 0) & (shares < 1)).any(axis=1)
    soft = np.bincount(alike, weights=divided)[alike] > 0
    answers["volunteers"] = np.where(soft, np.float32(volunteers), np.float32(0))
    if (folder / COUNTS).is_file():
        counts = read_counts(folder / COUNTS).set_index("galaxy_id")
        known = np.zeros(len(answers), bool)
        for campaign in layout.campaigns:
            columns = list(campaign.first.columns)
            mine = (origin["campaign"] == campaign.name).to_numpy()
            if not set(columns) <= set(counts.columns):
                continue
            counted = counts[columns].sum(axis=1).reindex(answers["galaxy_id"])
            sure: npt.NDArray[np.bool_] = counted.notna().to_numpy() & mine
            answers.loc[sure, "volunteers"] = counted[sure].to_numpy(np.float32)
            known |= sure
        beside_counts = np.bincount(alike, weights=known)[alike] > 0
        answers.loc[beside_counts & ~known & ~divided, "volunteers"] = np.float32(0)
    answers["weight"] = origin["weight"].to_numpy(np.float32)
    answers["survey"] = origin["survey"].to_numpy(str)
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
        `galaxy_id` and the columns in the file, at least those of the first question of a campaign.

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
    firsts = [set(campaign.first.columns) for campaign in CAMPAIGNS.values()]
    needed = next((first for first in firsts if first & set(counts.columns)), firsts[0])
    for column in ("galaxy_id", *sorted(needed)):
        if column not in counts.columns:
            raise GalaxiesError(f"{path}: no column {column!r}; add it, or remove the file")
    twice = counts.loc[counts["galaxy_id"].duplicated(), "galaxy_id"]
    if not twice.empty:
        raise GalaxiesError(f"{path}: galaxy_id {twice.iloc[0]} occurs twice; remove one")
    return counts


def first_votes(votes: pd.DataFrame, first: pd.DataFrame) -> pd.DataFrame:
    """List the votes that define the class of each galaxy of a survey.

    Parameters
    ----------
    votes : DataFrame
        Output of `read_survey_votes`.
    first : DataFrame
        Output of `read_votes` for the campaign of `campaign_of`.

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
    layout = layout_of(votes.columns, CAMPAIGNS.values())
    campaign = campaign_of(votes)
    table = votes[["galaxy_id"]].merge(first, how="left")
    hard = (votes["volunteers"] == 0).to_numpy()
    chosen = layout.chosen_by_answer(votes[list(layout.columns)].to_numpy(), hard)
    place = layout.questions.index((campaign, campaign.first))
    table.loc[chosen[:, place], list(FIRST_VOTES)] = np.nan
    return table


def campaign_of(votes: pd.DataFrame) -> Campaign:
    """Find the campaign whose first question defines the classes of a survey.

    Parameters
    ----------
    votes : DataFrame
        Output of `read_survey_votes`.

    Returns
    -------
    Campaign
        The first that has votes on its first question.

    Examples
    --------
    >>> from pathlib import Path
    >>> campaign_of(read_survey_votes(Path("data/simulated"), volunteers=45)).name
    'gz2'
    """
    layout = layout_of(votes.columns, CAMPAIGNS.values())
    for campaign in layout.campaigns:
        first = [f"{campaign.name}.{name}" for name in campaign.first.names]
        if votes[first].notna().to_numpy().any():
            return campaign
    return layout.campaigns[0]


def _campaigns(path: Path, table: pd.DataFrame) -> "pd.Series[str]":
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
    _refuse(
        path,
        ~campaigns.isin(list(CAMPAIGNS)),
        lambda row: f"{CAMPAIGN} {campaigns[row]!r} must be {' or '.join(CAMPAIGNS)}",
    )
    return campaigns


def _require(path: Path, table: pd.DataFrame, columns: Iterable[str]) -> None:
    for column in columns:
        if column not in table.columns:
            raise GalaxiesError(
                f"{path}: no column {column!r}; found {', '.join(table.columns[:8])[:200]!r}"
            )


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
    _require(path, table, required)
    answers = [column for campaign in CAMPAIGNS.values() for column in campaign.columns]
    for column in dict.fromkeys((*required, CAMPAIGN, SURVEY, WEIGHT, *answers)):
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


def _refuse_sums(path: Path, table: pd.DataFrame, columns: Sequence[str]) -> None:
    """Refuse fractions for the first question that are far from 1 together; blanks are allowed."""
    numbers = table[list(columns)].apply(pd.to_numeric, errors="coerce")
    sums = numbers.sum(axis=1, skipna=False)
    texts = table["GalaxyID"].str.strip()
    _refuse(
        path,
        ~sums.between(LEAST_SUM, LARGEST_SUM) & sums.notna(),
        lambda row: (
            f"the votes of GalaxyID {texts[row]} on the first question "
            f"({', '.join(columns)}) sum to {sums[row]:.4g}, not to 1; give the fraction of the "
            "volunteers for each answer"
        ),
    )


def _read_weights(path: Path, table: pd.DataFrame) -> "pd.Series[float]":
    """Check the weights; 1 for blank cells, or without the column."""
    if WEIGHT not in table.columns:
        return pd.Series(1.0, index=table.index)
    texts = table[WEIGHT].str.strip().replace("", "1")
    weights = pd.to_numeric(texts, errors="coerce")
    _refuse(
        path,
        ~((weights > 0) & np.isfinite(weights)),
        lambda row: f"{WEIGHT} {reprlib.repr(texts[row])} is not a number above 0",
    )
    return weights


def _refuse(path: Path, bad: "pd.Series[bool]", say: Callable[[int], str]) -> None:
    """Raise an error with the line of the first bad row, and the number of others."""
    rows = bad.index[bad]
    if len(rows):
        more = f" (and {len(rows) - 1} more such rows)" if len(rows) > 1 else ""
        raise GalaxiesError(f"{path}: line {rows[0] + 2}: {say(int(rows[0]))}{more}")
