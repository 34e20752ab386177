"""Images that Python hands over: paths, bytes, frames, arrays, or the path of a survey."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
from PIL import Image

from galaxies.classifying.inputs.chunks import Item, is_image, stem
from galaxies.classifying.inputs.files import read_file
from galaxies.classifying.inputs.opening import open_inputs
from galaxies.errors import GalaxiesError
from galaxies.images.decode import UnreadableImageError
from galaxies.images.pixels import check_array

_CHUNK: Final = 256


def items_of(images: Any) -> Iterator[Item]:  # noqa: ANN401 - so many kinds
    """Iterate over what `Classifier.classify` takes."""
    if isinstance(images, str | Path) and not is_image(Path(images).name):
        chunks = (chunk for source in open_inputs([str(images)]) for chunk in source.chunks(_CHUNK))
        return chain.from_iterable(chunk.items() for chunk in chunks)
    if isinstance(images, str | Path | bytes | Image.Image) or (
        isinstance(images, np.ndarray)
        and (images.ndim == 2 or (images.ndim == 3 and images.shape[2] in (3, 4)))
    ):
        images = [images]
    if isinstance(images, pd.DataFrame | pa.Table | Mapping) or not isinstance(images, Iterable):
        raise GalaxiesError(
            f"cannot classify a {type(images).__name__}; give images, their paths, such as "
            "table['path'], or the path of a catalogue"
        )
    return (item_of(image, place) for place, image in enumerate(images))


def item_of(image: Any, place: int) -> Item:  # noqa: ANN401 - so many kinds
    """Make an item of one image, whose ID is its file name, or its place."""
    if isinstance(image, str | Path):
        return Item(stem(str(image)), partial(read_file, str(image)))
    if isinstance(image, np.ndarray):
        try:
            check_array(image)
        except UnreadableImageError as error:
            raise GalaxiesError(f"image {place}: {error}") from error
    elif not isinstance(image, bytes | Image.Image):
        raise GalaxiesError(f"image {place}: cannot read a {type(image).__name__}")
    return Item(str(place), lambda: image)
