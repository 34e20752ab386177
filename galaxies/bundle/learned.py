"""The galaxies that a bundle has learned from, by number and by picture."""

from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from galaxies.base.fingerprints import Fingerprints, matches
from galaxies.bundle.plain_arrays import read_arrays
from galaxies.errors import GalaxiesError

LEARNED: Final = "learned.npz"
"""File of the bundle."""


class Learned(NamedTuple):
    """The training and validation galaxies of a bundle."""

    galaxy_ids: npt.NDArray[np.int64]
    """(N,) in ascending order."""
    fingerprints: Fingerprints
    """(N, 3) of their packed images."""

    def shown(self, fingerprints: Fingerprints) -> npt.NDArray[np.bool_]:
        """Tell which of other images (M, 3) the bundle has seen.

        The number of a galaxy does not matter: different galaxies can have the same number, and one
        galaxy different numbers. Nor does it matter whether an image is turned or mirrored.
        """
        return matches(fingerprints, self.fingerprints, turned=True) >= 0


def write_learned(folder: Path, learned: Learned) -> None:
    """Write the training and validation galaxies into a new bundle.

    Parameters
    ----------
    folder : Path
        The bundle.
    learned : Learned
        In any order; each galaxy takes 32 bytes.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> marks = np.array([[1, 2, 3], [4, 5, 6]], np.uint64)
    >>> write_learned(Path("models/cnn"), Learned(np.array([100023, 100008]), marks))
    >>> read_learned(Path("models/cnn")).galaxy_ids.tolist()
    [100008, 100023]
    """
    order = np.argsort(learned.galaxy_ids, kind="stable")
    ids, marks = learned.galaxy_ids[order], learned.fingerprints[order]
    np.savez(folder / LEARNED, galaxy_ids=ids, fingerprints=marks)


def read_learned(folder: Path) -> Learned | None:
    """Read the training and validation galaxies of a bundle.

    Returns
    -------
    Learned or None
        `None` if the bundle does not have them.

    Raises
    ------
    GalaxiesError
        If the file is damaged.

    Examples
    --------
    >>> from galaxies.bundle.pretrained import PRETRAINED
    >>> read_learned(PRETRAINED / "real").fingerprints.shape
    (15831, 3)
    """
    path = folder / LEARNED
    if not path.exists():
        return None
    ids, marks = read_arrays(path, Learned._fields).values()
    if ids.dtype != np.int64 or marks.dtype != np.uint64 or marks.shape != (*ids.shape, 3):
        raise GalaxiesError(f"{path}: damaged; train the model again")
    return Learned(ids, marks)
