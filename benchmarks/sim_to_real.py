"""How realistic the simulated survey is, tested on real galaxies.

First, the mean and the scatter of each of Galaxy Zoo's 37 columns, simulated and real. Then the
pipeline's network is trained from random weights on all eleven questions of a simulated survey (a
tenth is for validation, a fifth is held out) and scored on every galaxy of the real surveys: on the
first question where they have it, on all 37 columns where they have them, and on separating mergers
from other galaxies. No real galaxy is used for training.

    python -m benchmarks.sim_to_real --real ../shared/data

Without `--real`, the folder of real surveys is $GALAXY_DATA. Those of the surveys `gz1`, `gz2`,
`kaggle`, `gz1b` and `mergers` that are there are used.
"""

import argparse
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import roc_auc_score

from galaxies.base.arrays import Pixels, open_array
from galaxies.base.outputs import write_json
from galaxies.dataset.layout import IMAGES, VOTES
from galaxies.dataset.packing import pack_images
from galaxies.dataset.votes import read_answers, read_survey_votes
from galaxies.models.cnn import Cnn, fit
from galaxies.questions.campaign import spiral_fraction
from galaxies.settings import Settings, load_settings
from galaxies.training.parts import Part, Votes

Shares = npt.NDArray[np.float64]

REAL = ("gz1", "gz2", "kaggle")
"""Surveys that answer the first question or more."""

ZOOM = 0.2

MERGERS, OTHERS = "mergers", "gz1b"
"""A survey of mergers, and one of galaxies from the same source."""


class Survey(NamedTuple):
    """A packed survey and its answers."""

    images: Pixels
    galaxy_id: npt.NDArray[np.int64]
    answers: Shares
    """(N, 40), NaN where the survey does not answer."""


def read_survey(folder: Path, packed: Path, settings: Settings) -> Survey:
    """Pack a survey into a temporary folder; galaxies without image or votes are left out."""
    array = packed / f"{folder.name}.npy"
    pack = settings.pack
    table = pack_images(
        folder / IMAGES,
        array,
        size=pack.size,
        crop=pack.crop,
        decoding=pack.decoding,
        max_unreadable=pack.max_unreadable,
        workers=len(os.sched_getaffinity(0)),
    ).table
    # Both campaigns' first question, as one: the network has seen only simulated volunteers.
    both = table.merge(read_answers(folder / VOTES), on="galaxy_id")
    return Survey(
        open_array(array)[both["row"].to_numpy()],
        both["galaxy_id"].to_numpy(),
        both[list(ALL_COLUMNS)].to_numpy(np.float64),
    )


def learn(survey: Survey, volunteers: Shares, settings: Settings) -> tuple[Cnn, Survey]:
    """Train the pipeline's network; returns it and the fifth of the galaxies that is held out."""
    order = np.random.default_rng(settings.split.seed).permutation(len(survey.images))
    test, validation, train = np.split(order, [len(order) // 5, 3 * len(order) // 10])
    votes = Votes(survey.answers.astype(np.float32), volunteers.astype(np.float32))
    labels = votes.labels("gz2")

    def part(rows: npt.NDArray[np.int64]) -> Part:
        some = Votes(*(one[rows] for one in votes))
        return Part(pd.DataFrame({"galaxy_id": survey.galaxy_id[rows]}), rows, labels[rows], some)

    fitted = fit(survey.images, part(np.sort(train)), part(np.sort(validation)), settings.cnn)
    return fitted.model, Survey(*(one[np.sort(test)] for one in survey))


def first_question(answers: Shares, predicted: Shares) -> dict[str, float]:
    """Score "features or disk" against the majority of the volunteers."""
    galaxy = answers[:, :3].argmax(axis=1) < 2
    label = answers[galaxy, 1] > answers[galaxy, 0]
    p = spiral_fraction(*(predicted[galaxy, place].astype(np.float32) for place in (0, 1)))
    return {
        "galaxies": int(galaxy.sum()),
        "roc_auc": float(roc_auc_score(label, p)),
        "accuracy": float(np.mean((p > 0.5) == label)),
    }


def rmse(answers: Shares, predicted: Shares) -> float:
    """Root mean square error over all columns, the score of the Kaggle challenge."""
    return float(np.sqrt(np.mean((answers - predicted) ** 2)))


def compare_columns(simulated: Shares, real: Shares) -> pd.DataFrame:
    """Mean and scatter of each column, simulated and real."""
    table = pd.DataFrame(
        {
            "answer": [ANSWERS[column].words for column in COLUMNS],
            "simulated_mean": np.nanmean(simulated, axis=0),
            "real_mean": np.nanmean(real, axis=0),
            "simulated_spread": np.nanstd(simulated, axis=0),
            "real_spread": np.nanstd(real, axis=0),
        },
        index=pd.Index(COLUMNS, name="column"),
    )
    table.insert(3, "difference", table["simulated_mean"] - table["real_mean"])
    return table


def judge(
    network: Cnn, held_out: Survey, real: Mapping[str, Survey]
) -> dict[str, dict[str, float]]:
    """Score the network on every survey."""
    rows: dict[str, dict[str, float]] = {}
    told = {"simulated, held out": held_out, **real}
    columns = len(COLUMNS)
    predicted = {name: network.predict(survey.images)[:, :columns] for name, survey in told.items()}
    for name, survey in told.items():
        answers = survey.answers[:, :columns]
        rows[name] = {"galaxies": len(answers)}
        if not np.isnan(answers[:, :3]).any():
            rows[name] = first_question(answers, predicted[name])
        whole = ~np.isnan(answers).any(axis=1)
        if whole.any():
            rows[name]["rmse"] = rmse(answers[whole], predicted[name][whole])
            means = np.broadcast_to(answers[whole].mean(axis=0), answers[whole].shape)
            rows[name]["rmse_of_its_own_means"] = rmse(answers[whole], means)
    if MERGERS in real and OTHERS in real:
        merger = np.repeat([True, False], [len(predicted[MERGERS]), len(predicted[OTHERS])])
        both = np.concatenate([predicted[MERGERS], predicted[OTHERS]])
        for column in ("Class6.1", "Class8.6"):
            auc = roc_auc_score(merger, both[:, COLUMNS.index(column)])
            rows[MERGERS][f"roc_auc_{ANSWERS[column].words}"] = float(auc)
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
    votes = read_survey_votes(options.simulated, settings.volunteers).set_index("galaxy_id")
    volunteers = votes.loc[simulated.galaxy_id, "volunteers"].to_numpy()
    network, held_out = learn(simulated, volunteers, settings)
    content: dict[str, Any] = {
        "galaxies": len(simulated.images),
        "scores": judge(network, held_out, real),
    }
    print(pd.DataFrame(content["scores"]).T.round(3).to_string())
    if "gz2" in real:
        columns = len(COLUMNS)
        table = compare_columns(simulated.answers[:, :columns], real["gz2"].answers[:, :columns])
        print(table.round(3).to_string())
        content["columns"] = table.reset_index().to_dict("records")
    write_json(options.output, content)


if __name__ == "__main__":
    main()
