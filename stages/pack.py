"""Decode a survey's images into one array."""

import os
from pathlib import Path

from galaxies.base.outputs import write_json, write_table
from galaxies.dataset.layout import IMAGES, survey_file
from galaxies.dataset.packing import pack_images
from galaxies.errors import run_stage
from galaxies.settings import load_settings


def main() -> None:
    """Run the stage."""
    settings = load_settings()
    archive = survey_file(Path("data", settings.survey), IMAGES)
    packed = pack_images(
        archive,
        Path("data/images.npy"),
        size=settings.pack.size,
        crop=settings.pack.crop,
        decoding=settings.pack.decoding,
        max_unreadable=settings.pack.max_unreadable,
        workers=len(os.sched_getaffinity(0)),
    )
    write_table(Path("data/images.parquet"), packed.table)
    counts = {
        "images": len(packed.table),
        "unreadable": len(packed.unreadable),
        "unreadable_names": ", ".join(packed.unreadable),
    }
    write_json(Path("metrics/pack.json"), counts)


if __name__ == "__main__":
    run_stage(main)
