"""What happens inside a convolutional network when it looks at one galaxy."""

from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import layers

from galaxies.base.arrays import Pixels

Map = npt.NDArray[np.float32]
"""(height, width), or one for each channel (height, width, channels)."""

# They prepare the image or act in training alone: nothing in them was learned.
_UNLEARNED = (
    layers.InputLayer,
    layers.Rescaling,
    layers.Normalization,
    layers.Dropout,
    layers.GaussianDropout,
    layers.GaussianNoise,
)


class Activation(NamedTuple):
    """What one layer makes of one galaxy."""

    name: str
    kind: str
    """The layer's class, such as `Conv2D`."""
    values: Map
    """(height, width, channels)."""


class Filters(NamedTuple):
    """What a convolution learned to look for."""

    name: str
    weights: npt.NDArray[np.float32]
    """(height, width, input channels, filters)."""


def logit_network(network: keras.Model) -> keras.Model:
    """Copy a network without the sigmoid of its last layer.

    Parameters
    ----------
    network : keras.Model
        Maps uint8 images (N, side, side, 3) to probabilities of label 1 (N, 1), by a sigmoid in
        its last layer.

    Returns
    -------
    Model
        Maps them to logits (N, 1). It knows one graph alone, whereas the layers of a network
        that was read from a file remember several, and `layer.output` would be of the first.
    """
    last = network.layers[-1]

    def copied(layer: keras.layers.Layer) -> keras.layers.Layer:
        config = layer.get_config()
        return type(layer).from_config(
            config if layer is not last else {**config, "activation": "linear"}
        )

    copy = keras.models.clone_model(network, clone_function=copied)
    copy.set_weights(network.get_weights())
    return copy


def spatial_layers(network: keras.Model) -> list[keras.layers.Layer]:
    """Find the layers whose output still has positions, in the order in which they act.

    Layers that only prepare the image, or that act only in training, are left out. So are, where
    activation functions are layers of their own, the sums and convolutions that lead up to them.
    """
    spatial = [
        layer
        for layer in network.layers
        if not isinstance(layer, _UNLEARNED)
        and not type(layer).__name__.startswith("Random")
        and len(layer.output.shape) == 4
    ]
    active = [layer for layer in spatial if isinstance(layer, layers.ReLU | layers.Activation)]
    return active or spatial


def activation_reader(network: keras.Model) -> Callable[[Pixels], list[Activation]]:
    """Prepare a network to be shown one galaxy after another.

    Parameters
    ----------
    network : keras.Model
        Maps uint8 images (N, side, side, 3) to probabilities (N, 1).

    Returns
    -------
    callable
        Takes an image (side, side, 3), uint8; says what each layer with positions makes of it.
    """
    copy = logit_network(network)
    found = spatial_layers(copy)
    inside = keras.Model(copy.inputs[0], {layer.name: layer.output for layer in found})

    def read(image: Pixels) -> list[Activation]:
        seen = inside.predict_on_batch(image[None])
        return [
            Activation(layer.name, type(layer).__name__, seen[layer.name][0].astype(np.float32))
            for layer in found
        ]

    return read


def layer_activations(network: keras.Model, image: Pixels) -> list[Activation]:
    """Show a network one galaxy and note what each layer with positions makes of it.

    Parameters
    ----------
    network : keras.Model
        Maps uint8 images (N, side, side, 3) to probabilities (N, 1).
    image : ndarray of shape (side, side, 3), uint8
    """
    return activation_reader(network)(image)


def first_filters(network: keras.Model) -> Filters:
    """Read the weights of the first convolution.

    Parameters
    ----------
    network : keras.Model
        Has a `Conv2D`.
    """
    first = next(layer for layer in network.layers if isinstance(layer, layers.Conv2D))
    return Filters(first.name, np.asarray(first.kernel, dtype=np.float32))


def grad_cam(network: keras.Model, image: Pixels, label: int) -> Map:
    """Find where a network sees what speaks for a class.

    Grad-CAM of Selvaraju et al. (2017): the channels of the last layer with positions, each
    weighted by the mean gradient of the class's score, added up; only what speaks for the class
    is kept. The score is the logit, whose gradient does not vanish where the network is sure.

    Parameters
    ----------
    network : keras.Model
        Maps uint8 images (N, side, side, 3) to probabilities of label 1 (N, 1), by a sigmoid in
        its last layer.
    image : ndarray of shape (side, side, 3), uint8
    label : int
        Place in `CLASSES`.

    Returns
    -------
    ndarray of shape (height, width), float32
        One value for each position of that layer, from 0 to 1, the largest; 0 everywhere if
        nothing speaks for the class.
    """
    copy = logit_network(network)
    positions = spatial_layers(copy)[-1].output
    model = keras.Model(copy.inputs[0], [positions, copy.outputs[0]])
    with tf.GradientTape() as tape:
        channels, score = model(tf.constant(image[None]), training=False)
        towards = score if label == 1 else -score
    gradient = np.asarray(tape.gradient(towards, channels))[0]
    weights = gradient.mean(axis=(0, 1))
    evidence = np.maximum(np.asarray(channels)[0] @ weights, 0).astype(np.float32)
    largest = evidence.max()
    return np.asarray(evidence / largest if largest > 0 else evidence, dtype=np.float32)
