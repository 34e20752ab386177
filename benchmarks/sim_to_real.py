"""How well the models know real galaxies after training on simulated ones, and the reverse.

The pipeline's own CNN, from random weights, and decision tree learn, with the settings of
`params.yaml`, from four fifths of a simulated survey (a fifth of which validates) and are scored on
the fifth held back and on every galaxy of each real survey. Then the CNN learns from the first real
survey and is scored on the simulated galaxies held back. No real galaxy trains what is scored on
real ones.

    python -m benchmarks.sim_to_real --simulated data/simulated --real data/gz1 data/kaggle
"""

import argparse
import os
import tempfile
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from galaxies.base.arrays import Pixels, Probabilities, open_array
from galaxies.base.outputs import write_json
from galaxies.dataset.layout import IMAGES, VOTES
from galaxies.dataset.packing import pack_images
from galaxies.dataset.splitting import split_galaxies
from galaxies.dataset.votes import read_votes
from galaxies.learning.parts import Part, galaxies_of
from galaxies.learning.views import score_rows
from galaxies.models.cnn import train_cnn
from galaxies.models.networks import predict_network
from galaxies.models.tree import fit_tree
from galaxies.settings import Settings, load_settings


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
        max_unreadable=pack.max_unreadable,
        workers=len(os.sched_getaffinity(0)),
    ).table
    split = split_galaxies(read_votes(folder / VOTES), table, settings.split).table
    parts = (("train",), ("validation",), ("test",), ("train", "validation", "test"))
    return Survey(open_array(array), *(galaxies_of(split, table, *names) for names in parts))


def learn_cnn(survey: Survey, settings: Settings) -> "partial[tuple[Probabilities, Probabilities]]":
    """Train the CNN; the result scores rows of packed images."""
    network, _ = train_cnn(survey.images, survey.train, survey.validation, settings.cnn)
    return partial(score_rows, partial(predict_network, network), views=settings.cnn.views)


def scores(p: Probabilities, part: Part) -> dict[str, float]:
    """Area under the ROC curve, and accuracy at one half."""
    return {
        "galaxies": len(part.rows),
        "roc_auc": float(roc_auc_score(part.labels, p)),
        "accuracy": float(np.mean((p > 0.5) == part.labels)),
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--simulated", type=Path, default=Path("data/simulated"))
    parser.add_argument("--real", type=Path, nargs="+", required=True)
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/sim_to_real.json"))
    options = parser.parse_args()
    settings = load_settings()
    fifth = settings.split.model_copy(update={"test_share": 0.2})
    # From random weights: the network that trainings start from knows simulated galaxies already.
    random = settings.cnn.residual.model_copy(update={"start": None, "learning_rate": 0.003})
    update = {"split": fifth, "cnn": settings.cnn.model_copy(update={"residual": random})}
    settings = settings.model_copy(update=update)
    rows = {}
    with tempfile.TemporaryDirectory() as scratch:
        read = partial(read_survey, packed=Path(scratch), settings=settings)
        simulated, *real = (read(folder) for folder in (options.simulated, *options.real))
        names = [folder.name for folder in options.real]

        cnn = learn_cnn(simulated, settings)
        p, _ = cnn(simulated.images, simulated.test.rows, doing="simulated")
        rows["CNN, simulated to simulated"] = scores(p, simulated.test)
        tree = fit_tree(simulated.images, simulated.train, simulated.validation, settings.tree).tree
        held_back = simulated.images[simulated.test.rows]
        rows["tree, simulated to simulated"] = scores(tree.predict(held_back), simulated.test)
        for name, survey in zip(names, real, strict=True):
            p, _ = cnn(survey.images, survey.everything.rows, doing=name)
            rows[f"CNN, simulated to {name}"] = scores(p, survey.everything)
        back = learn_cnn(real[0], settings)
        p, _ = back(simulated.images, simulated.test.rows, doing="simulated")
        rows[f"CNN, {names[0]} to simulated"] = scores(p, simulated.test)
    write_json(options.output, rows)
    print(pd.DataFrame(rows).T.round(3).to_string())


if __name__ == "__main__":
    main()
