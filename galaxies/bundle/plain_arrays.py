"""Read models that are plain arrays in an `.npz` file, which cannot contain code."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from galaxies.errors import GalaxiesError


def read_arrays(path: Path, names: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """Read arrays from an `.npz` file of a bundle.

    Parameters
    ----------
    path : Path
        The file.
    names : sequence of str
        Names of the arrays.

    Returns
    -------
    dict of ndarray

    Raises
    ------
    GalaxiesError
        If the file is missing or damaged, or lacks one of the arrays.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> np.savez("model.npz", weights=np.array([0.5, 2.0]))
    >>> read_arrays(Path("model.npz"), ["weights"])["weights"].tolist()
    [0.5, 2.0]
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in names}
    # What numpy raises for damaged files; TypeError for a file with a single array.
    except (
        OSError, ValueError, KeyError, EOFError, TypeError, MemoryError, zipfile.BadZipFile
    ) as error:  # fmt: skip
        raise GalaxiesError(f"{path}: damaged ({error}); train the model again") from error
