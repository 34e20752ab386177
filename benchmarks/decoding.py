"""The cost of decoding JPEGs at a smaller scale: the same CNN trained on both kinds of pixels.

python -m benchmarks.decoding --surveys data/gz1 data/gz2 data/kaggle
"""

import argparse
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import get_args

import pandas as pd

from galaxies.base.arrays import Decoding
from galaxies.base.outputs import write_json, write_table
from galaxies.bundle.predictor import Predictor
from galaxies.dataset.layout import IMAGES, VOTES, survey_file
from galaxies.dataset.packing import pack_images
from galaxies.dataset.splitting import split_galaxies
from galaxies.dataset.votes import read_votes
from galaxies.models.cnn import fit
from galaxies.settings import load_settings
from galaxies.training.parts import galaxies_of
from galaxies.training.training import Seen, open_galaxies, train

CORES = len(os.sched_getaffinity(0))


def measure(survey: Path, decoding: Decoding, seed: int, folder: Path) -> dict[str, float]:
    """Pack, split, train, and test on the test galaxies."""
    from sklearn.metrics import log_loss, roc_auc_score

    settings = load_settings(Path("params.yaml"))
    pack = settings.pack
    packed = pack_images(
        survey_file(survey, IMAGES),
        folder / "images.npy",
        size=pack.size,
        crop=pack.crop,
        decoding=decoding,
        max_unreadable=pack.max_unreadable,
        workers=CORES,
    )
    table, _ = split_galaxies(read_votes(survey_file(survey, VOTES)), packed.table, settings.split)
    write_table(folder / "images.parquet", packed.table)
    write_table(folder / "split.parquet", table)
    galaxies = open_galaxies(
        folder / "split.parquet", folder / "images.parquet", folder / "images.npy", survey.name
    )
    cnn = settings.cnn.model_copy(update={"seed": seed})
    seen = Seen(pack.size, pack.crop, decoding, cnn.views)
    trained = train("cnn", partial(fit, settings=cnn), galaxies, seen, settings.triage)
    trained.save(folder / "cnn", folder / "chosen.json", folder / "history.json")
    test = galaxies_of(table, packed.table, "test")
    prediction = Predictor(folder / "cnn").predict_rows(galaxies.inputs, test.rows, workers=CORES)
    p = prediction.p_spiral
    return {
        "accuracy": float(((p > 0.5) == test.labels).mean()),
        "roc_auc": float(roc_auc_score(test.labels, p)),
        "log_loss": float(log_loss(test.labels, p)),
        "galaxies": len(test.labels),
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--surveys", type=Path, nargs="+", default=[Path("data/simulated")])
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each kind")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/decoding.json"))
    options = parser.parse_args()
    if options.measure:
        survey, decoding, seed = options.measure
        with tempfile.TemporaryDirectory() as folder:
            found = measure(Path(survey), decoding, int(seed), Path(folder))
        write_json(options.output, found)
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for survey in options.surveys:
            for seed in range(options.seeds):
                for decoding in get_args(Decoding):
                    # A process of its own: TensorFlow's threads are set before it starts.
                    output = Path(folder, "found.json")
                    command = [sys.executable, "-m", "benchmarks.decoding", "-o", str(output)]
                    command += ["--measure", str(survey), decoding, str(seed)]
                    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
                    found = pd.read_json(output, typ="series").to_dict()
                    rows.append({"survey": survey.name, "decoding": decoding, "seed": seed} | found)
                    print(rows[-1], flush=True)
    table = pd.DataFrame(rows).groupby(["survey", "decoding"])[["accuracy", "roc_auc", "log_loss"]]
    print(table.mean().to_string())
    write_json(options.output, rows)


if __name__ == "__main__":
    main()
