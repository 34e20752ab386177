"""Where in its image the light of each component of a simulated galaxy lies.

The truth that explanations of a classifier are judged by; nothing is trained on it. The file is
numpy's own archive with an array for each galaxy, compressed: one is read without the others.
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
"""The layers in their order. Arms and ring are what stands above the smooth disk, which is
darkened where they leave it darker; the partner is that of an encounter."""

COMPONENTS_FILE: Final = "components.npz"

SIDE: Final = 64
CROP: Final = 0.5
"""The grid is that of packed images by default: the central half of the frame, 64 pixels wide."""


def pack_components(layers: Mapping[str, Floats]) -> Pixels:
    """Bring the light of the components onto the packed grid.

    Parameters
    ----------
    layers : mapping of ndarray of shape (n, n), float64
        Light of each component in the r band, in nanomaggies per survey pixel.

    Returns
    -------
    ndarray of shape (10, 64, 64), uint8
        In the order of `COMPONENTS`, the grey level that each light alone would have on the
        screen (`galaxies.images.colour.grey_level`), so that faint light keeps its digits.
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
    """Turn the grey levels of components back into nanomaggies per survey pixel."""
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
        Takes a galaxy's ID and its components uint8 (10, 64, 64).
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

    Returns
    -------
    dict of ndarray of shape (64, 64), uint8
        The grey level of each component by its name from `COMPONENTS`.

    Raises
    ------
    GalaxiesError
        If there is no such file or no such galaxy in it.

    Examples
    --------
    >>> from galaxies.base.questions import COLUMNS
    >>> layers = read_components(Path("data/simulated/components.npz"), 100044)  # doctest: +SKIP
    >>> layers["arms"].max()  # doctest: +SKIP
    np.uint8(61)
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            packed: Pixels = archive[str(galaxy_id)]
    except KeyError as error:
        raise GalaxiesError(f"{path}: no components of GalaxyID {galaxy_id}") from error
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise GalaxiesError(f"{path}: cannot be read: {error}") from error
    return dict(zip(COMPONENTS, packed, strict=True))
