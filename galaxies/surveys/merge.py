"""Merge several surveys into one."""

import csv
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from tqdm import tqdm

from galaxies.base.outputs import write_table, written_beside
from galaxies.dataset.archive import Member, list_images, open_archive
from galaxies.dataset.layout import (
    CAMPAIGN,
    COUNTS,
    IMAGES,
    SURVEY,
    VOTES,
    WEIGHT,
    read_campaign,
    survey_file,
    write_campaign,
)
from galaxies.dataset.votes import read_answers, read_counts
from galaxies.errors import GalaxiesError
from galaxies.questions.campaign import Campaign
from galaxies.questions.layout import layout_of
from galaxies.questions.registry import CAMPAIGNS
from galaxies.surveys.weighing import Sample, weigh
from galaxies.surveys.writing import SURVEY_FILES, StoredImage, add_image, free_folder


class Merged(NamedTuple):
    """What `merge_surveys` wrote."""

    images: int
    votes: int
    """Rows of votes."""
    columns: list[str]
    """Columns of the votes: all that any survey has."""


class _Survey(NamedTuple):
    """A survey to merge."""

    folder: Path
    members: list[Member]
    ids: npt.NDArray[np.int64]
    """GalaxyIDs with an image or votes, in ascending order."""
    columns: list[str]
    usual: Campaign
    """Campaign of rows that name none."""
    campaigns: tuple[Campaign, ...]
    name: str
    """In the column `Survey`."""


def merge_surveys(
    folders: Sequence[Path],
    output: Path,
    *,
    skip_known: bool = False,
    like: Path | None = None,
    overwrite: bool = False,
) -> Merged:
    """Merge several surveys into one.

    Image files and vote fractions are copied unchanged. Every column of the votes is kept, blank
    for the galaxies of surveys that do not have it, and so are the counts of answers. A column
    `Survey` names the survey of each galaxy and, if the surveys have several campaigns, a column
    `Campaign` whose votes they are: `Class1.1` then means something else in each. The surveys
    follow each other in the order given.

    Parameters
    ----------
    folders : sequence of Path
        Folders of two or more surveys.
    output : Path
        Folder to write; it appears only when it is complete.
    skip_known : bool
        Leave out galaxies whose GalaxyID is in an earlier survey.
    like : Path, optional
        An unselected survey. Galaxies of its campaign with all answers get a `Weight`, so that each
        kind is as common as there (`galaxies.surveys.weighing.weigh`), and that they count as much
        as all others together.
    overwrite : bool
        Replace an existing survey.

    Returns
    -------
    Merged

    Raises
    ------
    GalaxiesError
        If a survey cannot be used, two contain the same GalaxyID, or the output exists already.

    Examples
    --------
    >>> from pathlib import Path
    >>> surveys = [Path("data/simulated"), Path("data/gz2")]
    >>> merged = merge_surveys(surveys, Path("data/both"), skip_known=True)
    >>> merged.images, merged.votes, len(merged.columns)
    (60, 60, 40)
    """
    if len(folders) < 2:
        raise GalaxiesError("merge needs at least two surveys, such as data/gz1 data/gz2")
    output = free_folder(output, overwrite, SURVEY_FILES)
    for folder in folders:
        if output == folder.resolve():
            raise GalaxiesError(f"{folder}: cannot be merged into itself; give another output")
    surveys = [_look_through(folder, _name(folder, folders)) for folder in folders]
    if skip_known:
        surveys = _without_known(surveys)
    else:
        _refuse_clashes(surveys)
    campaigns = {campaign for survey in surveys for campaign in survey.campaigns}
    columns = _all_columns(surveys, several=len(campaigns) > 1)
    weights = {} if like is None else _weigh(surveys, Sample(like), like)
    if weights and WEIGHT not in columns:
        columns.append(WEIGHT)
    with written_beside(output) as beside:
        beside.mkdir()
        votes = _merge_votes(beside / VOTES, surveys, columns, weights)
        _merge_counts(beside / COUNTS, surveys)
        if len(campaigns) == 1:
            write_campaign(beside, *campaigns)
        _merge_images(beside / IMAGES, surveys)
    return Merged(
        images=sum(len(survey.members) for survey in surveys),
        votes=votes,
        columns=columns,
    )


def _name(folder: Path, folders: Sequence[Path]) -> str:
    """Name a survey by its folder, and by the one above if two have the same name."""
    own = folder.resolve()
    same = [other for other in folders if other.resolve().name == own.name]
    return own.name if len(same) == 1 else f"{own.parent.name}/{own.name}"


def _look_through(folder: Path, name: str) -> _Survey:
    path = survey_file(folder, VOTES)
    votes = read_answers(path)
    members = list_images(survey_file(folder, IMAGES))
    ids = np.union1d(votes["galaxy_id"], [member.galaxy_id for member in members])
    with path.open(encoding="utf-8-sig", newline="") as file:
        columns = next(csv.reader(file))
    if len(set(columns)) < len(columns):
        raise GalaxiesError(f"{path}: a column occurs twice in {','.join(columns)}; rename one")
    campaigns = layout_of(votes.columns, CAMPAIGNS.values()).campaigns
    return _Survey(folder, members, ids, columns, read_campaign(folder), campaigns, name)


