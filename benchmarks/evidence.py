"""How faithful the evidence of the pretrained bundle is on real held-out galaxies.

Measures, other methods and controls are those of the stage `explain`.

    python -m benchmarks.evidence --data ../shared/data
"""

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from galaxies.base.arrays import open_array
from galaxies.base.outputs import write_json
from galaxies.bundle.description import read_description
from galaxies.bundle.learned import read_learned
from galaxies.bundle.pretrained import PRETRAINED
from galaxies.dataset.layout import IMAGES, VOTES, read_campaign
from galaxies.dataset.packing import pack_images
from galaxies.dataset.votes import read_votes
from galaxies.images.fingerprints import fingerprints
from galaxies.inside.faithfulness import (
    RANDOMISED,
    compare_with_random,
    measure_all,
    report,
)
from galaxies.inside.gradient import Gradient
from galaxies.inside.score import Score, answers_that_count
from galaxies.models.backward import randomised_gradient
from galaxies.settings import load_settings

SURVEYS = ("gz1", "gz2", "kaggle")
MOST = 300
SEED = 0
_CHUNK = 512


def judge(bundle: Path, folder: Path, scratch: Path) -> dict[str, Any]:
    """Score the evidence for the predicted class, for the survey's own question."""
    settings = load_settings()
    pack = settings.pack
    array = scratch / f"{folder.name}.npy"
    packed = pack_images(
        folder / IMAGES, array, size=pack.size, crop=pack.crop, decoding=pack.decoding,
        max_unreadable=pack.max_unreadable, workers=len(os.sched_getaffinity(0)),
    ).table  # fmt: skip
    campaign = read_campaign(folder)
    votes = read_votes(folder / VOTES, campaign)
    rows = packed.loc[packed["galaxy_id"].isin(votes["galaxy_id"]), "row"].to_numpy()
    images = open_array(array)
    learned = read_learned(bundle)
    assert learned is not None
    marks = np.concatenate(
        [fingerprints(images[rows[at : at + 512]]) for at in range(0, len(rows), 512)]
    )
    rows = rows[~learned.shown(marks)]
    rows = np.sort(np.random.default_rng(SEED).permutation(rows)[:MOST])
    chosen = np.stack([images[row] for row in rows])
    description = read_description(bundle)
    if campaign.name in description.judgements:
        description = description.by(campaign.name)
    places, _ = answers_that_count(description, None)
    score = Score(Gradient(bundle), places)
    answers = score.predicted(chosen)
    measured = measure_all(score, chosen, answers, np.zeros(chosen.shape[:3], bool))
    random = {"last_layer": Score(Gradient(randomised_gradient(bundle, 1, SEED)), places)}
    like = compare_with_random(score, random, chosen[:RANDOMISED], answers[:RANDOMISED])
    return {"galaxies": len(chosen), "campaign": campaign.name, **report(measured, like)}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("GALAXY_DATA"))
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/evidence.json"))
    options = parser.parse_args()
    if options.data is None:
        parser.error("give the folder of surveys with --data or $GALAXY_DATA")
    found = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name in SURVEYS:
            one = judge(PRETRAINED / "real", options.data / name, Path(scratch))
            both = {**one["methods"], **one["controls"]}
            names = ["pointing", "inside", "deletion", "insertion", "deletion_tenth"]
            names += ["insertion_tenth", "last_layer"]
            print(name, one["galaxies"])
            print(pd.DataFrame(both).T[names].round(2).to_string(), flush=True)
            found[name] = one
    write_json(options.output, found)


if __name__ == "__main__":
    main()
