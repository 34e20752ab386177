"""Judge the models on the test galaxies."""

from pathlib import Path

import pandas as pd

from galaxies.errors import run_stage
from galaxies.outputs import table_title, write_json, write_records, write_text_table
from galaxies.scores import confusion, judged, reliability, roc, score
from galaxies.settings import load_settings

MODELS = ("tree", "mlp", "cnn", "inception")


def main() -> None:
    """Run the stage."""
    settings = load_settings()
    split = pd.read_parquet("data/split.parquet")
    for model in MODELS:
        path = Path("data/predictions", f"{model}.parquet")
        test = judged(split, pd.read_parquet(path), model)
        title = {"model": table_title(path)}
        write_json(Path("metrics", f"{model}.json"), title | score(test, settings.evaluate))
        write_records(Path("metrics/roc", f"{model}.json"), roc(test))
        write_records(
            Path("metrics/reliability", f"{model}.json"),
            reliability(test, settings.evaluate.reliability_bins),
        )
        write_text_table(Path("metrics/confusion", f"{model}.csv"), confusion(test))


if __name__ == "__main__":
    run_stage(main)
