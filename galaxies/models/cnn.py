"""The convolutional network, with one of two recipes."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from galaxies.base.arrays import Pixels, in_full_batches
from galaxies.base.tensorflow_import import importing_tensorflow
from galaxies.bundle.description import read_description
from galaxies.bundle.pretrained import bundle_folder
from galaxies.errors import GalaxiesError
from galaxies.models.augmentation import Augmentation
from galaxies.models.backward import write_gradient
from galaxies.models.graph import read_weights
from galaxies.models.likelihood import ClassAccuracy, surprise, targets, untold
from galaxies.models.networks import GalaxyBatches, Network, fit_network, repeatable
from galaxies.models.saved_network import NETWORK
from galaxies.questions.campaign import Campaign, Question
from galaxies.questions.layout import Layout
from galaxies.questions.registry import in_order
from galaxies.settings import CnnSettings, ReferenceSettings, ResidualSettings
from galaxies.training.fitting import Fit
from galaxies.training.parts import Part, Votes

with importing_tensorflow():
    import keras
    from keras import layers


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


def build_residual(side: int, settings: ResidualSettings, outputs: int) -> keras.Model:
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
    x = layers.Dense(outputs, dtype="float32", name="answers")(x)
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
    side = images.shape[1]
    network = build_reference(side, recipe)
    augmentation = Augmentation(recipe, side, seed)
    training = fit_network(
        network,
        keras.optimizers.SGD(recipe.learning_rate, momentum=recipe.momentum),
        GalaxyBatches(
            images, train.rows, train.labels, recipe.batch, seed, train.weights, augmentation
        ),
        GalaxyBatches(
            images, validation.rows, validation.labels, recipe.batch, weights=validation.weights
        ),
        recipe.epochs,
    )
    return Fit(Cnn(network), *training)


def _fit_residual(
    images: Pixels, train: Part, validation: Part, recipe: ResidualSettings, seed: int
) -> Fit[Cnn]:
    if train.votes is None or validation.votes is None:
        raise ValueError("the residual recipe needs votes")
    start = None if recipe.start is None else _Start(Path(recipe.start))
    layout = Layout(in_order({*train.votes.layout.campaigns, *(start.campaigns if start else ())}))
    network = build_residual(images.shape[1], recipe, layout.outputs)
    kept: tuple[int, ...] = ()
    if start is not None:
        start.read(images.shape[1], recipe)
        _copy(start, network, layout)
        kept = tuple(
            place
            for place in untold(train.votes, layout)
            if start.answers(*layout.questions[place])
        )
    steps = recipe.epochs * -(-len(train.rows) // recipe.batch)
    warmup = steps // 10
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps - warmup, warmup_target=recipe.learning_rate, warmup_steps=warmup
    )
    classes = layout.class_places(_campaign_with_classes(validation.votes))
    augmentation = Augmentation(recipe, images.shape[1], seed)
    training = fit_network(
        network,
        keras.optimizers.AdamW(rate, weight_decay=recipe.weight_decay),
        GalaxyBatches(
            images,
            train.rows,
            targets(train.votes, layout),
            recipe.batch,
            seed,
            train.weights,
            augmentation,
        ),
        GalaxyBatches(
            images,
            validation.rows,
            targets(validation.votes, layout),
            recipe.batch,
            weights=validation.weights,
        ),
        recipe.epochs,
        lambda votes, numbers: surprise(votes, numbers, layout, recipe.sharpness, recipe.counted),
        ClassAccuracy(classes),
    )
    if start is not None and kept:
        _keep_answers(network, start, images[_sample(train.rows)], layout, kept)
    names = frozenset(
        (campaign.name, question.name)
        for campaign, question in (layout.questions[place] for place in kept)
    )
    return Fit(Cnn(network), *training, layout, names)


def _campaign_with_classes(votes: Votes) -> Campaign:
    """Find the first campaign that has galaxies with a class."""
    for campaign in votes.layout.campaigns:
        if (votes.labels(campaign) >= 0).any():
            return campaign
    return votes.layout.campaigns[0]


class _Start:
    """The network that training starts from."""

    def __init__(self, name: Path) -> None:
        self._name, self._folder = name, bundle_folder(name)
        self.description = read_description(self._folder)
        self.network: keras.Model = None

    def read(self, side: int, recipe: ResidualSettings) -> None:
        """Read the network itself.

        It is built after the one that is trained, whose random numbers then do not depend on it.
        """
        self.network = build_residual(side, recipe, self.description.layout.outputs)
        try:
            read_weights(self.network, self._folder / NETWORK)
        except (OSError, ValueError) as error:
            raise GalaxiesError(
                f"cnn.residual.start: the network of {self._name} does not fit ({error}); restore "
                "cnn.residual.filters, use a bundle with these filters, or set it to null"
            ) from error

    @property
    def campaigns(self) -> tuple[Campaign, ...]:
        """Campaigns that it answers."""
        answered = self.description.questions
        return tuple(
            campaign for campaign in self.description.campaigns if campaign.name in answered
        )

    def answers(self, campaign: Campaign, question: Question) -> bool:
        """Tell whether it answers a question of a campaign."""
        return question.name in self.description.questions.get(campaign.name, ())

    def source(self, campaign: Campaign, question: Question) -> tuple[Campaign, Question] | None:
        """Find the question whose answers a question starts from.

        That is itself, the same of another campaign, or, for a first question, another first one.
        """
        if self.answers(campaign, question):
            return campaign, question
        for other in self.campaigns:
            if question in other.questions and self.answers(other, question):
                return other, question
        if question == campaign.first:
            for other in self.campaigns:
                if self.answers(other, other.first):
                    return other, other.first
        return None


def _places(layout: Layout, questions: Iterable[tuple[Campaign, Question]]) -> list[int]:
    """List the places of the answers to questions in the outputs, then of the concentrations."""
    numbers = [layout.questions.index(question) for question in questions]
    slices = [layout.question_places[number] for number in numbers]
    answers = [place for each in slices for place in range(each.start, each.stop)]
    return answers + [layout.answers + number for number in numbers]


def _copy(start: _Start, network: keras.Model, layout: Layout) -> None:
    """Copy the weights of a network to another, whose answers may be in another order."""
    last = network.get_layer("answers")
    for theirs, ours in zip(start.network.layers, network.layers, strict=True):
        if ours is not last:
            ours.set_weights(theirs.get_weights())
    pairs = [
        (source, question)
        for question in layout.questions
        if (source := start.source(*question)) is not None
    ]
    sources = _places(start.description.layout, [source for source, _ in pairs])
    places = _places(layout, [question for _, question in pairs])
    weights = last.get_weights()
    for values, given in zip(
        weights, start.network.get_layer("answers").get_weights(), strict=True
    ):
        values[..., places] = given[..., sources]
    last.set_weights(weights)


def _sample(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Select rows for the ridge regression of the last layer."""
    return rows[:: -(-len(rows) // _ENOUGH)]


def _keep_answers(
    network: keras.Model,
    start: _Start,
    images: Pixels,
    layout: Layout,
    kept: tuple[int, ...],
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
    seen, answers = (
        in_full_batches(model.predict_on_batch, images, _BATCH).astype(np.float64)
        for model in (features, start.network)
    )
    questions = [layout.questions[place] for place in kept]
    places = _places(layout, questions)
    answers = answers[:, _places(start.description.layout, questions)]
    scaler = StandardScaler().fit(seen)
    # One thread, because the last digits of sums depend on the number of threads.
    with threadpool_limits(1, user_api="blas"):
        linear = Ridge(_PENALTY * len(images)).fit(scaler.transform(seen), answers)
    slopes = linear.coef_ / scaler.scale_
    kernel, bias = last.get_weights()
    kernel[:, places] = slopes.T
    bias[places] = linear.intercept_ - slopes @ scaler.mean_
    last.set_weights([kernel, bias])
