"""What a model learns from, and what it is calibrated on."""

import numpy as np
import pandas as pd
import pytest

from galaxies.bundle.answers import NUMBERS, read_outputs
from galaxies.questions.tree import ALL_COLUMNS, FIRST, QUESTIONS
from galaxies.settings import TriageSettings
from galaxies.training.fitting import Fit
from galaxies.training.training import Seen, open_galaxies, train

GALAXIES = 600
SEEN = Seen(8, 0.5, "scaled", 1)
TRIAGE = TriageSettings(agreement=[0.9], confidence=0.9)


class Noisy:
    """What it says of both campaigns follows the brightness, though not without mistakes."""

    title = "noisy"

    def predict(self, images):
        network = np.zeros((len(images), NUMBERS), np.float32)
        bright = images[:, 0, 0, 0] / 64.0 - 1.5
        network[:, FIRST["gz2"].places.start + 1] = bright
        network[:, FIRST["gz1"].places.start + 1] = bright - 1
        return read_outputs(network)


class Alone(Noisy):
    """The same, of the class alone."""

    def predict(self, images):
        return super().predict(images)[:, 1]


@pytest.fixture
def files(tmp_path):
    """In turn: votes of Galaxy Zoo 2, types of Galaxy Zoo 1, and galaxies known to be odd."""
    random = np.random.default_rng(3)
    levels = random.integers(0, 256, GALAXIES)
    spiral = (levels + random.normal(0, 60, GALAXIES) > 128).astype(np.float32)
    ids, kind = np.arange(GALAXIES), np.arange(GALAXIES) % 3
    shares = np.full((GALAXIES, len(ALL_COLUMNS)), np.nan, np.float32)
    for place, campaign in enumerate(("gz2", "gz1")):
        first = np.stack([1 - spiral, spiral, 0 * spiral], axis=1)
        shares[kind == place, FIRST[campaign].places] = first[kind == place]
    shares[kind == 2, QUESTIONS[5].places] = [1, 0]
    votes = pd.DataFrame(shares, columns=list(ALL_COLUMNS))
    votes.assign(galaxy_id=ids, volunteers=np.float32(0)).to_parquet(tmp_path / "votes.parquet")
    names = np.where(spiral == 1, "spiral", "elliptical").astype(object)
    names[kind != 0] = None
    split = pd.DataFrame(
        {
            "galaxy_id": ids,
            "split": np.array(["train", "validation", "test"])[ids // 3 % 3],
            "label": pd.Categorical(names, categories=["elliptical", "spiral"]),
            "p_smooth": np.where(kind == 0, 1 - spiral, np.nan).astype(np.float32),
            "p_features": np.where(kind == 0, spiral, np.nan).astype(np.float32),
        }
    )
    split.to_parquet(tmp_path / "split.parquet")
    pd.DataFrame({"galaxy_id": ids, "row": ids}).to_parquet(tmp_path / "images.parquet")
    images = np.broadcast_to(levels[:, None, None, None], (GALAXIES, 8, 8, 3)).astype(np.uint8)
    np.save(tmp_path / "images.npy", images)
    return tmp_path


def opened(files, votes):
    names = ("split.parquet", "images.parquet", "images.npy")
    return open_galaxies(*(files / name for name in names), "mixed", votes)


def fit(model):
    return lambda *_: Fit(model, {}, [])


def test_galaxies_without_a_label_teach_all_questions(files):
    galaxies = opened(files, files / "votes.parquet")
    assert len(galaxies.train.rows) == 201
    assert (galaxies.train.labels == -1).sum() == 134
    trained = train("cnn", fit(Noisy()), galaxies, SEEN, TRIAGE)
    assert len(trained.learned) == 402
    description = trained.description
    assert (description.campaign, list(description.others)) == ("gz2", ["gz1"])
    assert description.questions == ("smooth", "odd", "type")
    assert description.galaxies == 201
    other = description.by("gz1")
    # Each campaign is calibrated on the galaxies that answer its question, by its own numbers.
    for one in (description, other):
        assert one.known is not None
        assert one.known.galaxies == 67
    assert other.calibration.intercept > description.calibration.intercept + 0.5


def test_a_model_of_the_class_alone_learns_from_galaxies_with_a_label(files):
    galaxies = opened(files, None)
    assert len(galaxies.train.rows) == 67
    assert (galaxies.validation.labels >= 0).all()
    trained = train("tree", fit(Alone()), galaxies, SEEN, TRIAGE)
    assert len(trained.learned) == 134
    description = trained.description
    assert (description.campaign, description.others, description.questions) == ("gz2", {}, ())


def test_votes_of_galaxy_zoo_1_alone_make_its_campaign_the_bundles(files):
    votes = pd.read_parquet(files / "votes.parquet")
    moved = dict(zip(FIRST["gz2"].columns, FIRST["gz1"].columns, strict=True))
    kept = votes.drop(columns=list(moved.values())).rename(columns=moved)
    blank = pd.DataFrame(np.float32("nan"), votes.index, list(moved))
    pd.concat([kept, blank], axis=1).to_parquet(files / "votes.parquet")
    trained = train("cnn", fit(Noisy()), opened(files, files / "votes.parquet"), SEEN, TRIAGE)
    assert (trained.description.campaign, trained.description.others) == ("gz1", {})
    assert trained.description.questions == ("odd", "type")


def test_each_of_several_surveys_is_calibrated_by_itself(files):
    split = pd.read_parquet(files / "split.parquet")
    split["label"] = pd.Categorical(
        np.where(np.arange(GALAXIES) // 9 % 2, "spiral", "elliptical"),
        categories=["elliptical", "spiral"],
    )
    split[["p_smooth", "p_features"]] = np.float32(0.5)
    split["survey"] = np.where(np.arange(GALAXIES) < 500, "large", "small")
    split.to_parquet(files / "split.parquet")
    description = train("mlp", fit(Alone()), opened(files, None), SEEN, TRIAGE).description
    # The small one has too few validation galaxies.
    assert list(description.surveys) == ["large"]
    part = description.surveys["large"]
    assert sum(part.counts[0]) == 167
    assert part.calibration != description.calibration
    assert part.triage[0].agreement == 0.9


def test_few_galaxies_without_a_mistake_make_no_step(files):
    split = pd.read_parquet(files / "split.parquet")
    bright = np.load(files / "images.npy")[:, 0, 0, 0] > 96
    split["label"] = pd.Categorical(
        np.where(bright, "spiral", "elliptical"), categories=["elliptical", "spiral"]
    )
    split[["p_smooth", "p_features"]] = np.stack([~bright, bright], axis=1).astype(np.float32)
    split.to_parquet(files / "split.parquet")
    description = train("mlp", fit(Alone()), opened(files, None), SEEN, TRIAGE).description
    sure = np.array([0.25, 0.45], np.float32)
    for calibration in (description.calibration, description.votes):
        assert (np.abs(calibration(sure) - 0.5) < 0.499).all()
