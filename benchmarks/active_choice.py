"""How many labels it takes to learn a survey, for three ways to choose the galaxies.

A bundle that has not seen the survey is fine-tuned batch by batch. A fifth of each batch is random
and is used to choose the epoch and to calibrate. The rest is used for training: a random sample, or
the galaxies that `galaxies ask` chooses with the network of the last batch, `uncertain` or
`diverse`. A label is all the votes that the survey has for a galaxy.

The result is the number of labels with which a way reaches the log loss, on the test galaxies, of
random choice with 800 labels; between batches it is interpolated on a logarithmic scale. Walmsley
et al. (2020, MNRAS 491, 1554) needed 35 to 60% fewer labels with a Bayesian network.

    python -m benchmarks.active_choice data/simulated
    python -m benchmarks.active_choice ../shared/data/gz1 --start /tmp/others/gz1

The committed results are for 5,000 simulated galaxies (`simulate.galaxies`) with `simulate.seed`
778, starting from the pretrained bundle `real`; and for Galaxy Zoo 1, starting from a bundle
trained on all other surveys.
"""

import argparse
import itertools
import json
import tempfile
from pathlib import Path
from typing import Any, NamedTuple, get_args

import keras
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

from benchmarks.finetuning import MARKS, scores
from benchmarks.leave_one_out import Survey, read_survey, take
from galaxies.base.arrays import Labels
from galaxies.base.outputs import write_json
from galaxies.bundle.answers import p_spiral, vote_spread
from galaxies.bundle.folder import PRETRAINED
from galaxies.dataset.layout import read_campaign
from galaxies.figures.style import STYLE, WIDTH, save_figure
from galaxies.judgement.calibration import fit_calibration, smoothed
from galaxies.judgement.promises import UNDECIDED
from galaxies.models.cnn import Cnn, fit
from galaxies.questions.campaign import Campaign
from galaxies.settings import CnnSettings, load_settings
from galaxies.training.parts import Part
from galaxies.volunteers.choosing import Choice, choose_galaxies

LABELS = (100, 200, 300, 400, 600, 800)
TEST = 1500
SEEDS = 5
STEPS, BATCH = 250, 32
VALIDATE = 0.2
WAYS: tuple[Choice, ...] = get_args(Choice)

Rows = npt.NDArray[np.int64]


class Loop(NamedTuple):
    """The survey to learn, and the bundle to start from."""

    survey: Survey
    labels: Labels
    campaign: Campaign
    start: Path


def choose(model: Cnn, loop: Loop, pool: Rows, number: int, way: Choice, seed: int) -> Rows:
    """Choose galaxies from the pool, as `galaxies ask` would if all were left to people."""
    outputs = model.predict(loop.survey.images[pool])
    table = pd.DataFrame(
        {
            "galaxy_id": pool.astype(str),
            "p_spiral": p_spiral(outputs, loop.campaign),
            "spread": vote_spread(outputs, loop.campaign),
            "decision": UNDECIDED,
        }
    )
    chosen = choose_galaxies([table], number, choose=way, audit_share=0.0, seed=seed, asked=())
    return pool[chosen["row"].to_numpy()]


