"""Classify galaxy morphologies from images and the votes of volunteers."""

from typing import Final

__version__: Final = "0.1.0"
