"""A bundle: a folder with everything that is needed to classify new images."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from galaxies.base.outputs import write_json, written_beside
from galaxies.bundle.description import Description, file_hashes
from galaxies.bundle.known_galaxies import write_known
from galaxies.bundle.pretrained import DESCRIPTION
from galaxies.errors import GalaxiesError
from galaxies.judgement.familiarity import KnownGalaxies


def require_free(folder: Path, overwrite: bool) -> None:
    """Make sure that a bundle can be written to a folder.

    Raises
    ------
    GalaxiesError
        If the folder exists and must not be replaced, or is not a bundle.
    """
    if not folder.exists():
        return
    if not overwrite:
        raise GalaxiesError(f"{folder}: exists; --overwrite replaces it")
    if not (folder / DESCRIPTION).is_file():
        raise GalaxiesError(f"{folder}: exists and is not a bundle; give another folder")


@contextmanager
def new_bundle(folder: Path) -> Iterator[Path]:
    """Make a bundle, completely or not at all.

    Yields
    ------
    Path
        An empty folder for the weights; the block must also write the description, with
        `describe`.

    Examples
    --------
    >>> from pathlib import Path
    >>> with new_bundle(Path("models/new")) as folder:
    ...     path = folder / "weights.npz"
    ...     written = path.write_bytes(b"")
    >>> Path("models/new/weights.npz").exists()
    True
    """
    with written_beside(folder) as beside:
        beside.mkdir()
        yield beside


def copy_recalibrated(
    source: Path,
    folder: Path,
    description: Description,
    known_galaxies: KnownGalaxies | None = None,
) -> None:
    """Copy a bundle with a new description.

    Parameters
    ----------
    source : Path
        A bundle; its other files are copied unchanged.
    folder : Path
        The bundle to make.
    description : Description
        The new description.
    known_galaxies : KnownGalaxies, optional
        The galaxies that are familiar to it; by default the same as before.

    Examples
    --------
    >>> from pathlib import Path
    >>> from galaxies.bundle.description import read_description
    >>> source = Path("models/cnn")
    >>> new = read_description(source).model_copy(update={"title": "a copy"})
    >>> copy_recalibrated(source, Path("models/copy"), new)
    >>> read_description(Path("models/copy")).title
    'a copy'
    """
    with new_bundle(folder) as beside:
        for path in sorted(source.iterdir()):
            if path.name != DESCRIPTION:
                shutil.copyfile(path, beside / path.name)
        if known_galaxies is not None:
            write_known(beside, known_galaxies)
        describe(beside, description)


def describe(folder: Path, description: Description) -> None:
    """Write the description of a new bundle, whose other files are there."""
    whole = description.model_copy(update={"files": file_hashes(folder)})
    write_json(folder / DESCRIPTION, whole.model_dump(mode="json"))
