"""What depends on the number of volunteers that is assumed where a survey has no counts.

Galaxy Zoo 2 gives weighted vote fractions without counts; we assume 45 volunteers (`volunteers` in
`params.yaml`). A bundle that has seen none of its galaxies is scored with 30, 45 and 60: the noise
of the votes, and the share of the 90% intervals that hold.

    python -m benchmarks.volunteers --data ../shared/data
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.leave_one_out import Survey, read_survey
from galaxies.base.outputs import write_json
from galaxies.bundle.predictor import Predictor
from galaxies.bundle.pretrained import PRETRAINED
from galaxies.dataset.layout import read_campaign
from galaxies.judgement.vote_scores import Answered, score_answers
from galaxies.settings import load_settings

ASSUMED = (30, 45, 60)


def scores(survey: Survey, predictor: Predictor, campaign_name: str) -> list[dict[str, Any]]:
    """Score the answers to all questions for each assumed number."""
    description = predictor.description
    campaign = description.answers_of
    assert campaign.name == campaign_name
    prediction = predictor.predict(survey.images)
    assert prediction.answers is not None
    votes, layout = survey.votes, description.layout
    rows = []
    for number in ASSUMED:
        answers = Answered(
            campaign,
            votes.shares[:, votes.layout.places(campaign)].astype(np.float64),
            np.full(len(survey.images), float(number)),
            prediction.answers[:, layout.places(campaign)].astype(np.float64),
            prediction.outputs[:, layout.concentration_places(campaign)].astype(np.float64),
        )
        found = score_answers(answers)
        rows.append(
            {"volunteers": number, "rmse": found["rmse"], "noise": found["noise"]}
            | {
                f"{name}_{key}": question[key]
                for name, question in found["questions"].items()
                for key in ("noise", "intervals_hold")
                if key in question
            }
        )
    return rows


def main() -> None:
    """Print the table and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--survey", default="gz2")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/volunteers.json"))
    options = parser.parse_args()
    folder = options.data / options.survey
    with tempfile.TemporaryDirectory() as scratch:
        survey = read_survey(folder, Path(scratch), load_settings())
    name = read_campaign(folder).name
    rows = scores(survey, Predictor(PRETRAINED / "simulated", campaign=name), name)
    print(pd.DataFrame(rows).set_index("volunteers").T.round(3).to_string())
    write_json(options.output, rows)


if __name__ == "__main__":
    main()
