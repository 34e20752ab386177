"""How fast the CNN trains, beside its bare step: forward and backward on a batch in memory.

The rest of a training is reading, augmentation, optimizer and scores. The images and votes are
random; the speed does not depend on them. The two are measured in turn, on the same machine.

    python -m benchmarks.training_speed
"""

import argparse
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from galaxies.base.outputs import write_json
from galaxies.models.cnn import build_residual, fit
from galaxies.models.likelihood import surprise, targets
from galaxies.models.networks import repeatable
from galaxies.questions.gz2 import GZ2
from galaxies.questions.layout import Layout
from galaxies.settings import CnnSettings, load_settings
from galaxies.training.parts import Part, Votes

PACKAGES = ("keras", "numpy", "opencv-python-headless", "tensorflow")
VOLUNTEERS = 45.0
LAYOUT = Layout((GZ2,))


def random_part(rows: np.ndarray, random: np.random.Generator) -> Part:
    """Make up votes on all questions."""
    shares = np.zeros((len(rows), LAYOUT.answers), np.float32)
    for question in GZ2.questions:
        alpha = np.ones(len(question.columns))
        shares[:, question.places] = random.dirichlet(alpha, len(rows))
    votes = Votes(LAYOUT, shares, np.full(len(rows), VOLUNTEERS, np.float32))
    labels, marks = np.zeros(len(rows), np.int64), np.zeros((len(rows), 3), np.uint64)
    return Part(pd.DataFrame({"galaxy_id": rows}), rows, labels, marks, votes)


def bare_step(images: np.ndarray, part: Part, settings: CnnSettings, seconds: float) -> float:
    """Measure the images per second of forward and backward alone."""
    repeatable(settings.seed)
    recipe = settings.residual
    network = build_residual(images.shape[1], recipe, LAYOUT.outputs)
    rows = part.rows[: recipe.batch]
    batch = tf.constant(images[rows])
    assert part.votes is not None
    votes = tf.constant(targets(part.votes, LAYOUT)[: recipe.batch])

    @tf.function  # type: ignore[untyped-decorator]
    def step() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            numbers = network(batch, training=True)
            loss = keras.ops.mean(
                surprise(votes, numbers, LAYOUT, recipe.sharpness, recipe.counted)
            )
        gradient: list[tf.Tensor] = tape.gradient(loss, network.trainable_variables)
        return gradient

    for _ in range(5):
        step()
    steps, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        step()
        steps += 1
    return steps * recipe.batch / (time.perf_counter() - start)


def training(
    images: np.ndarray, train: Part, validation: Part, settings: CnnSettings, epochs: int
) -> float:
    """Measure the images per second of a training, from its second epoch on."""
    walls = []
    for count in (1, 1 + epochs):
        recipe = settings.residual.model_copy(update={"epochs": count})
        start = time.perf_counter()
        fit(images, train, validation, settings.model_copy(update={"residual": recipe}))
        walls.append(time.perf_counter() - start)
    return epochs * len(train.rows) / (walls[1] - walls[0])


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--galaxies", type=int, default=4096, help="training galaxies")
    parser.add_argument("--epochs", type=int, default=3, help="epochs that are timed")
    parser.add_argument("--rounds", type=int, default=3, help="times that both are measured")
    parser.add_argument("--seconds", type=float, default=10, help="of bare steps in a round")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/training_speed.json"))
    options = parser.parse_args()
    settings = load_settings()
    random = np.random.default_rng(0)
    side, batch = settings.pack.size, settings.cnn.residual.batch
    shape = (options.galaxies + batch, side, side, 3)
    images = random.integers(0, 256, shape, np.uint8)
    # A single batch of validation galaxies: the training galaxies alone are counted.
    train = random_part(np.arange(options.galaxies), random)
    validation = random_part(np.arange(options.galaxies, shape[0]), random)
    rows = []
    for number in range(1, options.rounds + 1):
        bare = bare_step(images, train, settings.cnn, options.seconds)
        whole = training(images, train, validation, settings.cnn, options.epochs)
        rows.append({"round": number, "bare step": bare, "train_cnn": whole, "ratio": whole / bare})
    table = pd.DataFrame(rows).set_index("round")
    table.loc["median"] = table.median()
    print("images per second")
    print(table.round(2).to_string())
    write_json(
        options.output,
        {
            "machine": f"{platform.machine()}, {os.cpu_count()} processors",
            "versions": {"python": platform.python_version()} | {p: version(p) for p in PACKAGES},
            "training_galaxies": options.galaxies,
            "images_per_second": table.reset_index().to_dict("records"),
        },
    )


if __name__ == "__main__":
    main()
