"""ONNX Runtime answers as Keras does, from files that are the same in every run."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

from galaxies.bundle.description import read_description
from galaxies.bundle.forward import BATCH, ForwardPass
from galaxies.bundle.pretrained import PRETRAINED
from galaxies.errors import GalaxiesError
from galaxies.models.cnn import build_reference, build_residual
from galaxies.models.graph import read_weights, write_graph
from galaxies.models.inception.backbone import make_backbone
from galaxies.models.inception.weights import BACKBONE
from galaxies.models.mlp import build_mlp
from galaxies.models.networks import Network
from galaxies.models.saved_network import SavedNetwork
from galaxies.questions.gz1 import GZ1
from galaxies.questions.gz2 import GZ2
from galaxies.questions.layout import Layout
from galaxies.settings import load_settings
from tests.conftest import ROOT, draw_galaxy

pytestmark = pytest.mark.slow

OUTPUTS = Layout((GZ2, GZ1)).outputs
SETTINGS = load_settings(ROOT / "params.yaml")
BUILD = {
    "mlp": lambda side: build_mlp(side, SETTINGS.mlp),
    "reference": lambda side: build_reference(side, SETTINGS.cnn.reference),
    "residual": lambda side: build_residual(side, SETTINGS.cnn.residual, OUTPUTS),
}


def drawn(side, count=40):
    random = np.random.default_rng(3)
    return np.stack([draw_galaxy(random, bool(n % 2), side) for n in range(count)])


def shaken(network, seed=4):
    """Give a network random weights also where it would begin with 0 or 1."""
    random = np.random.default_rng(seed)

    def shake(weights):
        if weights.ndim > 1:
            return weights
        return weights * random.uniform(0.5, 1.5, weights.shape) + (weights == 0) * random.normal(
            0, 0.1, weights.shape
        )

    network.set_weights([shake(weights) for weights in network.get_weights()])
    return network


def both(network, images, path):
    """What Keras and what ONNX Runtime make of images."""
    write_graph(network, path)
    return network.predict_on_batch(images), ForwardPass(path)(images)


@pytest.mark.parametrize("side", [32, 64, 96])
@pytest.mark.parametrize("name", BUILD)
def test_every_network_of_the_pipeline_answers_as_keras_does(name, side, tmp_path):
    keras.utils.set_random_seed(1)
    expected, found = both(shaken(BUILD[name](side)), drawn(side), tmp_path / "network.onnx")
    assert np.ptp(expected) > 1e-3
    assert found.dtype == np.float32
    assert found == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", ["real", "simulated"])
def test_the_networks_that_come_with_the_package_answer_as_keras_does(name):
    images = drawn(64, 200)
    found = SavedNetwork.load(PRETRAINED / name).predict(images)
    expected = Network.load(PRETRAINED / name).predict(images)
    layout = read_description(PRETRAINED / name).layout
    assert found.shape == (200, layout.outputs)
    assert np.ptp(found[:, : layout.answers], axis=0).max() > 0.1
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)


def keras_backbone(folder: Path, side: int) -> keras.Model:
    """Build the backbone for images of one size, with the weights in a folder."""
    image = keras.Input((side, side, 3), dtype="uint8")
    scaled = layers.Rescaling(1 / 127.5, offset=-1)(image)
    inception = keras.applications.InceptionV3(
        include_top=False, weights=None, pooling="avg", input_shape=(side, side, 3)
    )
    inception.load_weights(folder / "backbone.weights.h5")
    return keras.Model(image, inception(scaled))


def test_one_file_holds_the_backbone_for_images_of_every_size(tmp_path):
    make_backbone(tmp_path / "backbone", "random", seed=1)
    forward = ForwardPass(tmp_path / "backbone" / BACKBONE)
    for side in (75, 139):
        images = drawn(side, 3)
        expected = keras_backbone(tmp_path / "backbone", side).predict_on_batch(images)
        assert forward(images) == pytest.approx(expected, abs=1e-5 * float(expected.max()))


@pytest.mark.parametrize("name", BUILD)
def test_an_images_answer_depends_neither_on_the_others_nor_on_the_thread(name, tmp_path):
    keras.utils.set_random_seed(1)
    write_graph(shaken(BUILD[name](32)), tmp_path / "network.onnx")
    forward, images = ForwardPass(tmp_path / "network.onnx"), drawn(32, 2 * BATCH + 5)
    together = forward(images)
    assert np.array_equal(np.concatenate([forward(one[None]) for one in images]), together)
    assert np.array_equal(forward(images[::-1])[::-1], together)
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(forward, [images] * 16):
            assert np.array_equal(found, together)


@settings(max_examples=30)
@given(
    side=st.integers(5, 23),
    kernel=st.integers(1, 5),
    stride=st.integers(1, 3),
    padding=st.sampled_from(["same", "valid"]),
    pool=st.sampled_from([layers.AveragePooling2D, layers.MaxPooling2D]),
)
def test_convolutions_and_pools_of_every_stride_are_padded_as_keras_does(
    tmp_path_factory, side, kernel, stride, padding, pool
):
    image = keras.Input((side, side, 3), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 100, offset=-0.5)(image)
    x = layers.Conv2D(4, kernel, stride, padding=padding, activation="tanh")(x)
    x = pool(2, 3, padding="same")(x)
    network = keras.Model(image, layers.Flatten()(x))
    images = np.random.default_rng(side).integers(0, 256, (3, side, side, 3), dtype=np.uint8)
    expected, found = both(network, images, tmp_path_factory.mktemp("graph") / "network.onnx")
    assert found == pytest.approx(expected, abs=1e-5)


def test_branches_join_and_weightless_layers_do_nothing(tmp_path):
    image = keras.Input((8, 8, 3), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 255)(image)
    one = layers.Conv2D(3, 1, dilation_rate=1, activation="relu")(x)
    two = layers.Activation("sigmoid")(layers.Dropout(0.5)(x))
    x = layers.Concatenate()([layers.Add()([one, two, x]), two])
    x = layers.BatchNormalization(scale=False, center=False)(x)
    x = layers.Dense(2, use_bias=False)(layers.Flatten()(layers.ReLU()(x)))
    network = shaken(keras.Model(image, x))
    expected, found = both(network, drawn(8, 4), tmp_path / "network.onnx")
    assert found == pytest.approx(expected, abs=1e-5)


def test_a_layer_that_no_operation_is_known_for_is_named(tmp_path):
    image = keras.Input((8, 8, 3), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 255)(image)
    for layer, expected in (
        (
            layers.UpSampling2D(name="larger"),
            "layer 'larger': there is no ONNX operation for a UpSampling2D",
        ),
        (layers.Conv2D(2, 1, activation="gelu", name="bent"), "layer 'bent': .*gelu"),
    ):
        network = keras.Model(image, layers.Flatten()(layer(x)))
        with pytest.raises(GalaxiesError, match=expected):
            write_graph(network, tmp_path / "network.onnx")
    assert not list(tmp_path.iterdir())


def test_the_same_weights_give_the_same_bytes_in_every_process(tmp_path):
    script = """if True:
        import sys
        from pathlib import Path
        from galaxies.bundle.pretrained import PRETRAINED
        from galaxies.models.graph import read_weights, write_graph
        from galaxies.models.networks import Network
        write_graph(Network.load(PRETRAINED / "real").network, Path(sys.argv[1]))
    """
    for name in ("one", "two"):
        command = [sys.executable, "-c", script, str(tmp_path / name)]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    kept = (PRETRAINED / "real/network.onnx").read_bytes()
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes() == kept


@pytest.mark.parametrize("spoil", ["absent", "empty", "cut off", "text", "other operations"])
def test_a_damaged_file_is_named(spoil, tmp_path):
    path = tmp_path / "network.onnx"
    data = (PRETRAINED / "real/network.onnx").read_bytes()
    spoilt = {
        "empty": b"",
        "cut off": data[: len(data) // 2],
        "text": b"not a network",
        "other operations": data.replace(b"GlobalAveragePool", b"GlobalAverageTool"),
    }
    if spoil != "absent":
        path.write_bytes(spoilt[spoil])
    with pytest.raises(
        GalaxiesError, match=r"network.onnx: damaged network \(.*train the model again"
    ):
        ForwardPass(path)


def test_a_gpu_that_is_not_there_is_not_passed_over(monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(GalaxiesError, match=r"no GPU: .* needs an NVIDIA GPU, and the package"):
        ForwardPass(PRETRAINED / "real/network.onnx", "gpu")


def test_predicting_imports_neither_keras_nor_tensorflow():
    script = """if True:
        import sys
        import numpy as np
        from galaxies.bundle.pretrained import PRETRAINED
        from galaxies.bundle.predictor import Predictor
        Predictor(PRETRAINED / "real").predict(np.zeros((2, 64, 64, 3), np.uint8))
        print(sorted({"keras", "tensorflow", "sklearn", "onnx", "scipy"} & set(sys.modules)))
    """
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", BUILD)
def test_weights_are_read_back_from_the_graph(name, tmp_path):
    network, path = shaken(BUILD[name](32)), tmp_path / "network.onnx"
    write_graph(network, path)
    other = shaken(BUILD[name](32), seed=5)
    read_weights(other, path)
    images = drawn(32)
    assert np.array_equal(other.predict_on_batch(images), network.predict_on_batch(images))


def test_weights_of_other_layers_are_refused(tmp_path):
    path, recipe = tmp_path / "network.onnx", SETTINGS.cnn.residual
    write_graph(build_residual(32, recipe, OUTPUTS), path)
    shorter, longer, wider = (
        build_residual(32, recipe.model_copy(update={"filters": filters}), OUTPUTS)
        for filters in (recipe.filters[:-1], [*recipe.filters, 8], [8, *recipe.filters[1:]])
    )
    for network, said in (
        (shorter, "belongs to no layer|has the shape"),
        (longer, "no block_4"),
        (wider, r"conv_0/kernel has the shape \(5, 5, 3, 24\), expected \(5, 5, 3, 8\)"),
        (build_mlp(32, SETTINGS.mlp), "^no "),
    ):
        with pytest.raises(ValueError, match=said):
            read_weights(network, path)
    content = path.read_bytes()
    for damaged in (b"", b"text", content[:100], content[: len(content) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"network\.onnx is not an ONNX file"):
            read_weights(build_residual(32, recipe, OUTPUTS), path)
    with pytest.raises(OSError, match="none"):
        read_weights(shorter, tmp_path / "none")
