"""The neural networks on pixels: a hidden layer, and convolutions."""

import contextlib
import json
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops
from tqdm import tqdm

from galaxies.bundle import PRETRAINED
from galaxies.calibration import Probabilities
from galaxies.errors import GalaxiesError
from galaxies.images import Pixels
from galaxies.settings import CnnSettings, MlpSettings, ReferenceSettings, ResidualSettings
from galaxies.splitting import Part

Targets = npt.NDArray[np.int64] | npt.NDArray[np.float64]
"""(N,) what a network shall say: labels or vote fractions."""

_PREDICT_BATCH = 256
_TRAINING_THREADS = 8

# Keras's 0.99 follows too slowly where an epoch is only some dozen steps.
_NORM_MOMENTUM = 0.9


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


def build_reference(side: int, settings: ReferenceSettings) -> keras.Model:
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


def build_residual(side: int, settings: ResidualSettings) -> keras.Model:
    """Residual blocks (He et al. 2016, "Deep residual learning for image recognition").

    The first convolution and every block halve the image; the mean over what is left keeps the
    answer from depending on where in the frame a feature lies.
    """
    image = keras.Input((side, side, 3), dtype="uint8", name="image")
    # Galaxies are faint: a quarter of the full brightness becomes 1.
    x = layers.Rescaling(1 / 64, name="rescale")(image)
    first, *later = settings.filters
    x = layers.Conv2D(first, 5, strides=2, padding="same", use_bias=False, name="conv_0")(x)
    x = layers.BatchNormalization(momentum=_NORM_MOMENTUM, name="norm_0")(x)
    x = layers.ReLU(name="relu_0")(x)
    for number, filters in enumerate(later, start=1):
        x = _residual_block(x, filters, number)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    x = layers.Dropout(settings.dropout, name="dropout")(x)
    x = layers.Dense(1, activation="sigmoid", dtype="float32", name="p_spiral")(x)
    return keras.Model(image, x, name="cnn")


def _residual_block(x: keras.KerasTensor, filters: int, number: int) -> keras.KerasTensor:
    name = f"block_{number}"
    # Averaged before the 1x1 convolution: a stride there would skip three pixels of four (He et
    # al. 2019, "Bag of tricks", ResNet-D), and with few channels it makes TensorFlow 2.21 on CPU
    # write beyond its memory.
    past = layers.AveragePooling2D(2, padding="same", name=f"{name}_average")(x)
    past = layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_past")(past)
    x = layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False, name=f"{name}_conv_0")(
        x
    )
    x = layers.BatchNormalization(momentum=_NORM_MOMENTUM, name=f"{name}_norm_0")(x)
    x = layers.ReLU(name=f"{name}_relu_0")(x)
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"{name}_conv_1")(x)
    x = layers.BatchNormalization(momentum=_NORM_MOMENTUM, name=f"{name}_norm_1")(x)
    return layers.ReLU(name=f"{name}_relu_1")(layers.Add(name=f"{name}_add")([x, past]))


class RandomView(layers.Layer):  # type: ignore[misc]
    """Mirrors, turns, resizes and moves each image at random, and changes its contrast.

    A galaxy has no up, and no exact centre. All is done in one resampling: Keras's own layers,
    one after the other, would blur four times and take as long as the network's training step.

    Parameters
    ----------
    recipe
        How far.
    seed
        Of the draws.
    """

    def __init__(self, recipe: ReferenceSettings | ResidualSettings, seed: int) -> None:
        super().__init__(name="view")
        self._recipe = recipe
        self._seeds = keras.random.SeedGenerator(seed)

    def call(self, images: Any, training: bool = False) -> Any:  # noqa: ANN401 - tensors
        """Return images float32 (N, side, side, 3) from 0 to 255."""
        images = ops.cast(images, "float32")
        if not training:
            return images
        recipe = self._recipe
        angle = self._draw(images, np.pi * recipe.rotation / 180)
        scale = 1 + self._draw(images, recipe.zoom)
        mirror = ops.sign(self._draw(images, 1.0))
        side = images.shape[1]
        # Where in the image each pixel of the view lies: turned about the centre, then moved.
        xx, xy = scale * ops.cos(angle) * mirror, -scale * ops.sin(angle)
        yx, yy = scale * ops.sin(angle) * mirror, scale * ops.cos(angle)
        centre = (side - 1) / 2
        x = centre * (1 - xx - xy) + self._draw(images, recipe.shift * side)
        y = centre * (1 - yx - yy) + self._draw(images, recipe.shift * side)
        flat = ops.zeros_like(x)
        images = ops.image.affine_transform(
            images,
            ops.stack([xx, xy, x, yx, yy, y, flat, flat], axis=1),
            fill_mode="reflect",
            data_format="channels_last",
        )
        if isinstance(recipe, ResidualSettings):
            mean = ops.mean(images, axis=(1, 2), keepdims=True)
            contrast = 1 + self._draw(images, recipe.contrast)[:, None, None, None]
            images = mean + contrast * (images - mean)
        return ops.clip(images, 0, 255)

    def _draw(self, images: Any, reach: float) -> Any:  # noqa: ANN401
        """Draw a number from `-reach` to `reach` for each image."""
        return keras.random.uniform((ops.shape(images)[0],), -reach, reach, seed=self._seeds)


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


