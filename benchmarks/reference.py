"""The recipes of the CNN side by side: the same galaxies, the same split, one run.

Each trains on the pipeline's split of a survey with the settings of `params.yaml`, is calibrated on
the validation galaxies, and scored on the test galaxies: the reference's recipe as it was, in one
view; the residual recipe in one view and in the average of eight; and, if asked for,
once more from random weights, with a learning rate of 0.003. "fed share" compares the rate of
training with that on one batch in memory. All galaxies of the surveys named behind `--also` train
as well, but those named by `--leave-out`, which are also in the survey under other IDs; the
reference's recipe is left out then.

    python -m benchmarks.reference data/gz1 --random-weights
    python -m benchmarks.reference data/kaggle --also data/gz1 data/gz2 -o benchmarks/kaggle.json \
        --leave-out 587725551193489548 118773
"""

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pandas as pd

from galaxies.base.arrays import Pixels, open_array
from galaxies.base.outputs import write_json
from galaxies.dataset.layout import IMAGES, VOTES
from galaxies.dataset.packing import pack_images
from galaxies.dataset.splitting import split_galaxies
from galaxies.dataset.votes import read_votes
from galaxies.judging.scores import score
from galaxies.learning.calibration import fit_calibration
from galaxies.learning.parts import Part, galaxies_of
from galaxies.learning.views import predict_rows
from galaxies.models.cnn import Augmentation, fit
from galaxies.models.networks import GalaxyBatches
from galaxies.settings import CnnSettings, Settings, load_settings

_STEPS = 60


class Survey(NamedTuple):
    """A packed survey and its parts."""

    images: Pixels
    train: Part
    validation: Part
    test: Part
    everything: Part


def read_survey(folder: Path, packed: Path, settings: Settings) -> Survey:
    """Pack a survey into a scratch folder, and divide it by `split` of the settings."""
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
    split = split_galaxies(read_votes(folder / VOTES), table, settings.split).table
    parts = (("train",), ("validation",), ("test",), ("train", "validation", "test"))
    return Survey(open_array(array), *(galaxies_of(split, table, *names) for names in parts))


def add_galaxies(survey: Survey, other: Survey, left_out: Sequence[int]) -> Survey:
    """Let all galaxies of another survey train too, but some."""
    more = other.everything
    kept = ~more.galaxies["galaxy_id"].isin(left_out).to_numpy()
    train = Part(
        pd.concat([survey.train.galaxies, more.galaxies[kept]], ignore_index=True),
        np.concatenate([survey.train.rows, more.rows[kept] + len(survey.images)]),
        np.concatenate([survey.train.labels, more.labels[kept]]),
    )
    return survey._replace(images=np.concatenate([survey.images, other.images]), train=train)


def fed_share(network: keras.Model, survey: Survey, settings: CnnSettings) -> float:
    """Rate of training from the packed images, as a share of that on one batch in memory."""
    recipe = getattr(settings, settings.recipe)
    copy = keras.models.clone_model(network)
    model = keras.Sequential([Augmentation(recipe, settings.seed), copy])
    model.compile(optimizer=keras.optimizers.AdamW(), loss="binary_crossentropy")
    part = survey.train
    whole = len(part.rows) // recipe.batch * recipe.batch
    batches = GalaxyBatches(
        survey.images, part.rows[:whole], part.labels[:whole], recipe.batch, settings.seed
    )
    model.fit(batches, verbose=0)
    epochs = -(-_STEPS // len(batches))
    start = time.perf_counter()
    model.fit(batches, epochs=epochs, verbose=0)
    fed = epochs * len(batches) / (time.perf_counter() - start)
    batch = batches[0]
    model.train_on_batch(*batch)
    start = time.perf_counter()
    for _ in range(epochs * len(batches)):
        model.train_on_batch(*batch)
    return fed * (time.perf_counter() - start) / (epochs * len(batches))


def measure(
    survey: Survey, settings: Settings, views: tuple[int, ...]
) -> dict[int, dict[str, Any]]:
    """Train once; the scores and the cost for each number of views."""
    start = time.perf_counter()
    fitted = fit(survey.images, survey.train, survey.validation, settings.cnn)
    seconds = time.perf_counter() - start
    fed = fed_share(fitted.model.network, survey, settings.cnn)
    rows = {}
    for count in views:
        predict = partial(predict_rows, fitted.model.predict, survey.images, views=count, workers=1)
        raw, _ = predict(survey.validation.rows, doing="validation")
        calibration = fit_calibration(raw, survey.validation.labels)
        begun = time.perf_counter()
        raw, _ = predict(survey.test.rows, doing="test")
        rate = len(raw) / (time.perf_counter() - begun)
        table = survey.test.galaxies.assign(p_spiral=calibration(raw), vote_fraction=raw)
        scores = score(table, settings.evaluate)
        rows[count] = {
            **{name: scores[name] for name in ("accuracy", "roc_auc", "brier", "ece")},
            "seconds to train": seconds,
            "fed share": fed,
            "parameters": fitted.chosen["parameters"],
            "operations per galaxy": fitted.chosen["operations"] * count,
            "galaxies per second": rate,
        }
    return rows


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("survey", type=Path, help="folder such as data/gz1")
    parser.add_argument("--also", type=Path, nargs="+", default=[])
    parser.add_argument("--leave-out", type=int, nargs="+", default=[])
    parser.add_argument("--random-weights", action="store_true", help="also start from these")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/reference.json"))
    options = parser.parse_args()
    settings = load_settings()

    def with_cnn(**changes: Any) -> Settings:  # noqa: ANN401
        return settings.model_copy(update={"cnn": settings.cnn.model_copy(update=changes)})

    bare = settings.cnn.residual.model_copy(update={"start": None, "learning_rate": 0.003})
    with tempfile.TemporaryDirectory() as scratch:
        survey = read_survey(options.survey, Path(scratch), settings)
        for folder in options.also:
            other = read_survey(folder, Path(scratch), settings)
            survey = add_galaxies(survey, other, options.leave_out)
        rows = {}
        if not options.also:
            rows["reference"] = measure(survey, with_cnn(recipe="reference"), (1,))[1]
        residual = measure(survey, with_cnn(recipe="residual"), (1, 8))
        rows |= {"residual, 1 view": residual[1], "residual, 8 views": residual[8]}
        if options.random_weights:
            random = measure(survey, with_cnn(recipe="residual", residual=bare), (8,))
            rows["residual, 8 views, from random weights"] = random[8]
    write_json(
        options.output,
        {"survey": options.survey.name, "also": [one.name for one in options.also], "rows": rows},
    )
    print(pd.DataFrame(rows).T.round(3).to_string())
    if "reference" in rows:
        errors = [1 - rows[name]["accuracy"] for name in ("reference", "residual, 8 views")]
        print(f"the residual recipe makes {errors[1] / errors[0]:.3f} of the reference's errors")


if __name__ == "__main__":
    main()
