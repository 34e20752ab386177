"""The networks: small, but real trainings."""

import json

import keras
import numpy as np
import pandas as pd
import pytest

from galaxies.errors import GalaxiesError
from galaxies.network import (
    GalaxyBatches,
    build_augmentation,
    build_cnn,
    build_mlp,
    load_network,
    predict_network,
    repeatable,
    save_network,
    train_network,
)
from galaxies.settings import CnnSettings, MlpSettings
from galaxies.splitting import Part
from tests.conftest import draw_galaxy

CNN = CnnSettings(
    filters=[4, 8], dense=8, dropout=0.1, rotation=180, zoom=0.1, shift=0.05,
    learning_rate=0.1, momentum=0.9, epochs=4, batch=20, views=1, seed=5,
)  # fmt: skip
MLP = MlpSettings(
    size=16, hidden=16, dropout=0.0, learning_rate=0.05, momentum=0.9, epochs=30, batch=20, seed=5
)


def part(rows):
    rows = np.asarray(rows)
    return Part(pd.DataFrame({"galaxy_id": rows}), rows, rows % 2)


TRAIN, VALIDATION = part(np.arange(0, 90)), part(np.arange(90, 120))


@pytest.fixture(scope="module")
def images():
    random = np.random.default_rng(3)
    return np.stack([draw_galaxy(random, bool(n % 2), side=16) for n in range(120)])


def trained_cnn(images, **changes):
    settings = CNN.model_copy(update=changes)
    repeatable(settings.seed)
    network = build_cnn(16, settings)
    augmentation = build_augmentation(settings)
    return network, train_network(network, images, TRAIN, VALIDATION, settings, augmentation)


def test_two_trainings_give_the_same_bytes(images, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        keras.backend.clear_session()
        save_network(trained_cnn(images)[0], tmp_path / name)
    for file in ("network.json", "network.weights.h5"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_a_saved_network_predicts_the_same_and_holds_no_augmentation(images, tmp_path):
    network, _ = trained_cnn(images)
    save_network(network, tmp_path)
    assert "random" not in (tmp_path / "network.json").read_text().lower()
    loaded = load_network(tmp_path)
    assert np.array_equal(predict_network(loaded, images), predict_network(network, images))
    assert predict_network(loaded, images[:3]) == pytest.approx(
        predict_network(loaded, images)[:3], abs=1e-6
    )


def test_the_best_epoch_on_validation_is_kept(images):
    repeatable(MLP.seed)
    network = build_mlp(16, MLP)
    trained = train_network(network, images, TRAIN, VALIDATION, MLP)
    losses = [row["validation_loss"] for row in trained.curve]
    assert trained.summary["best_epoch"] == np.argmin(losses) + 1
    p = predict_network(network, images[VALIDATION.rows]).astype(float)
    truth = np.where(VALIDATION.labels == 1, p, 1 - p)
    assert -np.log(truth).mean() == pytest.approx(min(losses), abs=1e-4)
    assert trained.summary["accuracy"] > 0.8


def test_a_loss_that_is_no_number_stops_the_training(images):
    network = build_cnn(16, CNN)
    last = network.layers[-1]
    last.set_weights([np.full(weights.shape, np.inf) for weights in last.get_weights()])
    with pytest.raises(GalaxiesError, match=r"cnn: the loss became nan in epoch 1, step 1; lower"):
        train_network(network, images, TRAIN, VALIDATION, CNN)


def test_batches_hold_every_galaxy_once_in_a_new_order_each_epoch(images):
    batches = GalaxyBatches(images, TRAIN, 20, seed=1)
    assert len(batches) == 5

    def epoch():
        return np.concatenate([batches[number][0] for number in range(len(batches))])

    first = epoch()
    batches.on_epoch_end()
    second = epoch()
    assert not np.array_equal(first, second)
    for seen in (first, second):
        assert sorted(map(bytes, seen)) == sorted(map(bytes, images[:90]))


@pytest.mark.parametrize("damage", ["network.json", "network.weights.h5"])
def test_a_damaged_network_is_refused(images, tmp_path, damage):
    save_network(build_cnn(16, CNN), tmp_path)
    path = tmp_path / damage
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(GalaxiesError, match="damaged network"):
        load_network(tmp_path)


def test_a_network_cannot_bring_code(tmp_path):
    save_network(build_cnn(16, CNN), tmp_path)
    content = json.loads((tmp_path / "network.json").read_text())
    code = keras.Sequential([keras.Input((16,)), keras.layers.Lambda(lambda x: x)]).to_json()
    content["config"]["layers"].append(json.loads(code)["config"]["layers"][-1])
    (tmp_path / "network.json").write_text(json.dumps(content))
    with pytest.raises(GalaxiesError, match="damaged network"):
        load_network(tmp_path)
