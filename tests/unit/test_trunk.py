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

from galaxies.base.arrays import open_array
from galaxies.classifying.classifier import Classifier
from galaxies.dataset.archive import list_images, open_archive
from galaxies.dataset.layout import IMAGES
from galaxies.errors import GalaxiesError
from galaxies.images.decode import decode_image
from galaxies.learning.bundle import Description, describe, new_bundle
from galaxies.learning.calibration import Calibration
from galaxies.learning.parts import Part
from galaxies.models.inception import backbone as subject
from galaxies.models.inception.backbone import embed, load_trunk, make_trunk
from galaxies.models.inception.classifier import fit_head
from galaxies.models.inception.features import embed_survey
from galaxies.models.inception.weights import read_origin
from tests.conftest import PROMISES

SIDE = 75
SAME = Calibration(slope=1, intercept=0)


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
def random_trunk(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "trunk"
    make_trunk(folder, "random", seed=1)
    return folder


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)


def test_imagenet_weights_come_from_the_server_once_and_then_from_the_cache(
    server, published, images, tmp_path
):
    origin = make_trunk(tmp_path / "trunk", "imagenet", seed=1)
    assert (origin.source, origin.title) == ("imagenet", "InceptionV3 (ImageNet)")
    assert origin.detail == "sha256 " + hashlib.sha256(published.read_bytes()).hexdigest()
    server.shutdown()
    assert make_trunk(tmp_path / "again", "auto", seed=1) == read_origin(tmp_path / "again")
    assert read_origin(tmp_path / "again").source == "imagenet"

    features = embed(load_trunk(tmp_path / "trunk", SIDE), images)
    reference = keras.applications.InceptionV3(
        include_top=False, weights=str(published), pooling="avg", input_shape=(SIDE, SIDE, 3)
    )
    prepared = keras.applications.inception_v3.preprocess_input(images.astype(np.float32))
    expected = reference.predict_on_batch(prepared)
    assert features.shape == (2, 2048)
    assert features == pytest.approx(expected, rel=2e-3, abs=1e-4)


def test_a_file_that_is_not_the_published_one_is_refused(server, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(subject, "IMAGENET_MD5", "0" * 32)
    with pytest.raises(GalaxiesError, match="differs from the published one"):
        make_trunk(tmp_path / "trunk", "imagenet", seed=1)
    assert not (tmp_path / "trunk").exists()
    assert make_trunk(tmp_path / "trunk", "auto", seed=1).source == "random"
    assert "WARNING: InceptionV3 gets RANDOM weights" in capsys.readouterr().err


def test_an_unreachable_server_is_fatal_for_imagenet_and_loud_for_auto(
    server, monkeypatch, tmp_path, capsys
):
    monkeypatch.setattr(subject, "IMAGENET_URL", "http://127.0.0.1:1/none.h5")
    with pytest.raises(GalaxiesError, match="cannot be reached; put the file there"):
        make_trunk(tmp_path / "trunk", "imagenet", seed=1)
    assert make_trunk(tmp_path / "trunk", "auto", seed=1).source == "random"
    assert "RANDOM" in capsys.readouterr().err


def test_random_weights_follow_the_seed(random_trunk, images, tmp_path):
    make_trunk(tmp_path / "same", "random", seed=1)
    make_trunk(tmp_path / "other", "random", seed=2)
    weights = "trunk.weights.h5"
    assert (tmp_path / "same" / weights).read_bytes() == (random_trunk / weights).read_bytes()
    one, other = (embed(load_trunk(f, SIDE), images) for f in (random_trunk, tmp_path / "other"))
    assert not np.allclose(one, other)


def test_a_local_file_is_used_and_a_wrong_one_refused(published, tmp_path):
    assert make_trunk(tmp_path / "trunk", str(published), seed=1).source == "file"
    (tmp_path / "wrong.h5").write_bytes(b"no weights")
    with pytest.raises(GalaxiesError, match=r"wrong.h5: no weights of InceptionV3"):
        make_trunk(tmp_path / "other", str(tmp_path / "wrong.h5"), seed=1)
    with pytest.raises(GalaxiesError, match=r"inception\.weights: no file 'imagnet'"):
        make_trunk(tmp_path / "other", "imagnet", seed=1)
    assert not (tmp_path / "other").exists()


def test_a_bundle_classifies_frames_as_the_pipeline_classified_embeddings(
    random_trunk, tiny_survey, tmp_path
):
    archive = tiny_survey / IMAGES
    count = embed_survey(
        archive, random_trunk, tmp_path / "embeddings.npy",
        size=SIDE, crop=0.5, max_unreadable=0.0, workers=2,
    )  # fmt: skip
    embeddings = open_array(tmp_path / "embeddings.npy")
    assert embeddings.shape == (count, 2048) == (60, 2048)
    rows = np.arange(60)
    table = pd.DataFrame({"galaxy_id": rows})
    train, held_out = (Part(table, some, some % 2) for some in (rows[:40], rows[40:]))
    fitted = fit_head(embeddings, train, held_out, [0.1])
    with new_bundle(tmp_path / "bundle") as folder:
        fitted.head.save(folder / "head.npz")
        for file in random_trunk.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
        description = Description(
            model="inception", title="InceptionV3 (random)", size=SIDE, crop=0.5, views=1,
            calibration=SAME, votes=SAME, triage=PROMISES, survey="tiny", galaxies=40,
        )  # fmt: skip
        describe(folder, description)
    classifier = Classifier(tmp_path / "bundle")
    with open_archive(archive) as file:
        names = [member.name for member in list_images(archive)[40:44]]
        frames = [decode_image(file.read(name)) for name in names]
    expected = classifier.predictor.predict_rows(embeddings, rows[40:44])
    said = classifier.classify(frames)["p_spiral"].to_numpy()
    assert said == pytest.approx(expected.p_spiral, abs=2e-3)
