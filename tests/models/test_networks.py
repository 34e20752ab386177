"""The networks: small, but real trainings."""

import json

import keras
import numpy as np
import pytest

from galaxies.bundle.description import read_description
from galaxies.bundle.folder import PRETRAINED
from galaxies.errors import GalaxiesError
from galaxies.models import cnn, mlp
from galaxies.models.cnn import Augmentation, Cnn, build_reference
from galaxies.models.mlp import HiddenLayer
from galaxies.models.networks import GalaxyBatches, operations
from galaxies.settings import (
    CnnSettings,
    MlpSettings,
    ReferenceSettings,
    ResidualSettings,
    load_settings,
)
from tests.conftest import ROOT, draw_galaxy, every_other

AUGMENTED = {
    "rotation": 180.0,
    "zoom": 0.1,
    "shift": 0.05,
    "dropout": 0.1,
    "epochs": 4,
    "batch": 20,
}
CNN = CnnSettings(
    recipe="reference",
    views=1,
    seed=5,
    reference=ReferenceSettings(
        **AUGMENTED, filters=[4, 8], dense=8, learning_rate=0.1, momentum=0.9
    ),
    residual=ResidualSettings(
        **AUGMENTED,
        filters=[4, 8],
        start=None,
        brightness=0.2,
        colour=0.05,
        stretch=0.15,
        background=4.0,
        blur=0.5,
        noise=2.0,
        sharpness=2.0,
        counted=1.0,
        learning_rate=0.003,
        weight_decay=0.001,
    ),
)
RESIDUAL = CNN.model_copy(update={"recipe": "residual"})
MLP = MlpSettings(
    size=16, hidden=16, dropout=0.0, learning_rate=0.05, momentum=0.9, epochs=30, batch=20, seed=5
)


TRAIN, VALIDATION = every_other(np.arange(0, 90)), every_other(np.arange(90, 120))


@pytest.fixture(scope="module")
def images():
    random = np.random.default_rng(3)
    return np.stack([draw_galaxy(random, bool(n % 2), side=16) for n in range(120)])


