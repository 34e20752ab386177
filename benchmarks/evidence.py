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

from benchmarks.leave_one_out import judged_as, read_survey, take
from galaxies.base.fingerprints import from_text
from galaxies.base.outputs import write_json
from galaxies.bundle.description import read_description
from galaxies.bundle.learned import read_learned
from galaxies.bundle.pretrained import PRETRAINED
from galaxies.dataset.layout import read_campaign
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
"""Galaxies of a survey, by default."""
SEED = 0


def judge(bundle: Path, folder: Path, scratch: Path, most: int) -> dict[str, Any]:
    """Score the evidence for the predicted class, for the survey's own question."""
    survey = read_survey(folder, scratch, load_settings())
    learned = read_learned(bundle)
    assert learned is not None
    campaign = read_campaign(folder)
    seen = learned.shown(from_text(survey.table["fingerprint"]))
    unseen = ~seen & (survey.votes.labels(campaign) >= 0)
    rows = np.flatnonzero(unseen)
    rows = np.sort(np.random.default_rng(SEED).permutation(rows)[:most])
    images = take(survey, rows).images
    description = judged_as(read_description(bundle), campaign)
    places, _ = answers_that_count(description, None)
    score = Score(Gradient(bundle), places)
    answers = score.predicted(images)
    measured = measure_all(score, images, answers, np.zeros(images.shape[:3], bool))
    random = {"last_layer": Score(Gradient(randomised_gradient(bundle, 1, SEED)), places)}
    like = compare_with_random(score, random, images[:RANDOMISED], answers[:RANDOMISED])
    return {"galaxies": len(images), "campaign": campaign.name, **report(measured, like)}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("GALAXY_DATA"))
    parser.add_argument("--most", type=int, default=MOST, help="galaxies of a survey")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/evidence.json"))
    options = parser.parse_args()
    if options.data is None:
        parser.error("give the folder of surveys with --data or $GALAXY_DATA")
    found = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name in (name for name in SURVEYS if (options.data / name).is_dir()):
            folder = options.data / name
            scores = judge(PRETRAINED / "real", folder, Path(scratch), options.most)
            both = {**scores["methods"], **scores["controls"]}
            names = ["pointing", "inside", "deletion", "insertion", "deletion_tenth"]
            names += ["insertion_tenth", "last_layer"]
            print(name, scores["galaxies"])
            print(pd.DataFrame(both).T[names].round(2).to_string(), flush=True)
            found[name] = scores
    write_json(options.output, found)


if __name__ == "__main__":
    main()
