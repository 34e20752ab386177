"""How true the simulated sky is: judged on real galaxies.

First the mean and the spread of each of Galaxy Zoo's 37 columns, simulated beside real. Then a
compact network, from random weights, learns all eleven questions from a simulated survey alone (a
tenth of which validates and a fifth is held back) and is scored on every galaxy of the real
surveys: on the first question where they answer it, on all 37 columns where they have them, and on
telling mergers from other galaxies. No real galaxy trains anything here.

    python -m benchmarks.sim_to_real --real ../shared/data

The folder of real surveys is taken from $GALAXY_DATA where `--real` is not given. Of the surveys
`gz1`, `gz2`, `kaggle`, `gz1b` and `mergers` those are used that are there.
"""

import argparse
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
import pandas as pd
from keras import layers, ops
from sklearn.metrics import roc_auc_score

from galaxies.base.arrays import Pixels, open_array
from galaxies.base.outputs import write_json
from galaxies.base.questions import ANSWERS, COLUMNS, QUESTIONS, answers_behind, spiral_fraction
from galaxies.dataset.layout import COUNTS, IMAGES, VOTES
from galaxies.dataset.packing import pack_images
from galaxies.dataset.votes import read_answers
from galaxies.learning.views import view_of
from galaxies.models.cnn import Augmentation, build_residual
from galaxies.models.networks import GalaxyBatches, repeatable
from galaxies.settings import Settings, load_settings

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
    """(N, 37), NaN where the survey does not answer."""


def read_survey(folder: Path, packed: Path, settings: Settings) -> Survey:
    """Pack a survey into a scratch folder; galaxies without image or answers are left out."""
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
    both = table.merge(read_answers(folder / VOTES), on="galaxy_id")
    return Survey(
        open_array(array)[both["row"].to_numpy()],
        both["galaxy_id"].to_numpy(),
        both[list(COLUMNS)].to_numpy(np.float64),
    )


def build_network(side: int, settings: Settings) -> keras.Model:
    """Put an answer to every question on top of the pipeline's convolutions: (N, 37) logits."""
    network = build_residual(side, settings.cnn.residual)
    x = network.get_layer("dropout").output
    return keras.Model(network.input, layers.Dense(len(COLUMNS), name="answers")(x), name="answers")


def log_shares(logits: Any) -> Any:  # noqa: ANN401 - tensors
    """Logarithms of the shares within each question (N, 37)."""
    return ops.concatenate(
        [ops.log_softmax(logits[:, question.places]) for question in QUESTIONS], axis=1
    )


def surprise(counts: Any, logits: Any) -> Any:  # noqa: ANN401
    """Loss: minus the logarithm of the multinomial chance of the answers given, per volunteer.

    Questions that few were asked count little: their shares are noisy.
    """
    counts = ops.reshape(counts, ops.shape(logits))
    volunteers = ops.sum(counts[:, QUESTIONS[0].places], axis=1)
    return -ops.sum(counts * log_shares(logits), axis=1) / volunteers


def learn(
    images: Pixels,
    counts: npt.NDArray[np.float64],
    rows: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]],
    settings: Settings,
) -> keras.Model:
    """Train the network on counted answers (N, 37); rows are the training and validation parts."""
    recipe = settings.cnn.residual
    repeatable(settings.cnn.seed)
    network = build_network(images.shape[1], settings)
    train, validation = rows
    steps = recipe.epochs * -(-len(train) // recipe.batch)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps - steps // 10, warmup_target=recipe.learning_rate, warmup_steps=steps // 10
    )
    augmented = keras.Sequential([Augmentation(recipe, settings.cnn.seed), network])
    augmented.compile(keras.optimizers.AdamW(rate, weight_decay=recipe.weight_decay), surprise)
    augmented.fit(
        GalaxyBatches(images, train, counts[train], recipe.batch, settings.cnn.seed),
        validation_data=GalaxyBatches(images, validation, counts[validation], recipe.batch),
        epochs=recipe.epochs,
        shuffle=False,
        verbose=2,
        callbacks=[
            keras.callbacks.EarlyStopping(
                monitor="val_loss", patience=recipe.epochs, restore_best_weights=True
            )
        ],
    )
    return network


def predict(network: keras.Model, images: Pixels) -> Shares:
    """Kaggle's columns (N, 37), the mean over the eight views."""
    behind = answers_behind().astype(np.float64)
    total = np.zeros((len(images), len(COLUMNS)))
    for view in range(8):
        logits = network.predict(view_of(images, view), batch_size=256, verbose=0)
        within = np.asarray(log_shares(ops.convert_to_tensor(logits)), dtype=np.float64)
        total += np.exp(within @ behind.T)
    return total / 8


def first_question(answers: Shares, predicted: Shares) -> dict[str, float]:
    """Score "features or disk" where most saw a galaxy."""
    galaxy = answers[:, :3].argmax(axis=1) < 2
    label = answers[galaxy, 1] > answers[galaxy, 0]
    p = spiral_fraction(*(predicted[galaxy, place].astype(np.float32) for place in (0, 1)))
    return {
        "galaxies": int(galaxy.sum()),
        "roc_auc": float(roc_auc_score(label, p)),
        "accuracy": float(np.mean((p > 0.5) == label)),
    }


def rmse(answers: Shares, predicted: Shares) -> float:
    """Root mean square over all columns, as Kaggle scored."""
    return float(np.sqrt(np.mean((answers - predicted) ** 2)))


def compare_columns(simulated: Shares, real: Shares) -> pd.DataFrame:
    """Mean and spread of each column, simulated beside real."""
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
    network: keras.Model, held_back: Survey, real: Mapping[str, Survey]
) -> dict[str, dict[str, float]]:
    """Score the network on every survey."""
    rows: dict[str, dict[str, float]] = {}
    told = {"simulated, held back": held_back, **real}
    predicted = {name: predict(network, survey.images) for name, survey in told.items()}
    for name, survey in told.items():
        answers = survey.answers
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
        parser.error("name the folder of the real surveys by --real or $GALAXY_DATA")
    settings = load_settings()
    # From random weights: the network that trainings start from knows simulated galaxies already.
    # Frames of other surveys are not cut at Galaxy Zoo 2's scale: sizes vary more.
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
    counts = pd.read_parquet(options.simulated / COUNTS).set_index("galaxy_id")
    counted = counts.loc[simulated.galaxy_id, list(COLUMNS)].to_numpy(np.float64)
    order = np.random.default_rng(settings.split.seed).permutation(len(simulated.images))
    test, validation, train = np.split(order, [len(order) // 5, 3 * len(order) // 10])
    network = learn(simulated.images, counted, (train, validation), settings)
    held_back = Survey(*(part[test] for part in simulated))
    content: dict[str, Any] = {"trained_on": len(train), "scores": judge(network, held_back, real)}
    print(pd.DataFrame(content["scores"]).T.round(3).to_string())
    if "gz2" in real:
        table = compare_columns(simulated.answers, real["gz2"].answers)
        print(table.round(3).to_string())
        content["columns"] = table.reset_index().to_dict("records")
    write_json(options.output, content)


if __name__ == "__main__":
    main()
