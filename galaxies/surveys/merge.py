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
from galaxies.dataset.archive import Member, list_images, open_archive
from galaxies.dataset.layout import IMAGES, VOTES, survey_file
from galaxies.dataset.votes import read_votes
from galaxies.errors import GalaxiesError
from galaxies.surveys.writing import SURVEY_FILES, add_image, free_folder


class Merged(NamedTuple):
    """What `merge_surveys` made."""

    images: int
    votes: int
    """Rows of votes."""
    columns: list[str]
    """Of the votes: those that all surveys have."""


class _Source(NamedTuple):
    """A survey to merge, looked through."""

    folder: Path
    members: list[Member]
    ids: npt.NDArray[np.int64]
    """GalaxyIDs of images and votes, rising."""
    rows: int
    columns: list[str]


def merge_surveys(folders: Sequence[Path], output: Path, *, overwrite: bool = False) -> Merged:
    """Make one survey of several.

    Images keep their bytes and votes their digits. Of the votes' columns those stay that all
    surveys have. The surveys follow each other in the order given.

    Parameters
    ----------
    folders
        Two surveys or more.
    output
        The survey to make, whole or not at all.
    overwrite
        Whether a survey that is there is replaced.

    Raises
    ------
    GalaxiesError
        If a survey is unusable, two know the same GalaxyID, or the output is there already.
    """
    if len(folders) < 2:
        raise GalaxiesError("merge needs two surveys or more, such as data/gz1 data/gz2")
    output = free_folder(output, overwrite, SURVEY_FILES)
    for folder in folders:
        if output == folder.resolve():
            raise GalaxiesError(f"{folder}: cannot be merged into itself; give another output")
    sources = [_look_through(folder) for folder in folders]
    _refuse_clashes(sources)
    columns = [
        column
        for column in sources[0].columns
        if all(column in source.columns for source in sources)
    ]
    with written_beside(output) as beside:
        beside.mkdir()
        _merge_votes(beside / VOTES, sources, columns)
        _merge_images(beside / IMAGES, sources)
    return Merged(
        images=sum(len(source.members) for source in sources),
        votes=sum(source.rows for source in sources),
        columns=columns,
    )


def _look_through(folder: Path) -> _Source:
    path = survey_file(folder, VOTES)
    votes = read_votes(path)
    members = list_images(survey_file(folder, IMAGES))
    ids = np.union1d(votes["galaxy_id"], [member.galaxy_id for member in members])
    with path.open(encoding="utf-8-sig", newline="") as file:
        columns = next(csv.reader(file))
    if len(set(columns)) < len(columns):
        raise GalaxiesError(f"{path}: a column stands twice in {','.join(columns)}; rename one")
    return _Source(folder, members, ids, len(votes), columns)


def _refuse_clashes(sources: Sequence[_Source]) -> None:
    for place, source in enumerate(sources):
        for earlier in sources[:place]:
            common = np.intersect1d(earlier.ids, source.ids, assume_unique=True)
            if len(common):
                more = f" (and {len(common) - 1} more)" if len(common) > 1 else ""
                raise GalaxiesError(
                    f"GalaxyID {common[0]}{more} stands in {earlier.folder} and in "
                    f"{source.folder}; rename it in one, or leave one survey out"
                )


def _merge_votes(path: Path, sources: Sequence[_Source], columns: Sequence[str]) -> None:
    with path.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        for source in sources:
            # Row by row, and as text: no digit of an ID or a vote is lost.
            with (source.folder / VOTES).open(encoding="utf-8-sig", newline="") as file:
                writer.writerows(csv.DictReader(file))


def _merge_images(path: Path, sources: Sequence[_Source]) -> None:
    total = sum(len(source.members) for source in sources)
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as target,
        tqdm(total=total, desc="merge", unit=" images") as bar,
    ):
        for source in sources:
            with open_archive(source.folder / IMAGES) as archive:
                for member in source.members:
                    add_image(target, member.galaxy_id, archive, member.name)
                    bar.update()