def train_mlp(
    images: Pixels, train: Part, validation: Part, settings: MlpSettings
) -> tuple[keras.Model, Trained]:
    """Build the network with one hidden layer, and train it.

    Parameters
    ----------
    images
        uint8 (M, side, side, 3), of which the parts take rows.
    train, validation
        Galaxies to learn from, and to choose the epoch by.
    settings
        The network's size and its training.

    Returns
    -------
    tuple
        The network, with the weights of the epoch whose loss on the validation galaxies was
        least, and how its training went.

    Raises
    ------
    GalaxiesError
        If the loss becomes infinite or no number.
    """
    repeatable(settings.seed)
    network = build_mlp(images.shape[1], settings)
    optimizer = keras.optimizers.SGD(settings.learning_rate, momentum=settings.momentum)
    batches = GalaxyBatches(images, train.rows, train.labels, settings.batch, settings.seed)
    checks = GalaxyBatches(images, validation.rows, validation.labels, settings.batch)
    return network, _fit(
        network, keras.Sequential([network]), optimizer, batches, checks, settings.epochs
    )


def train_cnn(
    images: Pixels, train: Part, validation: Part, settings: CnnSettings
) -> tuple[keras.Model, Trained]:
    """Build the convolutional network by the recipe of the settings, and train it.

    Parameters, returns and errors are those of `train_mlp`.
    """
    repeatable(settings.seed)
    side = images.shape[1]
    recipe: ReferenceSettings | ResidualSettings
    targets: Targets
    checked: Targets
    if settings.recipe == "reference":
        recipe = settings.reference
        targets, checked = train.labels, validation.labels
        network = build_reference(side, recipe)
        optimizer = keras.optimizers.SGD(recipe.learning_rate, momentum=recipe.momentum)
    else:
        recipe = settings.residual
        # A galaxy on which the volunteers are divided shall not pull to one side.
        targets, checked = train.vote_fractions, validation.vote_fractions
        network = build_residual(side, recipe)
        if recipe.start is not None:
            _start_from(network, recipe.start)
        steps = recipe.epochs * -(-len(train.rows) // recipe.batch)
        warmup = steps // 10
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, steps - warmup, warmup_target=recipe.learning_rate, warmup_steps=warmup
        )
        optimizer = keras.optimizers.AdamW(rate, weight_decay=recipe.weight_decay)
    augmented = keras.Sequential([RandomView(recipe, settings.seed), network])
    batches = GalaxyBatches(images, train.rows, targets, recipe.batch, settings.seed)
    checks = GalaxyBatches(images, validation.rows, checked, recipe.batch)
    return network, _fit(network, augmented, optimizer, batches, checks, recipe.epochs)


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


def _start_from(network: keras.Model, name: str) -> None:
    """Give a network the weights of one that comes with the package."""
    try:
        with warnings.catch_warnings():
            # Keras only warns of layers that the file does not have.
            warnings.simplefilter("error", UserWarning)
            network.load_weights(PRETRAINED / name / "network.weights.h5")
    except (ValueError, UserWarning) as error:
        raise GalaxiesError(
            f"cnn.residual.filters: the network {name!r} that training starts from has other "
            "layers; put the filters back, or set cnn.residual.start to null"
        ) from error


def _fit(
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
