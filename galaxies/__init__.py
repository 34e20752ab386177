"""Classify galaxy morphologies from images and the votes of volunteers."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from galaxies.classifying.classifier import Classifier

__version__: Final = "0.1.0"

# TensorFlow's start-up messages would hide our own.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# ONNX Runtime sends usage data to Microsoft, and writes a device ID below ~/.cache, unless it is
# told not to before it is imported.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"


def load(bundle: str | Path | None = None, **options: Any) -> "Classifier":  # noqa: ANN401
    """Load a trained bundle, to classify images.

    Parameters
    ----------
    bundle : str or Path, optional
        Its folder, or the name of a pretrained one: `real`, the default, or `simulated`.
    **options
        How to classify: `views`, `agreement`, `device`, `campaign`, `questions` and `anyway`, as in
        `galaxies.classifying.options.Options`.

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
    >>> table = galaxies.load("simulated", agreement=0.95).classify(images)
    >>> list(table)
    ['galaxy_id', 'p_spiral', 'spread', 'label', 'decision', 'familiar', 'error']
    >>> len(table), set(table["label"]) <= {"elliptical", "spiral"}
    (6, True)
    """
    from dataclasses import fields

    from galaxies.bundle.pretrained import bundle_folder
    from galaxies.classifying.classifier import Classifier
    from galaxies.classifying.options import Options

    names = [field.name for field in fields(Options)]
    if unknown := sorted(set(options) - set(names)):
        raise TypeError(
            f"galaxies.load() has no option {unknown[0]!r}; the bundle comes first, then "
            f"{', '.join(names)}"
        )
    return Classifier(bundle_folder(Path(bundle or "real")), Options(**options))
