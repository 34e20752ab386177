"""What a model learns from, and what it is calibrated on."""

import numpy as np
import pandas as pd
import pytest

from galaxies.base.fingerprints import as_text, fingerprints
from galaxies.errors import GalaxiesError
from galaxies.questions.gz1 import GZ1
from galaxies.questions.gz2 import GZ2
from galaxies.questions.kaggle import KAGGLE
from galaxies.questions.layout import Layout
from galaxies.settings import TriageSettings
from galaxies.training.fitting import Fit
from galaxies.training.training import Preparation, open_galaxies, train

pytestmark = pytest.mark.slow

GALAXIES = 600
LAYOUT = Layout((GZ2, GZ1))
PREPARATION = Preparation(8, 0.5, "scaled", 1)
TRIAGE = TriageSettings(agreement=[0.9], confidence=0.9, search=False)


class Noisy:
    """What it says of each campaign follows the brightness, though not without mistakes."""

    title = "noisy"

    def __init__(self, layout=LAYOUT):
        self.layout = layout

    def predict(self, images):
        network = np.zeros((len(images), self.layout.outputs), np.float32)
        bright = images[:, 0, 0, 0] / 64.0 - 1.5
        for number, campaign in enumerate(self.layout.campaigns):
            network[:, self.layout.class_places(campaign).spiral] = bright - number
        return network


class Alone:
    """The class alone, after the brightness."""

    title = "alone"

    def predict(self, images):
        return 1 / (1 + 2 * np.exp(1.5 - images[:, 0, 0, 0] / np.float32(64)))


@pytest.fixture
def files(tmp_path):
    """In turn: votes of Galaxy Zoo 2, types of Galaxy Zoo 1, and galaxies known to be odd."""
    random = np.random.default_rng(3)
    levels = random.integers(0, 256, GALAXIES)
    spiral = (levels + random.normal(0, 60, GALAXIES) > 128).astype(np.float32)
    ids, kind = np.arange(GALAXIES), np.arange(GALAXIES) % 3
    shares = np.full((GALAXIES, LAYOUT.answers), np.nan, np.float32)
    first = np.stack([1 - spiral, spiral, 0 * spiral], axis=1)
    for number, campaign in enumerate(LAYOUT.campaigns):
        start = LAYOUT.places(campaign).start
        shares[kind == number, start : start + 3] = first[kind == number]
    shares[kind == 2, GZ2.question("odd").places] = [1, 0]
    votes = pd.DataFrame(shares, columns=list(LAYOUT.columns))
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
            "campaign": pd.Categorical(["gz2"] * GALAXIES),
        }
    )
    split.to_parquet(tmp_path / "split.parquet")
    images = np.broadcast_to(levels[:, None, None, None], (GALAXIES, 8, 8, 3)).astype(np.uint8)
    packed = pd.DataFrame({"galaxy_id": ids, "row": ids})
    marks = as_text(fingerprints(images))
    packed.assign(fingerprint=marks).to_parquet(tmp_path / "images.parquet")
    np.save(tmp_path / "images.npy", images)
    return tmp_path


def opened(files, votes):
    names = ("split.parquet", "images.parquet", "images.npy")
    return open_galaxies(*(files / name for name in names), "mixed", votes)


def fit(model, kept=()):
    return lambda *_: Fit(model, {}, [], getattr(model, "layout", None), frozenset(kept))


def calibrated_on(description):
    """The number of galaxies behind a calibration."""
    outputs = description.judgement.outputs
    return sum(outputs.spiral) + sum(outputs.elliptical)


def test_galaxies_without_a_label_teach_all_questions(files):
    galaxies = opened(files, files / "votes.parquet")
    assert len(galaxies.train.rows) == 201
    assert (galaxies.train.labels == -1).sum() == 134
    trained = train("cnn", fit(Noisy()), galaxies, PREPARATION, TRIAGE)
    assert len(trained.learned.galaxy_ids) == 402
    description = trained.description
    assert (description.campaign, list(description.judgements)) == ("gz2", ["gz2", "gz1"])
    assert description.campaigns == (GZ2, GZ1)
    assert description.questions == {"gz2": ("smooth", "odd"), "gz1": ("type",)}
    assert description.galaxies == 201
    other = description.by("gz1")
    # Each campaign is calibrated on the galaxies that answer its question, by its own numbers.
    assert [sum(one.judgement.outputs.spiral + one.judgement.outputs.elliptical)
            for one in (description, other)] == [67, 67]  # fmt: skip
    # All validation galaxies are known, whatever was asked about them.
    assert len(trained.known.distances) == len(galaxies.validation.rows) == 201
    assert other.calibration.intercept > description.calibration.intercept + 0.5


