"""Train the decision tree."""

from pathlib import Path

import pandas as pd

from galaxies.bundle import Description, describe, new_bundle
from galaxies.calibration import fit_calibration
from galaxies.errors import run_stage
from galaxies.outputs import write_json
from galaxies.packing import open_array
from galaxies.settings import load_settings
from galaxies.splitting import fingerprint, galaxies_of
from galaxies.tree import fit_tree
from galaxies.triage import make_promises


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
