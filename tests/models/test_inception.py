"""InceptionV3's weights: random, from a file, and ImageNet's from a server."""

import hashlib
import threading
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler

import keras
import numpy as np
import pandas as pd
import pytest
from keras.src.legacy.saving import legacy_h5_format
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from galaxies.base.arrays import open_array
from galaxies.bundle.forward import ForwardPass
from galaxies.bundle.predictor import Predictor
from galaxies.classifying.classifier import Classifier
from galaxies.dataset.archive import list_images, open_archive
from galaxies.dataset.layout import IMAGES
from galaxies.errors import GalaxiesError
from galaxies.images.decode import decode_image
from galaxies.judgement.appearance import NUMBERS
from galaxies.models.inception import backbone as subject
from galaxies.models.inception.backbone import make_backbone
from galaxies.models.inception.classifier import Regression, fit
from galaxies.models.inception.extraction import survey_features
from galaxies.models.inception.features import extract_features
from galaxies.models.inception.weights import BACKBONE, read_weights_record
from galaxies.settings import InceptionSettings
from galaxies.training.parts import Part
from tests.conftest import every_other, write_bundle

pytestmark = pytest.mark.slow

SIDE = 75
STRENGTHS = InceptionSettings(weights="random", seed=1, size=SIDE, crop=0.5, regularisation=[0.1])
TRAIN, VALIDATION = every_other(np.arange(0, 80)), every_other(np.arange(80, 120))


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A weights file in the layout of Keras's own, which is the old HDF5 one."""
    import h5py

    keras.utils.set_random_seed(99)
    model = keras.applications.InceptionV3(include_top=False, weights=None)
    path = tmp_path_factory.mktemp("server") / subject.IMAGENET_URL.rpartition("/")[2]
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
    return path


@pytest.fixture
def server(published, monkeypatch, tmp_path):
    """Serves the file on this machine, in place of Keras's address, with an empty cache."""
    handler = partial(SimpleHTTPRequestHandler, directory=published.parent)
    with HTTPServer(("127.0.0.1", 0), handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
        address = f"http://127.0.0.1:{httpd.server_port}/{published.name}"
        monkeypatch.setattr(subject, "IMAGENET_URL", address)
        digest = hashlib.md5(published.read_bytes(), usedforsecurity=False).hexdigest()
        monkeypatch.setattr(subject, "IMAGENET_MD5", digest)
        yield httpd
        httpd.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def random_backbone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "backbone"
    make_backbone(folder, "random", seed=1)
    return folder


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)


def test_imagenet_weights_come_from_the_server_once_and_then_from_the_cache(
    server, published, images, tmp_path
):
    weights = make_backbone(tmp_path / "backbone", "imagenet", seed=1)
    assert (weights.source, weights.title) == ("imagenet", "InceptionV3 (ImageNet)")
    assert weights.detail == "sha256 " + hashlib.sha256(published.read_bytes()).hexdigest()
    server.shutdown()
    assert make_backbone(tmp_path / "again", "imagenet", seed=1) == read_weights_record(
        tmp_path / "again"
    )
    assert read_weights_record(tmp_path / "again").source == "imagenet"

    features = extract_features(ForwardPass(tmp_path / "backbone" / BACKBONE), images)
    reference = keras.applications.InceptionV3(
        include_top=False, weights=str(published), pooling="avg", input_shape=(SIDE, SIDE, 3)
    )
    prepared = keras.applications.inception_v3.preprocess_input(images.astype(np.float32))
    expected = reference.predict_on_batch(prepared)
    assert features.shape == (2, 2048)
    assert features == pytest.approx(expected, rel=2e-3, abs=1e-4)


def test_a_file_that_is_not_the_published_one_is_refused(server, monkeypatch, tmp_path):
    monkeypatch.setattr(subject, "IMAGENET_MD5", "0" * 32)
    with pytest.raises(GalaxiesError, match="differs from the published one"):
        make_backbone(tmp_path / "backbone", "imagenet", seed=1)
    assert not (tmp_path / "backbone").exists()


def test_without_a_server_there_are_no_imagenet_weights(server, monkeypatch, tmp_path):
    monkeypatch.setattr(subject, "IMAGENET_URL", "http://127.0.0.1:1/none.h5")
    with pytest.raises(GalaxiesError, match="cannot be reached; put the file there"):
        make_backbone(tmp_path / "backbone", "imagenet", seed=1)


