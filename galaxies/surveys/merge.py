"""One survey made of several."""

import csv
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from galaxies.base.outputs import written_beside
from galaxies.base.questions import COLUMNS
from galaxies.dataset.archive import Member, list_images, open_archive
from galaxies.dataset.layout import IMAGES, VOTES, survey_file
from galaxies.dataset.votes import read_votes
from galaxies.errors import GalaxiesError
from galaxies.surveys.writing import SURVEY_FILES, StoredImage, add_image, free_folder


class Merged(NamedTuple):
    """What `merge_surveys` made."""

    images: int
    votes: int
    """Rows of votes."""
    columns: list[str]
    """Of the votes: all that some survey has."""


class _Survey(NamedTuple):
    """A survey to merge, looked through."""

    folder: Path
    members: list[Member]
    ids: npt.NDArray[np.int64]
    """GalaxyIDs of images and votes, rising."""
    rows: int
    columns: list[str]


def merge_surveys(folders: Sequence[Path], output: Path, *, overwrite: bool = False) -> Merged:
    """Make one survey of several.

    Images keep their bytes and votes their digits. Every column of the votes stays, blank for the
    galaxies of surveys that do not have it. The surveys follow each other in the order given.

    Parameters
    ----------
    folders : sequence of Path
        Two surveys or more.
    output : Path
        The survey to make, whole or not at all.
    overwrite : bool
        Whether a survey that is there is replaced.

    Raises
    ------
    GalaxiesError
        If a survey is unusable, two know the same GalaxyID, or the output is there already.

    Examples
    --------
    >>> merged = merge_surveys(
    ...     [Path("data/gz1"), Path("data/gz2")], Path("data/real")
    ... )  # doctest: +SKIP
    """
    if len(folders) < 2:
        raise GalaxiesError("merge needs two surveys or more, such as data/gz1 data/gz2")
    output = free_folder(output, overwrite, SURVEY_FILES)
    for folder in folders:
        if output == folder.resolve():
            raise GalaxiesError(f"{folder}: cannot be merged into itself; give another output")
    surveys = [_look_through(folder) for folder in folders]
    _refuse_clashes(surveys)
    columns = _all_columns(surveys)
    with written_beside(output) as beside:
        beside.mkdir()
        _merge_votes(beside / VOTES, surveys, columns)
        _merge_images(beside / IMAGES, surveys)
    return Merged(
        images=sum(len(survey.members) for survey in surveys),
        votes=sum(survey.rows for survey in surveys),
        columns=columns,
    )


def _look_through(folder: Path) -> _Survey:
    path = survey_file(folder, VOTES)
    votes = read_votes(path)
    members = list_images(survey_file(folder, IMAGES))
    ids = np.union1d(votes["galaxy_id"], [member.galaxy_id for member in members])
    with path.open(encoding="utf-8-sig", newline="") as file:
        columns = next(csv.reader(file))
    if len(set(columns)) < len(columns):
        raise GalaxiesError(f"{path}: a column stands twice in {','.join(columns)}; rename one")
    return _Survey(folder, members, ids, len(votes), columns)


def _all_columns(surveys: Sequence[_Survey]) -> list[str]:
    """List each column that some survey has: the ID, the answers in Kaggle's order, the others."""
    found = list(dict.fromkeys(column for survey in surveys for column in survey.columns))
    known = ["GalaxyID", *COLUMNS]
    return [column for column in known if column in found] + [
        column for column in found if column not in known
    ]


def _refuse_clashes(surveys: Sequence[_Survey]) -> None:
    for place, survey in enumerate(surveys):
        for earlier in surveys[:place]:
            common = np.intersect1d(earlier.ids, survey.ids, assume_unique=True)
            if len(common):
                more = f" (and {len(common) - 1} more)" if len(common) > 1 else ""
                raise GalaxiesError(
                    f"GalaxyID {common[0]}{more} stands in {earlier.folder} and in "
                    f"{survey.folder}; rename it in one, or leave one survey out"
                )


def _merge_votes(path: Path, surveys: Sequence[_Survey], columns: Sequence[str]) -> None:
    with path.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        for survey in surveys:
            # Row by row, and as text: no digit of an ID or a vote is lost.
            with (survey.folder / VOTES).open(encoding="utf-8-sig", newline="") as file:
                writer.writerows(csv.DictReader(file))


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
