"""A bundle in one file answers as the bundle does."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from galaxies.bundle.forward import ForwardPass
from galaxies.bundle.predictor import Predictor
from galaxies.classifying.export import export_bundle
from galaxies.errors import GalaxiesError
from galaxies.models.cnn import build_reference, build_residual
from galaxies.models.inception.backbone import make_backbone
from galaxies.models.inception.classifier import InceptionClassifier, Regression
from galaxies.models.inception.features import extract_features
from galaxies.models.inception.weights import BACKBONE
from galaxies.models.mlp import build_mlp
from galaxies.models.networks import Network
from galaxies.settings import load_settings
from tests.conftest import ROOT, draw_galaxy, write_bundle

pytestmark = [
    pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


SETTINGS = load_settings(ROOT / "params.yaml")


def network_bundle(folder, kind, network, strength=3.0):
    keras.utils.set_random_seed(4)
    # Weights at random, strong enough that galaxies differ.
    network.set_weights([strength * weights for weights in network.get_weights()])
    return write_bundle(folder, kind, Network(network).save, views=8)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory, tree_bundle, images):
    folder = tmp_path_factory.mktemp("bundles")
    random = np.random.default_rng(1)

    def inception(beside):
        make_backbone(folder / "backbone", "random", seed=1)
        forward = ForwardPass(folder / "backbone" / BACKBONE)
        features = extract_features(forward, images[75]).astype(np.float64)
        scale = features.std(axis=0).clip(1e-6)
        weights = random.normal(size=2048) / 40
        regression = Regression(features.mean(axis=0), scale, weights, np.float64(-0.1))
        InceptionClassifier(regression, folder / "backbone").save(beside)

    keras.utils.set_random_seed(4)
    return {
        "tree": tree_bundle,
        "mlp": network_bundle(folder / "mlp", "mlp", build_mlp(32, SETTINGS.mlp)),
        "reference": network_bundle(
            folder / "reference", "cnn", build_reference(32, SETTINGS.cnn.reference)
        ),
        "residual": network_bundle(
            folder / "residual", "cnn", build_residual(32, SETTINGS.cnn.residual), strength=1.0
        ),
        "inception": write_bundle(folder / "inception", "inception", inception, size=75),
    }


@pytest.fixture(scope="module")
def images():
    random = np.random.default_rng(3)
    return {
        side: np.stack([draw_galaxy(random, bool(n % 2), side=side) for n in range(6)])
        for side in (32, 75)
    }


def ask_onnx(path, images):
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    [given] = session.get_inputs()
    assert (given.name, given.type, given.shape[1:]) == (
        "image", "tensor(uint8)", list(images.shape[1:]),
    )  # fmt: skip
    return dict(
        zip(
            ("p_spiral", "spread"),
            session.run(["p_spiral", "spread"], {"image": images}),
            strict=True,
        )
    )


def ask_tflite(path, images):
    with pytest.warns(UserWarning, match="tf.lite.Interpreter is deprecated"):
        interpreter = tf.lite.Interpreter(str(path))
    return interpreter.get_signature_runner()(image=images)


@pytest.mark.parametrize(
    ("name", "kind", "ask"),
    [
        *((name, "onnx", ask_onnx) for name in ("tree", "mlp", "reference", "residual")),
        ("inception", "onnx", ask_onnx),
        ("tree", "tflite", ask_tflite),
        ("residual", "tflite", ask_tflite),
    ],
)
def test_every_bundle_answers_the_same_from_one_file(bundles, images, name, kind, ask, tmp_path):
    if kind == "onnx":
        pytest.importorskip("tf2onnx")
    folder = bundles[name]
    # A tree has no views of its own, but can be asked for them.
    views = 8 if name == "tree" else None
    export_bundle(folder, tmp_path / f"model.{kind}", kind, views)
    predictor = Predictor(folder, views)
    some = images[predictor.description.size]
    expected = predictor.predict(some)
    said = ask(tmp_path / f"model.{kind}", some)
    # Features are rounded to half precision, now and then to the other side; from a random backbone
    # they hardly differ between galaxies, so that this weighs.
    exact = 0.03 if name == "inception" else 2e-6
    assert np.ptp(expected.p_spiral) > 10 * exact
    assert said["p_spiral"] == pytest.approx(expected.p_spiral, abs=exact)
    assert said["spread"] == pytest.approx(expected.spread, abs=exact)
    assert said["p_spiral"].dtype == said["spread"].dtype == np.float32
    alone = ask(tmp_path / f"model.{kind}", some[:1])
    assert alone["p_spiral"] == pytest.approx(expected.p_spiral[:1], abs=exact)


def test_the_file_says_how_to_prepare_images(tree_bundle, tmp_path):
    onnx = pytest.importorskip("onnx")
    export_bundle(tree_bundle, tmp_path / "tree.onnx", "onnx")
    notes = {one.key: one.value for one in onnx.load(tmp_path / "tree.onnx").metadata_props}
    assert (notes["size"], notes["crop"], notes["classes"]) == ("32", "0.5", "elliptical spiral")
    assert json.loads(notes["triage"])[1]["threshold"] == 0.9


def test_a_missing_package_is_named(tree_bundle, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(GalaxiesError, match=r"onnx is missing; pip install 'galaxies\[onnx\]'"):
        export_bundle(tree_bundle, tmp_path / "tree.onnx", "onnx")
    assert not list(tmp_path.iterdir())
