"""The volunteers' votes of a survey, and the campaign that defines its classes."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from galaxies.dataset.layout import (
    COUNTS,
    FIRST_VOTES,
    SURVEY,
    VOTES,
    survey_file,
)
from galaxies.dataset.vote_table import (
    campaigns_of,
    read_ids,
    read_rows,
    read_shares,
    read_weights,
    refuse,
    refuse_sums,
    require_columns,
)
from galaxies.errors import GalaxiesError
from galaxies.questions.campaign import Campaign
from galaxies.questions.layout import Layout, layout_of
from galaxies.questions.registry import CAMPAIGNS, in_order


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
    table = read_rows(path, required=("GalaxyID",))
    campaigns = campaigns_of(path, table)
    frame = read_ids(path, table)
    if campaign is None:
        campaign = _first_with_classes(path, table, campaigns)
    columns = campaign.first.columns
    require_columns(path, table, columns)
    blank = (table[list(columns)].map(str.strip) == "").all(axis=1)
    mine = ~blank & (campaigns == campaign.name)
    table, frame = table[mine], frame[mine]
    if table.empty:
        raise GalaxiesError(
            f"{path}: no galaxy has an answer to the first question, in {', '.join(columns)}"
        )
    for column, name in zip(columns, FIRST_VOTES, strict=True):
        frame[name] = read_shares(path, table, column, blank=False)
    none = frame[list(FIRST_VOTES)].sum(axis=1) <= 0
    texts = table["GalaxyID"].str.strip()
    refuse(path, none, lambda row: f"GalaxyID {texts[row]} has no votes at all")
    refuse_sums(path, table, columns)
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
    table = read_rows(path, required=("GalaxyID",))
    campaigns = campaigns_of(path, table)
    frame = read_ids(path, table)
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
            shares[mine, place] = read_shares(path, rows, column, blank=True).to_numpy()
        if set(campaign.first.columns) <= set(present):
            refuse_sums(path, rows, campaign.first.columns)
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
    text = read_rows(path, required=("GalaxyID",))
    origin = pd.DataFrame(
        {
            "campaign": campaigns_of(path, text),
            "survey": text[SURVEY] if SURVEY in text.columns else "",
            "weight": read_weights(path, text),
        }
    ).set_index(read_ids(path, text)["galaxy_id"])
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
        with_counts = np.zeros(len(answers), bool)
        for campaign in layout.campaigns:
            columns = list(campaign.first.columns)
            mine = (origin["campaign"] == campaign.name).to_numpy()
            if not set(columns) <= set(counts.columns):
                continue
            counted = counts[columns].sum(axis=1).reindex(answers["galaxy_id"])
            sure: npt.NDArray[np.bool_] = counted.notna().to_numpy() & mine
            answers.loc[sure, "volunteers"] = counted[sure].to_numpy(np.float32)
            with_counts |= sure
        beside_counts = np.bincount(alike, weights=with_counts)[alike] > 0
        answers.loc[beside_counts & ~with_counts & ~divided, "volunteers"] = np.float32(0)
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
