"""Shared by all networks on pixels: training, batches, saving."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from galaxies.base.arrays import Outputs, Pixels, Probabilities, in_full_batches
from galaxies.base.tensorflow_import import importing_tensorflow
from galaxies.errors import GalaxiesError
from galaxies.models.graph import read_weights, write_graph
from galaxies.models.saved_network import NETWORK
from galaxies.training.fitting import History

with importing_tensorflow():
    import keras
    from keras import layers, ops


Targets = npt.NDArray[np.int64] | npt.NDArray[np.floating[Any]]
"""(N,) or (N, numbers) targets of a network: labels, vote fractions or answers."""

Augment = Callable[[Pixels, int, int], Pixels]
"""Changes the images of a batch at random, given the numbers of the epoch and the batch."""


_ARCHITECTURE: Final = "network.json"
_PREDICT_BATCH: Final = 256
_TRAINING_THREADS: Final = 8


def repeatable(seed: int) -> None:
    """Make Keras repeatable: identical results in every run on the same machine.

    TensorFlow divides sums among its threads, so the last digits depend on their number. It is
    fixed here, unless TensorFlow has already computed something in this process.
    """
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
        with contextlib.suppress(RuntimeError):
            tf.config.threading.set_intra_op_parallelism_threads(_TRAINING_THREADS)


class GalaxyBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches read directly from the packed images, so that they need no memory.

    Parameters
    ----------
    images : ndarray of shape (M, side, side, 3), uint8
        Packed images, memory-mapped.
    rows : ndarray of shape (N,), int64
        Rows of the galaxies.
    targets : ndarray of shape (N,) or (N, numbers)
        Targets of the network.
    batch : int
        Galaxies per batch.
    seed : int, optional
        Seed of the order, which is different in every epoch; `None` keeps the order.
    weights : ndarray of shape (N,), optional
        What each galaxy counts for; by default all the same. In training, a galaxy is drawn that
        many times the mean; without a seed, its loss is multiplied by it.
    augment : callable, optional
        Changes the images, differently in every epoch. Keras takes batches in a thread that works
        ahead of the training step.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.zeros((9, 4, 4, 3), np.uint8)
    >>> batches = GalaxyBatches(images, np.array([0, 2, 4, 6, 8]), np.arange(5) % 2, batch=2)
    >>> len(batches), batches[0][0].shape, batches[0][1].tolist(), batches[0][2].tolist()
    (3, (2, 4, 4, 3), [[0.0], [1.0]], [1.0, 1.0])
    """

    def __init__(
        self,
        images: Pixels,
        rows: npt.NDArray[np.int64],
        targets: Targets,
        batch: int,
        seed: int | None = None,
        weights: npt.NDArray[np.float32] | None = None,
        augment: Augment | None = None,
    ) -> None:
        super().__init__(workers=1)
        self._images = images
        self._rows = rows
        targets = targets.astype(np.float32)
        self._targets = targets if targets.ndim == 2 else targets[:, None]
        self._batch = batch
        self._random = None if seed is None else np.random.default_rng(seed)
        self._order = np.arange(len(rows))
        self._weights = np.ones(len(rows), np.float32)
        if weights is not None:
            self._weights = weights / weights.mean(dtype=np.float64).astype(np.float32)
        self._augment = augment
        self._epoch = -1
        self.on_epoch_end()

    def __len__(self) -> int:
        return -(-len(self._rows) // self._batch)

    def __getitem__(self, index: int) -> tuple[Pixels, Probabilities, Probabilities]:
        chosen = self._order[index * self._batch : (index + 1) * self._batch]
        images = self._images[self._rows[chosen]]
        if self._augment is not None:
            images = self._augment(images, self._epoch, index)
        weights = (
            self._weights[chosen] if self._random is None else np.ones(len(chosen), np.float32)
        )
        return images, self._targets[chosen], weights

    def on_epoch_end(self) -> None:
        """Draw the order of the next epoch."""
        self._epoch += 1
        if self._random is not None:
            self._order = draw(self._weights, self._random)


def draw(weights: npt.NDArray[np.float32], random: np.random.Generator) -> npt.NDArray[np.int64]:
    """Draw as many galaxies as there are, by weight, in random order.

    Systematic sampling: each is drawn its share of the weights times the number of galaxies,
    rounded up or down at random. With equal weights each is drawn once. Unlike a weighted loss,
    the steps stay equally large, and each time a galaxy is drawn it is augmented in another way.

    Parameters
    ----------
    weights : ndarray of shape (N,), float32
        Weights; their scale does not matter.
    random : Generator
        Random numbers.

    Returns
    -------
    ndarray of shape (N,), int64

    Examples
    --------
    >>> import numpy as np
    >>> weights = np.array([0.5, 0.5, 1.0, 0.0], np.float32)
    >>> np.bincount(draw(weights, np.random.default_rng(0)), minlength=4).tolist()
    [1, 1, 2, 0]
    """
    mixed = random.permutation(len(weights))
    ends = np.cumsum(weights[mixed], dtype=np.float64)
    places = (np.arange(len(weights)) + random.random()) * (ends[-1] / len(weights))
    # Rounding could put the last place at the end.
    chosen = np.minimum(np.searchsorted(ends, places, side="right"), len(weights) - 1)
    drawn: npt.NDArray[np.int64] = random.permutation(mixed[chosen])
    return drawn


class _Progress(keras.callbacks.Callback):  # type: ignore[misc]
    """A progress bar over the epochs, which stops if the loss is not finite."""

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
    """Compare the predicted class with the target, which can be a vote fraction."""
    return ops.cast(ops.equal(targets > 0.5, p > 0.5), "float32")


def operations(network: keras.Model) -> int:
    """Count the floating-point operations for one image.

    Multiplications and additions of the convolutions and dense layers; the rest is a few per cent.
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
    """Result of `fit_network`."""

    chosen: dict[str, float | int]
    """`best_epoch` from 1, with its `loss` and `accuracy` on the validation galaxies; `parameters`,
    the size of the network; `operations`, the floating-point operations for one view of an
    image."""
    history: History
    """A row for each epoch: `epoch`, loss and accuracy for training and validation."""


def fit_network(
    network: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    train: GalaxyBatches,
    validation: GalaxyBatches,
    epochs: int,
    loss: Any = None,  # noqa: ANN401 - as Keras takes it
    right: Any = None,  # noqa: ANN401
) -> Training:
    """Train a network; keep the weights of the epoch with the lowest loss on validation.

    Parameters
    ----------
    network : keras.Model
        The network.
    optimizer : keras.optimizers.Optimizer
        The optimizer.
    train, validation : GalaxyBatches
        Batches for training, and for choosing the epoch.
    epochs : int
        Passes over the training galaxies.
    loss : callable, optional
        Loss of each galaxy from its targets and the output; by default binary cross-entropy.
    right : keras.metrics.Metric, optional
        Accuracy, with the name `accuracy`; by default that of a single probability.

    Returns
    -------
    Training

    Raises
    ------
    GalaxiesError
        If the loss becomes infinite or NaN.
    """
    # A wrapper is compiled, so that the network itself is saved without the loss.
    model = keras.Sequential([network])
    model.compile(
        optimizer=optimizer,
        loss=loss or keras.losses.BinaryCrossentropy(),
        weighted_metrics=[right or accuracy],
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
    """Convert Keras's history to a row for each epoch."""
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
    """A Keras network as a model; subclasses have a title and a function that fits them.

    Parameters
    ----------
    network : keras.Model
        Maps images uint8 (N, side, side, 3) to probabilities of "spiral" (N, 1), or to the input of
        `galaxies.bundle.answers.read_outputs`.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> network = Network.load(Path("models/cnn"))
    >>> network.predict(np.load("data/images.npy")[:3]).shape
    (3, 48)
    """

    title: ClassVar[str]

    def __init__(self, network: keras.Model) -> None:
        self.network = network

    def predict(self, images: Pixels) -> Outputs:
        """Compute the raw outputs for images uint8 (N, side, side, 3)."""
        numbers = in_full_batches(self.network.predict_on_batch, images, _PREDICT_BATCH)
        return numbers if numbers.shape[1] > 1 else numbers[:, 0]

    def save(self, folder: Path) -> None:
        """Write the architecture for Keras, and the network with its weights for ONNX Runtime.

        Unlike `.keras` files, these are always identical for the same weights.
        """
        architecture = json.loads(self.network.to_json())
        # To load the settings of the training, Keras would need our function `accuracy`.
        architecture.pop("compile_config", None)
        text = json.dumps(architecture, indent=1) + "\n"
        (folder / _ARCHITECTURE).write_text(text, encoding="utf-8")
        write_graph(self.network, folder / NETWORK)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the files written by `save`.

        Raises
        ------
        GalaxiesError
            If a file is missing or damaged.
        """
        try:
            network = keras.models.model_from_json(
                (folder / _ARCHITECTURE).read_text(encoding="utf-8")
            )
            read_weights(network, folder / NETWORK)
        # What Keras raises for damaged files, or weights of another network.
        except (
            OSError, ValueError, LookupError, TypeError, AttributeError, ImportError, RecursionError
        ) as error:  # fmt: skip
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise GalaxiesError(
                f"{folder}: damaged network ({reason}); train the model again"
            ) from error
        return cls(network)
