"""Score the CNN's answers to all questions on the test galaxies."""

from pathlib import Path

import pandas as pd

from galaxies.base.outputs import write_json
from galaxies.errors import run_stage
from galaxies.judgement.vote_scores import answered, score_answers


def main() -> None:
    """Run the stage."""
    votes = pd.read_parquet("data/votes.parquet")
    # Empty with the reference recipe, which predicts the class only.
    campaigns = answered(votes, pd.read_parquet("data/predictions/cnn.parquet"))
    scores = {galaxies.campaign.name: score_answers(galaxies) for galaxies in campaigns}
    write_json(Path("metrics/votes.json"), scores)


if __name__ == "__main__":
    run_stage(main)
