"""Classify galaxy morphologies from images and the votes of volunteers."""

import os
from typing import Final

__version__: Final = "0.1.0"

# TensorFlow's start-up chatter, which names no problem, would bury our own messages.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
