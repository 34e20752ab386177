"""Classify galaxy morphologies from images and the votes of volunteers."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from galaxies.classifying.classifier import Classifier

__version__: Final = "0.1.0"

# TensorFlow's start-up chatter, which names no problem, would bury our own messages.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def load(
    bundle: str | Path | None = None,
    views: Literal[1, 8] | None = None,
    agreement: float = 0.99,
    device: Literal["cpu", "gpu"] = "cpu",
    campaign: Literal["gz1", "gz2"] | None = None,
    questions: Literal["first", "all"] = "first",
    anyway: bool = False,
) -> "Classifier":
    """Load a trained bundle, to classify images.

    Parameters
    ----------
    bundle : str or Path, optional
        Its folder, or the name of a pretrained one: `real`, the default, or `simulated`.
    views : {1, 8}, optional
    agreement : float
    device : {"cpu", "gpu"}
    campaign : {"gz1", "gz2"}, optional
    questions : {"first", "all"}
    anyway : bool
        As in `galaxies.classifying.classifier.Classifier`.

    Returns
    -------
    Classifier

    Examples
    --------
    >>> import galaxies
    >>> galaxies.load("models/cnn").classify(["100008.jpg", "100023.jpg"])  # doctest: +SKIP
      galaxy_id  p_spiral    spread       label        decision error
    0    100008  0.912406  0.021134      spiral  ask volunteers  None
    1    100023  0.020017  0.004410  elliptical      elliptical  None
    """
    from galaxies.classifying.classifier import Classifier
    from galaxies.learning.bundle import bundle_folder

    folder = bundle_folder(Path(bundle or "real"))
    return Classifier(folder, views, agreement, device, campaign, questions, anyway)
