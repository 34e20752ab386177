"""What the networks on pixels have in common: training, batches, saving."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple, Self

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops
from tqdm import tqdm

from galaxies.base.arrays import Pixels, Probabilities, in_full_batches
from galaxies.errors import GalaxiesError
from galaxies.learning.fitting import History
from galaxies.learning.outputs import NUMBERS, Outputs, read_outputs
from galaxies.models.graph import read_weights, write_graph
from galaxies.models.saved_network import NETWORK

Targets = npt.NDArray[np.int64] | npt.NDArray[np.floating[Any]]
"""(N,) or (N, numbers) what a network is to predict: labels, vote fractions or answers."""


_ARCHITECTURE: Final = "network.json"
_PREDICT_BATCH: Final = 256
_TRAINING_THREADS: Final = 8


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
    images : ndarray of shape (M, side, side, 3), uint8
        Memory-mapped.
    rows : ndarray of shape (N,), int64
        Which of them.
    targets : ndarray of shape (N,) or (N, numbers)
        What the network is to predict for them.
    batch : int
        Galaxies a batch.
    seed : int, optional
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
        targets = targets.astype(np.float32)
        self._targets = targets if targets.ndim == 2 else targets[:, None]
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
        shown = {name: f"{value:.3f}" for name, value in (logs or {}).items()}
        self._bar.set_postfix(shown, refresh=False)
        self._bar.update()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        self._bar.close()


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


class Training(NamedTuple):
    """What `fit_network` found."""

    chosen: dict[str, float | int]
    """`best_epoch` from 1, whose weights were kept, its `loss` and `accuracy` on validation
    galaxies, `parameters`, the size of the network, and `operations`, floating-point ones for one
    view of an image."""
    history: History
    """One row an epoch: `epoch`, and loss and accuracy of the training and validation parts."""


def fit_network(
    network: keras.Model,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    train: GalaxyBatches,
    validation: GalaxyBatches,
    epochs: int,
    loss: Any = None,  # noqa: ANN401 - as Keras takes it
    right: Any = None,  # noqa: ANN401
) -> Training:
    """Train a network; the weights of the epoch with the least loss on validation are kept.

    Parameters
    ----------
    network : keras.Model
        What is kept.
    model : keras.Model
        The network, or what ends in it, such as augmentation and the network.
    optimizer : keras.optimizers.Optimizer
        How the weights move.
    train, validation : GalaxyBatches
        Batches to learn from, and to choose the epoch by.
    epochs : int
        Passes over the training galaxies.
    loss : callable, optional
        Loss of each galaxy, from its targets and the network's output; the binary cross-entropy
        unless given.
    right : keras.metrics.Metric, optional
        Share of galaxies whose class is right, named `accuracy`; of one number unless given.

    Raises
    ------
    GalaxiesError
        If the loss becomes infinite or no number.
    """
    model.compile(
        optimizer=optimizer,
        loss=loss or keras.losses.BinaryCrossentropy(),
        metrics=[right or accuracy],
    )
    keep_best = keras.callbacks.EarlyStopping(
        monitor="val_loss", patience=epochs, restore_best_weights=True
    )
    losses = model.fit(
        train,
        validation_data=validation,
        epochs=epochs,
        shuffle=False,  # the batches shuffle themselves
        verbose=0,
        callbacks=[_Progress(network.name, epochs), keep_best],
    ).history
    best = int(np.argmin(losses["val_loss"]))
    chosen = {
        "best_epoch": best + 1,
        "accuracy": float(losses["val_accuracy"][best]),
        "loss": float(losses["val_loss"][best]),
        "parameters": int(network.count_params()),
        "operations": operations(network),
    }
    return Training(chosen, _history(losses))


def _history(losses: dict[str, list[float]]) -> History:
    """Turn Keras's record of a training into one row an epoch."""
    columns = {
        "train_loss": "loss",
        "validation_loss": "val_loss",
        "train_accuracy": "accuracy",
        "validation_accuracy": "val_accuracy",
    }
    return [
        {"epoch": epoch + 1}
        | {ours: float(losses[theirs][epoch]) for ours, theirs in columns.items()}
        for epoch in range(len(losses["loss"]))
    ]


class Network:
    """A Keras network as a model; what each kind adds is its title and how it is fitted.

    Parameters
    ----------
    network : keras.Model
        Maps images uint8 (N, side, side, 3) to probabilities of "spiral" (N, 1), or to (N, 52) as
        `galaxies.learning.outputs.read_outputs` takes them.
    """

    title: ClassVar[str]

    def __init__(self, network: keras.Model) -> None:
        self.network = network

    def predict(self, images: Pixels) -> Outputs:
        """Say what it sees in images uint8 (N, side, side, 3)."""
        numbers = in_full_batches(self.network.predict_on_batch, images, _PREDICT_BATCH)
        return read_outputs(numbers) if numbers.shape[1] == NUMBERS else numbers[:, 0]

    def save(self, folder: Path) -> None:
        """Write the architecture for Keras, and the network with its weights for ONNX Runtime.

        Unlike `.keras` files, these have the same bytes always.
        """
        architecture = json.loads(self.network.to_json())
        # How it was trained; to load that, Keras would have to find our own `accuracy`.
        architecture.pop("compile_config", None)
        text = json.dumps(architecture, indent=1) + "\n"
        (folder / _ARCHITECTURE).write_text(text, encoding="utf-8")
        write_graph(self.network, folder / NETWORK)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        GalaxiesError
            If a file is absent or damaged.
        """
        try:
            network = keras.models.model_from_json(
                (folder / _ARCHITECTURE).read_text(encoding="utf-8")
            )
            read_weights(network, folder / NETWORK)
        # What Keras raises on descriptions and weights that are damaged or fit no network.
        except (
            OSError, ValueError, LookupError, TypeError, AttributeError, ImportError, RecursionError
        ) as error:  # fmt: skip
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise GalaxiesError(
                f"{folder}: damaged network ({reason}); train the model again"
            ) from error
        return cls(network)


def graph(folder: Path, size: int) -> Callable[[Any], Any]:
    """Repeat a bundle's network in TensorFlow; see `galaxies.models.registry.Registered`."""
    network = Network.load(folder).network
    return lambda images: network(images, training=False)
