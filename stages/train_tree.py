"""Train the decision tree."""

from pathlib import Path

import pandas as pd

from galaxies.base.arrays import open_array
from galaxies.base.outputs import write_json
from galaxies.errors import run_stage
from galaxies.learning.bundle import Description, describe, new_bundle
from galaxies.learning.calibration import fit_calibration
from galaxies.learning.parts import fingerprint, galaxies_of
from galaxies.learning.promises import make_promises
from galaxies.models.tree import fit_tree
from galaxies.settings import load_settings


def main() -> None:
    """Run the stage."""
    settings = load_settings()
    split, packed = pd.read_parquet("data/split.parquet"), pd.read_parquet("data/images.parquet")
    train, validation = (galaxies_of(split, packed, part) for part in ("train", "validation"))
    images = open_array(Path("data/images.npy"))
    fitted = fit_tree(images, train, validation, settings.tree)
    raw = fitted.tree.predict(images[validation.rows])
    calibration = fit_calibration(raw, validation.labels)
    with new_bundle(Path("models/tree")) as folder:
        fitted.tree.save(folder / "tree.npz")
        description = Description(
            model="tree",
            title="decision tree",
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
    write_json(Path("metrics/train_tree.json"), fitted.chosen)
    write_json(Path("metrics/learning/tree.json"), fitted.candidates)


if __name__ == "__main__":
    run_stage(main)
