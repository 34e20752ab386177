"""The convolutional network, with one of two recipes."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops
from threadpoolctl import threadpool_limits

from galaxies.base.arrays import Pixels, in_full_batches
from galaxies.bundle.answers import ANSWERS, NUMBERS
from galaxies.bundle.folder import bundle_folder, read_description
from galaxies.errors import GalaxiesError
from galaxies.models.backward import write_gradient
from galaxies.models.graph import read_weights
from galaxies.models.likelihood import ClassAccuracy, surprise, targets, untold
from galaxies.models.networks import GalaxyBatches, Network, fit_network, repeatable
from galaxies.models.saved_network import NETWORK
from galaxies.questions.tree import ALL_QUESTIONS, QUESTIONS, TYPE, Campaign, Question
from galaxies.settings import CnnSettings, ReferenceSettings, ResidualSettings
from galaxies.training.fitting import Fit
from galaxies.training.parts import Part

# Keras's 0.99 is too slow for epochs of a few dozen steps.
_NORM_MOMENTUM = 0.9

_POSITIONS = 8
"""Smallest number of positions along each side of the last maps."""

_ENOUGH = 10_000
"""Largest number of galaxies for the ridge regression of the last layer."""

_PENALTY = 0.01
"""Penalty of this regression, per galaxy."""

_BATCH = 256


class Cnn(Network):
    """A convolutional network."""

    title = "CNN"

    def save(self, folder: Path) -> None:
        """Write the network as `Network.save` does, and the graph of its gradient."""
        super().save(folder)
        write_gradient(folder)


def build_reference(side: int, settings: ReferenceSettings) -> keras.Model:
    """Build convolutions with max-pooling, then a dense layer, with dropout."""
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
    """Build residual blocks (He et al. 2016, "Deep residual learning for image recognition").

    The first convolution and the blocks halve the image down to 8x8 positions; further blocks keep
    this size. The logits are linear in the mean over the positions, so the contribution of each
    position can be read off.
    """
    image = keras.Input((side, side, 3), dtype="uint8", name="image")
    # Galaxies are faint: a quarter of the full brightness becomes 1.
    x = layers.Rescaling(1 / 64, name="rescale")(image)
    first, *later = settings.filters
    x = layers.Conv2D(first, 5, strides=2, padding="same", use_bias=False, name="conv_0")(x)
    x = layers.BatchNormalization(momentum=_NORM_MOMENTUM, name="norm_0")(x)
    x = layers.ReLU(name="relu_0")(x)
    for number, filters in enumerate(later, start=1):
        x = _residual_block(x, filters, number, halve=x.shape[1] >= 2 * _POSITIONS)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    x = layers.Dropout(settings.dropout, name="dropout")(x)
    x = layers.Dense(NUMBERS, dtype="float32", name="answers")(x)
    return keras.Model(image, x, name="cnn")


def _residual_block(
    x: keras.KerasTensor, filters: int, number: int, *, halve: bool
) -> keras.KerasTensor:
    name = f"block_{number}"
    past = x
    if halve:
        # Averaged before the 1x1 convolution: with a stride it would skip three of four pixels (He
        # et al. 2019, "Bag of tricks", ResNet-D), and with few channels TensorFlow 2.21 on CPU
        # would write outside its memory.
        past = layers.AveragePooling2D(2, padding="same", name=f"{name}_average")(past)
    past = layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_past")(past)
    stride = 2 if halve else 1
    x = layers.Conv2D(
        filters, 3, strides=stride, padding="same", use_bias=False, name=f"{name}_conv_0"
    )(x)
    x = layers.BatchNormalization(momentum=_NORM_MOMENTUM, name=f"{name}_norm_0")(x)
    x = layers.ReLU(name=f"{name}_relu_0")(x)
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"{name}_conv_1")(x)
    x = layers.BatchNormalization(momentum=_NORM_MOMENTUM, name=f"{name}_norm_1")(x)
    return layers.ReLU(name=f"{name}_relu_1")(layers.Add(name=f"{name}_add")([x, past]))


class Augmentation(layers.Layer):  # type: ignore[misc]
    """Mirror, rotate, resize and shift each image at random.

    Galaxies have any position angle, and no exact centre. Everything is done in one resampling:
    Keras's layers, one after another, would blur four times and take as long as the training step.
    For the residual recipe it also changes what differs between surveys: sharpness, contrast,
    brightness, colour, sky level and noise.

    Parameters
    ----------
    recipe : ReferenceSettings or ResidualSettings
        Largest changes.
    seed : int
        Seed of the random numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from galaxies.settings import load_settings
    >>> augmentation = Augmentation(load_settings().cnn.residual, seed=0)
    >>> images = np.full((2, 32, 32, 3), 40, np.uint8)
    >>> np.asarray(augmentation(images, training=True)).shape
    (2, 32, 32, 3)
    """

    def __init__(self, recipe: ReferenceSettings | ResidualSettings, seed: int) -> None:
        super().__init__(name="augmentation")
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
        # The position in the image of each pixel of the result: rotated about the centre, then
        # shifted.
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
            images = self._other_camera(images, recipe)
        return ops.clip(images, 0, 255)

    def _other_camera(self, images: Any, recipe: ResidualSettings) -> Any:  # noqa: ANN401
        blur = self._draw(images, recipe.blur)
        # Sharpening increases the noise, so there is less of it than of blurring.
        blur = ops.where(blur < 0, 0.4 * blur, 1.6 * blur)
        blurred = ops.average_pool(images, 3, 1, "same")
        images = images + _each(blur) * (blurred - images)
        power = ops.exp(self._draw(images, recipe.stretch))
        images = 255 * ops.power(ops.clip(images, 0, 255) / 255 + 1e-6, _each(power))
        shape = (ops.shape(images)[0], 1, 1, 3)
        colour = keras.random.uniform(shape, -recipe.colour, recipe.colour, seed=self._seeds)
        images = images * _each(1 + self._draw(images, recipe.brightness)) * (1 + colour)
        images = images + _each(self._draw(images, recipe.background))
        noise = _each(ops.abs(self._draw(images, recipe.noise)))
        return images + noise * keras.random.normal(ops.shape(images), seed=self._seeds)

    def _draw(self, images: Any, reach: float) -> Any:  # noqa: ANN401
        """Draw a number from `-reach` to `reach` for each image."""
        return keras.random.uniform((ops.shape(images)[0],), -reach, reach, seed=self._seeds)


def _each(numbers: Any) -> Any:  # noqa: ANN401
    """Shape one number for each image (N,) as (N, 1, 1, 1)."""
    return numbers[:, None, None, None]


def fit(images: Pixels, train: Part, validation: Part, settings: CnnSettings) -> Fit[Cnn]:
    """Build the network with the recipe in the settings, and train it.

    Parameters
    ----------
    images : ndarray of shape (M, side, side, 3), uint8
        Packed images.
    train, validation : Part
        Galaxies for training, and for choosing the epoch.
    settings : CnnSettings
        The recipe.

    Returns
    -------
    Fit of Cnn
        The network with the weights of the epoch with the lowest loss on the validation galaxies.

    Raises
    ------
    GalaxiesError
        If the loss becomes infinite or NaN.
    """
    repeatable(settings.seed)
    if settings.recipe == "reference":
        return _fit_reference(images, train, validation, settings.reference, settings.seed)
    return _fit_residual(images, train, validation, settings.residual, settings.seed)


def _fit_reference(
    images: Pixels, train: Part, validation: Part, recipe: ReferenceSettings, seed: int
) -> Fit[Cnn]:
    network = build_reference(images.shape[1], recipe)
    training = fit_network(
        network,
        keras.Sequential([Augmentation(recipe, seed), network]),
        keras.optimizers.SGD(recipe.learning_rate, momentum=recipe.momentum),
        GalaxyBatches(images, train.rows, train.labels, recipe.batch, seed),
        GalaxyBatches(images, validation.rows, validation.labels, recipe.batch),
        recipe.epochs,
    )
    return Fit(Cnn(network), *training)


def _fit_residual(
    images: Pixels, train: Part, validation: Part, recipe: ResidualSettings, seed: int
) -> Fit[Cnn]:
    if train.votes is None or validation.votes is None:
        raise ValueError("the residual recipe needs votes")
    network = build_residual(images.shape[1], recipe)
    answered = () if recipe.start is None else _start_from(network, Path(recipe.start))
    kept = tuple(question for question in untold(train.votes) if question.name in answered)
    steps = recipe.epochs * -(-len(train.rows) // recipe.batch)
    warmup = steps // 10
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps - warmup, warmup_target=recipe.learning_rate, warmup_steps=warmup
    )
    campaign: Campaign = "gz2" if (validation.votes.labels("gz2") >= 0).any() else "gz1"
    training = fit_network(
        network,
        keras.Sequential([Augmentation(recipe, seed), network]),
        keras.optimizers.AdamW(rate, weight_decay=recipe.weight_decay),
        GalaxyBatches(images, train.rows, targets(train.votes), recipe.batch, seed),
        GalaxyBatches(images, validation.rows, targets(validation.votes), recipe.batch),
        recipe.epochs,
        lambda votes, numbers: surprise(votes, numbers, recipe.sharpness, recipe.counted),
        ClassAccuracy(campaign),
    )
    if kept:
        start = build_residual(images.shape[1], recipe)
        _start_from(start, Path(recipe.start or ""))
        _keep_answers(network, start, images[_some(train.rows)], kept)
    return Fit(Cnn(network), *training, tuple(question.name for question in kept))


def _some(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Select rows for the ridge regression of the last layer."""
    return rows[:: -(-len(rows) // _ENOUGH)]


def _keep_answers(
    network: keras.Model, start: keras.Model, images: Pixels, questions: tuple[Question, ...]
) -> None:
    """Restore the answers of the start network to some questions.

    There are no votes on these questions, but training has changed the features. The weights of the
    last layer, which is linear, are fitted to the answers of the start network.
    """
    # Imported here because predicting does not need it.
    from sklearn.linear_model import Ridge
    from sklearn.preprocessing import StandardScaler

    last, mean = network.get_layer("answers"), network.get_layer("mean")
    features = keras.Model(network.inputs, mean.output)
    seen, said = (
        in_full_batches(one.predict_on_batch, images, _BATCH).astype(np.float64)
        for one in (features, start)
    )
    places = [place for one in questions for place in range(one.places.start, one.places.stop)]
    places += [ANSWERS + ALL_QUESTIONS.index(one) for one in questions]
    scaler = StandardScaler().fit(seen)
    # One thread, because the last digits of sums depend on the number of threads.
    with threadpool_limits(1, user_api="blas"):
        linear = Ridge(_PENALTY * len(images)).fit(scaler.transform(seen), said[:, places])
    slopes = linear.coef_ / scaler.scale_
    kernel, bias = (np.array(ops.convert_to_numpy(one)) for one in (last.kernel, last.bias))
    kernel[:, places] = slopes.T
    bias[places] = linear.intercept_ - slopes @ scaler.mean_
    last.kernel.assign(kernel)
    last.bias.assign(bias)


def _start_from(network: keras.Model, name: Path) -> tuple[str, ...]:
    """Copy the weights of a bundle to a network; returns the questions that the bundle answers.

    If the bundle does not answer the question of Galaxy Zoo 1, its answers to the first question of
    Galaxy Zoo 2 are used instead.
    """
    folder = bundle_folder(name)
    learned = read_description(folder).questions
    try:
        read_weights(network, folder / NETWORK)
    except (OSError, ValueError) as error:
        raise GalaxiesError(
            f"cnn.residual.start: the network of {name} does not fit ({error}); restore "
            "cnn.residual.filters, use a bundle with these filters, or set it to null"
        ) from error
    if TYPE.name not in learned:
        answers = network.get_layer("answers")
        for variable in (answers.kernel, answers.bias):
            values = np.array(ops.convert_to_numpy(variable))
            values[..., TYPE.places] = values[..., QUESTIONS[0].places]
            variable.assign(values)
    return learned
