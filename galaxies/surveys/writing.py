"""Copy files byte for byte, and protect existing folders."""

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
"""Files that a survey's folder may contain; the last two only in simulated surveys."""


class StoredImage(NamedTuple):
    """An image file in an archive."""

    archive: zipfile.ZipFile
    name: str


def free_folder(folder: Path, overwrite: bool, own: Collection[str]) -> Path:
    """Check that a folder can be written without losing files.

    Parameters
    ----------
    folder : Path
        Folder to write.
    overwrite : bool
        Allow an existing folder to be replaced.
    own : collection of str
        Names of files that such a folder may contain.

    Returns
    -------
    Path
        Absolute path of the folder, links resolved.

    Raises
    ------
    GalaxiesError
        If the folder exists and `overwrite` is false, or if it contains other files.

    Examples
    --------
    >>> from pathlib import Path
    >>> from galaxies.surveys.writing import SURVEY_FILES
    >>> free_folder(Path("data/new"), overwrite=False, own=SURVEY_FILES).name
    'new'
    >>> free_folder(Path("data/gz2"), overwrite=False, own=SURVEY_FILES)
    Traceback (most recent call last):
    ...
    galaxies.errors.GalaxiesError: ...gz2: exists; --overwrite replaces it
    """
    folder = folder.resolve()
    if not folder.exists():
        return folder
    if not folder.is_dir():
        raise GalaxiesError(f"{folder}: is a file; give another folder")
    names = sorted(path.name for path in folder.iterdir())
    others = [name for name in names if name not in own]
    if names and not overwrite:
        raise GalaxiesError(f"{folder}: exists; --overwrite replaces it")
    if others:
        raise GalaxiesError(
            f"{folder}: contains {others[0]!r}, which would be lost; give another folder"
        )
    return folder


def copy_member(archive: zipfile.ZipFile, name: str, target: IO[bytes]) -> None:
    r"""Copy a member of an archive unchanged; only a small piece is in memory at a time.

    Parameters
    ----------
    archive : ZipFile
        Open for reading.
    name : str
        Name of the member.
    target : binary file
        Open for writing.

    Raises
    ------
    GalaxiesError
        If the member is damaged.

    Examples
    --------
    >>> import zipfile
    >>> from io import BytesIO
    >>> copied = BytesIO()
    >>> with zipfile.ZipFile("survey.zip") as archive:
    ...     copy_member(archive, archive.namelist()[0], copied)
    >>> copied.getvalue()[:2]  # the first bytes of a JPEG
    b'\xff\xd8'
    """
    try:
        with archive.open(name) as source:
            shutil.copyfileobj(source, target)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise GalaxiesError(
            f"{archive.filename}: member {name!r} is damaged ({error}); copy or download it again"
        ) from error


def add_image(target: zipfile.ZipFile, galaxy_id: int, image: bytes | StoredImage) -> None:
    """Add an image to a survey's archive; its file name is the GalaxyID.

    The bytes written depend only on the image and the GalaxyID, not on the time or on how the
    image was stored before.

    Parameters
    ----------
    target : ZipFile
        The survey's archive, open for writing.
    galaxy_id : int
    image : bytes or StoredImage
        Content of a JPEG file, or an image of any format in another archive.

    Raises
    ------
    GalaxiesError
        If the image in the other archive is damaged.

    Examples
    --------
    >>> import zipfile
    >>> from pathlib import Path
    >>> cutout = next(Path("cutouts").glob("*.jpg"))
    >>> with zipfile.ZipFile("new.zip", "w") as archive:
    ...     add_image(archive, 100008, cutout.read_bytes())
    ...     archive.namelist()
    ['images_training_rev1/100008.jpg']
    """
    suffix = ".jpg" if isinstance(image, bytes) else PurePosixPath(image.name).suffix.lower()
    with target.open(zip_member(image_name(galaxy_id, suffix)), "w") as file:
        if isinstance(image, bytes):
            file.write(image)
        else:
            copy_member(image.archive, image.name, file)
