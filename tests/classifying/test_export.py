"""A bundle in one file answers as the bundle does."""

import json
import shutil

import keras
import numpy as np
import onnx
import onnxruntime
import pytest

from galaxies.bundle.predictor import Predictor
from galaxies.bundle.pretrained import PRETRAINED
from galaxies.classifying.export import export_bundle
from galaxies.errors import GalaxiesError
from galaxies.models.cnn import build_reference, build_residual
from galaxies.models.mlp import build_mlp
from galaxies.models.networks import Network
from galaxies.questions.kaggle import KAGGLE
from galaxies.questions.layout import Layout
from galaxies.settings import load_settings
from tests.conftest import ROOT, draw_galaxy, write_bundle

SETTINGS = load_settings(ROOT / "params.yaml")


def network_bundle(folder, kind, network, strength=3.0, **changes):
    keras.utils.set_random_seed(4)
    # Weights at random, strong enough that galaxies differ.
    network.set_weights([strength * weights for weights in network.get_weights()])
    return write_bundle(folder, kind, Network(network).save, views=8, **changes)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles")
    keras.utils.set_random_seed(4)
    return {
        "mlp": network_bundle(folder / "mlp", "mlp", build_mlp(32, SETTINGS.mlp)),
        "reference": network_bundle(
            folder / "reference", "cnn", build_reference(32, SETTINGS.cnn.reference)
        ),
        "residual": network_bundle(
            folder / "residual",
            "cnn",
            build_residual(32, SETTINGS.cnn.residual, Layout((KAGGLE,)).outputs),
            strength=1.0,
            questions={KAGGLE.name: tuple(question.name for question in KAGGLE.questions)},
        ),
    }


@pytest.fixture(scope="module")
def images():
    random = np.random.default_rng(3)
    return np.stack([draw_galaxy(random, bool(n % 2), side=32) for n in range(6)])


def ask(path, images):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    [given] = session.get_inputs()
    assert (given.name, given.type, given.shape[1:]) == (
        "image", "tensor(uint8)", list(images.shape[1:]),
    )  # fmt: skip
    return session.run(["p_spiral", "spread"], {"image": images})


@pytest.mark.parametrize("views", [1, 8])
@pytest.mark.parametrize("name", ["mlp", "reference", "residual"])
def test_every_network_answers_the_same_from_one_file(bundles, images, name, views, tmp_path):
    export_bundle(bundles[name], tmp_path / "model.onnx", views)
    expected = Predictor(bundles[name], views).predict(images)
    p_spiral, spread = ask(tmp_path / "model.onnx", images)
    assert np.ptp(expected.p_spiral) > 1e-4
    assert p_spiral == pytest.approx(expected.p_spiral, abs=2e-6)
    assert spread == pytest.approx(expected.spread, abs=2e-6)
    assert p_spiral.dtype == spread.dtype == np.float32
    alone, _ = ask(tmp_path / "model.onnx", images[:1])
    assert alone == pytest.approx(expected.p_spiral[:1], abs=2e-6)


def test_the_pretrained_network_answers_the_same_and_the_file_repeats(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    for name in ("a.onnx", "b.onnx"):
        export_bundle(PRETRAINED / "real", tmp_path / name)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
    expected = Predictor(PRETRAINED / "real").predict(images)
    p_spiral, spread = ask(tmp_path / "a.onnx", images)
    assert p_spiral == pytest.approx(expected.p_spiral, abs=2e-6)
    assert spread == pytest.approx(expected.spread, abs=2e-6)


def test_the_file_says_how_to_prepare_images(bundles, tmp_path):
    export_bundle(bundles["mlp"], tmp_path / "mlp.onnx")
    notes = {prop.key: prop.value for prop in onnx.load(tmp_path / "mlp.onnx").metadata_props}
    assert (notes["size"], notes["crop"], notes["decoding"]) == ("32", "0.5", "whole")
    assert notes["classes"] == "elliptical spiral"
    assert json.loads(notes["triage"])[1]["threshold"] == 0.9


def test_what_is_not_a_network_or_damaged_is_refused(tree_bundle, bundles, tmp_path):
    with pytest.raises(GalaxiesError, match=r"tree: the model 'tree' is not a network; only"):
        export_bundle(tree_bundle, tmp_path / "tree.onnx")
    shutil.copytree(bundles["mlp"], tmp_path / "damaged")
    (tmp_path / "damaged/network.onnx").write_bytes(b"text")
    with pytest.raises(GalaxiesError, match=r"network.onnx: damaged network; train the model"):
        export_bundle(tmp_path / "damaged", tmp_path / "mlp.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["damaged"]
