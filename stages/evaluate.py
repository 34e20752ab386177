"""Score one model on the test galaxies."""

import sys
from pathlib import Path

import pandas as pd

from galaxies.base.outputs import write_json, write_records, write_text_table, written_beside
from galaxies.base.selection import unselected
from galaxies.bundle.description import read_description
from galaxies.errors import GalaxiesError, run_stage
from galaxies.judgement.kept_promises import coverage, judge_promises
from galaxies.judgement.scores import (
    MAIN_SCORES,
    accuracy_by_agreement,
    confusion,
    judged,
    reliability,
    roc,
    score,
)
from galaxies.settings import load_settings


def main() -> None:
    """Run the stage for the model named on the command line."""
    if len(sys.argv) != 2:
        raise GalaxiesError("name a model: stages.evaluate cnn")
    model = sys.argv[1]
    settings = load_settings()
    split = pd.read_parquet("data/split.parquet")
    predictions = pd.read_parquet(Path("data/predictions", f"{model}.parquet"))
    bundle = read_description(Path("models", model))
    test = judged(split, predictions, model)
    test = test[unselected(test["weight"].to_numpy())].reset_index(drop=True)
    images = pd.read_parquet("data/images.parquet", columns=["galaxy_id", "sha1"])
    test = test.merge(images, on="galaxy_id", how="left")
    scores = score(test, settings.evaluate, settings.volunteers)
    triage = judge_promises(test, bundle.triage)
    everything = {"model": bundle.title} | scores | {"triage": triage}
    write_json(Path("metrics", f"{model}.json"), everything)
    main_scores = {name: scores[name] for name in MAIN_SCORES}
    write_json(Path("metrics/summary", f"{model}.json"), main_scores)
    with written_beside(Path("metrics/curves", model)) as curves:
        write_records(curves / "roc.json", roc(test))
        write_records(curves / "reliability.json", reliability(test, settings.evaluate))
        write_records(curves / "triage.json", coverage(test))
        write_records(curves / "agreement.json", accuracy_by_agreement(test))
        write_text_table(curves / "confusion.csv", confusion(test))


if __name__ == "__main__":
    run_stage(main)
