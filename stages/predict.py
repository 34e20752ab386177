"""Predict the validation and test galaxies with one model."""

import os
import sys
from pathlib import Path

import pandas as pd

from galaxies.base.arrays import open_array
from galaxies.base.outputs import write_table
from galaxies.bundle.predictor import Predictor, prediction_table
from galaxies.errors import GalaxiesError, run_stage
from galaxies.training.parts import fingerprint, galaxies_of


def main() -> None:
    """Run the stage for the model and the inputs named on the command line."""
    if len(sys.argv) != 3:
        raise GalaxiesError("name a model and its inputs: stages.predict cnn data/images.npy")
    model, inputs = sys.argv[1:]
    split, packed = pd.read_parquet("data/split.parquet"), pd.read_parquet("data/images.parquet")
    held_out = galaxies_of(split, packed, "validation", "test")
    predictor = Predictor(Path("models", model))
    if predictor.description.learned_from != fingerprint(split):
        raise GalaxiesError(
            f"models/{model}: was trained on other galaxies than those in data/split.parquet; "
            f"run `dvc repro train_{model}`"
        )
    prediction = predictor.predict_rows(
        open_array(Path(inputs)), held_out.rows, workers=len(os.sched_getaffinity(0))
    )
    write_table(
        Path("data/predictions", f"{model}.parquet"),
        prediction_table(held_out.galaxies, prediction, predictor.description.layout),
        title=predictor.description.title,
    )


if __name__ == "__main__":
    run_stage(main)
