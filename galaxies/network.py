"""The neural networks on pixels: a hidden layer, and convolutions."""

from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers
from tqdm import tqdm

from galaxies.calibration import Probabilities
from galaxies.errors import GalaxiesError
from galaxies.images import Pixels
from galaxies.settings import CnnSettings, MlpSettings, TrainingSettings
from galaxies.splitting import Part

_PREDICT_BATCH = 256


def repeatable(seed: int) -> None:
    """Make all that Keras does from here on the same in every run on the same machine."""
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def build_mlp(side: int, settings: MlpSettings) -> keras.Model:
    """One hidden layer on averaged pixels.

    Parameters
    ----------
    side
        Of the images that it is given; averaged down to `settings.size` by its first layer.
    settings
        Its size.
    """
    return keras.Sequential(
        [
            keras.Input((side, side, 3), dtype="uint8", name="image"),
            layers.Rescaling(1 / 255, name="rescale"),
            layers.AveragePooling2D(side // settings.size, name="average"),
            layers.Flatten(name="flatten"),
            layers.Dense(settings.hidden, activation="relu", name="hidden"),
            layers.Dropout(settings.dropout, name="dropout"),
            layers.Dense(1, activation="sigmoid", dtype="float32", name="p_spiral"),
        ],
        name="mlp",
    )


def build_cnn(side: int, settings: CnnSettings) -> keras.Model:
    """Convolutions, each halved by max-pooling, then a dense layer, with dropout between."""
    stack: list[Any] = [
        keras.Input((side, side, 3), dtype="uint8", name="image"),
        layers.Rescaling(1 / 255, name="rescale"),
    ]
    for number, filters in enumerate(settings.filters):
        stack += [
            layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"conv_{number}"),
            layers.MaxPooling2D(name=f"pool_{number}"),
        ]
    stack += [
        layers.Flatten(name="flatten"),
        layers.Dropout(settings.dropout, name="dropout_0"),
        layers.Dense(settings.dense, activation="relu", name="dense"),
        layers.Dropout(settings.dropout, name="dropout_1"),
        layers.Dense(1, activation="sigmoid", dtype="float32", name="p_spiral"),
    ]
    return keras.Sequential(stack, name="cnn")


def build_augmentation(settings: CnnSettings) -> keras.Model:
    """Flip, turn, resize and move images at random: a galaxy has no up, and no exact centre."""
    seed = settings.seed
    return keras.Sequential(
        [
            layers.RandomFlip("horizontal_and_vertical", seed=seed, name="flip"),
            layers.RandomRotation(
                settings.rotation / 360, fill_mode="reflect", seed=seed + 1, name="rotate"
            ),
            layers.RandomZoom(settings.zoom, fill_mode="reflect", seed=seed + 2, name="zoom"),
            layers.RandomTranslation(
                settings.shift, settings.shift, fill_mode="reflect", seed=seed + 3, name="shift"
            ),
        ],
        name="augmentation",
    )


class GalaxyBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches straight from the packed images, so that a million galaxies need no memory.

    Parameters
    ----------
    images
        uint8 (M, side, side, 3), memory-mapped.
    part
        Which of them.
    batch
        Galaxies a batch.
    seed
        Of a new order in every epoch; `None` keeps the order.
    """

    def __init__(self, images: Pixels, part: Part, batch: int, seed: int | None = None) -> None:
        super().__init__(workers=1)
        self._images = images
        self._rows = part.rows
        self._labels = part.labels.astype(np.float32)[:, None]
        self._batch = batch
        self._random = None if seed is None else np.random.default_rng(seed)
        self._order = np.arange(len(part.rows))
        self.on_epoch_end()

    def __len__(self) -> int:
        return -(-len(self._rows) // self._batch)

    def __getitem__(self, index: int) -> tuple[Pixels, Probabilities]:
        chosen = self._order[index * self._batch : (index + 1) * self._batch]
        return self._images[self._rows[chosen]], self._labels[chosen]

    def on_epoch_end(self) -> None:
        """Draw the order of the next epoch."""
        if self._random is not None:
            self._order = self._random.permutation(len(self._rows))


class _Progress(keras.callbacks.Callback):  # type: ignore[misc]
    """A bar over the epochs, and a stop as soon as the loss is no number."""

    def __init__(self, name: str, epochs: int) -> None:
        super().__init__()
        self._name = name
        self._epoch = 0
        self._bar = tqdm(total=epochs, desc=name, unit=" epochs")

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        loss = (logs or {})["loss"]
        if not np.isfinite(loss):
            self._bar.close()
            raise GalaxiesError(
                f"{self._name}: the loss became {loss} in epoch {self._epoch + 1}, "
                f"step {batch + 1}; lower {self._name}.learning_rate"
            )

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._epoch = epoch + 1
        said = {name: f"{value:.3f}" for name, value in (logs or {}).items()}
        self._bar.set_postfix(said, refresh=False)
        self._bar.update()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        self._bar.close()


class Trained(NamedTuple):
    """How a training went."""

    summary: dict[str, float | int]
    """`best_epoch` from 1, whose weights were kept, its `loss` and `accuracy` on validation
    galaxies, and `parameters`, the size of the network."""
    curve: list[dict[str, float]]
    """One row an epoch: `epoch`, and loss and accuracy of the training and validation parts."""


def train_network(
    network: keras.Model,
    images: Pixels,
    train: Part,
    validation: Part,
    settings: TrainingSettings,
    augmentation: keras.Model | None = None,
) -> Trained:
    """Train in place, by stochastic gradient descent on the binary cross-entropy.

    Parameters
    ----------
    network
        Maps uint8 images (N, side, side, 3) to probabilities (N, 1). It ends with the weights
        of the epoch whose loss on the validation galaxies was least.
    images
        uint8 (M, side, side, 3), of which the parts take rows.
    train, validation
        Galaxies to learn from, and to choose the epoch by.
    settings
        Learning rate, momentum, epochs, batch and seed.
    augmentation
        Changes training images at random.

    Raises
    ------
    GalaxiesError
        If the loss becomes infinite or no number.
    """
    model = network if augmentation is None else keras.Sequential([augmentation, network])
    model.compile(
        optimizer=keras.optimizers.SGD(settings.learning_rate, momentum=settings.momentum),
        loss=keras.losses.BinaryCrossentropy(),
        metrics=[keras.metrics.BinaryAccuracy(name="accuracy")],
    )
    keep_best = keras.callbacks.EarlyStopping(
        monitor="val_loss", patience=settings.epochs, restore_best_weights=True
    )
    history = model.fit(
        GalaxyBatches(images, train, settings.batch, settings.seed),
        validation_data=GalaxyBatches(images, validation, settings.batch),
        epochs=settings.epochs,
        shuffle=False,  # the batches shuffle themselves
        verbose=0,
        callbacks=[_Progress(network.name, settings.epochs), keep_best],
    ).history
    curve = [
        {
            "epoch": epoch + 1,
            "train_loss": float(history["loss"][epoch]),
            "validation_loss": float(history["val_loss"][epoch]),
            "train_accuracy": float(history["accuracy"][epoch]),
            "validation_accuracy": float(history["val_accuracy"][epoch]),
        }
        for epoch in range(len(history["loss"]))
    ]
    best = int(np.argmin(history["val_loss"]))
    summary = {
        "best_epoch": best + 1,
        "accuracy": float(history["val_accuracy"][best]),
        "loss": float(history["val_loss"][best]),
        "parameters": int(network.count_params()),
    }
    return Trained(summary, curve)


def predict_network(network: keras.Model, images: Pixels) -> Probabilities:
    """Probability of "spiral", float32 (N,), for uint8 images (N, side, side, 3)."""
    parts = []
    for start in range(0, len(images), _PREDICT_BATCH):
        batch = images[start : start + _PREDICT_BATCH]
        # Filled up to the full batch: one compiled graph, whatever the number of images.
        filled = np.zeros((_PREDICT_BATCH, *batch.shape[1:]), np.uint8)
        filled[: len(batch)] = batch
        parts.append(network.predict_on_batch(filled)[: len(batch), 0])
    return np.concatenate(parts).astype(np.float32)


def save_network(network: keras.Model, folder: Path) -> None:
    """Write the architecture and the weights; unlike `.keras` files, the same bytes each time."""
    (folder / "network.json").write_text(network.to_json(indent=1) + "\n", encoding="utf-8")
    network.save_weights(folder / "network.weights.h5")


def load_network(folder: Path) -> keras.Model:
    """Read what `save_network` wrote.

    Raises
    ------
    GalaxiesError
        If a file is absent or damaged.
    """
    try:
        network = keras.models.model_from_json(
            (folder / "network.json").read_text(encoding="utf-8")
        )
        network.load_weights(folder / "network.weights.h5")
    except (OSError, ValueError, KeyError, TypeError) as error:
        said = str(error).splitlines()[0]
        raise GalaxiesError(f"{folder}: damaged network ({said}); make the bundle again") from error
    return network
