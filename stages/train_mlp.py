"""Train the network with one hidden layer."""

from functools import partial
from pathlib import Path

import pandas as pd

from galaxies.base.arrays import open_array
from galaxies.base.outputs import write_json
from galaxies.errors import run_stage
from galaxies.learning.bundle import Description, describe, new_bundle
from galaxies.learning.calibration import fit_calibration
from galaxies.learning.parts import fingerprint, galaxies_of
from galaxies.learning.promises import make_promises
from galaxies.learning.views import score_rows
from galaxies.models.mlp import train_mlp
from galaxies.models.networks import predict_network, save_network
from galaxies.settings import load_settings


def main() -> None:
    """Run the stage."""
    settings = load_settings()
    split, packed = pd.read_parquet("data/split.parquet"), pd.read_parquet("data/images.parquet")
    train, validation = (galaxies_of(split, packed, part) for part in ("train", "validation"))
    images = open_array(Path("data/images.npy"))
    network, trained = train_mlp(images, train, validation, settings.mlp)
    score = partial(predict_network, network)
    raw, _ = score_rows(score, images, validation.rows, 1, doing="calibrate")
    calibration = fit_calibration(raw, validation.labels)
    with new_bundle(Path("models/mlp")) as folder:
        save_network(network, folder)
        description = Description(
            model="mlp",
            title="one hidden layer",
            size=settings.pack.size,
            crop=settings.pack.crop,
            views=1,
            calibration=calibration,
            votes=fit_calibration(raw, validation.vote_fractions),
            triage=make_promises(calibration(raw), validation.labels, settings.triage),
            survey=settings.survey,
            galaxies=len(train.rows),
            learned_from=fingerprint(split),
        )
        describe(folder, description)
    write_json(Path("metrics/train_mlp.json"), trained.summary)
    write_json(Path("metrics/learning/mlp.json"), trained.curve)


if __name__ == "__main__":
    run_stage(main)
