"""The study's own protocol on galaxies of Kaggle's challenge, with Kaggle's own votes.

Runs the pipeline with all four models in a clone on the survey `challenge`: half of it is for
training, half for the test. Its galaxies were selected by their answers, mostly clear cases.
Therefore each bundle also classifies `challenge_sample`: galaxies of the challenge that nobody
selected, and that no model has seen. On the clear cases, five kinds are told apart by the largest
of five predicted vote fractions, as in Dai & Tong (2018, arXiv:1807.10406).

    python -m benchmarks.challenge --data ../shared/data

`--from` scores a finished clone. `--galaxies` takes the first few galaxies only, to try it out.
"""

import argparse
import csv
import json
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import roc_auc_score

import galaxies
from clones import make_clone, run
from galaxies.base.arrays import Floats
from galaxies.base.outputs import write_json
from galaxies.dataset.layout import IMAGES, VOTES
from galaxies.dataset.votes import read_answers
from galaxies.judgement.miscalibration import expected_calibration_error
from galaxies.questions.kaggle import KAGGLE
from galaxies.questions.kinds import CLEAR, kinds
from galaxies.questions.layout import Layout

SURVEY, SAMPLE = "challenge", "challenge_sample"
MODELS = ("tree", "mlp", "cnn", "inception")
REFERENCE = {"cnn": 0.785, "tree": 0.689}
"""Accuracies of the study on the whole challenge, 61,578 galaxies."""

BINS = 15
RESAMPLES = 2000
SEED = 123
OF_KINDS = ("round_completely", "round_between", "round_cigar", "edge_on_yes", "arms_yes")
"""The answer whose fraction speaks for each of the five kinds."""


def take_first(survey: Path, folder: Path, count: int) -> Path:
    """Copy the first galaxies of a survey."""
    folder.mkdir(parents=True)
    with (survey / VOTES).open(newline="") as source, (folder / VOTES).open("w") as target:
        rows = [row for _, row in zip(range(count + 1), csv.reader(source), strict=False)]
        csv.writer(target, lineterminator="\n").writerows(rows)
    wanted = {row[0] for row in rows}
    with zipfile.ZipFile(survey / IMAGES) as archive, zipfile.ZipFile(folder / IMAGES, "w") as new:
        for name in archive.namelist():
            if Path(name).stem in wanted:
                new.writestr(name, archive.read(name))
    return folder


def interval(values: npt.NDArray[np.bool_]) -> list[float]:
    """Compute the 95% interval of a share by resampling."""
    drawn = np.random.default_rng(SEED).integers(0, len(values), (RESAMPLES, len(values)))
    return [float(one) for one in np.percentile(values[drawn].mean(axis=1), (2.5, 97.5))]


