"""The light of each component of a simulated galaxy, on the grid of its image.

This is used to test explanations of a classifier; nothing is trained on it. The file is a
compressed numpy archive with an array for each galaxy, which can be read separately.
"""

import io
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from galaxies.base.arrays import Floats, Pixels
from galaxies.base.outputs import zip_member
from galaxies.errors import GalaxiesError
from galaxies.images.colour import ASINH_SCALE, SLOPE, grey_level

COMPONENTS: Final = (
    "bulge", "disk", "bar", "arms", "ring", "tails", "knots", "partner", "neighbours", "stars"
)  # fmt: skip
"""The layers in order. Arms and ring are the light above the smooth disk; where they are darker
than the disk, the disk is darkened, as it is beside a bar. The partner is that of an encounter,
and an arc is a neighbour."""

COMPONENTS_FILE: Final = "components.npz"

SIDE: Final = 64
CROP: Final = 0.5
"""The default grid of packed images: the central half of the frame, 64 pixels wide."""


def pack_components(layers: Mapping[str, Floats]) -> Pixels:
    """Resample the light of the components to the grid of packed images.

    Parameters
    ----------
    layers : mapping of ndarray of shape (n, n), float64
        Light of each component in the r band, in nanomaggies per SDSS pixel.

    Returns
    -------
    ndarray of shape (10, 64, 64), uint8
        In the order of `COMPONENTS`, the grey level of each component alone
        (`galaxies.images.colour.grey_level`), which is precise for faint light.

    Examples
    --------
    >>> import numpy as np
    >>> from galaxies.simulated.components import COMPONENTS
    >>> layers = {name: np.zeros((200, 200)) for name in COMPONENTS}
    >>> layers["disk"] += 0.1
    >>> packed = pack_components(layers)
    >>> packed.shape, COMPONENTS[packed.max(axis=(1, 2)).argmax()]
    ((10, 64, 64), 'disk')
    """
    dark = np.minimum(layers["arms"], 0.0) + np.minimum(layers["ring"], 0.0)
    size = layers["disk"].shape[0]
    edge = size * (1 - CROP) / 2
    box = (edge, edge, size - edge, size - edge)
    packed = np.zeros((len(COMPONENTS), SIDE, SIDE), np.uint8)
    for place, name in enumerate(COMPONENTS):
        layer = layers[name] + dark if name == "disk" else layers[name]
        if layer.any():
            light = Image.fromarray(np.clip(layer, 0.0, None).astype(np.float32))
            light = light.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box)
            levels = grey_level(np.asarray(light, dtype=np.float64)).round()
            packed[place] = np.clip(levels, 0, 255).astype(np.uint8)
    return packed


def component_light(levels: Pixels) -> Floats:
    """Convert the grey levels of components to nanomaggies per SDSS pixel."""
    return np.asarray(ASINH_SCALE / SLOPE * np.sinh(levels / ASINH_SCALE), dtype=np.float64)


@contextmanager
def write_components(path: Path) -> Iterator[Callable[[int, Pixels], None]]:
    """Write an archive of components galaxy by galaxy.

    Parameters
    ----------
    path : Path
        The `.npz` file to make.

    Yields
    ------
    callable
        Call it with the ID of a galaxy and its components uint8 (10, 64, 64).

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> with write_components(Path("components.npz")) as add:
    ...     add(100008, np.zeros((10, 64, 64), np.uint8))
    >>> sorted(read_components(Path("components.npz"), 100008))[:3]
    ['arms', 'bar', 'bulge']
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:

        def add(galaxy_id: int, components: Pixels) -> None:
            array = io.BytesIO()
            np.save(array, components)
            member = zip_member(f"{galaxy_id}.npy")
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, array.getvalue(), compresslevel=6)

        yield add


def read_components(path: Path, galaxy_id: int) -> dict[str, Pixels]:
    """Read the components of one galaxy.

    Parameters
    ----------
    path : Path
        Such as `data/simulated/components.npz`.
    galaxy_id : int
        ID of the galaxy.

    Returns
    -------
    dict of ndarray of shape (64, 64), uint8
        The grey level of each component by its name from `COMPONENTS`.

    Raises
    ------
    GalaxiesError
        If the file does not exist or cannot be read, or if the galaxy is not in it.

    Examples
    --------
    >>> from pathlib import Path
    >>> import pandas as pd
    >>> galaxy_id = pd.read_parquet("data/simulated/truth.parquet")["galaxy_id"][0]
    >>> layers = read_components(Path("data/simulated/components.npz"), galaxy_id)
    >>> layers["arms"].shape
    (64, 64)
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            packed: Pixels = archive[str(galaxy_id)]
    except KeyError as error:
        raise GalaxiesError(f"{path}: no components of GalaxyID {galaxy_id}") from error
    except OSError as error:
        raise GalaxiesError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (EOFError, ValueError, zipfile.BadZipFile) as error:
        raise GalaxiesError(f"{path}: damaged; simulate the survey again") from error
    return dict(zip(COMPONENTS, packed, strict=True))
