"""Models that are plain arrays in an `.npz` file: loading them can run no code."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from galaxies.errors import GalaxiesError


def read_arrays(path: Path, names: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """Read arrays from a bundle's `.npz` file.

    Parameters
    ----------
    path : Path
        The file.
    names : sequence of str
        Of the arrays wanted.

    Raises
    ------
    GalaxiesError
        If the file is absent or damaged, or lacks one of them.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in names}
    # What numpy raises on damaged files; TypeError for a file that is a single array.
    except (
        OSError, ValueError, KeyError, EOFError, TypeError, MemoryError, zipfile.BadZipFile
    ) as error:  # fmt: skip
        raise GalaxiesError(f"{path}: damaged ({error}); train the model again") from error
