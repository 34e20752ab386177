"""Decide which galaxies train, validate and test."""

from pathlib import Path

import pandas as pd

from galaxies.errors import run_stage
from galaxies.outputs import write_json, write_table
from galaxies.settings import load_settings
from galaxies.splitting import split_galaxies
from galaxies.survey import VOTES, read_votes, survey_file


def main() -> None:
    """Run the stage."""
    settings = load_settings()
    votes = read_votes(survey_file(Path("data", settings.survey), VOTES))
    images = pd.read_parquet("data/images.parquet")
    split = split_galaxies(votes, images, settings.split)
    write_table(Path("data/split.parquet"), split.table)
    write_json(Path("metrics/split.json"), split.counts)


if __name__ == "__main__":
    run_stage(main)
