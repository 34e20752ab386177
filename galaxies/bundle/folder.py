"""A bundle: a folder with everything that is needed to classify new images."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from galaxies.base.arrays import open_array
from galaxies.base.outputs import write_json, written_beside
from galaxies.bundle.description import DESCRIPTION, Description
from galaxies.errors import GalaxiesError

_LEARNED: Final = "learned.npy"

PRETRAINED: Final = Path(__file__).parents[1] / "pretrained"
"""Folder of the pretrained bundles: `simulated`, from which training starts, and `real`, trained on
real galaxies."""


def bundle_folder(name: Path) -> Path:
    """Return the folder of a bundle, or of a pretrained bundle, `real` or `simulated`."""
    pretrained = PRETRAINED / name
    return pretrained if not name.exists() and (pretrained / DESCRIPTION).is_file() else name


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


def write_learned(folder: Path, galaxy_ids: npt.NDArray[np.int64]) -> None:
    """Write the IDs of the training and validation galaxies into a new bundle.

    Parameters
    ----------
    folder : Path
        The bundle.
    galaxy_ids : ndarray of shape (N,), int64
        IDs in any order; each takes 8 bytes.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> write_learned(Path("models/cnn"), np.array([100023, 100008]))
    >>> read_learned(Path("models/cnn")).tolist()
    [100008, 100023]
    """
    np.save(folder / _LEARNED, np.unique(galaxy_ids))


def read_learned(folder: Path) -> npt.NDArray[np.int64] | None:
    """Read the IDs of the training and validation galaxies of a bundle.

    Returns
    -------
    ndarray of shape (N,), int64, or None
        Sorted; `None` if the bundle does not have them.

    Raises
    ------
    GalaxiesError
        If the file is damaged.

    Examples
    --------
    >>> from galaxies.bundle.folder import PRETRAINED
    >>> read_learned(PRETRAINED / "real").shape, read_learned(PRETRAINED / "simulated")
    ((10911,), None)
    """
    path = folder / _LEARNED
    if not path.exists():
        return None
    try:
        ids = open_array(path)
    except (OSError, ValueError, EOFError) as error:
        raise GalaxiesError(f"{path}: damaged ({error}); train the model again") from error
    if ids.ndim != 1 or ids.dtype != np.int64:
        raise GalaxiesError(f"{path}: damaged; train the model again")
    return ids


def copy_recalibrated(source: Path, folder: Path, description: Description) -> None:
    """Copy a bundle with a new description.

    Parameters
    ----------
    source : Path
        A bundle; its other files are copied unchanged.
    folder : Path
        The bundle to make.
    description : Description
        The new description.

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
        describe(beside, description)


def describe(folder: Path, description: Description) -> None:
    """Write the description of a new bundle."""
    write_json(folder / DESCRIPTION, description.model_dump(mode="json"))
