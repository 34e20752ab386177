import shutil
import sys

import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf
from keras import layers

import galaxies
from galaxies.bundle.description import read_description
from galaxies.bundle.folder import describe
from galaxies.bundle.pretrained import PRETRAINED
from galaxies.errors import GalaxiesError
from galaxies.inside.gradient import Gradient
from galaxies.models.backward import main, randomised_gradient, write_gradient
from galaxies.models.cnn import build_reference, build_residual
from galaxies.models.graph import write_graph
from galaxies.models.saved_network import GRADIENT, NETWORK
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


def written(network, folder):
    """The folder, with the network and its gradient."""
    write_graph(network, folder / NETWORK)
    write_gradient(folder)
    return folder


@pytest.mark.parametrize("build", [residual, reference])
@pytest.mark.parametrize("side", [16, 37])
def test_gradient_is_the_one_that_keras_finds(build, side, tmp_path):
    network = build(side)
    gradient = Gradient(written(network, tmp_path))
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
    with pytest.raises(GalaxiesError, match="the gradient of the operation Tanh is not known"):
        written(network, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [NETWORK]


def test_random_layers_give_other_numbers_and_the_same_ones_each_time(tmp_path):
    written(residual(16), tmp_path)
    images = np.random.default_rng(1).integers(0, 256, (2, 16, 16, 3)).astype(np.float32)
    own = Gradient(tmp_path).numbers(images)
    first, again = (
        Gradient(randomised_gradient(tmp_path, layers=1, seed=0)).numbers(images) for _ in range(2)
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
    gradient = Gradient(written(network, tmp_path))
    found = list(gradient.layers.values())[: len(names)]
    assert [layer.name for layer in found] == names
    assert [layer.field for layer in found] == fields
    assert kind is None or {layer.kind for layer in found} == {kind}

    images = np.random.default_rng(1).integers(0, 256, (2, 16, 16, 3)).astype(np.uint8)
    inside = keras.Model(network.inputs[0], network.get_layer(names[0]).output)
    expected = np.asarray(inside.predict_on_batch(images))
    found = gradient.activations(images)
    assert list(found) == list(gradient.layers)
    np.testing.assert_allclose(found[names[0]], expected, atol=1e-3)


@pytest.mark.parametrize("bundle", ["real", "simulated"])
def test_the_pretrained_bundles_have_the_gradient_of_their_network(bundle, tmp_path):
    folder = shutil.copytree(PRETRAINED / bundle, tmp_path / bundle)
    kept = (folder / GRADIENT).read_bytes()
    write_gradient(folder)
    assert (folder / GRADIENT).read_bytes() == kept
    # The weights are in one of the two files only.
    assert len(kept) < 100_000
    assert sum(path.stat().st_size for path in folder.iterdir()) < 4_000_000


def test_a_further_output_of_the_network_changes_nothing(tmp_path):
    written(residual(16), tmp_path)
    images = np.random.default_rng(1).integers(0, 256, (2, 16, 16, 3)).astype(np.float32)
    direction = np.ones((2, OUTPUTS), np.float32)
    expected = Gradient(tmp_path).gradient(images, direction)
    model = onnx.load(tmp_path / NETWORK)
    means = onnx.helper.make_tensor_value_info("features", onnx.TensorProto.FLOAT, ["images", 8])
    model.graph.node.append(onnx.helper.make_node("Identity", ["mean"], ["features"], name="last"))
    model.graph.output.append(means)
    onnx.save(model, tmp_path / NETWORK)
    write_gradient(tmp_path)
    np.testing.assert_array_equal(Gradient(tmp_path).gradient(images, direction), expected)


def test_a_bundle_without_a_gradient_says_how_to_add_one(tmp_path):
    folder = shutil.copytree(PRETRAINED / "simulated", tmp_path / "old")
    (folder / GRADIENT).unlink()
    describe(folder, read_description(folder))  # a bundle of before has no hash of it
    with pytest.raises(GalaxiesError, match=r"old: has no gradient.onnx.* adds it"):
        galaxies.load(folder).explain(np.zeros((1, 64, 64, 3), np.uint8))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["backward", str(folder)])
        main()
    galaxies.load(folder).explain(np.zeros((1, 64, 64, 3), np.uint8))


def test_a_gradient_of_another_network_or_a_damaged_one_is_refused(tmp_path):
    folder = shutil.copytree(PRETRAINED / "simulated", tmp_path / "bundle")
    graph = (folder / GRADIENT).read_bytes()
    (folder / GRADIENT).write_bytes(graph[:1000])
    with pytest.raises(GalaxiesError, match=r"gradient.onnx: damaged .*train the model again"):
        Gradient(folder)
    (folder / GRADIENT).write_bytes(graph)
    (folder / NETWORK).write_bytes((folder / NETWORK).read_bytes()[:100_000])
    with pytest.raises(GalaxiesError, match=r"gradient.onnx: damaged .*train the model again"):
        Gradient(folder)