def _all_columns(surveys: Sequence[_Survey], *, several: bool) -> list[str]:
    """List each column: the ID, the answers in order, the survey, the campaign, the others."""
    present = list(dict.fromkeys(column for survey in surveys for column in survey.columns))
    answers = dict.fromkeys(
        column for campaign in CAMPAIGNS.values() for column in campaign.columns
    )
    columns = [column for column in ("GalaxyID", *answers) if column in present]
    columns += [SURVEY, CAMPAIGN] if several else [SURVEY]
    return columns + [column for column in present if column not in (*columns, CAMPAIGN)]


def _refuse_clashes(surveys: Sequence[_Survey]) -> None:
    for place, survey in enumerate(surveys):
        for earlier in surveys[:place]:
            common = np.intersect1d(earlier.ids, survey.ids, assume_unique=True)
            if len(common):
                more = f" (and {len(common) - 1} more)" if len(common) > 1 else ""
                raise GalaxiesError(
                    f"GalaxyID {common[0]}{more} is in {earlier.folder} and in "
                    f"{survey.folder}; --skip-known leaves out the second one"
                )


def _without_known(surveys: Sequence[_Survey]) -> list[_Survey]:
    """Leave out of each survey the galaxies of the earlier ones."""
    kept: list[_Survey] = []
    earlier = np.empty(0, np.int64)
    for survey in surveys:
        ids = np.setdiff1d(survey.ids, earlier, assume_unique=True)
        new = frozenset(ids.tolist())
        members = [member for member in survey.members if member.galaxy_id in new]
        kept.append(survey._replace(ids=ids, members=members))
        earlier = np.union1d(earlier, ids)
    return kept


def _weigh(surveys: Sequence[_Survey], sample: Sample, like: Path) -> dict[int, float]:
    """Compute the weight of each galaxy of the sample's campaign that has all answers.

    All others have a weight of 1. Together these galaxies count as much as all others together.
    """
    tables = [read_answers(survey.folder / VOTES) for survey in surveys]
    kept = [
        table[table["galaxy_id"].isin(survey.ids)]
        for table, survey in zip(tables, surveys, strict=True)
    ]
    answers = pd.concat(kept, ignore_index=True)
    weights = weigh(sample.shares(answers), sample)
    weighted = ~np.isnan(weights)
    if not weighted.any():
        raise GalaxiesError(
            f"no galaxy has all answers of {sample.campaign.name}, the campaign of {like}, so none "
            "can be weighed"
        )
    if not weighted.all():
        weights *= (~weighted).sum() / weighted.sum()
    ids = answers["galaxy_id"].to_numpy()[weighted]
    return dict(zip(ids.tolist(), weights[weighted].tolist(), strict=True))


def _merge_votes(
    path: Path, surveys: Sequence[_Survey], columns: Sequence[str], weights: dict[int, float]
) -> int:
    """Write the votes, and count their rows."""
    count = 0
    with path.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        for survey in surveys:
            # Rows are copied as text, so that no digit of an ID or a vote is lost.
            with (survey.folder / VOTES).open(encoding="utf-8-sig", newline="") as file:
                rows = csv.DictReader(file)
                ids = frozenset(survey.ids.tolist())
                for row in rows:
                    # Skip rows that contain only commas.
                    if row["GalaxyID"].strip() and int(row["GalaxyID"]) in ids:
                        row[SURVEY] = row.get(SURVEY) or survey.name
                        row[CAMPAIGN] = row.get(CAMPAIGN) or survey.usual.name
                        if weights:
                            weight = weights.get(int(row["GalaxyID"]))
                            row[WEIGHT] = "" if weight is None else f"{weight:.6g}"
                        writer.writerow(row)
                        count += 1
    return count


def _merge_counts(path: Path, surveys: Sequence[_Survey]) -> None:
    """Merge the counts of answers of the surveys that have them."""
    tables = []
    for survey in surveys:
        if (survey.folder / COUNTS).is_file():
            table = read_counts(survey.folder / COUNTS)
            tables.append(table[table["galaxy_id"].isin(survey.ids)])
    if tables:
        write_table(path, pd.concat(tables, ignore_index=True))


def _merge_images(path: Path, surveys: Sequence[_Survey]) -> None:
    total = sum(len(survey.members) for survey in surveys)
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as target,
        tqdm(total=total, desc="merge", unit=" images") as bar,
    ):
        for survey in surveys:
            with open_archive(survey.folder / IMAGES) as archive:
                for member in survey.members:
                    add_image(target, member.galaxy_id, StoredImage(archive, member.name))
                    bar.update()
