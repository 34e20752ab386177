"""Files copied byte for byte, into folders that nobody loses by accident."""

import shutil
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from typing import IO, Final, NamedTuple

from galaxies.base.outputs import zip_member
from galaxies.dataset.layout import ABOUT, COUNTS, IMAGES, VOTES, image_name
from galaxies.errors import GalaxiesError

SURVEY_FILES: Final = (IMAGES, VOTES, COUNTS, ABOUT, "components.npz", "truth.parquet")
"""All that a survey's folder may hold; the last two are a simulated one's."""


class StoredImage(NamedTuple):
    """An image file that is a member of an archive."""

    archive: zipfile.ZipFile
    name: str


def free_folder(folder: Path, overwrite: bool, own: Collection[str]) -> Path:
    """Make sure that a folder may be made, and replaced if it is there.

    Parameters
    ----------
    folder : Path
        What is to be made.
    overwrite : bool
        Whether one that is there may be replaced.
    own : collection of str
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
        raise GalaxiesError(f"{folder}: is a file; give another folder")
    found = sorted(path.name for path in folder.iterdir())
    others = [name for name in found if name not in own]
    if found and not overwrite:
        raise GalaxiesError(f"{folder}: exists; --overwrite replaces it")
    if others:
        raise GalaxiesError(
            f"{folder}: contains {others[0]!r}, which would be lost; give another folder"
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


def add_image(target: zipfile.ZipFile, galaxy_id: int, image: bytes | StoredImage) -> None:
    """Put an image into a survey's archive, where its name is its GalaxyID.

    The bytes written do not depend on when this is done, or on how and where the image was stored
    before.

    Parameters
    ----------
    target : ZipFile
        The survey's archive, open for writing.
    galaxy_id : int
    image : bytes or StoredImage
        A JPEG's bytes, or an image of any kind in another archive.

    Raises
    ------
    GalaxiesError
        If the image is damaged where it is stored.

    Examples
    --------
    >>> with zipfile.ZipFile("images_training_rev1.zip", "w") as archive:  # doctest: +SKIP
    ...     add_image(archive, 100008, Path("cutout.jpg").read_bytes())
    """
    suffix = ".jpg" if isinstance(image, bytes) else PurePosixPath(image.name).suffix.lower()
    with target.open(zip_member(image_name(galaxy_id, suffix)), "w") as file:
        if isinstance(image, bytes):
            file.write(image)
        else:
            copy_member(image.archive, image.name, file)
