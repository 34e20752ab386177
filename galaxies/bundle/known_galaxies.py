"""The galaxies that are familiar to a bundle, in a file beside its description."""

from pathlib import Path
from typing import Final

import numpy as np

from galaxies.bundle.plain_arrays import read_arrays
from galaxies.errors import GalaxiesError
from galaxies.judgement.familiarity import KnownGalaxies

FAMILIARITY: Final = "familiarity.npz"


def write_known(folder: Path, known_galaxies: KnownGalaxies) -> None:
    """Write the distance, and those of the known galaxies, into a new bundle.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from galaxies.judgement.familiarity import KnownGalaxies
    >>> looks = np.random.default_rng(0).normal(size=(200, 29)).astype(np.float32)
    >>> write_known(Path("models/cnn"), KnownGalaxies.fit(looks[:100], looks[100:]))
    >>> read_known(Path("models/cnn")).enough
    True
    """
    np.savez(folder / FAMILIARITY, **known_galaxies._asdict())


def read_known(folder: Path) -> KnownGalaxies | None:
    """Read the known galaxies of a bundle; `None` if it does not have them.

    Raises
    ------
    GalaxiesError
        If the file is damaged.
    """
    path = folder / FAMILIARITY
    if not path.exists():
        return None
    known_galaxies = KnownGalaxies(**read_arrays(path, KnownGalaxies._fields))
    if not known_galaxies.is_whole:
        raise GalaxiesError(f"{path}: damaged; train the model again")
    return known_galaxies
