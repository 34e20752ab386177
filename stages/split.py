"""Split the galaxies into training, validation and test."""

from pathlib import Path

import numpy as np
import pandas as pd

from galaxies.base.fingerprints import from_text
from galaxies.base.outputs import write_json, write_table
from galaxies.bundle.learned import read_learned
from galaxies.bundle.pretrained import bundle_folder
from galaxies.dataset.layout import VOTES, survey_file
from galaxies.dataset.splitting import split_galaxies
from galaxies.dataset.votes import campaign_of, first_votes, read_survey_votes, read_votes
from galaxies.errors import run_stage
from galaxies.settings import load_settings


def main() -> None:
    """Run the stage."""
    settings = load_settings()
    survey = Path("data", settings.survey)
    images = pd.read_parquet("data/images.parquet")
    votes = read_survey_votes(survey, settings.volunteers)
    campaign = campaign_of(votes)
    first = first_votes(votes, read_votes(survey_file(survey, VOTES), campaign))
    start = settings.cnn.residual.start if settings.cnn.recipe == "residual" else None
    learned = None if start is None else read_learned(bundle_folder(Path(start)))
    shown = images.head(0)
    if learned is not None:
        shown = images[learned.shown(from_text(images["fingerprint"]))]
    split = split_galaxies(first, images, settings.split, shown["galaxy_id"].to_numpy(np.int64))
    votes = votes[votes["galaxy_id"].isin(images["galaxy_id"])]
    table = split.table.merge(votes[["galaxy_id", "survey", "weight"]], how="left")
    table["campaign"] = pd.Categorical([campaign.name] * len(table))
    write_table(Path("data/split.parquet"), table)
    write_table(Path("data/votes.parquet"), votes.drop(columns="survey"))
    write_json(Path("metrics/split.json"), split.counts)


if __name__ == "__main__":
    run_stage(main)
