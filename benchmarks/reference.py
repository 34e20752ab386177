"""Both recipes of the CNN on the same galaxies with the same split.

Each is a run of the pipeline with the settings of `params.yaml`, up to the scores of the CNN: the
reference recipe; the residual recipe with one view, with the mean of eight, and from random weights
with the best learning rate for it.

    python -m benchmarks.reference ../shared/data/gz1
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.clones import make_clone, run
from galaxies.base.outputs import write_json

RUNS: dict[str, dict[str, object]] = {
    "reference": {"cnn.recipe": "reference"},
    "residual, 1 view": {},
    "residual, 8 views": {"cnn.views": 8},
    "residual, 1 view, from random weights": {
        "cnn.residual.start": None,
        "cnn.residual.learning_rate": 0.003,
    },
}


def measure(folder: Path, survey: Path, params: dict[str, object]) -> dict[str, Any]:
    """Run the pipeline in a clone; returns the CNN's scores and costs."""
    make_clone(folder, params, survey)
    run(folder, "dvc", "repro", "split")
    start = time.perf_counter()
    run(folder, "dvc", "repro", "train_cnn")
    seconds = time.perf_counter() - start
    run(folder, "dvc", "repro", "evaluate@cnn")
    scores, chosen = (
        json.loads((folder / "metrics" / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("cnn", "train_cnn")
    )
    names = ("accuracy", "accuracy_low", "accuracy_high", "roc_auc", "brier", "ece")
    return {
        **{name: scores[name] for name in names},
        "seconds_to_train": seconds,
        "parameters": chosen["parameters"],
        "operations": chosen["operations"] * int(str(params.get("cnn.views", 1))),
    }


def error_ratios(rows: dict[str, dict[str, Any]]) -> dict[str, float]:
    """Divide each run's error rate by that of the reference recipe."""
    reference = 1 - rows["reference"]["accuracy"]
    return {name: (1 - row["accuracy"]) / reference for name, row in rows.items()}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("survey", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/reference.json"))
    options = parser.parse_args()
    rows = {}
    for name, params in RUNS.items():
        with tempfile.TemporaryDirectory() as scratch:
            rows[name] = measure(Path(scratch, "run"), options.survey, params)
        print(pd.DataFrame(rows).round(3).to_string(), flush=True)
    write_json(
        options.output,
        {
            "survey": options.survey.name,
            "rows": rows,
            "errors_of_the_reference": error_ratios(rows),
        },
    )


if __name__ == "__main__":
    main()
