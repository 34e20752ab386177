"""The networks: small, but real trainings."""

import json

import keras
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from galaxies.bundle.description import read_description
from galaxies.bundle.folder import PRETRAINED
from galaxies.errors import GalaxiesError
from galaxies.models import cnn, mlp
from galaxies.models.cnn import Cnn, build_reference
from galaxies.models.mlp import HiddenLayer
from galaxies.models.networks import GalaxyBatches, draw, operations
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


def test_a_galaxy_is_drawn_as_often_as_its_weight_says():
    random = np.random.default_rng(0)
    weights = random.exponential(size=200).astype(np.float32)
    share = 200 * weights / weights.sum()
    counts = np.array([np.bincount(draw(weights, random), minlength=200) for _ in range(300)])
    assert (counts.sum(axis=1) == 200).all()
    assert (counts >= np.floor(share - 1e-4)).all()
    assert (counts <= np.ceil(share + 1e-4)).all()
    assert counts.mean(axis=0) == pytest.approx(share, abs=0.15)


@given(st.lists(st.floats(0.0, 100.0, width=32), min_size=1, max_size=50), st.integers(0, 99))
def test_drawing_never_leaves_the_galaxies(weights, seed):
    assume(sum(weights) > 1e-3)
    drawn = draw(np.array(weights, np.float32), np.random.default_rng(seed))
    assert len(drawn) == len(weights)
    assert (np.array(weights)[drawn] > 0).all()


def test_weights_count_in_the_loss_of_validation_galaxies(images):
    heavy = np.where(VALIDATION.labels == 1, 3.0, 1.0).astype(np.float32)
    weighted = VALIDATION._replace(galaxies=VALIDATION.galaxies.assign(weight=heavy))
    fitted = mlp.fit(images, TRAIN, weighted, MLP)
    p = fitted.model.predict(images[VALIDATION.rows]).astype(float)
    losses = -np.log(np.where(VALIDATION.labels == 1, p, 1 - p))
    expected = np.average(losses, weights=heavy)
    assert fitted.chosen["loss"] == pytest.approx(expected, abs=1e-4)
    right = (p > 0.5) == (VALIDATION.labels == 1)
    assert fitted.chosen["accuracy"] == pytest.approx(np.average(right, weights=heavy), abs=1e-6)


def test_batches_are_augmented_anew_each_epoch(images):
    calls = []

    def darken(pixels, epoch, batch):
        calls.append((epoch, batch))
        return pixels // 2

    batches = GalaxyBatches(images, TRAIN.rows, TRAIN.labels, 50, seed=None, augment=darken)
    assert np.array_equal(batches[0][0], images[:50] // 2)
    batches.on_epoch_end()
    assert np.array_equal(batches[1][0], images[50:90] // 2)
    assert calls == [(0, 0), (1, 1)]


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
