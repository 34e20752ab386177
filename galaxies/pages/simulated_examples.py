"""Simulated galaxies for pages that show one before a file is chosen."""

from pathlib import Path
from typing import Final

EXAMPLES: Final = Path(__file__).parent / "examples"
"""Folder of the pictures, named by place and kind, such as `1_spiral.jpg`."""
