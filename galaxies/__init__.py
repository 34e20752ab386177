"""Classify galaxy morphologies from images and the votes of volunteers."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from galaxies.classifying.classifier import Classifier

__version__: Final = "0.1.0"

# TensorFlow's start-up messages would hide our own.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def load(
    bundle: str | Path | None = None,
    views: Literal[1, 8] | None = None,
    agreement: float = 0.99,
    device: Literal["cpu", "gpu"] = "cpu",
    campaign: str | None = None,
    questions: Literal["first", "all"] = "first",
    anyway: bool = False,
) -> "Classifier":
    """Load a trained bundle, to classify images.

    Parameters
    ----------
    bundle : str or Path, optional
        Its folder, or the name of a pretrained one: `real`, the default, or `simulated`.
    views : {1, 8}, optional
        Number of views to average; by default that of the bundle.
    agreement : float
        Target agreement with the volunteers, between 0.5 and 1.
    device : {"cpu", "gpu"}
        The device that computes.
    campaign : str, optional
        Campaign whose votes are predicted, such as `gz2`; by default that of the bundle.
    questions : {"first", "all"}
        Whether to predict the vote fractions of all answers too.
    anyway : bool
        Whether to decide even if the galaxies look unfamiliar.

    Returns
    -------
    Classifier

    Raises
    ------
    GalaxiesError
        If the folder is not a valid bundle, or does not support one of the options.

    Examples
    --------
    >>> from pathlib import Path
    >>> import galaxies
    >>> images = sorted(Path("cutouts").glob("*.jpg"))
    >>> table = galaxies.load("simulated").classify(images)
    >>> list(table)
    ['galaxy_id', 'p_spiral', 'spread', 'label', 'decision', 'familiar', 'error']
    >>> len(table), set(table["label"]) <= {"elliptical", "spiral"}
    (6, True)
    """
    from galaxies.bundle.pretrained import bundle_folder
    from galaxies.classifying.classifier import Classifier

    folder = bundle_folder(Path(bundle or "real"))
    return Classifier(folder, views, agreement, device, campaign, questions, anyway)
