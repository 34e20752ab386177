"""Nothing that a model is made of, or judged by, comes from galaxies that it must not know."""

import importlib
import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

import stages.predict
import stages.split
import stages.train_tree
from clones import set_params
from galaxies.base.arrays import open_array
from galaxies.bundle.registry import MODELS
from galaxies.errors import GalaxiesError
from galaxies.judgement.appearance import NUMBERS
from galaxies.questions.campaign import CLASSES
from galaxies.training.parts import galaxies_of
from tests.conftest import write_project

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    """A small survey, packed and split, and what stands for InceptionV3 and its features."""
    folder = write_project(tmp_path_factory.mktemp("prepared"), galaxies=60)
    changes = {
        "mlp.epochs": 2,
        "cnn.views": 1,
        "cnn.residual.epochs": 1,
        "cnn.residual.filters": [4, 8],
        "cnn.residual.start": None,
    }
    set_params(folder, changes)
    backbone = folder / "models/inception_backbone"
    backbone.mkdir(parents=True)
    (backbone / "backbone.json").write_text(json.dumps({"source": "random", "detail": "seed 1"}))
    features = np.random.default_rng(2).normal(size=(60, 2048)).astype(np.float16)
    np.save(folder / "data/features.npy", features)
    looks = np.random.default_rng(4).normal(size=(60, NUMBERS)).astype(np.float32)
    np.save(folder / "data/looks.npy", looks)
    return folder


@pytest.fixture
def project(prepared, tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "project"
    shutil.copytree(prepared, folder)
    monkeypatch.chdir(folder)
    return folder


def made(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def spoil_part(part: str) -> None:
    """Swap the classes and the votes of a part's galaxies, and put noise into their inputs."""
    split, packed = pd.read_parquet("data/split.parquet"), pd.read_parquet("data/images.parquet")
    rows = galaxies_of(split, packed, part).rows
    random = np.random.default_rng(3)
    images = np.array(open_array(Path("data/images.npy")))
    images[rows] = random.integers(0, 256, images[rows].shape)
    np.save("data/images.npy", images)
    features = np.load("data/features.npy")
    features[rows] = random.normal(size=features[rows].shape)
    np.save("data/features.npy", features)
    looks = np.load("data/looks.npy")
    looks[rows] = random.normal(size=looks[rows].shape)
    np.save("data/looks.npy", looks)
    here = split["split"] == part
    codes = split["label"].cat.codes.to_numpy()
    split["label"] = pd.Categorical.from_codes(np.where(here, 1 - codes, codes), list(CLASSES))
    columns = ["p_smooth", "p_features"]
    split.loc[here, columns] = split.loc[here, columns[::-1]].to_numpy()
    split.to_parquet("data/split.parquet")


@pytest.mark.parametrize("model", MODELS)
def test_the_test_galaxies_change_no_byte_of_a_bundle(project, model):
    stage = importlib.import_module(f"stages.train_{model}")

    def train() -> None:
        keras.utils.clear_session()  # it numbers the layers of a process
        stage.main()

    folder = Path("models", model)
    train()
    before = made(folder)
    spoil_part("test")
    train()
    assert made(folder) == before
    spoil_part("validation")
    train()
    assert made(folder)["bundle.json"] != before["bundle.json"]  # calibrated there


def test_a_model_that_learned_from_another_split_does_not_predict(project, monkeypatch):
    stages.train_tree.main()
    monkeypatch.setattr("sys.argv", ["stages.predict", "tree", "data/images.npy"])
    stages.predict.main()
    table = pd.read_parquet("data/predictions/tree.parquet")
    assert set(table["split"]) == {"validation", "test"}
    set_params(project, {"split.seed": 124})
    stages.split.main()
    with pytest.raises(GalaxiesError, match=r"models/tree: was trained on other galaxies than"):
        stages.predict.main()