@pytest.mark.parametrize("settings", [CNN, RESIDUAL], ids=["reference", "residual"])
def test_two_trainings_give_the_same_bytes(images, tmp_path, settings):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        keras.utils.clear_session()
        cnn.fit(images, TRAIN, VALIDATION, settings).model.save(tmp_path / name)
    for file in ("network.json", "network.onnx"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


@pytest.mark.parametrize("settings", [CNN, RESIDUAL], ids=["reference", "residual"])
def test_a_saved_network_predicts_the_same_and_holds_no_augmentation(images, tmp_path, settings):
    model = cnn.fit(images, TRAIN, VALIDATION, settings).model
    model.save(tmp_path)
    assert "augmentation" not in (tmp_path / "network.json").read_text().lower()
    loaded = Cnn.load(tmp_path)
    assert np.array_equal(loaded.predict(images), model.predict(images))
    assert loaded.predict(images[:3]) == pytest.approx(loaded.predict(images)[:3], abs=1e-6)


def test_the_best_epoch_on_validation_is_kept(images):
    fitted = mlp.fit(images, TRAIN, VALIDATION, MLP)
    losses = [row["validation_loss"] for row in fitted.history]
    assert fitted.chosen["best_epoch"] == np.argmin(losses) + 1
    p = fitted.model.predict(images[VALIDATION.rows]).astype(float)
    truth = np.where(VALIDATION.labels == 1, p, 1 - p)
    assert -np.log(truth).mean() == pytest.approx(min(losses), abs=1e-4)
    assert fitted.chosen["accuracy"] > 0.8


def test_a_loss_that_is_no_number_stops_the_training(images):
    hopeless = MLP.model_copy(update={"learning_rate": 1e38})
    with pytest.raises(GalaxiesError, match=r"mlp: the loss became nan in epoch 1, step \d; lower"):
        mlp.fit(images, TRAIN, VALIDATION, hopeless)


def test_batches_hold_every_galaxy_once_in_a_new_order_each_epoch(images):
    batches = GalaxyBatches(images, TRAIN.rows, TRAIN.labels, 20, seed=1)
    assert len(batches) == 5

    def epoch():
        return np.concatenate([batches[number][0] for number in range(len(batches))])

    first = epoch()
    batches.on_epoch_end()
    second = epoch()
    assert not np.array_equal(first, second)
    for seen in (first, second):
        assert sorted(map(bytes, seen)) == sorted(map(bytes, images[:90]))


SAME_CAMERA = CNN.residual.model_copy(
    update=dict.fromkeys(("brightness", "colour", "stretch", "background", "blur", "noise"), 0.0)
)


@pytest.mark.parametrize("recipe", [CNN.reference, SAME_CAMERA], ids=["reference", "residual"])
def test_a_view_shows_the_same_galaxy_turned_moved_and_resized(recipe):
    y, x = np.mgrid[:64, :64] - 31.5
    blob = np.exp(-((x - 8) ** 2 + y**2) / 18)[..., None] * [200, 100, 50]
    views = np.asarray(Augmentation(recipe, seed=1)(np.repeat(blob[None], 200, 0), training=True))
    assert views.shape == (200, 64, 64, 3)
    light = views[..., 0] ** 2  # so that the sky does not count
    across, down = ((light * place).sum(axis=(1, 2)) / light.sum(axis=(1, 2)) for place in (x, y))
    # 8 pixels off the centre in any direction, a tenth nearer or farther, moved by 3.2 pixels.
    angles = np.arctan2(down, across)
    assert np.histogram(angles, bins=4, range=(-np.pi, np.pi))[0].min() > 25
    assert np.hypot(down, across).max() < 8 / 0.9 + 3.2 * np.sqrt(2) + 0.5
    assert np.ptp(np.hypot(down, across)) > 3
    sums = views.sum(axis=(1, 2))
    assert sums[:, 0] / sums[:, 2] == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize(
    ("setting", "reach", "measure"),
    [
        ("brightness", 0.2, lambda view, image: view[16, 16].mean() / image[16, 16].mean() - 1),
        ("colour", 0.2, lambda view, image: (view[16, 16] / image[16, 16] - 1).max()),
        ("background", 9.0, lambda view, image: (view - image)[0].mean()),
        ("stretch", 0.5, lambda view, image: np.log(view / 255).mean() / np.log(image / 255).mean()
         - 1),
        ("noise", 9.0, lambda view, image: (view - image).std()),
        ("blur", 0.5, lambda view, image: image[16, 16].mean() - view[16, 16].mean()),
    ],
)  # fmt: skip
def test_another_camera_changes_what_its_settings_say(setting, reach, measure):
    still = {"rotation": 0.0, "zoom": 0.0, "shift": 0.0, setting: reach}
    recipe = SAME_CAMERA.model_copy(update=still)
    y, x = np.mgrid[:33, :33] - 16
    image = 40 + 90 * np.exp(-(x**2 + y**2) / 8)[..., None] * np.ones(3)
    views = np.asarray(Augmentation(recipe, seed=1)(np.repeat(image[None], 100, 0), training=True))
    # A mirrored image is the same one here.
    changes = np.array([measure(view, image) for view in views])
    assert np.std(changes) > 0.02 * reach
    if setting != "blur":
        assert np.abs(changes).max() < 1.7 * reach
    assert views.min() >= 0
    assert views.max() <= 255


def test_a_view_mirrors_half_of_the_images():
    y, x = np.mgrid[:64, :64] - 31.5
    hook = ((abs(x) < 2) & (abs(y) < 16)) | ((abs(y - 14) < 2) & (x > 0) & (x < 12))
    image = np.where(hook, 200, 0)[..., None] * np.ones(3)
    still = CNN.reference.model_copy(update={"rotation": 0.0, "zoom": 0.0, "shift": 0.0})
    views = np.asarray(Augmentation(still, seed=1)(np.repeat(image[None], 100, 0), training=True))
    same = np.abs(views - image).max(axis=(1, 2, 3)) < 1
    mirrored = np.abs(views - image[:, ::-1]).max(axis=(1, 2, 3)) < 1
    assert (same ^ mirrored).all()
    assert 30 < same.sum() < 70


def test_outside_training_nothing_is_changed(images):
    view = Augmentation(CNN.residual, seed=1)
    assert np.array_equal(np.asarray(view(images[:5])), images[:5])


def test_operations_are_counted_as_on_paper():
    network = build_reference(16, CNN.reference)
    convolutions = 2 * (16 * 16 * 9 * 3 * 4 + 8 * 8 * 9 * 4 * 8)
    assert operations(network) == convolutions + 2 * (4 * 4 * 8 * 8 + 8)


def test_training_can_start_from_simulated_galaxies(images):
    trained = load_settings(ROOT / "params.yaml").cnn.residual.filters
    one_step = RESIDUAL.residual.model_copy(
        update={"epochs": 1, "batch": 90, "start": "simulated", "filters": trained}
    )
    started = RESIDUAL.model_copy(update={"residual": one_step})
    network = cnn.fit(images, TRAIN, VALIDATION, started).model.network
    start = Cnn.load(PRETRAINED / "simulated").network
    assert TYPE.name not in read_description(PRETRAINED / "simulated").questions
    for one, other in zip(network.trainable_weights, start.trainable_weights, strict=True):
        expected = np.array(keras.ops.convert_to_numpy(other))
        found = np.array(keras.ops.convert_to_numpy(one))
        if one.path.startswith("answers/"):
            # Of the other campaign, the nearest that is known.
            expected[..., TYPE.places] = expected[..., QUESTIONS[0].places]
            taught = np.r_[QUESTIONS[0].places, TYPE.places]
            found, expected = found[..., taught], expected[..., taught]
        assert np.abs(found - expected).max() < 0.02
    wrong = RESIDUAL.model_copy(
        update={"residual": RESIDUAL.residual.model_copy(update={"start": "simulated"})}
    )
    with pytest.raises(GalaxiesError, match=r"cnn\.residual\.start: .*cnn\.residual\.filters"):
        cnn.fit(images, TRAIN, VALIDATION, wrong)


def test_what_nobody_teaches_is_answered_as_by_the_start_network(images):
    side = np.repeat(np.repeat(images, 4, axis=1), 4, axis=2)
    trained = load_settings(ROOT / "params.yaml").cnn.residual
    short = trained.model_copy(update={"epochs": 6, "batch": 10, "learning_rate": 0.005})
    settings = RESIDUAL.model_copy(update={"residual": short})
    fitted = cnn.fit(side, TRAIN, VALIDATION, settings)
    assert fitted.kept == tuple(question.name for question in QUESTIONS[1:])
    before = Cnn.load(PRETRAINED / "simulated").predict(side)
    after = fitted.model.predict(side)
    for name in ("Class2.1", "Class7.1", "Class6.1"):
        place = COLUMNS.index(name)
        said, wanted = (
            outputs[:, place] / outputs[:, COLUMNS.index(asked)] if asked else outputs[:, place]
            for outputs in (after, before)
            for asked in [QUESTIONS[int(name[5]) - 1].asked_after]
        )
        assert np.abs(said - wanted).mean() < 0.05


def test_a_saved_hidden_layer_predicts_the_same_and_holds_nothing_of_its_training(images, tmp_path):
    model = mlp.fit(images, TRAIN, VALIDATION, MLP.model_copy(update={"epochs": 1})).model
    model.save(tmp_path)
    text = (tmp_path / "network.json").read_text()
    assert "compile_config" not in json.loads(text)
    assert "optimizer" not in text
    loaded = HiddenLayer.load(tmp_path)
    assert np.array_equal(loaded.predict(images), model.predict(images))


@pytest.mark.parametrize("damage", ["network.json", "network.onnx"])
def test_a_damaged_network_is_refused(images, tmp_path, damage):
    Cnn(build_reference(16, CNN.reference)).save(tmp_path)
    path = tmp_path / damage
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(GalaxiesError, match="damaged network"):
        Cnn.load(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", "null", "[" * 10**5])
def test_a_description_that_is_no_network_is_refused(tmp_path, text):
    Cnn(build_reference(16, CNN.reference)).save(tmp_path)
    (tmp_path / "network.json").write_text(text)
    with pytest.raises(GalaxiesError, match="damaged network"):
        Cnn.load(tmp_path)


def test_a_network_cannot_bring_code(tmp_path):
    Cnn(build_reference(16, CNN.reference)).save(tmp_path)
    content = json.loads((tmp_path / "network.json").read_text())
    code = keras.Sequential([keras.Input((16,)), keras.layers.Lambda(lambda x: x)]).to_json()
    content["config"]["layers"].append(json.loads(code)["config"]["layers"][-1])
    (tmp_path / "network.json").write_text(json.dumps(content))
    with pytest.raises(GalaxiesError, match="damaged network"):
        Cnn.load(tmp_path)
