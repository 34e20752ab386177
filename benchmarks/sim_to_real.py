"""How realistic the simulated survey is, tested on real galaxies.

First, the mean and the scatter of each of Galaxy Zoo's 37 columns, simulated and real. Then the
pipeline's network is trained from random weights on all eleven questions of a simulated survey (a
fifth is held out, a fifth of the others is for validation) and scored on every galaxy of the real
surveys: on the first question where they have it, on all 37 columns where they have them, and on
separating mergers from other galaxies. No real galaxy is used for training.

    python -m benchmarks.sim_to_real --real ../shared/data

Without `--real`, the folder of real surveys is $GALAXY_DATA. Those of the surveys `gz1`, `gz2`,
`kaggle`, `gz1b` and `mergers` that are there are used.
"""

import argparse
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import roc_auc_score

from benchmarks.leave_one_out import Survey, read_survey, take, together
from galaxies.base.outputs import write_json
from galaxies.bundle.answers import read_outputs
from galaxies.dataset.votes import campaign_of
from galaxies.models.cnn import Cnn, fit
from galaxies.questions.campaign import spiral_fraction
from galaxies.questions.gz2 import GZ2
from galaxies.questions.layout import Layout
from galaxies.settings import Settings, load_settings

Shares = npt.NDArray[np.float64]
Predicted = npt.NDArray[np.floating[Any]]

REAL = ("gz1", "gz2", "kaggle")
"""Surveys that answer the first question or more."""

ZOOM = 0.2

MERGERS, OTHERS = "mergers", "gz1b"
"""A survey of mergers, and one of galaxies from the same source."""


def answers_of(survey: Survey) -> Shares:
    """Arrange the votes of a survey as answers (N, 37) to the questions of Galaxy Zoo 2.

    For another tree, only the first question: the network has seen only simulated volunteers.
    """
    votes, campaign = survey.votes, campaign_of(survey.table)
    if campaign.has_tree_of(GZ2):
        return votes.shares[:, votes.layout.places(campaign)].astype(np.float64)
    answers = np.full((len(survey.images), len(GZ2.answers)), np.nan)
    answers[:, GZ2.first.places] = votes.first(campaign)
    return answers


def learn(survey: Survey, settings: Settings) -> tuple[Cnn, Layout, Survey]:
    """Train the pipeline's network; returns the fifth of the galaxies that is held out, too."""
    order = np.random.default_rng(settings.split.seed).permutation(len(survey.images))
    test = np.isin(np.arange(len(order)), order[: len(order) // 5])
    held_out = take(survey, test)
    galaxies = together([take(survey, ~test)], [held_out], settings.split.seed)
    fitted = fit(galaxies.inputs, galaxies.train, galaxies.validation, settings.cnn)
    assert fitted.layout is not None
    return fitted.model, fitted.layout, held_out


def first_question(answers: Shares, predicted: Predicted) -> dict[str, float]:
    """Score "features or disk" against the majority of the volunteers."""
    galaxy = answers[:, :3].argmax(axis=1) < 2
    label = answers[galaxy, 1] > answers[galaxy, 0]
    p = spiral_fraction(*(predicted[galaxy, place].astype(np.float32) for place in (0, 1)))
    return {
        "galaxies": int(galaxy.sum()),
        "roc_auc": float(roc_auc_score(label, p)),
        "accuracy": float(np.mean((p > 0.5) == label)),
    }


def rmse(answers: Shares, predicted: Predicted) -> float:
    """Root mean square error over all columns, the score of the Kaggle challenge."""
    return float(np.sqrt(np.mean((answers - predicted) ** 2)))


def compare_columns(simulated: Shares, real: Shares) -> pd.DataFrame:
    """Mean and scatter of each column, simulated and real."""
    table = pd.DataFrame(
        {
            "answer": [answer.words for answer in GZ2.answers],
            "simulated_mean": np.nanmean(simulated, axis=0),
            "real_mean": np.nanmean(real, axis=0),
            "simulated_spread": np.nanstd(simulated, axis=0),
            "real_spread": np.nanstd(real, axis=0),
        },
        index=pd.Index(GZ2.columns, name="column"),
    )
    table.insert(3, "difference", table["simulated_mean"] - table["real_mean"])
    return table


def judge(
    network: Cnn, layout: Layout, surveys: Mapping[str, Survey]
) -> dict[str, dict[str, float]]:
    """Score the network on every survey."""
    rows: dict[str, dict[str, float]] = {}
    predicted = {
        name: read_outputs(network.predict(survey.images), layout)[:, layout.places(GZ2)]
        for name, survey in surveys.items()
    }
    for name, survey in surveys.items():
        answers = answers_of(survey)
        rows[name] = {"galaxies": len(answers)}
        if not np.isnan(answers[:, :3]).any():
            rows[name] = first_question(answers, predicted[name])
        whole = ~np.isnan(answers).any(axis=1)
        if whole.any():
            rows[name]["rmse"] = rmse(answers[whole], predicted[name][whole])
            means = np.broadcast_to(answers[whole].mean(axis=0), answers[whole].shape)
            rows[name]["rmse_of_its_own_means"] = rmse(answers[whole], means)
    if MERGERS in surveys and OTHERS in surveys:
        merger = np.repeat([True, False], [len(predicted[MERGERS]), len(predicted[OTHERS])])
        both = np.concatenate([predicted[MERGERS], predicted[OTHERS]])
        for column in ("Class6.1", "Class8.6"):
            place = GZ2.columns.index(column)
            auc = roc_auc_score(merger, both[:, place])
            rows[MERGERS][f"roc_auc_{GZ2.answers[place].words}"] = float(auc)
    return rows


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--simulated", type=Path, default=Path("data/simulated"))
    parser.add_argument("--real", type=Path, default=os.environ.get("GALAXY_DATA"))
    parser.add_argument("--epochs", type=int)
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/sim_to_real.json"))
    options = parser.parse_args()
    if options.real is None:
        parser.error("give the folder of real surveys with --real or $GALAXY_DATA")
    settings = load_settings()
    # From random weights: `simulated` has already seen simulated galaxies.
    # Frames of other surveys have another scale than those of Galaxy Zoo 2: sizes vary more.
    update: dict[str, object] = {"start": None, "learning_rate": 0.003, "zoom": ZOOM}
    if options.epochs is not None:
        update["epochs"] = options.epochs
    residual = settings.cnn.residual.model_copy(update=update)
    cnn = settings.cnn.model_copy(update={"residual": residual})
    settings = settings.model_copy(update={"cnn": cnn})
    with tempfile.TemporaryDirectory() as scratch:
        simulated = read_survey(options.simulated, Path(scratch), settings)
        real = {
            name: read_survey(options.real / name, Path(scratch), settings)
            for name in (*REAL, MERGERS, OTHERS)
            if (options.real / name).is_dir()
        }
    network, layout, held_out = learn(simulated, settings)
    content: dict[str, Any] = {
        "galaxies": len(simulated.images),
        "scores": judge(network, layout, {"simulated, held out": held_out, **real}),
    }
    print(pd.DataFrame(content["scores"]).T.round(3).to_string())
    if "gz2" in real:
        table = compare_columns(answers_of(simulated), answers_of(real["gz2"]))
        print(table.round(3).to_string())
        content["columns"] = table.reset_index().to_dict("records")
    write_json(options.output, content)


if __name__ == "__main__":
    main()