def test_a_model_of_the_class_alone_learns_from_galaxies_with_a_label(files):
    galaxies = opened(files, None)
    assert len(galaxies.train.rows) == 67
    assert (galaxies.validation.labels >= 0).all()
    trained = train("tree", fit(Alone()), galaxies, PREPARATION, TRIAGE)
    assert len(trained.learned.galaxy_ids) == 134
    description = trained.description
    assert (description.campaign, list(description.judgements)) == ("gz2", ["gz2"])
    assert description.campaigns == (GZ2,)
    assert description.questions == {}


def test_the_campaign_of_the_split_is_the_bundles(files):
    split = pd.read_parquet(files / "split.parquet")
    votes = pd.read_parquet(files / "votes.parquet")
    first = [f"gz1.{name}" for name in GZ1.names]
    voted = votes["gz1.type_spiral"].notna()
    split["campaign"] = pd.Categorical(["gz1"] * GALAXIES)
    spiral = votes.loc[voted, "gz1.type_spiral"] == 1
    split["label"] = pd.Categorical(
        spiral.map({True: "spiral", False: "elliptical"}).reindex(split.index),
        categories=["elliptical", "spiral"],
    )
    split[["p_smooth", "p_features"]] = votes[first[:2]].to_numpy()
    split.to_parquet(files / "split.parquet")
    blank = [f"gz2.{name}" for name in GZ2.first.names]
    votes.assign(**dict.fromkeys(blank, np.float32("nan"))).to_parquet(files / "votes.parquet")
    trained = train(
        "cnn", fit(Noisy()), opened(files, files / "votes.parquet"), PREPARATION, TRIAGE
    )
    assert (trained.description.campaign, list(trained.description.judgements)) == ("gz1", ["gz1"])
    assert trained.description.questions == {"gz2": ("odd",), "gz1": ("type",)}
    outputs = trained.description.judgement.outputs
    assert sum(outputs.spiral + outputs.elliptical) == 67


def test_kaggles_votes_and_those_of_galaxy_zoo_2_have_answers_and_calibrations_apart(files):
    # The types of Galaxy Zoo 1 become votes of Kaggle's challenge, on the same questions.
    votes = pd.read_parquet(files / "votes.parquet")
    layout = Layout((KAGGLE, GZ2))
    names = dict(zip(Layout((GZ1,)).columns, layout.columns[:3], strict=True))
    votes = votes.rename(columns=names).reindex(
        columns=["galaxy_id", "volunteers", *layout.columns]
    )
    votes.astype(dict.fromkeys(layout.columns, np.float32)).to_parquet(files / "votes.parquet")
    galaxies = opened(files, files / "votes.parquet")
    assert galaxies.train.votes.layout == layout
    trained = train("cnn", fit(Noisy(layout)), galaxies, PREPARATION, TRIAGE)
    description = trained.description
    assert description.campaigns == (KAGGLE, GZ2)
    assert description.questions == {"kaggle": ("smooth",), "gz2": ("smooth", "odd")}
    assert set(description.judgements) == {"kaggle", "gz2"}
    calibrations = {name: one.calibration for name, one in description.judgements.items()}
    # The second campaign's raw probabilities are lower.
    assert calibrations["gz2"].intercept > calibrations["kaggle"].intercept + 0.5
    places = [description.by(name).class_places for name in ("kaggle", "gz2")]
    assert places[0].spiral + 37 == places[1].spiral
    assert places[0].concentration + 11 == places[1].concentration


def test_kept_questions_are_answered_in_their_campaign_alone(files):
    kept = [("gz2", "bar"), ("kaggle", "arms")]
    layout = Layout((KAGGLE, GZ2, GZ1))
    galaxies = opened(files, files / "votes.parquet")
    description = train("cnn", fit(Noisy(layout), kept), galaxies, PREPARATION, TRIAGE).description
    assert description.questions == {
        "kaggle": ("arms",), "gz2": ("smooth", "bar", "odd"), "gz1": ("type",),
    }  # fmt: skip
    assert "kaggle" not in description.judgements


