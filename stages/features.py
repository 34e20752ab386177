"""Compute InceptionV3's 2048 features of every galaxy."""

import os
from pathlib import Path

from galaxies.dataset.layout import IMAGES, survey_file
from galaxies.errors import run_stage
from galaxies.models.inception.extraction import survey_features
from galaxies.settings import load_settings


def main() -> None:
    """Run the stage."""
    settings = load_settings()
    survey_features(
        survey_file(Path("data", settings.survey), IMAGES),
        Path("models/inception_backbone"),
        Path("data/features.npy"),
        Path("data/looks.npy"),
        size=settings.inception.size,
        crop=settings.inception.crop,
        decoding=settings.pack.decoding,
        max_unreadable=settings.pack.max_unreadable,
        workers=len(os.sched_getaffinity(0)),
    )


if __name__ == "__main__":
    run_stage(main)