def learn(
    loop: Loop, train: Rows, validate: Rows, test: Rows, settings: CnnSettings
) -> tuple[Cnn, dict[str, float]]:
    """Fine-tune on the labels so far, and test on the test galaxies."""
    survey, labels, campaign, start = loop
    parts = [
        Part(pd.DataFrame(index=rows), rows, labels[rows], take(survey, rows).votes)
        for rows in (np.sort(train), np.sort(validate))
    ]
    steps = -(-len(train) // BATCH)
    residual = settings.residual.model_copy(
        update={"start": str(start), "batch": BATCH, "epochs": -(-STEPS // steps)}
    )
    keras.utils.clear_session()
    model = fit(survey.images, *parts, settings.model_copy(update={"residual": residual})).model
    known = p_spiral(model.predict(survey.images[parts[1].rows]), campaign)
    calibration = fit_calibration(known, smoothed(parts[1].labels))
    p = calibration(p_spiral(model.predict(survey.images[test]), campaign)).astype(np.float64)
    return model, scores(p, labels[test])


def measure(loop: Loop, way: Choice, seed: int) -> list[dict[str, Any]]:
    """Label and train, batch by batch."""
    settings = load_settings().cnn.model_copy(update={"seed": seed})
    random = np.random.default_rng(seed)
    order = random.permutation(len(loop.labels))
    test, pool = order[:TEST], order[TEST:]
    train, validate = np.zeros(0, np.int64), np.zeros(0, np.int64)
    model = Cnn.load(loop.start)
    rows: list[dict[str, Any]] = []
    for labelled in LABELS:
        batch = labelled - len(train) - len(validate)
        drawn = random.choice(pool, round(VALIDATE * batch), replace=False)
        pool = np.setdiff1d(pool, drawn)
        chosen = choose(model, loop, pool, batch - len(drawn), way, seed)
        pool = np.setdiff1d(pool, chosen)
        train, validate = np.concatenate([train, chosen]), np.concatenate([validate, drawn])
        model, judged = learn(loop, train, validate, test, settings)
        rows.append({"way": way, "seed": seed, "labelled": labelled} | judged)
        print(rows[-1], flush=True)
    return rows


def labels_needed(losses: npt.NDArray[np.float64], target: float) -> float:
    """Find the number of labels at which the log loss first falls to a target."""
    lowest = np.minimum.accumulate(losses)
    if lowest[-1] > target:
        return float("nan")
    if lowest[0] <= target:
        return float(LABELS[0])
    # Falling, as np.interp wants it rising.
    return float(np.exp(np.interp(-target, -lowest, np.log(LABELS))))


def compare(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Find the labels that each way needs, with 95% intervals from resampled seeds."""
    losses = {
        way: rows[rows["way"] == way].pivot_table("log_loss", "seed", "labelled")
        for way in rows["way"].unique()
    }
    random = np.random.default_rng(123)
    again = random.integers(0, SEEDS, (2000, SEEDS))
    found = []
    for way in losses:
        if way == "random":
            continue
        needed = [
            labels_needed(
                losses[way].to_numpy()[some].mean(axis=0),
                float(losses["random"].to_numpy()[some].mean(axis=0)[-1]),
            )
            for some in [np.arange(SEEDS), *again]
        ]
        fewer = 1 - np.array(needed) / LABELS[-1]
        # If even all labels are not enough, none are saved.
        low, high = np.percentile(np.nan_to_num(fewer[1:], nan=0.0), (2.5, 97.5))
        found.append(
            {
                "way": way,
                "labels_of_random_choice": LABELS[-1],
                "labels": None if np.isnan(needed[0]) else needed[0],
                "fewer": float(np.nan_to_num(fewer[0], nan=0.0)),
                "fewer_low": float(low),
                "fewer_high": float(high),
            }
        )
    return found


def placebo(rows: pd.DataFrame) -> dict[str, float]:
    """Compare random choice with itself: two of the seeds with the other three."""
    losses = rows[rows["way"] == "random"].pivot_table("log_loss", "seed", "labelled").to_numpy()
    saved = []
    for some in itertools.combinations(range(SEEDS), 2):
        others = np.setdiff1d(np.arange(SEEDS), some)
        for one, two in ((list(some), others), (others, list(some))):
            needed = labels_needed(losses[one].mean(axis=0), float(losses[two].mean(axis=0)[-1]))
            saved.append(0.0 if np.isnan(needed) else 1 - needed / LABELS[-1])
    return {"fewer": float(np.mean(saved)), "fewer_most": float(np.max(saved))}


def means(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Average over the seeds."""
    columns = ["log_loss", "error", "roc_auc"]
    found: list[dict[str, Any]] = (
        rows.groupby(["way", "labelled"])[columns].mean().reset_index().to_dict("records")
    )
    return found


@STYLE
def draw(rows: pd.DataFrame) -> Figure:
    """Draw the log loss against the number of labels."""
    figure = Figure(figsize=(WIDTH, 2.6), layout="constrained")
    axes = figure.subplots()
    for way, (colour, mark) in zip(WAYS, MARKS[1:], strict=True):
        some = rows[rows["way"] == way].groupby("labelled")["log_loss"]
        mean, error = some.mean(), some.std() / np.sqrt(SEEDS)
        axes.errorbar(mean.index, mean, error, fmt=mark, color=colour, label=way, capsize=2)
    axes.set(xlabel="labelled galaxies", ylabel="log loss on test galaxies", xscale="log")
    axes.set_xticks(LABELS, [str(one) for one in LABELS])
    axes.minorticks_off()
    axes.legend()
    return figure


def learn_survey(options: argparse.Namespace) -> pd.DataFrame:
    """Fine-tune on the survey in every way, write the results, and return a row for each batch."""
    with tempfile.TemporaryDirectory() as scratch:
        survey = read_survey(options.survey, Path(scratch), load_settings())
    campaign = read_campaign(options.survey)
    survey = take(survey, survey.votes.labels(campaign) >= 0)
    loop = Loop(survey, survey.votes.labels(campaign), campaign, options.start)
    rows = pd.DataFrame(
        [row for seed in range(SEEDS) for way in options.ways for row in measure(loop, way, seed)]
    )
    found = {
        "compared": compare(rows),
        "placebo": placebo(rows),
        "means": means(rows),
        "rows": rows.to_dict("records"),
    }
    print(pd.DataFrame(found["compared"]).round(3).to_string(index=False))
    everything: dict[str, Any] = {}
    if options.output.is_file():
        everything = json.loads(options.output.read_text(encoding="utf-8"))
    write_json(options.output, everything | {options.survey.name: found})
    return rows


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("survey", type=Path)
    parser.add_argument("--start", type=Path, default=PRETRAINED / "real", help="a bundle")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/active_choice.json"))
    parser.add_argument("--figure", type=Path, help="where to draw the log losses")
    parser.add_argument("--draw", action="store_true", help="only draw what was measured")
    options = parser.parse_args()
    if options.draw:
        measured = json.loads(options.output.read_text(encoding="utf-8"))
        rows = pd.DataFrame(measured[options.survey.name]["rows"])
    else:
        rows = learn_survey(options)
    if options.figure:
        save_figure(options.figure, draw(rows))


if __name__ == "__main__":
    main()