def test_random_weights_follow_the_seed(random_backbone, images, tmp_path):
    make_backbone(tmp_path / "same", "random", seed=1)
    make_backbone(tmp_path / "other", "random", seed=2)
    weights = "backbone.weights.h5"
    assert (tmp_path / "same" / weights).read_bytes() == (random_backbone / weights).read_bytes()
    one, other = (
        extract_features(ForwardPass(f / BACKBONE), images)
        for f in (random_backbone, tmp_path / "other")
    )
    assert not np.allclose(one, other)


def test_a_local_file_is_used_and_a_wrong_one_refused(published, tmp_path):
    assert make_backbone(tmp_path / "backbone", str(published), seed=1).source == "file"
    (tmp_path / "wrong.h5").write_bytes(b"no weights")
    with pytest.raises(GalaxiesError, match=r"wrong.h5: not weights of InceptionV3"):
        make_backbone(tmp_path / "other", str(tmp_path / "wrong.h5"), seed=1)
    with pytest.raises(GalaxiesError, match=r"inception\.weights: no file 'imagnet'"):
        make_backbone(tmp_path / "other", "imagnet", seed=1)
    assert not (tmp_path / "other").exists()


def test_a_bundle_classifies_frames_as_the_pipeline_classified_features(
    random_backbone, tiny_survey, tmp_path
):
    archive = tiny_survey / IMAGES
    count = survey_features(
        archive, random_backbone, tmp_path / "features.npy", tmp_path / "looks.npy",
        size=SIDE, crop=0.5, decoding="scaled", max_unreadable=0.0, workers=2,
    )  # fmt: skip
    features = open_array(tmp_path / "features.npy")
    assert features.shape == (count, 2048) == (60, 2048)
    assert open_array(tmp_path / "looks.npy").shape == (60, NUMBERS)
    rows = np.arange(60)
    table = pd.DataFrame({"galaxy_id": rows})
    marks = np.zeros((60, 3), np.uint64)
    train, held_out = (Part(table, some, some % 2, marks[some]) for some in (rows[:40], rows[40:]))
    fitted = fit(features, train, held_out, STRENGTHS, random_backbone)
    assert fitted.chosen["weights"] == "random"
    bundle = write_bundle(tmp_path / "bundle", "inception", fitted.model.save, size=SIDE)
    classifier, predictor = Classifier(bundle), Predictor(bundle)
    with open_archive(archive) as file:
        names = [member.name for member in list_images(archive)[40:44]]
        frames = [decode_image(file.read(name)) for name in names]
    expected = predictor.predict_rows(features, rows[40:44], workers=1)
    p_spiral = classifier.classify(frames)["p_spiral"].to_numpy()
    assert p_spiral == pytest.approx(expected.p_spiral, abs=2e-3)


def test_the_regression_does_not_depend_on_the_number_of_threads(random_backbone, tmp_path):
    random = np.random.default_rng(4)
    features = random.normal(size=(600, 2048)).astype(np.float16)
    part = every_other(np.arange(0, 600))
    saved, predicted = [], []
    for threads in (1, 3):
        with threadpool_limits(threads):
            model = fit(features, part, part, STRENGTHS, random_backbone).model
            predicted.append(model.predict(features))
        folder = tmp_path / str(threads)
        folder.mkdir()
        model.save(folder)
        saved.append(Regression.load(folder / "regression.npz"))
    assert np.array_equal(*predicted)
    for one, other in zip(*saved, strict=True):
        assert np.array_equal(one, other)


def test_the_regression_is_logistic_regression_on_standardised_features(random_backbone):
    random = np.random.default_rng(2)
    features = random.normal(size=(120, 5)).astype(np.float16)
    features[:, 0] += 2 * (np.arange(120) % 2)
    three = STRENGTHS.model_copy(update={"regularisation": [0.01, 1.0, 100.0]})
    fitted = fit(features, TRAIN, VALIDATION, three, random_backbone)
    assert len(fitted.history) == 3
    known = features[:80].astype(float)
    z = (known - known.mean(axis=0)) / known.std(axis=0)
    model = LogisticRegression(C=1 / (fitted.chosen["regularisation"] * 80), max_iter=5000)
    expected = model.fit(z, TRAIN.labels).predict_proba(z)[:, 1]
    assert fitted.model.predict(features[:80]) == pytest.approx(expected, abs=1e-4)


def test_a_feature_that_never_changes_does_no_harm(random_backbone):
    features = np.ones((120, 3), np.float16)
    features[:, 0] = np.arange(120) % 2
    model = fit(features, TRAIN, VALIDATION, STRENGTHS, random_backbone).model
    assert np.isfinite(model.predict(features)).all()
