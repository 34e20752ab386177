"""The bundles that come with this package."""

from pathlib import Path
from typing import Final

DESCRIPTION: Final = "bundle.json"
"""The file that makes a folder a bundle."""

PRETRAINED: Final = Path(__file__).parents[1] / "pretrained"
"""Folder of the pretrained bundles: `simulated`, from which training starts, and `real`, trained on
real galaxies."""


def bundle_folder(name: Path) -> Path:
    """Return the folder of a bundle, or of a pretrained bundle, `real` or `simulated`."""
    pretrained = PRETRAINED / name
    return pretrained if not name.exists() and (pretrained / DESCRIPTION).is_file() else name