def test_a_promise_holds_for_each_of_several_surveys(files):
    split = pd.read_parquet(files / "split.parquet")
    split["label"] = pd.Categorical(
        np.where(np.arange(GALAXIES) // 9 % 2, "spiral", "elliptical"),
        categories=["elliptical", "spiral"],
    )
    split[["p_smooth", "p_features"]] = np.float32(0.5)
    split["survey"] = np.where(np.arange(GALAXIES) < 500, "large", "small")
    split.to_parquet(files / "split.parquet")
    all_different(files)
    description = train("mlp", fit(Alone()), opened(files, None), PREPARATION, TRIAGE).description
    # The small one has too few validation galaxies.
    surveys = description.judgement.surveys
    assert list(surveys) == ["large"]
    assert surveys["large"].galaxies == 167
    for shown, used in zip(surveys["large"].triage, description.triage, strict=True):
        assert shown.agreement == used.agreement


def all_different(files):
    """Write its number into each image."""
    images = np.load(files / "images.npy")
    images[:, 1, 1, 0], images[:, 1, 1, 1] = np.divmod(np.arange(GALAXIES), 256)
    np.save(files / "images.npy", images)


def learned_by(files, triage, **options):
    """Train on all 200 galaxies of a part; also return the galaxies that chose the epoch."""
    split = pd.read_parquet(files / "split.parquet")
    bright = np.load(files / "images.npy")[:, 0, 0, 0] + np.arange(GALAXIES) % 97 > 176
    split["label"] = pd.Categorical(
        np.where(bright, "spiral", "elliptical"), categories=["elliptical", "spiral"]
    )
    split[["p_smooth", "p_features"]] = np.stack([~bright, bright], axis=1).astype(np.float32)
    split.to_parquet(files / "split.parquet")
    galaxies, chose = opened(files, None), []

    def remember(_, __, chosen_on):
        chose.append(chosen_on.galaxies["galaxy_id"].tolist())
        return Fit(Alone(), {}, [])

    return train("mlp", remember, galaxies, PREPARATION, triage, **options), galaxies, chose


def test_many_galaxies_prove_apart(files, monkeypatch):
    """What proves the promises has no part in choosing or calibrating, by count or by a search."""
    all_different(files)
    together, galaxies, [chose] = learned_by(files, TRIAGE)
    everybody = galaxies.validation.galaxies["galaxy_id"].tolist()
    assert chose == everybody
    assert calibrated_on(together.description) == 201
    assert together.fit.chosen == {}
    searched = TRIAGE.model_copy(update={"search": True})
    apart, _, [chose] = learned_by(files, searched)
    assert 70 < len(chose) < 131
    assert calibrated_on(apart.description) == len(chose) == len(apart.known.distances)
    assert apart.fit.chosen == {"proof": 201 - len(chose)}
    assert len(apart.learned.galaxy_ids) == 402  # it has seen them all the same
    # The votes of those that prove change promises, and nothing else.
    split = pd.read_parquet(files / "split.parquet")
    proof = split["galaxy_id"].isin(set(everybody) - set(chose))
    codes = split["label"].cat.codes
    split["label"] = pd.Categorical.from_codes(
        np.where(proof, 1 - codes, codes), categories=["elliptical", "spiral"]
    )
    split.to_parquet(files / "split.parquet")
    spoiled = train("mlp", fit(Alone()), opened(files, None), PREPARATION, searched).description
    assert {one.threshold for one in spoiled.triage} == {None}
    assert apart.description.triage[0].threshold is not None
    void = {"triage": spoiled.triage}
    assert apart.description.judgement.model_copy(update=void) == spoiled.judgement
    monkeypatch.setattr("galaxies.training.training._TOGETHER", 200)
    many, _, [as_before] = learned_by(files, TRIAGE)
    assert as_before == chose
    assert many.description.judgement == apart.description.judgement


def test_cross_fitted_galaxies_prove_apart(files):
    all_different(files)
    searched = TRIAGE.model_copy(update={"search": True})
    trained, _, chose = learned_by(files, searched, folds=2)
    assert len(chose) == 3
    assert len({tuple(one) for one in chose}) == 1
    proof = trained.fit.chosen["proof"]
    assert 150 < proof < 250
    assert calibrated_on(trained.description) == 402 - proof


def test_identical_images_are_in_one_half_and_prove_once(files):
    images = np.load(files / "images.npy")
    images[:] = (np.arange(GALAXIES) // 18 * 7 % 256)[:, None, None, None]
    np.save(files / "images.npy", images)
    trained, galaxies, [chose] = learned_by(files, TRIAGE.model_copy(update={"search": True}))
    levels = images[:, 0, 0, 0]
    others = set(galaxies.validation.galaxies["galaxy_id"]) - set(chose)
    assert not set(levels[chose]) & set(levels[list(others)])
    # Some 17 images cannot prove 90%, however often they occur.
    assert trained.description.triage[0].threshold is None


def test_too_few_galaxies_for_a_proof_apart_are_one_line(files):
    split = pd.read_parquet(files / "split.parquet")
    split = split[(split["split"] != "validation") | (split["galaxy_id"] < 12)]
    split.to_parquet(files / "split.parquet")
    with pytest.raises(GalaxiesError, match="do not have both classes"):
        train("mlp", fit(Alone()), opened(files, None), PREPARATION, TRIAGE.model_copy(
            update={"search": True}
        ))  # fmt: skip


def test_few_galaxies_without_a_mistake_make_no_step(files):
    split = pd.read_parquet(files / "split.parquet")
    bright = np.load(files / "images.npy")[:, 0, 0, 0] > 96
    split["label"] = pd.Categorical(
        np.where(bright, "spiral", "elliptical"), categories=["elliptical", "spiral"]
    )
    split[["p_smooth", "p_features"]] = np.stack([~bright, bright], axis=1).astype(np.float32)
    split.to_parquet(files / "split.parquet")
    description = train("mlp", fit(Alone()), opened(files, None), PREPARATION, TRIAGE).description
    sure = np.array([0.25, 0.45], np.float32)
    for calibration in (description.calibration, description.judgement.votes):
        assert (np.abs(calibration(sure) - 0.5) < 0.499).all()


def test_cross_fitting_calibrates_on_the_training_galaxies_that_a_model_has_not_seen(files):
    galaxies = opened(files, files / "votes.parquet")
    fitted = []

    def remember(_, learned, chosen_on):
        fitted.append(learned)
        assert np.array_equal(chosen_on.rows, galaxies.validation.rows)
        return Fit(Noisy(), {}, [], LAYOUT)

    trained = train("cnn", remember, galaxies, PREPARATION, TRIAGE, folds=3)
    assert len(fitted) == 4
    *parts, every = [set(one.rows.tolist()) for one in fitted]
    assert every == set(galaxies.train.rows.tolist())
    # Each training galaxy is left out once, and equal images are left out together.
    assert sorted(row for part in parts for row in every - part) == sorted(every)
    levels = galaxies.inputs[:, 0, 0, 0]
    for part in parts:
        assert not set(levels[list(part)]) & set(levels[list(every - part)])
    outputs = trained.description.judgement.outputs
    assert outputs is not None
    assert calibrated_on(trained.description) == 134
    assert len(trained.learned.galaxy_ids) == 402


def test_calibrations_come_from_a_draw_by_weight(files):
    split = pd.read_parquet(files / "split.parquet")
    spiral = split["label"] == "spiral"
    split["weight"] = np.where(spiral, np.float32(0.1), np.float32(2.0))
    split.to_parquet(files / "split.parquet")
    galaxies = opened(files, files / "votes.parquet")
    plain = train(
        "cnn", fit(Noisy()), opened_without_weights(galaxies), PREPARATION, TRIAGE
    ).description
    weighed = train("cnn", fit(Noisy()), galaxies, PREPARATION, TRIAGE).description
    assert calibrated_on(weighed) < calibrated_on(plain)
    # Spirals are rarer than they look here.
    assert weighed.calibration.intercept < plain.calibration.intercept - 1


def opened_without_weights(galaxies):
    validation = galaxies.validation
    plain = validation._replace(galaxies=validation.galaxies.drop(columns="weight"))
    return galaxies._replace(validation=plain)
