"""Train the classifier on top of InceptionV3."""

import shutil
from pathlib import Path

import pandas as pd

from galaxies.base.arrays import open_array
from galaxies.base.outputs import write_json
from galaxies.errors import run_stage
from galaxies.learning.bundle import Description, describe, new_bundle
from galaxies.learning.calibration import fit_calibration
from galaxies.learning.parts import fingerprint, galaxies_of
from galaxies.learning.promises import make_promises
from galaxies.models.inception.classifier import fit_head
from galaxies.models.inception.weights import read_origin
from galaxies.settings import load_settings


def main() -> None:
    """Run the stage."""
    settings = load_settings()
    split, packed = pd.read_parquet("data/split.parquet"), pd.read_parquet("data/images.parquet")
    train, validation = (galaxies_of(split, packed, part) for part in ("train", "validation"))
    embeddings = open_array(Path("data/embeddings.npy"))
    fitted = fit_head(embeddings, train, validation, settings.inception.regularisation)
    raw = fitted.head.predict(embeddings[validation.rows])
    trunk = Path("models/inception_trunk")
    origin = read_origin(trunk)
    calibration = fit_calibration(raw, validation.labels)
    with new_bundle(Path("models/inception")) as folder:
        fitted.head.save(folder / "head.npz")
        shutil.copytree(trunk, folder, dirs_exist_ok=True)
        description = Description(
            model="inception",
            title=origin.title,
            size=settings.inception.size,
            crop=settings.inception.crop,
            views=1,
            calibration=calibration,
            votes=fit_calibration(raw, validation.vote_fractions),
            triage=make_promises(calibration(raw), validation.labels, settings.triage),
            survey=settings.survey,
            galaxies=len(train.rows),
            learned_from=fingerprint(split),
        )
        describe(folder, description)
    write_json(Path("metrics/train_inception.json"), {"trunk": origin.source, **fitted.chosen})
    write_json(Path("metrics/learning/inception.json"), fitted.candidates)


if __name__ == "__main__":
    run_stage(main)
