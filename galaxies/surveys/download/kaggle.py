"""The survey of Kaggle's Galaxy Zoo challenge, downloaded with the user's account."""

import os
import shutil
from pathlib import Path, PurePosixPath
from typing import Final

from tqdm import tqdm

from galaxies.base.outputs import written_beside
from galaxies.dataset.archive import open_archive
from galaxies.dataset.layout import IMAGES, VOTES
from galaxies.errors import GalaxiesError, needs
from galaxies.surveys.check import Report, check_survey
from galaxies.surveys.download.fetch import keep_trying
from galaxies.surveys.writing import SURVEY_FILES, copy_member, free_folder

COMPETITION: Final = "galaxy-zoo-the-galaxy-challenge"
PAGE: Final = f"https://www.kaggle.com/competitions/{COMPETITION}"
_VOTES_ARCHIVE: Final = "training_solutions_rev1.zip"
_NEW_TOKEN: Final = (
    "make one at https://www.kaggle.com/settings, put it into ~/.kaggle/access_token or the "
    "variable KAGGLE_API_TOKEN, and run this again"
)


def download_kaggle(output: Path, *, overwrite: bool = False) -> Report:
    """Make the survey from the challenge's training set, 0.8 GB.

    Parameters
    ----------
    output : Path
        The survey to make, whole or not at all. What is downloaded lies beside it, in
        `.<name>.download`, until the survey is made: a call that was cut off goes on there.
    overwrite : bool
        Whether a survey that is there is replaced.

    Raises
    ------
    GalaxiesError
        If there is no token, the challenge's rules are not accepted, a file cannot be had or is
        damaged, or the output is there already.

    Examples
    --------
    >>> report = download_kaggle(Path("data/kaggle"))  # doctest: +SKIP
    """
    output = free_folder(output, overwrite, SURVEY_FILES)
    folder = output.with_name(f".{output.name}.download")
    votes = _fetch(_VOTES_ARCHIVE, folder)
    images = _fetch(IMAGES, folder)
    with written_beside(output) as beside:
        beside.mkdir()
        _check(images)
        with open_archive(votes) as archive, (beside / VOTES).open("wb") as file:
            names = [name for name in archive.namelist() if PurePosixPath(name).name == VOTES]
            if not names:
                raise GalaxiesError(f"{votes}: contains no {VOTES}; see {PAGE}/data")
            copy_member(archive, names[0], file)
        shutil.copyfile(images, beside / IMAGES)
        report = check_survey(beside)
    shutil.rmtree(folder)
    return report


def _fetch(name: str, folder: Path) -> Path:
    """Download one of the challenge's files, or what is missing of it."""
    with needs("download"):
        import kagglehub
        from kagglehub import exceptions

    url = f"{PAGE}/data"
    arrived = folder / "competitions" / COMPETITION / name

    def download() -> None:
        try:
            kagglehub.competition_download(COMPETITION, name)
        except exceptions.UnauthenticatedError as error:
            raise GalaxiesError(
                f"Kaggle's files need an account, and no token was found; {_NEW_TOKEN}; "
                "`galaxies download gz2` needs no account"
            ) from error
        except exceptions.KaggleApiHTTPError as error:
            status = error.response.status_code
            if status == 429 or status >= 500:
                raise
            raise GalaxiesError(_refusal(status, name)) from error
        except exceptions.DataCorruptionError as error:
            raise GalaxiesError(
                f"{name}: arrived damaged and was deleted; run this again"
            ) from error
        except ValueError as error:  # a kaggle.json that is none
            raise GalaxiesError(f"{error}; {_NEW_TOKEN}") from error

    # kagglehub resumes only in its cache.
    before = os.environ.get("KAGGLEHUB_CACHE")
    os.environ["KAGGLEHUB_CACHE"] = str(folder)
    try:
        keep_trying(download, arrived, f"{url} ({name})")
    finally:
        if before is None:
            del os.environ["KAGGLEHUB_CACHE"]
        else:
            os.environ["KAGGLEHUB_CACHE"] = before
    return arrived


def _refusal(status: int, name: str) -> str:
    match status:
        case 401:
            return f"Kaggle does not know the token (HTTP 401); {_NEW_TOKEN}"
        case 403:
            return (
                f"Kaggle does not provide {name} (HTTP 403) before the challenge's rules are "
                f"accepted; do so at {PAGE}/rules, with the token's account, and run this again"
            )
    return (
        f"Kaggle does not provide {name} (HTTP {status}); check whether it is listed at {PAGE}/data"
    )


def _check(path: Path) -> None:
    """Read the whole archive once; its checksums are the only ones that are published."""
    try:
        with open_archive(path) as archive, Path(os.devnull).open("wb") as nowhere:
            for name in tqdm(archive.namelist(), "check", unit=" images"):
                copy_member(archive, name, nowhere)
    except GalaxiesError:
        path.unlink()
        raise
