"""The networks: small, but real trainings."""

import json

import keras
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from galaxies.bundle.answers import read_outputs
from galaxies.bundle.description import read_description
from galaxies.bundle.pretrained import PRETRAINED
from galaxies.errors import GalaxiesError
from galaxies.models import cnn, mlp
from galaxies.models.cnn import Cnn, build_reference, build_residual
from galaxies.models.mlp import HiddenLayer
from galaxies.models.networks import GalaxyBatches, draw, operations
from galaxies.questions.gz1 import GZ1
from galaxies.questions.gz2 import GZ2
from galaxies.questions.kaggle import KAGGLE
from galaxies.questions.layout import Layout
from galaxies.settings import (
    CnnSettings,
    MlpSettings,
    ReferenceSettings,
    ResidualSettings,
    load_settings,
)
from tests.conftest import ROOT, draw_galaxy, every_other

pytestmark = pytest.mark.slow

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
    folds=1,
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
    fitted = cnn.fit(images, TRAIN, VALIDATION, started)
    network = fitted.model.network
    start = Cnn.load(PRETRAINED / "simulated").network
    # The galaxies have votes of Kaggle's challenge, the start network those of Galaxy Zoo 2.
    before = read_description(PRETRAINED / "simulated")
    assert list(before.questions) == ["gz2"]
    assert fitted.layout == Layout((KAGGLE, GZ2))
    for one, other in zip(network.trainable_weights, start.trainable_weights, strict=True):
        expected = np.array(keras.ops.convert_to_numpy(other))
        found = np.array(keras.ops.convert_to_numpy(one))
        if one.path.startswith("answers/"):
            # The answers to a question are those of the other campaign that asks it.
            # Those of Galaxy Zoo 2, which nobody teaches, were fitted anew.
            first = KAGGLE.first.places
            found = found[..., fitted.layout.places(KAGGLE)][..., first]
            expected = expected[..., before.layout.places(GZ2)][..., first]
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
    # The galaxies have votes of Kaggle's challenge: all that Galaxy Zoo 2 answered is kept.
    assert fitted.kept == {("gz2", question.name) for question in GZ2.questions}
    start = read_description(PRETRAINED / "simulated").layout
    before, after = (
        GZ2.within_questions(read_outputs(model.predict(side), layout)[:, layout.places(GZ2)])
        for model, layout in (
            (Cnn.load(PRETRAINED / "simulated"), start),
            (fitted.model, fitted.layout),
        )
    )
    for name in ("smooth", "edge_on", "roundness", "odd"):
        places = GZ2.question(name).places
        assert np.abs(after[:, places] - before[:, places]).mean() < 0.05


def taught(campaign, rows):
    """`every_other`, with the votes of another campaign on its first question."""
    part = every_other(rows)
    layout = Layout((campaign,))
    shares = np.full((len(rows), layout.answers), np.nan, np.float32)
    shares[:, :3] = part.votes.shares[:, :3]
    return part._replace(votes=part.votes._replace(layout=layout, shares=shares))


def test_questions_of_the_campaign_that_is_taught_are_kept_if_they_have_no_votes(images):
    side = np.repeat(np.repeat(images, 4, axis=1), 4, axis=2)
    trained = load_settings(ROOT / "params.yaml").cnn.residual
    short = trained.model_copy(update={"epochs": 1, "batch": 10, "learning_rate": 0.005})
    settings = RESIDUAL.model_copy(update={"residual": short})
    fitted = cnn.fit(side, taught(GZ2, TRAIN.rows), taught(GZ2, VALIDATION.rows), settings)
    assert fitted.layout == Layout((GZ2,))
    assert fitted.kept == {("gz2", question.name) for question in GZ2.questions[1:]}


def start_of(questions):
    """A start network whose last layer has another number at each output."""
    network = build_residual(16, RESIDUAL.residual, START.outputs)
    last = network.get_layer("answers")
    kernel, bias = last.get_weights()
    last.set_weights([kernel, np.arange(len(bias), dtype=np.float32)])
    description = read_description(PRETRAINED / "real").model_copy(
        update={"campaigns": START.campaigns, "questions": questions}
    )
    start = cnn._Start(PRETRAINED / "real")
    start.description, start.network = description, network
    return start


def copied(start, layout):
    network = build_residual(16, RESIDUAL.residual, layout.outputs)
    network.get_layer("answers").bias.assign(np.full(layout.outputs, -1, np.float32))
    cnn._copy(start, network, layout)
    return network.get_layer("answers").get_weights()[1]


START = Layout((GZ2, GZ1))
EVERYTHING = {"gz2": tuple(one.name for one in GZ2.questions), "gz1": ("type",)}


def test_a_question_starts_from_itself_before_the_same_of_another_campaign():
    start = start_of(EVERYTHING)
    assert start.campaigns == (GZ2, GZ1)
    bar = GZ2.question("bar")
    assert start.source(GZ2, bar) == (GZ2, bar)
    assert start.source(KAGGLE, bar) == (GZ2, bar)
    assert start.source(GZ1, GZ1.first) == (GZ1, GZ1.first)
    layout = Layout((KAGGLE, GZ2, GZ1))
    bias = copied(start, layout)
    for campaign in (KAGGLE, GZ2):
        assert np.array_equal(bias[layout.places(campaign)], np.arange(37))
        assert np.array_equal(bias[layout.concentration_places(campaign)], 40 + np.arange(11))
    assert bias[layout.places(GZ1)].tolist() == [37, 38, 39]
    assert bias[layout.concentration_places(GZ1)].tolist() == [51]


def test_a_first_question_starts_from_another_first_one_and_others_from_nothing():
    few = {name: one for name, one in EVERYTHING.items() if name == "gz1"}
    start = start_of(few)
    assert start.campaigns == (GZ1,)
    assert start.source(KAGGLE, KAGGLE.first) == (GZ1, GZ1.first)
    assert start.source(KAGGLE, KAGGLE.question("bar")) is None
    layout = Layout((KAGGLE,))
    bias = copied(start, layout)
    assert bias[:3].tolist() == [37, 38, 39]
    assert bias[layout.class_places(KAGGLE).concentration] == 51
    # The others are as they were.
    rest = np.delete(bias, [0, 1, 2, layout.answers])
    assert (rest == -1).all()


def test_questions_that_the_start_network_was_not_taught_are_not_its_own():
    start = start_of({"gz2": ("bar",)})
    assert start.answers(GZ2, GZ2.question("bar"))
    assert not start.answers(GZ2, GZ2.first)
    assert not start.answers(KAGGLE, GZ2.question("bar"))
    assert start.source(GZ2, GZ2.first) is None


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