def null_error(p: Floats) -> float:
    """Compute the calibration error that chance alone gives to perfectly calibrated galaxies."""
    random = np.random.default_rng(SEED)
    errors = [
        expected_calibration_error((random.random(len(p)) < p).astype(np.int64), p, BINS)
        for _ in range(RESAMPLES // 10)
    ]
    return float(np.mean(errors))


def scores(votes: Floats, p: Floats, predicted: Floats | None) -> dict[str, Any]:
    """Score probabilities, and predicted vote fractions if there are any, on N galaxies."""
    galaxy = votes[:, :3].argmax(axis=1) < 2
    votes, p = votes[galaxy], p[galaxy]
    labels = (votes[:, 1] > votes[:, 0]).astype(np.int64)
    right = (p > 0.5) == labels
    found: dict[str, Any] = {
        "galaxies": len(labels),
        "accuracy": float(right.mean()),
        "accuracy_interval": interval(right),
        "roc_auc": float(roc_auc_score(labels, p)),
        "ece": expected_calibration_error(labels, p, BINS),
        "ece_by_chance": null_error(p),
    }
    # A network that did not learn all questions leaves the others blank.
    if predicted is not None and not np.isnan(predicted).any():
        found["rmse"] = float(np.sqrt(np.mean((votes - predicted[galaxy]) ** 2)))
        found["rmse_of_the_means"] = float(np.sqrt(np.mean((votes - votes.mean(axis=0)) ** 2)))
    return found


def five_kinds(votes: Floats, predicted: Floats) -> dict[str, Any]:
    """Tell five kinds of clear cases apart by the largest predicted vote fraction."""
    kind = kinds(votes)
    clear = kind < len(CLEAR)
    said = predicted[:, [KAGGLE.place(name) for name in OF_KINDS]].argmax(axis=1)
    right = (said == kind)[clear]
    found: dict[str, Any] = {
        "galaxies": int(clear.sum()),
        "accuracy": float(right.mean()),
        "accuracy_interval": interval(right),
    }
    for place, name in enumerate(CLEAR):
        of_kind = kind == place
        if of_kind.any():
            recall = float((said == kind)[of_kind].mean())
            found[name] = {"galaxies": int(of_kind.sum()), "recall": recall}
    return found


def classify(bundle: Path, survey: Path) -> tuple[Floats, Floats, Floats | None]:
    """Classify a survey with a bundle: votes, probabilities, and fractions if it predicts them."""
    columns = list(Layout((KAGGLE,)).columns)
    table = read_answers(survey / VOTES).set_index("galaxy_id")[columns]
    with zipfile.ZipFile(survey / IMAGES) as archive:
        images = {
            int(Path(name).stem): archive.read(name)
            for name in archive.namelist()
            if name.endswith(".jpg")
        }
    ids = [galaxy_id for galaxy_id in table.index if galaxy_id in images]
    classifier = galaxies.load(bundle)
    p, answers = [], []
    for start in range(0, len(ids), 256):
        inputs = np.stack([classifier.prepare(images[one]) for one in ids[start : start + 256]])
        prediction = classifier.predictor.predict(inputs)
        p.append(prediction.p_spiral)
        if prediction.answers is not None:
            places = classifier.description.layout.places(KAGGLE)
            answers.append(prediction.answers[:, places])
    votes = table.loc[ids].to_numpy(np.float64)
    every = np.concatenate(answers).astype(np.float64) if answers else None
    return votes, np.concatenate(p).astype(np.float64), every


def of_the_test(clone: Path) -> dict[str, Any]:
    """Tell the five kinds apart on the test galaxies of the pipeline."""
    columns = list(Layout((KAGGLE,)).columns)
    table = pd.read_parquet(clone / "data/predictions/cnn.parquet").set_index("galaxy_id")
    table = table[table["split"] == "test"]
    votes = pd.read_parquet(clone / "data/votes.parquet").set_index("galaxy_id")
    voted = votes.loc[table.index, columns].to_numpy(np.float64)
    return five_kinds(voted, table[columns].to_numpy(np.float64))


def collect(clone: Path, sample: Path) -> dict[str, Any]:
    """Read the scores of a finished clone, and score its bundles on the sample."""
    found: dict[str, Any] = {}
    for model in MODELS:
        text = (clone / "metrics" / f"{model}.json").read_text(encoding="utf-8")
        pairs = pd.read_csv(clone / "metrics/curves" / model / "confusion.csv")
        votes, p, predicted = classify(clone / "models" / model, sample)
        found[model] = {
            "test": json.loads(text),
            "confusion": pd.crosstab(pairs["actual"], pairs["predicted"]).to_dict("index"),
            "sample": scores(votes, p, predicted),
        }
        if predicted is not None:
            found[model]["five_kinds"] = of_the_test(clone)
            found[model]["five_kinds_of_the_sample"] = five_kinds(votes, predicted)
    return found


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("GALAXY_DATA"))
    parser.add_argument("--from", dest="done", type=Path, help="folder of a finished clone")
    parser.add_argument("--galaxies", type=int, help="only this many, the first ones")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/challenge.json"))
    options = parser.parse_args()
    if options.data is None:
        parser.error("give the folder of surveys with --data or $GALAXY_DATA")
    with tempfile.TemporaryDirectory() as scratch:
        survey = options.data / SURVEY
        clone = options.done or Path(scratch, "clone")
        if options.done is None:
            params = {}
            if options.galaxies:
                survey = take_first(survey, Path(scratch, "few", SURVEY), options.galaxies)
                params = {"cnn.residual.epochs": 1, "mlp.epochs": 1, "inception.size": 75}
            make_clone(clone, params, survey)
            run(clone, "dvc", "repro", "page")
        found = {"reference": REFERENCE, "models": collect(clone, options.data / SAMPLE)}
    for model, each in found["models"].items():
        test, sample = each["test"], each["sample"]
        print(
            f"{model}: test {test['accuracy']:.3f}, unselected {sample['accuracy']:.3f} "
            f"(ROC AUC {sample['roc_auc']:.3f})"
        )
    write_json(options.output, found)


if __name__ == "__main__":
    main()
