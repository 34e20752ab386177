"""Classify galaxy morphologies from images and the votes of volunteers."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from galaxies.classifying.classifier import GalaxyClassifier

__version__: Final = "0.1.0"

# TensorFlow's start-up chatter, which names no problem, would bury our own messages.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def load(
    bundle: str | Path | None = None, views: Literal[1, 8] | None = None, agreement: float = 0.99
) -> "GalaxyClassifier":
    """Load a trained bundle, to classify images: `galaxies.load("models/cnn").classify(images)`.

    Parameters
    ----------
    bundle
        Its folder; the pretrained one that comes with the package unless given.
    views, agreement
        As in `galaxies.classifying.classifier.GalaxyClassifier`.
    """
    from galaxies.classifying.classifier import GalaxyClassifier
    from galaxies.learning.bundle import PRETRAINED

    return GalaxyClassifier(Path(bundle or PRETRAINED / "real"), views, agreement)
