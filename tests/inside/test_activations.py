import keras
import numpy as np
import pytest
from keras import layers

from galaxies.inside.activations import (
    first_filters,
    grad_cam,
    layer_activations,
    logit_network,
    spatial_layers,
)

SIDE = 8


@pytest.fixture
def image():
    """Dark, but for a red pixel at the upper left and a green one at the lower right."""
    pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
    pixels[1, 2] = 255, 0, 0
    pixels[6, 5] = 0, 255, 0
    return pixels


@pytest.fixture
def linear():
    """A network whose logit is the mean of red less the mean of green."""
    network = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3), dtype="uint8", name="image"),
            layers.Rescaling(1 / 255, name="rescale"),
            layers.Conv2D(3, 1, use_bias=False, name="copy"),
            layers.GlobalAveragePooling2D(name="mean"),
            layers.Dense(1, activation="sigmoid", use_bias=False, name="p_spiral"),
        ],
        name="linear",
    )
    network.set_weights(
        [np.eye(3, dtype=np.float32)[None, None], np.array([[1], [-1], [0]], np.float32)]
    )
    return network


def residual():
    """A functional network with a skip, normalisation and layers that learn nothing."""
    pixels = keras.Input((SIDE, SIDE, 3), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 255, name="rescale")(pixels)
    x = layers.RandomFlip(name="flip")(x)
    x = layers.Conv2D(4, 3, padding="same", name="conv")(x)
    y = layers.BatchNormalization(name="norm")(x)
    y = layers.SpatialDropout2D(0.5, name="drop")(y)
    y = layers.Conv2D(4, 3, padding="same", activation="relu", name="inner")(y)
    x = layers.Add(name="add")([x, y])
    x = layers.AveragePooling2D(2, name="pool")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(pixels, layers.Dense(1, activation="sigmoid", name="p_spiral")(x))


def test_layers_are_those_with_positions_that_learned_or_pool():
    assert [layer.name for layer in spatial_layers(residual())] == [
        "conv",
        "norm",
        "inner",
        "add",
        "pool",
    ]


def test_what_leads_up_to_an_activation_is_left_out():
    pixels = keras.Input((SIDE, SIDE, 3), dtype="uint8", name="image")
    x = layers.Conv2D(4, 3, name="conv")(pixels)
    x = layers.ReLU(name="active")(layers.BatchNormalization(name="norm")(x))
    x = layers.Dense(1, activation="sigmoid")(layers.GlobalAveragePooling2D()(x))
    assert [layer.name for layer in spatial_layers(keras.Model(pixels, x))] == ["active"]


def test_activations_are_what_each_layer_makes_of_the_image(linear, image):
    (only,) = layer_activations(linear, image)
    assert (only.name, only.kind) == ("copy", "Conv2D")
    np.testing.assert_allclose(only.values, image / 255, atol=1e-6)


def test_activations_of_a_residual_network_follow_its_graph(image):
    found = {one.name: one.values for one in layer_activations(residual(), image)}
    assert found["conv"].shape == (SIDE, SIDE, 4)
    assert found["pool"].shape == (SIDE // 2, SIDE // 2, 4)
    np.testing.assert_allclose(found["add"], found["conv"] + found["inner"], atol=1e-6)
    assert {values.dtype for values in found.values()} == {np.dtype(np.float32)}


def test_filters_are_the_weights_of_the_first_convolution(linear):
    found = first_filters(linear)
    assert found.name == "copy"
    np.testing.assert_array_equal(found.weights, np.eye(3)[None, None])


def test_grad_cam_points_at_what_speaks_for_each_class(linear, image):
    for label, place in ((1, (1, 2)), (0, (6, 5))):
        expected = np.zeros((SIDE, SIDE), np.float32)
        expected[place] = 1
        np.testing.assert_allclose(grad_cam(linear, image, label), expected, atol=1e-6)


def test_grad_cam_does_not_fade_where_the_network_is_sure(linear, image):
    kernel, head = linear.get_weights()
    linear.set_weights([kernel, head * 1e6])
    assert float(np.asarray(linear.predict_on_batch(image[None]))[0, 0]) in (0, 0.5, 1)
    assert grad_cam(linear, image, 1)[1, 2] == 1


def test_grad_cam_is_zero_where_nothing_speaks_for_the_class(linear):
    blue = np.zeros((SIDE, SIDE, 3), np.uint8)
    blue[..., 2] = 255
    assert not grad_cam(linear, blue, 1).any()


def test_logits_are_those_behind_the_probabilities(image):
    network = residual()
    logit = np.asarray(logit_network(network).predict_on_batch(image[None]))
    p = np.asarray(network.predict_on_batch(image[None]))
    np.testing.assert_allclose(1 / (1 + np.exp(-logit)), p, rtol=1e-5)
    assert network.layers[-1].activation is keras.activations.sigmoid


def test_network_built_from_its_description_is_explained_as_the_original(linear, image):
    again = keras.models.model_from_json(linear.to_json())
    again.set_weights(linear.get_weights())
    np.testing.assert_array_equal(grad_cam(again, image, 1), grad_cam(linear, image, 1))
    assert len(layer_activations(again, image)) == len(layer_activations(linear, image))
