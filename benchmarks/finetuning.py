"""How many galaxies of a survey to label, for calibration and for fine-tuning.

Five times, 150 galaxies of each survey are drawn at random for the test. Of the others 50, 100, 200
and 500 (or as many as there are) are labelled. With these,

- a bundle trained on all other surveys is used as it is,
- its calibration is fitted again, as `galaxies calibrate` does,
- it is fine-tuned (`cnn.residual.start`),
- and the same network is trained from random weights.

A fifth of the labelled galaxies, at least ten, are used to choose the epoch and to calibrate. The
recipe is that of `params.yaml` with batches of 32, about 300 steps and at most 60 epochs; from
random weights with the best learning rate for it, 0.003 (benchmarks/search.md).

    python -m benchmarks.leave_one_out --data ../shared/data --bundles /tmp/others
    python -m benchmarks.finetuning --data ../shared/data --others /tmp/others
"""

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import log_loss, roc_auc_score

from benchmarks.leave_one_out import Survey, read_survey, take
from galaxies.base.arrays import Floats, Labels
from galaxies.base.outputs import write_json
from galaxies.bundle.answers import p_spiral
from galaxies.bundle.predictor import Predictor
from galaxies.figures.style import STYLE, save_figure
from galaxies.judgement.calibration import fit_calibration, smoothed
from galaxies.models.cnn import fit
from galaxies.settings import CnnSettings, load_settings
from galaxies.training.parts import Part

SURVEYS = ("gz2", "kaggle")
LABELLED = (50, 100, 200, 500)
SEEDS = 5
JUDGES = 150
STEPS, BATCH, MOST_EPOCHS = 300, 32, 60
FEWEST_VALIDATE = 10
WAYS = {
    "as it is": "bundle of the other surveys, as it is",
    "calibrated": "the same, recalibrated",
    "fine-tuned": "the same, fine-tuned",
    "random weights": "trained from random weights",
}
MARKS = (("0.3", ":"), ("#0072B2", "s-"), ("#009E73", "o-"), ("#E69F00", "^-"))  # Okabe & Ito
MEASURES = ("error", "roc_auc", "log_loss")


def scores(p: Floats, labels: Labels) -> dict[str, float]:
    """Score calibrated probabilities."""
    return {
        "error": float(((p > 0.5) != labels).mean()),
        "roc_auc": float(roc_auc_score(labels, p)),
        "log_loss": float(log_loss(labels, np.clip(p, 1e-6, 1 - 1e-6))),
    }


def two_parts(labels: Labels) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Split labelled galaxies, which are in random order: a fifth of each class for validation."""
    share = max(0.2, FEWEST_VALIDATE / len(labels))
    validate = np.zeros(len(labels), bool)
    for one in (0, 1):
        of_class = np.flatnonzero(labels == one)
        validate[of_class[: max(2, round(share * len(of_class)))]] = True
    return np.flatnonzero(~validate), np.flatnonzero(validate)


def trained(survey: Survey, labels: Labels, judges: Survey, settings: CnnSettings) -> Floats:
    """Train on galaxies of a survey, calibrate on the validation ones, and predict others."""
    parts = [
        Part(pd.DataFrame(index=rows), rows, labels[rows], take(survey, rows).votes)
        for rows in two_parts(labels)
    ]
    keras.utils.clear_session()
    model = fit(survey.images, *parts, settings).model
    known = p_spiral(model.predict(survey.images[parts[1].rows]), "gz2")
    calibration = fit_calibration(known, smoothed(parts[1].labels))
    return calibration(p_spiral(model.predict(judges.images), "gz2")).astype(np.float64)


def recipe(settings: CnnSettings, start: Path | None, labelled: int, seed: int) -> CnnSettings:
    """Adapt the recipe to the number of labelled galaxies."""
    steps = -(-round(0.8 * labelled) // BATCH)
    update = {
        "start": None if start is None else str(start),
        "batch": BATCH,
        "epochs": min(MOST_EPOCHS, -(-STEPS // steps)),
        "learning_rate": 0.003 if start is None else settings.residual.learning_rate,
    }
    residual = settings.residual.model_copy(update=update)
    return settings.model_copy(update={"residual": residual, "seed": seed})


def measure(name: str, survey: Survey, bundle: Path, settings: CnnSettings) -> list[dict[str, Any]]:
    """Measure every way, number of labelled galaxies and seed."""
    labels = survey.votes.labels("gz2")
    survey, labels = take(survey, labels >= 0), labels[labels >= 0]
    predictor = Predictor(bundle, campaign="gz2")
    raw = predictor.predict(survey.images).p_spiral_raw
    known = predictor.description.calibration
    rows: list[dict[str, Any]] = []
    for seed in range(SEEDS):
        order = np.random.default_rng(seed).permutation(len(labels))
        judge, others = order[:JUDGES], order[JUDGES:]
        judges = take(survey, judge)
        for most in LABELLED:
            some = others[:most]
            here = take(survey, some)
            again = fit_calibration(raw[some], smoothed(labels[some]))
            predicted = {
                "as it is": known(raw[judge]).astype(np.float64),
                "calibrated": again(raw[judge]).astype(np.float64),
            } | {
                way: trained(here, labels[some], judges, recipe(settings, start, len(some), seed))
                for way, start in (("fine-tuned", bundle), ("random weights", None))
            }
            at = {"survey": name, "labelled": len(some), "seed": seed}
            rows += [at | {"way": way} | scores(p, labels[judge]) for way, p in predicted.items()]
            print(pd.DataFrame(rows[-4:]).round(3).to_string(index=False), flush=True)
            if len(some) < most:
                break
    return rows


def summary(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Average over the seeds, with 95% intervals from 2,000 resamplings of the seeds."""
    found = []
    random = np.random.default_rng(123)
    for (survey, labelled, way), some in rows.groupby(["survey", "labelled", "way"], sort=False):
        again = random.integers(0, len(some), (2000, len(some)))
        row = {"survey": survey, "labelled": int(labelled), "way": way}
        for one in MEASURES:
            low, high = np.percentile(some[one].to_numpy()[again].mean(axis=1), (2.5, 97.5))
            row |= {one: float(some[one].mean()), f"{one}_low": low, f"{one}_high": high}
        found.append(row)
    return found


