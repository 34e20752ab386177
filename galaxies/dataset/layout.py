"""A survey: a folder with images and votes in the layout of Kaggle's Galaxy Zoo challenge."""

import re
from pathlib import Path, PurePosixPath
from typing import Final

from galaxies.errors import GalaxiesError

IMAGES: Final = "images_training_rev1.zip"


VOTES: Final = "training_solutions_rev1.csv"


VOTE_COLUMNS: Final = {"Class1.1": "p_smooth", "Class1.2": "p_features", "Class1.3": "p_artifact"}


WHOLE_ID: Final = re.compile("[0-9]{1,19}")


# 19 digits fit Python's int but not always an int64.
LARGEST_ID: Final = 2**63 - 1


def image_name(galaxy_id: int, suffix: str = ".jpg") -> str:
    """Name an image in a survey's archive, as Kaggle does: `images_training_rev1/100008.jpg`."""
    return f"{PurePosixPath(IMAGES).stem}/{galaxy_id}{suffix}"


def survey_file(folder: Path, name: str) -> Path:
    """Find a file of the survey.

    Parameters
    ----------
    folder : Path
        Such as `data/gz1`.
    name : str
        `IMAGES` or `VOTES`.

    Raises
    ------
    GalaxiesError
        If the folder or the file is absent.
    """
    if not folder.is_dir():
        raise GalaxiesError(
            f"{folder}: no such folder; put {IMAGES} and {VOTES} there, or set `survey` in "
            "params.yaml to a folder under data/"
        )
    path = folder / name
    if not path.is_file():
        raise GalaxiesError(f"{path}: no such file; a survey holds {IMAGES} and {VOTES}")
    return path
