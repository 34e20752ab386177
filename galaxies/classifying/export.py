"""Export a bundle as one file for other programs: from pixels to calibrated probability."""

import json
import pkgutil
from pathlib import Path
from typing import Any, Final, Literal

from galaxies.base.outputs import written_beside
from galaxies.bundle.answers import LEAST, MOST, TYPICAL
from galaxies.bundle.description import Description, read_description
from galaxies.bundle.predictor import registered
from galaxies.errors import GalaxiesError, needs
from galaxies.judgement.calibration import NEAREST, Calibration

with needs("onnx"):
    import keras
    import tensorflow as tf

OPSET: Final = 18
"""Version of ONNX's operations."""


class WholeModel(keras.Model):  # type: ignore[misc]
    """Everything that a bundle does with cropped and reduced images, as one graph.

    It maps `image` uint8 (N, size, size, 3) to `p_spiral`, calibrated, and `spread`, the standard
    deviation of the fraction of volunteers who answer "spiral"; both float32 (N,).

    Parameters
    ----------
    folder : Path
        A bundle.
    views : {1, 8}, optional
        Number of views to average; by default that of the bundle.
    """

    def __init__(self, folder: Path, views: Literal[1, 8] | None = None) -> None:
        super().__init__(name="galaxies")
        self.description = read_description(folder)
        self._views = views or self.description.views
        graph = registered(self.description.model, folder).graph
        if graph is None:
            raise GalaxiesError(f"{folder}: a model {self.description.model!r} cannot be exported")
        self._predict = pkgutil.resolve_name(graph)(folder, self.description.size)

    def call(self, image: Any) -> dict[str, Any]:  # noqa: ANN401 - a tensor
        """Classify images."""
        # All views along the first axis, so that there is only one copy of the network.
        turned = tf.concat([_orient(image, view) for view in range(self._views)], axis=0)
        elliptical, spiral, variance = (
            tf.reshape(one, (self._views, -1))
            for one in _two_classes(self._predict(turned), self.description)
        )
        raw = spiral / (elliptical + spiral)
        between = tf.reduce_mean(tf.square(raw - tf.reduce_mean(raw, axis=0)), axis=0)
        elliptical, spiral = tf.reduce_mean(elliptical, axis=0), tf.reduce_mean(spiral, axis=0)
        p = _calibrated(spiral / (elliptical + spiral), self.description.calibration)
        return {"p_spiral": p, "spread": tf.sqrt(tf.reduce_mean(variance, axis=0) + between)}


def _two_classes(numbers: Any, description: Description) -> tuple[Any, Any, Any]:  # noqa: ANN401
    """Compute the fractions of the two classes, and the square of `vote_spread`."""
    if numbers.shape.rank == 1 or numbers.shape[1] == 1:
        spiral = tf.reshape(numbers, (-1,))
        return 1 - spiral, spiral, tf.zeros_like(spiral)
    classes = description.class_places
    # As in `galaxies.bundle.answers`: the divisor must not be 0.
    shares = tf.maximum(
        tf.nn.softmax(numbers[:, classes.elliptical : classes.elliptical + 3]), 1e-30
    )
    galaxy = shares[:, 0] + shares[:, 1]
    p = shares[:, 1] / galaxy
    logarithm = numbers[:, classes.concentration] + TYPICAL
    concentration = tf.exp(tf.clip_by_value(logarithm, LEAST, MOST)) * galaxy
    return shares[:, 0], shares[:, 1], p * (1 - p) / (concentration + 1)


def _orient(image: Any, view: int) -> Any:  # noqa: ANN401
    """Compute `galaxies.bundle.views.view_of` with operations that every format has."""
    if view >= 4:
        image = tf.reverse(image, [2])
    match view % 4:
        case 1:
            return tf.transpose(tf.reverse(image, [2]), (0, 2, 1, 3))
        case 2:
            return tf.reverse(image, [1, 2])
        case 3:
            return tf.reverse(tf.transpose(image, (0, 2, 1, 3)), [2])
    return image


def _calibrated(raw: Any, calibration: Calibration) -> Any:  # noqa: ANN401
    p = tf.clip_by_value(raw, NEAREST, 1 - NEAREST)
    return tf.sigmoid(calibration.slope * tf.math.log(p / (1 - p)) + calibration.intercept)


def export_bundle(
    folder: Path, output: Path, kind: Literal["onnx", "tflite"], views: Literal[1, 8] | None = None
) -> None:
    """Write a bundle as one file for ONNX Runtime or TensorFlow Lite.

    Parameters
    ----------
    folder : Path
        A bundle.
    output : Path
        The file to make.
    kind : {"onnx", "tflite"}
        The format.
    views : {1, 8}, optional
        Number of views to average; by default that of the bundle.

    Raises
    ------
    GalaxiesError
        If the folder is not a valid bundle, or if a package for the format is missing.
    """
    model = WholeModel(folder, views)
    size = model.description.size
    model(tf.zeros((1, size, size, 3), tf.uint8))
    signature = [tf.TensorSpec((None, size, size, 3), tf.uint8, name="image")]
    options: dict[str, Any] = {"verbose": False, "input_signature": signature}
    with written_beside(output) as beside:
        if kind == "tflite":
            model.export(beside, "litert", **options)
            return
        try:
            import onnx

            model.export(beside, "onnx", opset_version=OPSET, **options)
        except ImportError as error:
            raise GalaxiesError(f"{error.name} is missing; pip install 'galaxies[onnx]'") from error
        graph = onnx.load(beside)
        onnx.helper.set_model_props(graph, _notes(model.description))
        onnx.save(graph, beside)


def _notes(description: Description) -> dict[str, str]:
    """Return the metadata of the file."""
    return {
        "title": description.title,
        "size": str(description.size),
        "crop": str(description.crop),
        "classes": " ".join(description.classes),
        "survey": description.survey,
        "triage": json.dumps([promise.model_dump() for promise in description.triage]),
    }
