"""The pipeline on each real survey: all scores, and the figures in the docs.

    python -m benchmarks.real --data ../shared/data

Runs `dvc repro page` in a clone for each survey. `--from` collects the outputs of finished clones.
"""

import argparse
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from clones import make_clone, run
from galaxies.base.outputs import write_json

SURVEYS = ("gz1", "gz2", "kaggle")
METRICS = ("tree", "mlp", "cnn", "inception", "votes", "explain", "split")
FIGURES = {
    "gz1": ("roc_all", "reliability_all", "triage"),
    "gz2": ("agreement",),
}


def collect(survey: str, folder: Path, figures: Path) -> dict[str, Any]:
    """Read the scores, and copy the figures."""
    for name in FIGURES.get(survey, ()):
        target = figures / f"{survey}_{name}.png"
        shutil.copy(folder / "figures/results" / f"{name}.png", target)
    return {
        name: json.loads((folder / "metrics" / f"{name}.json").read_text(encoding="utf-8"))
        for name in METRICS
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("GALAXY_DATA"))
    parser.add_argument("--from", dest="done", type=Path, help="folder of finished runs")
    parser.add_argument("--figures", type=Path, default=Path("docs/results"))
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/real.json"))
    options = parser.parse_args()
    scores = {}
    with tempfile.TemporaryDirectory() as scratch:
        for survey in SURVEYS:
            folder = (options.done or Path(scratch)) / survey
            if options.done is None:
                if options.data is None:
                    parser.error("give the folder of surveys with --data or $GALAXY_DATA")
                make_clone(folder, {}, options.data / survey)
                run(folder, "dvc", "repro", "page")
            scores[survey] = collect(survey, folder, options.figures)
    write_json(options.output, scores)


if __name__ == "__main__":
    main()