def fewer_errors(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Compare fine-tuning with random weights; 95% intervals from resampled seeds."""
    found = []
    random = np.random.default_rng(123)
    for (survey, labelled), some in rows.groupby(["survey", "labelled"], sort=False):
        errors = some.pivot_table("error", "seed", "way")
        again = random.integers(0, len(errors), (2000, len(errors)))
        tuned, alone = (errors[way].to_numpy() for way in ("fine-tuned", "random weights"))
        low, high = np.percentile(1 - tuned[again].mean(1) / alone[again].mean(1), (2.5, 97.5))
        fewer = 1 - tuned.mean() / alone.mean()
        row = {"fewer": float(fewer), "fewer_low": float(low), "fewer_high": float(high)}
        found.append({"survey": survey, "labelled": int(labelled)} | row)
    return found


@STYLE
def draw(found: pd.DataFrame) -> Figure:
    """Draw the error against the number of labelled galaxies."""
    figure = Figure(figsize=(5.6, 2.8), layout="constrained")
    panels = figure.subplots(1, len(SURVEYS), sharey=True)
    titles = {"gz2": "Galaxy Zoo 2", "kaggle": "Kaggle, clear votes"}
    for axes, survey in zip(panels, SURVEYS, strict=True):
        for (way, words), (colour, mark) in zip(WAYS.items(), MARKS, strict=True):
            some = found[(found["survey"] == survey) & (found["way"] == way)]
            labelled, low, high = some["labelled"], some["error_low"], some["error_high"]
            axes.plot(labelled, some["error"], mark, color=colour, label=words)
            axes.fill_between(labelled, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.set(title=titles[survey], xlabel="labelled galaxies", xscale="log", ylim=(0, None))
        axes.set_xticks(some["labelled"], [str(one) for one in some["labelled"]])
        axes.minorticks_off()
    panels[0].set_ylabel("error on held-out galaxies")
    panels[1].legend()
    return figure


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("GALAXY_DATA"), required=True)
    parser.add_argument("--others", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/finetuning.json"))
    parser.add_argument("--figure", type=Path, default=Path("docs/results/finetuning.png"))
    parser.add_argument("--draw", action="store_true", help="only draw what was measured")
    options = parser.parse_args()
    if not options.draw:
        settings = load_settings()
        rows = []
        with tempfile.TemporaryDirectory() as scratch:
            for name in SURVEYS:
                survey = read_survey(options.data / name, Path(scratch), settings)
                rows += measure(name, survey, options.others / name, settings.cnn)
        table = pd.DataFrame(rows)
        content = {"means": summary(table), "fewer_errors": fewer_errors(table), "rows": rows}
        write_json(options.output, content)
    found = pd.DataFrame(json.loads(options.output.read_text(encoding="utf-8"))["means"])
    print(found.round(3).to_string(index=False))
    save_figure(options.figure, draw(found))


if __name__ == "__main__":
    main()
