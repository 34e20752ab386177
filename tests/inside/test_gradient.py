import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from galaxies.errors import GalaxiesError
from galaxies.inside.gradient import Gradient
from galaxies.models.cnn import build_reference, build_residual
from galaxies.models.graph import write_graph
from galaxies.questions.gz1 import GZ1
from galaxies.questions.gz2 import GZ2
from galaxies.questions.layout import Layout
from galaxies.settings import ReferenceSettings, ResidualSettings

OUTPUTS = Layout((GZ2, GZ1)).outputs


def settled(network):
    """With weights and normalisations that are not those of the first step."""
    random = np.random.default_rng(3)
    network.set_weights(
        [
            values + random.normal(0, 0.1, values.shape).astype(np.float32) ** 2
            for values in network.get_weights()
        ]
    )
    return network


def residual(side):
    recipe = ResidualSettings.model_construct(filters=(4, 6, 8), dropout=0.1)
    return settled(build_residual(side, recipe, OUTPUTS))


def reference(side):
    recipe = ReferenceSettings.model_construct(filters=(4, 6), dense=8, dropout=0.1)
    return settled(build_reference(side, recipe))


@pytest.mark.parametrize("build", [residual, reference])
@pytest.mark.parametrize("side", [16, 37])
def test_gradient_is_the_one_that_keras_finds(build, side, tmp_path):
    network = build(side)
    write_graph(network, tmp_path / "network.onnx")
    gradient = Gradient(tmp_path / "network.onnx")
    random = np.random.default_rng(1)
    images = random.integers(0, 256, (3, side, side, 3)).astype(np.float32)
    direction = random.normal(size=(3, network.output_shape[1])).astype(np.float32)

    # Keras makes whole numbers of what is given to the first layer: begin behind the second. A
    # sigmoid at the end is left out.
    rescale = network.get_layer("rescale")
    network.layers[-1].activation = keras.activations.linear
    behind = keras.Model(rescale.output, network.outputs[0])
    given = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(given)
        numbers = behind(given * rescale.scale, training=False)
        total = tf.reduce_sum(numbers * direction)
    expected = np.asarray(tape.gradient(total, given))

    np.testing.assert_allclose(gradient.numbers(images), numbers, rtol=1e-4, atol=1e-4)
    found = gradient.gradient(images, direction)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_an_operation_without_a_backward_pass_is_refused(tmp_path):
    pixels = keras.Input((8, 8, 3), dtype="uint8", name="image")
    x = layers.Conv2D(2, 3, activation="tanh")(layers.Rescaling(1 / 255)(pixels))
    network = keras.Model(pixels, layers.Dense(1)(layers.GlobalAveragePooling2D()(x)))
    write_graph(network, tmp_path / "network.onnx")
    with pytest.raises(GalaxiesError, match="the gradient of the operation Tanh is not known"):
        Gradient(tmp_path / "network.onnx")


def test_random_layers_give_other_numbers_and_the_same_ones_each_time(tmp_path):
    write_graph(residual(16), tmp_path / "network.onnx")
    images = np.random.default_rng(1).integers(0, 256, (2, 16, 16, 3)).astype(np.float32)
    own, first, again = (
        Gradient(tmp_path / "network.onnx", randomised=layers).numbers(images)
        for layers in (0, 1, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(own - first).max() > 0.01


@pytest.mark.parametrize(
    ("build", "kind", "names", "fields"),
    [
        (residual, "Relu", ["relu_0", "block_1_relu_0", "block_1_relu_1"], [5, 9, 13]),
        (reference, None, ["conv_0", "pool_0", "conv_1", "pool_1"], [3, 4, 8, 10]),
    ],
)
def test_layers_are_those_with_positions_in_their_order(build, kind, names, fields, tmp_path):
    network = build(16)
    write_graph(network, tmp_path / "network.onnx")
    gradient = Gradient(tmp_path / "network.onnx")
    found = list(gradient.layers.values())[: len(names)]
    assert [layer.name for layer in found] == names
    assert [layer.field for layer in found] == fields
    assert kind is None or {layer.kind for layer in found} == {kind}

    images = np.random.default_rng(1).integers(0, 256, (2, 16, 16, 3)).astype(np.uint8)
    inside = keras.Model(network.inputs[0], network.get_layer(names[0]).output)
    expected = np.asarray(inside.predict_on_batch(images))
    first = next(iter(gradient.layers))
    np.testing.assert_allclose(gradient.activations(images, first), expected, atol=1e-3)
    kernel = np.asarray(network.get_layer("conv_0").kernel)
    np.testing.assert_array_equal(gradient.filters, kernel)
