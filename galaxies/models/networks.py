"""What the networks on pixels have in common: training, batches, saving."""

import contextlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops
from tqdm import tqdm

from galaxies.base.arrays import Pixels, Probabilities
from galaxies.errors import GalaxiesError

Targets = npt.NDArray[np.int64] | npt.NDArray[np.float64]
"""(N,) what a network shall say: labels or vote fractions."""


_PREDICT_BATCH = 256


_TRAINING_THREADS = 8


def repeatable(seed: int) -> None:
    """Make all that Keras does from here on the same in every run on the same machine.

    TensorFlow shares out the sums of a gradient among its threads, so their number, unlike that of
    the processors, shows in the last digits. It is fixed here, unless TensorFlow has computed
    something in this process already.
    """
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
        with contextlib.suppress(RuntimeError):
            tf.config.threading.set_intra_op_parallelism_threads(_TRAINING_THREADS)


class GalaxyBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches straight from the packed images, so that a million galaxies need no memory.

    Parameters
    ----------
    images
        uint8 (M, side, side, 3), memory-mapped.
    rows
        (N,) which of them.
    targets
        What the network shall say of them.
    batch
        Galaxies a batch.
    seed
        Of a new order in every epoch; `None` keeps the order.
    """

    def __init__(
        self,
        images: Pixels,
        rows: npt.NDArray[np.int64],
        targets: Targets,
        batch: int,
        seed: int | None = None,
    ) -> None:
        super().__init__(workers=1)
        self._images = images
        self._rows = rows
        self._targets = targets.astype(np.float32)[:, None]
        self._batch = batch
        self._random = None if seed is None else np.random.default_rng(seed)
        self._order = np.arange(len(rows))
        self.on_epoch_end()

    def __len__(self) -> int:
        return -(-len(self._rows) // self._batch)

    def __getitem__(self, index: int) -> tuple[Pixels, Probabilities]:
        chosen = self._order[index * self._batch : (index + 1) * self._batch]
        return self._images[self._rows[chosen]], self._targets[chosen]

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
                f"step {batch + 1}; lower its learning_rate"
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
    galaxies, `parameters`, the size of the network, and `operations`, floating-point ones for an
    image in one orientation."""
    curve: list[dict[str, float]]
    """One row an epoch: `epoch`, and loss and accuracy of the training and validation parts."""


def accuracy(targets: Any, p: Any) -> Any:  # noqa: ANN401 - tensors
    """Say whether the larger class is the same; targets may be vote fractions."""
    return ops.cast(ops.equal(targets > 0.5, p > 0.5), "float32")


def operations(network: keras.Model) -> int:
    """Count the floating-point operations of one image's way through a network.

    Multiplications and additions of the convolutions and dense layers, counted apart; the rest
    is a few per cent.
    """
    count = 0
    for layer in network.layers:
        if isinstance(layer, layers.Conv2D):
            _, height, width, _ = layer.output.shape
            count += 2 * height * width * int(np.prod(layer.kernel.shape))
        elif isinstance(layer, layers.Dense):
            count += 2 * int(np.prod(layer.kernel.shape))
    return count


def fit_network(
    network: keras.Model,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    train: GalaxyBatches,
    validation: GalaxyBatches,
    epochs: int,
) -> Trained:
    """Train `model`, which is the network or ends in it, on the binary cross-entropy."""
    model.compile(
        optimizer=optimizer,
        loss=keras.losses.BinaryCrossentropy(),
        metrics=[accuracy],
    )
    keep_best = keras.callbacks.EarlyStopping(
        monitor="val_loss", patience=epochs, restore_best_weights=True
    )
    history = model.fit(
        train,
        validation_data=validation,
        epochs=epochs,
        shuffle=False,  # the batches shuffle themselves
        verbose=0,
        callbacks=[_Progress(network.name, epochs), keep_best],
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
        "operations": operations(network),
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
    architecture = json.loads(network.to_json())
    # How it was trained; to load that, Keras would have to find our own `accuracy`.
    architecture.pop("compile_config", None)
    text = json.dumps(architecture, indent=1) + "\n"
    (folder / "network.json").write_text(text, encoding="utf-8")
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
    # What Keras raises on descriptions and weights that are damaged or fit no network.
    except (
        OSError, ValueError, LookupError, TypeError, AttributeError, ImportError, RecursionError
    ) as error:  # fmt: skip
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise GalaxiesError(f"{folder}: damaged network ({said}); make the bundle again") from error
    return network
