"""Files copied byte for byte, into folders that nobody loses by accident."""

import shutil
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from typing import IO, Final

from galaxies.dataset.layout import IMAGES, VOTES
from galaxies.errors import GalaxiesError

SURVEY_FILES: Final = (IMAGES, VOTES, "truth.parquet")
"""All that a survey's folder may hold; the last is a simulated one's."""

_FOLDER: Final = PurePosixPath(IMAGES).stem


def free_folder(folder: Path, overwrite: bool, own: Collection[str]) -> Path:
    """Make sure that a folder may be made, and replaced if it is there.

    Parameters
    ----------
    folder
        What is to be made.
    overwrite
        Whether one that is there may be replaced.
    own
        Names of all that such a folder may hold.

    Returns
    -------
    Path
        The folder, absolute and without links.

    Raises
    ------
    GalaxiesError
        If it is there and `overwrite` is false, or if it holds what the user would miss.
    """
    folder = folder.resolve()
    if not folder.exists():
        return folder
    if not folder.is_dir():
        raise GalaxiesError(f"{folder}: a file is there; give another folder")
    found = sorted(path.name for path in folder.iterdir())
    others = [name for name in found if name not in own]
    if found and not overwrite:
        raise GalaxiesError(
            f"{folder}: already there; replace it with --overwrite, or give another folder"
        )
    if others:
        raise GalaxiesError(
            f"{folder}: holds {others[0]!r}, which would be lost; give another folder"
        )
    return folder


def copy_member(archive: zipfile.ZipFile, name: str, target: IO[bytes]) -> None:
    """Copy a member of an archive as it is, in pieces.

    Raises
    ------
    GalaxiesError
        If it is damaged.
    """
    try:
        with archive.open(name) as source:
            shutil.copyfileobj(source, target)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise GalaxiesError(
            f"{archive.filename}: member {name!r} is damaged ({error}); copy or download it again"
        ) from error


def add_image(target: zipfile.ZipFile, galaxy_id: int, archive: zipfile.ZipFile, name: str) -> None:
    """Copy an image from one archive into a survey's, where its name is its GalaxyID.

    The bytes written do not depend on how, where or when the image was stored before.
    """
    info = zipfile.ZipInfo(f"{_FOLDER}/{galaxy_id}{PurePosixPath(name).suffix.lower()}")
    info.external_attr = 0o644 << 16
    with target.open(info, "w") as file:
        copy_member(archive, name, file)
