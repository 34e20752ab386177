"""InceptionV3 and the regression on its features in TensorFlow, for export."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from galaxies.models.inception.backbone import load_backbone
from galaxies.models.inception.classifier import REGRESSION, Regression


def graph(folder: Path, size: int) -> Callable[[Any], Any]:
    """Build the model of a bundle in TensorFlow, for `galaxies.bundle.registry.Registered`."""
    backbone, regression = load_backbone(folder, size), Regression.load(folder / REGRESSION)
    mean, scale = regression.mean.astype(np.float32), regression.scale.astype(np.float32)
    weights = regression.weights.astype(np.float32)[:, None]
    intercept = np.float32(regression.intercept)

    def predict(images: Any) -> Any:  # noqa: ANN401 - tensors
        features = backbone(images, training=False)
        # Rounded like the features in the pipeline.
        kept = tf.cast(tf.cast(features, tf.float16), tf.float32)
        return tf.sigmoid(((kept - mean) / scale) @ weights + intercept)[:, 0]

    return predict
