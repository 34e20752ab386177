"""Judge the models on the test galaxies."""

from pathlib import Path

import pandas as pd

from galaxies.base.outputs import write_json, write_records, write_text_table
from galaxies.errors import run_stage
from galaxies.judging.promises import coverage, judge_promises
from galaxies.judging.scores import (
    accuracy_by_agreement,
    confusion,
    judged,
    reliability,
    roc,
    score,
)
from galaxies.learning.bundle import read_description
from galaxies.models.registry import MODELS
from galaxies.settings import load_settings


def main() -> None:
    """Run the stage."""
    settings = load_settings()
    split = pd.read_parquet("data/split.parquet")
    for model in MODELS:
        bundle = read_description(Path("models", model))
        test = judged(split, pd.read_parquet(f"data/predictions/{model}.parquet"), model)
        scores = score(test, settings.evaluate)
        triage = judge_promises(test, bundle.triage)
        title = {"model": bundle.title}
        write_json(Path("metrics", f"{model}.json"), title | scores | {"triage": triage})
        write_records(Path("metrics/roc", f"{model}.json"), roc(test))
        write_records(
            Path("metrics/reliability", f"{model}.json"),
            reliability(test, settings.evaluate.reliability_bins),
        )
        write_records(Path("metrics/triage", f"{model}.json"), coverage(test))
        write_records(Path("metrics/agreement", f"{model}.json"), accuracy_by_agreement(test))
        write_text_table(Path("metrics/confusion", f"{model}.csv"), confusion(test))


if __name__ == "__main__":
    run_stage(main)
