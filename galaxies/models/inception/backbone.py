"""InceptionV3 without its top layer, as a fixed feature extractor."""

import hashlib
import os
import sys
from pathlib import Path
from typing import Final, Literal

from galaxies.base.tensorflow_import import importing_tensorflow

with importing_tensorflow():
    import keras
    from keras import layers


from galaxies.base.outputs import written_beside
from galaxies.errors import GalaxiesError, needs
from galaxies.models.graph import write_graph
from galaxies.models.inception.weights import BACKBONE, Weights, write_weights_record

# From keras.applications.inception_v3, which does not export them.
IMAGENET_URL: Final = (
    "https://storage.googleapis.com/tensorflow/keras-applications/inception_v3/"
    "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5"
)
IMAGENET_MD5: Final = "bcbd6486424b2319ff4ef7d526e38f63"
_TIMEOUT: Final = 20  # seconds without an answer

_WEIGHTS: Final = "backbone.weights.h5"


def _inception(size: int) -> keras.Model:
    """Szegedy et al. (2016), "Rethinking the Inception architecture for computer vision"."""
    return keras.applications.InceptionV3(
        include_top=False, weights=None, pooling="avg", input_shape=(size, size, 3)
    )


def make_backbone(folder: Path, weights: str, seed: int) -> Weights:
    """Write the weights of the backbone, and a record of their source, to a folder.

    Parameters
    ----------
    folder : Path
        The folder to make.
    weights : str
        `random`, `imagenet` or the path of a Keras weights file, as in `inception.weights`.
    seed : int
        Seed of random weights.

    Returns
    -------
    Weights

    Raises
    ------
    GalaxiesError
        If the weights are not available, or do not fit InceptionV3.
    """
    # The numbers in layer names, which are in the file, continue from earlier models in the
    # process.
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    # Convolutions do not depend on the size of the image; the smallest is the fastest to build.
    inception = _inception(75)
    if weights == "random":
        record = Weights(source="random", detail=f"seed {seed}")
    elif weights == "imagenet":
        record = _load(inception, imagenet_file(), "imagenet")
    else:
        path = Path(weights)
        if not path.is_file():
            raise GalaxiesError(
                f"inception.weights: no file {weights!r}; "
                "use random, imagenet or the path of a Keras weights file"
            )
        record = _load(inception, path, "file")
    with written_beside(folder) as beside:
        beside.mkdir()
        inception.save_weights(beside / _WEIGHTS)
        _write_graph(inception, beside / BACKBONE)
        write_weights_record(beside, record)
    return record


def _write_graph(inception: keras.Model, path: Path) -> None:
    """Write the backbone for images of any size from 75 pixels."""
    image = keras.Input((None, None, 3), dtype="uint8", name="image")
    scaled = layers.Rescaling(1 / 127.5, offset=-1, name="rescale")(image)
    open_size = keras.applications.InceptionV3(
        include_top=False, weights=None, pooling="avg", input_tensor=scaled
    )
    open_size.set_weights(inception.get_weights())
    write_graph(open_size, path)


def imagenet_file() -> Path:
    """Find Keras's weights file in its cache, or download it, and check its hash.

    Raises
    ------
    GalaxiesError
        If it is not available, or differs from the published file.
    """
    # Imported here because classifying needs neither package.
    with needs("pipeline"):
        import pooch
        import requests

    cache = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "models"
    name = IMAGENET_URL.rpartition("/")[2]
    try:
        path = pooch.retrieve(
            IMAGENET_URL,
            known_hash=f"md5:{IMAGENET_MD5}",
            fname=name,
            path=cache,
            downloader=pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=_TIMEOUT),
        )
    except requests.RequestException as error:
        raise GalaxiesError(
            f"the ImageNet weights are not in {cache} and {IMAGENET_URL} cannot be reached; "
            "put the file there, or set inception.weights to random"
        ) from error
    except ValueError as error:  # a wrong hash
        raise GalaxiesError(
            f"{IMAGENET_URL}: the file differs from the published one (MD5 {IMAGENET_MD5}); "
            f"try again, or put the right one in {cache}"
        ) from error
    return Path(path)


def _load(inception: keras.Model, path: Path, source: Literal["imagenet", "file"]) -> Weights:
    try:
        inception.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise GalaxiesError(
            f"{path}: not weights of InceptionV3 without its top ({reason})"
        ) from error
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Weights(source=source, detail=f"sha256 {digest}")
