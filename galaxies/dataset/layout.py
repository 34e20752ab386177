"""The files of a survey, in the layout of Kaggle's Galaxy Zoo challenge."""

import re
from pathlib import Path, PurePosixPath
from typing import Final

import yaml

from galaxies.base.yaml_files import reading_yaml
from galaxies.errors import GalaxiesError
from galaxies.questions.campaign import Campaign
from galaxies.questions.registry import CAMPAIGNS, DEFAULT

IMAGES: Final = "images_training_rev1.zip"


VOTES: Final = "training_solutions_rev1.csv"


COUNTS: Final = "answers.parquet"
"""Optional: the number of votes for each answer. `galaxy_id` int64, then columns as in `VOTES`,
int32."""

ABOUT: Final = "survey.yaml"
"""Optional: the campaign of the votes, such as `campaign: gz1`. Without this file it is Kaggle's
challenge."""


SURVEY: Final = "Survey"
"""Optional column of `VOTES`: the survey of origin, in a merged survey."""


CAMPAIGN: Final = "Campaign"
"""Optional column of `VOTES`: the campaign of each row, in a survey merged from several."""


WEIGHT: Final = "Weight"
"""Optional column of `VOTES`: what a galaxy counts for, above 0; blank is 1. It corrects a survey
for galaxies that were selected by their answers (`galaxies.surveys.weighing`)."""


FIRST_VOTES: Final = ("p_smooth", "p_features", "p_artifact")
"""Our columns of the fractions for the three answers to the first question."""


WHOLE_ID: Final = re.compile("[0-9]{1,19}")


# A number of 19 digits may be too large for int64.
LARGEST_ID: Final = 2**63 - 1


def image_name(galaxy_id: int, suffix: str = ".jpg") -> str:
    """Name an image in the archive like Kaggle: `images_training_rev1/100008.jpg`."""
    return f"{PurePosixPath(IMAGES).stem}/{galaxy_id}{suffix}"


def survey_file(folder: Path, name: str) -> Path:
    """Find a file of a survey.

    Parameters
    ----------
    folder : Path
        Such as `data/gz1`.
    name : str
        `IMAGES` or `VOTES`.

    Raises
    ------
    GalaxiesError
        If the folder or the file does not exist.

    Examples
    --------
    >>> from pathlib import Path
    >>> from galaxies.dataset.layout import VOTES
    >>> survey_file(Path("data/simulated"), VOTES).as_posix()
    'data/simulated/training_solutions_rev1.csv'
    """
    if not folder.is_dir():
        raise GalaxiesError(
            f"{folder}: no such folder; put {IMAGES} and {VOTES} there, or set `survey` in "
            "params.yaml to a folder under data/"
        )
    path = folder / name
    if not path.is_file():
        raise GalaxiesError(f"{path}: no such file; a survey consists of {IMAGES} and {VOTES}")
    return path


def read_campaign(folder: Path) -> Campaign:
    """Read which campaign the votes of a survey come from.

    Parameters
    ----------
    folder : Path
        Such as `data/gz1`.

    Returns
    -------
    Campaign
        That of Kaggle's challenge if there is no `survey.yaml`.

    Raises
    ------
    GalaxiesError
        If the file contains anything else, or an unknown campaign.

    Examples
    --------
    >>> from pathlib import Path
    >>> folder = Path("data/gz2")
    >>> read_campaign(folder).title
    "Kaggle's Galaxy Challenge"
    >>> _ = (folder / "survey.yaml").write_text("campaign: gz1")
    >>> read_campaign(folder).title
    'Galaxy Zoo 1'
    """
    path = folder / ABOUT
    if not path.is_file():
        return DEFAULT
    names = " or ".join(CAMPAIGNS)
    with reading_yaml(path):
        about = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(about, dict) or set(about) != {"campaign"}:
        raise GalaxiesError(f"{path}: must contain only campaign: and one of {names}")
    if about["campaign"] not in list(CAMPAIGNS):  # it may be a list, which has no hash
        raise GalaxiesError(f"{path}: campaign: must be {names}, got {about['campaign']!r}")
    return CAMPAIGNS[about["campaign"]]


def write_campaign(folder: Path, campaign: Campaign) -> None:
    """Write which campaign the votes of a survey come from."""
    (folder / ABOUT).write_text(f"campaign: {campaign.name}\n", encoding="utf-8")
