"""Train the convolutional network."""

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
from galaxies.models.cnn import train_cnn
from galaxies.models.networks import predict_network, save_network
from galaxies.settings import load_settings


def main() -> None:
    """Run the stage."""
    settings = load_settings()
    split, packed = pd.read_parquet("data/split.parquet"), pd.read_parquet("data/images.parquet")
    train, validation = (galaxies_of(split, packed, part) for part in ("train", "validation"))
    images = open_array(Path("data/images.npy"))
    network, trained = train_cnn(images, train, validation, settings.cnn)
    score = partial(predict_network, network)
    raw, _ = score_rows(score, images, validation.rows, settings.cnn.views, doing="calibrate")
    calibration = fit_calibration(raw, validation.labels)
    with new_bundle(Path("models/cnn")) as folder:
        save_network(network, folder)
        description = Description(
            model="cnn",
            title="CNN",
            size=settings.pack.size,
            crop=settings.pack.crop,
            views=settings.cnn.views,
            calibration=calibration,
            votes=fit_calibration(raw, validation.vote_fractions),
            triage=make_promises(calibration(raw), validation.labels, settings.triage),
            survey=settings.survey,
            galaxies=len(train.rows),
            learned_from=fingerprint(split),
        )
        describe(folder, description)
    write_json(Path("metrics/train_cnn.json"), trained.summary)
    write_json(Path("metrics/learning/cnn.json"), trained.curve)


if __name__ == "__main__":
    run_stage(main)
