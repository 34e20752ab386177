"""What is in a survey, and whether it is the one of the challenge."""

from collections import Counter
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from galaxies.base.questions import VOTED, most_voted
from galaxies.dataset.archive import list_images, open_archive, read_image
from galaxies.dataset.layout import IMAGES, VOTES, survey_file
from galaxies.dataset.votes import read_votes
from galaxies.errors import GalaxiesError
from galaxies.images.decode import UnreadableImageError

KAGGLE: Final = {"elliptical": 26_693, "spiral": 34_826, "artifact": 59}
"""Galaxies of each class in the training set of Kaggle's Galaxy Zoo challenge."""

_SAMPLE: Final = 100


class Report(NamedTuple):
    """What `check_survey` found."""

    images: int
    votes: int
    common: int
    """Galaxies with both."""
    classes: dict[str, int]
    """Galaxies of each class among those with both."""
    frames: dict[str, int]
    """Frame sizes, such as 424x424, among images taken evenly from the archive."""

    @property
    def is_kaggle(self) -> bool:
        """Whether the counts are those of the challenge."""
        return self.classes == KAGGLE and self.images == self.votes == self.common


def check_survey(folder: Path) -> Report:
    """Look through a survey without changing anything.

    Parameters
    ----------
    folder
        Such as `data/kaggle`.

    Raises
    ------
    GalaxiesError
        If the pipeline could not use it; some hundred images are decoded to see.
    """
    archive = survey_file(folder, IMAGES)
    votes = read_votes(survey_file(folder, VOTES))
    members = list_images(archive)
    common = votes[votes["galaxy_id"].isin([member.galaxy_id for member in members])]
    if common.empty:
        raise GalaxiesError(f"{folder}: {IMAGES} and {VOTES} have no GalaxyID in common")
    classes = np.bincount(
        most_voted(common[["p_smooth", "p_features", "p_artifact"]].to_numpy()),
        minlength=len(VOTED),
    )
    frames: Counter[str] = Counter()
    with open_archive(archive) as file:
        for place in np.unique(np.linspace(0, len(members) - 1, _SAMPLE, dtype=int)):
            name = members[place].name
            try:
                frame = read_image(file, name)
            except UnreadableImageError as error:
                raise GalaxiesError(f"{archive}: member {name!r} {error}") from error
            frames[f"{frame.width}x{frame.height}"] += 1
    return Report(
        images=len(members),
        votes=len(votes),
        common=len(common),
        classes=dict(zip(VOTED, classes.tolist(), strict=True)),
        frames=dict(frames),
    )
