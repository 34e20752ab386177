"""Tables with the answers to all questions, of both campaigns, and of unfamiliar surveys."""

import zipfile
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import galaxies
from galaxies.bundle.description import read_description
from galaxies.bundle.folder import copy_recalibrated, describe
from galaxies.bundle.predictor import Predictor
from galaxies.bundle.pretrained import PRETRAINED
from galaxies.classifying import classifier, job
from galaxies.classifying.classifier import Classifier
from galaxies.classifying.engines import local_engine
from galaxies.classifying.job import run_job
from galaxies.classifying.options import Options
from galaxies.classifying.provenance import AGREEMENT, CAMPAIGN, recorded
from galaxies.cli import app
from galaxies.errors import GalaxiesError
from galaxies.judgement.appearance import appearance
from galaxies.judgement.calibration import Calibration
from galaxies.judgement.familiarity import KnownGalaxies
from galaxies.questions.gz1 import GZ1
from galaxies.questions.gz2 import GZ2
from galaxies.tables.catalogue import read_catalogue
from tests.conftest import draw_galaxy, encode, judgement, known_galaxies

pytestmark = pytest.mark.slow

LOCAL = partial(local_engine, workers=2)
GALAXIES = 110


@pytest.fixture(scope="module")
def images():
    random = np.random.default_rng(5)
    return {f"{n}": encode(draw_galaxy(random, bool(n % 2))) for n in range(GALAXIES)}


@pytest.fixture(scope="module")
def archive(images, tmp_path_factory):
    path = tmp_path_factory.mktemp("input") / "images.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name, data in images.items():
            file.writestr(f"{name}.jpg", data)
        file.writestr("damaged.jpg", b"text")
    return path


@pytest.fixture(scope="module")
def bundle(images, tmp_path_factory):
    """A network that knows all questions but the bar, and promises much."""
    source = PRETRAINED / "real"
    folder = tmp_path_factory.mktemp("bundles") / "all"
    before = read_description(source)
    judged = judgement(calibration=Calibration(slope=1, intercept=0))
    questions = tuple(one.name for one in GZ2.questions if one.name != "bar")
    changes = {
        "campaign": "gz2",
        "questions": {"gz2": questions, "gz1": ("type",)},
        "judgements": {"gz2": judged, "gz1": judged},
    }
    copy_recalibrated(source, folder, before.model_copy(update=changes))
    return folder


def knowing(bundle, folder, known):
    """The same, which knows other galaxies."""
    copy_recalibrated(bundle, folder, read_description(bundle), known)
    return folder


@pytest.fixture(scope="module")
def outputs(images, bundle):
    some = Classifier(bundle, Options(agreement=0.9))
    pixels = np.stack([some.prepare(data) for data in images.values()])
    return Predictor(bundle).predict(pixels).outputs


def classify(archive, output, bundle, **options):
    return run_job([str(archive)], output, bundle, LOCAL, Options(**options))


def test_all_answers_stand_in_columns_named_in_words(archive, bundle, outputs, tmp_path):
    path = tmp_path / "answers.parquet"
    classify(archive, path, bundle, questions="all")
    schema = pq.read_schema(path)
    learned = [one for one in GZ2.answers if not one.column.startswith("Class3.")]
    answers = [*classifier.COLUMNS.names, *(one.name for one in learned)]
    assert schema.names == [*answers, "bundle"]
    field = schema.field("arms_2")
    assert field.metadata[b"column"] == b"Class11.2"
    assert field.metadata[b"description"].startswith(
        b"fraction of all volunteers who answer: 2 arms ("
    )
    table = pd.read_parquet(path)
    assert table["smooth"].isna().sum() == 1
    read = table[table["error"].isna()]
    layout = read_description(bundle).layout
    places = [layout.columns.index(f"gz2.{one.name}") for one in learned]
    found = read[[one.name for one in learned]].to_numpy()
    assert found == pytest.approx(outputs[:, places], abs=1e-5)
    whole = outputs[:, layout.places(GZ2)].astype(np.float64)
    assert GZ2.tree_errors(whole).max() < 1e-6
    for suffix in (".csv", ".fits"):
        classify(archive, tmp_path / f"a{suffix}", bundle, questions="all")
    csv = pd.read_csv(tmp_path / "a.csv")
    assert list(csv.columns) == schema.names
    assert csv["odd_merger"].dropna().to_numpy() == pytest.approx(read["odd_merger"], abs=1e-6)
    python = Classifier(bundle, Options(agreement=0.9, questions="all")).classify([b"text"])
    assert list(python.columns) == answers


def test_a_loaded_bundle_says_what_it_is_and_what_it_answers(bundle):
    loaded = Classifier(bundle, Options(agreement=0.9, campaign="gz1"))
    assert repr(loaded) == f"<Classifier {bundle.name}: CNN, gz1, target agreement 90%>"
    assert loaded.questions == {"type": tuple(answer.name for answer in GZ1.answers)}
    assert "bar" not in Classifier(bundle, Options(agreement=0.9)).questions
    with pytest.raises(TypeError, match=r"no option 'model'; the bundle comes first, then views"):
        galaxies.load(model=bundle)


def test_the_answers_are_those_of_the_campaign_in_use(archive, bundle, outputs, tmp_path):
    path = tmp_path / "types.parquet"
    classify(archive, path, bundle, campaign="gz1", questions="all")
    assert pq.read_schema(path).names == [*classifier.COLUMNS.names, *GZ1.names, "bundle"]
    table = pd.read_parquet(path)
    types = table.loc[table["error"].isna(), list(GZ1.names)].to_numpy()
    places = read_description(bundle).layout.places(GZ1)
    assert types == pytest.approx(outputs[:, places], abs=1e-5)


def test_a_bundle_that_knows_the_class_alone_answers_no_more(archive, tree_bundle, tmp_path):
    with pytest.raises(GalaxiesError, match="tree: answers only the first question; use a"):
        classify(archive, tmp_path / "a.csv", tree_bundle, questions="all")
    with pytest.raises(GalaxiesError, match=r"^this bundle is calibrated for kaggle, not for the"):
        classify(archive, tmp_path / "a.csv", tree_bundle, campaign="gz1")
    assert not list(tmp_path.iterdir())


def test_the_campaigns_ask_different_questions(archive, bundle, outputs, tmp_path):
    tables = {}
    for campaign in (None, "gz1", "gz2"):
        path = tmp_path / f"{campaign}.parquet"
        classify(archive, path, bundle, campaign=campaign, agreement=0.9)
        tables[campaign] = pd.read_parquet(path)
    assert tables[None].equals(tables["gz2"])
    description = read_description(bundle)
    for campaign in ("gz2", "gz1"):
        classes = description.by(campaign).class_places
        elliptical, spiral = (outputs[:, place].astype(float) for place in classes[:2])
        found = tables[campaign]["p_spiral"].dropna().to_numpy()
        assert found == pytest.approx(spiral / (elliptical + spiral), abs=1e-4)
        assert (tables[campaign]["spread"].dropna() > 0).all()
    assert np.abs(tables["gz1"]["p_spiral"] - tables["gz2"]["p_spiral"]).max() > 0.01


@pytest.fixture(scope="module")
def looks(images, bundle):
    """How the images look to the bundle."""
    prepared = [Classifier(bundle).prepare(data) for data in images.values()]
    return appearance(np.stack(prepared))


def test_the_machine_decides_nothing_in_an_unfamiliar_survey(
    archive, bundle, looks, tmp_path, monkeypatch
):
    monkeypatch.setattr(job, "SHARD", 40)  # so that no shard alone could tell
    strange = knowing(bundle, tmp_path / "strange", known_galaxies(distance=0))
    alike = knowing(bundle, tmp_path / "alike", KnownGalaxies.fit(looks, looks))
    found = classify(archive, tmp_path / "no.parquet", strange, agreement=0.9)
    assert (found.verdict.familiar, found.unreadable) == (False, 1)
    assert found.decisions == {"ask volunteers": GALAXIES}
    table = pd.read_parquet(tmp_path / "no.parquet")
    assert table["familiar"].value_counts(dropna=False).to_dict() == {False: GALAXIES, None: 1}
    assert table["label"].nunique() == 2
    for suffix in (".csv", ".fits"):
        classify(archive, tmp_path / f"no{suffix}", strange, agreement=0.9)
    written = pd.read_csv(tmp_path / "no.csv")["familiar"]
    assert written.value_counts(dropna=False).to_dict() == {False: GALAXIES, np.nan: 1}
    found = pa.concat_tables(read_catalogue(str(tmp_path / "no.fits")).pieces())
    assert set(found["familiar"].to_pylist()) == {False, None}
    anyway = classify(archive, tmp_path / "anyway.parquet", strange, agreement=0.9, anyway=True)
    familiar = classify(archive, tmp_path / "yes.parquet", alike, agreement=0.9)
    assert (anyway.verdict.familiar, familiar.verdict.familiar) == (False, True)
    assert familiar.decisions["elliptical"]
    assert familiar.decisions["spiral"]
    # One or two of 110 known galaxies are the farthest of all.
    assert (anyway.decisions - familiar.decisions).total() <= familiar.verdict.unfamiliar <= 2
    decided = pd.read_parquet(tmp_path / "anyway.parquet")
    assert decided.drop(columns=["familiar", "decision"]).equals(
        table.drop(columns=["familiar", "decision"])
    )


def test_an_unfamiliar_image_goes_to_people_and_the_others_do_not(images, bundle, looks, tmp_path):
    alike = knowing(bundle, tmp_path / "alike", KnownGalaxies.fit(looks, np.tile(looks, (3, 1))))
    classifier = Classifier(alike, Options(agreement=0.9))
    noise = np.random.default_rng(1).integers(0, 256, (96, 96, 3)).astype(np.uint8)
    alone = classifier.classify([noise])
    assert alone["familiar"].tolist() == [False]
    assert alone["decision"].tolist() == ["ask volunteers"]
    together = classifier.classify([*images.values(), noise])
    assert not together["familiar"].iloc[-1]
    assert together["familiar"].sum() >= GALAXIES - 2
    assert {"elliptical", "spiral"} <= set(together["decision"])
    # The same answer, whatever the other images are.
    first = classifier.classify(list(images.values())[:1])
    assert first.iloc[0].equals(together.iloc[0])


def test_a_bundle_that_knows_too_few_galaxies_decides_nothing(images, bundle, tmp_path):
    some = list(images.values())[:9]
    for number, known in enumerate((known_galaxies(galaxies=98), None)):
        ignorant = knowing(bundle, tmp_path / f"{number}", known)
        if known is None:
            (ignorant / "familiarity.npz").unlink()
            describe(ignorant, read_description(ignorant))  # with the hashes of what is there
        table = Classifier(ignorant, Options(agreement=0.9)).classify(some)
        assert table["familiar"].isna().all()
        assert (table["decision"] == "ask volunteers").all()
        anyway = Classifier(ignorant, Options(agreement=0.9, anyway=True)).classify(some)
        assert (anyway["decision"] != "ask volunteers").any()
    enough = knowing(bundle, tmp_path / "enough", known_galaxies(galaxies=99))
    assert Classifier(enough, Options(agreement=0.9)).classify(some)["familiar"].all()


def test_the_command_says_what_is_unfamiliar_and_what_is_promised(archive, bundle, tmp_path):
    def said(known, *options):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        command = ["classify", str(archive), "-o", str(tmp_path / "a.csv"), "--overwrite"]
        command += ["--model", str(knowing(bundle, folder, known)), *options]
        return CliRunner().invoke(app, command).output

    strange = known_galaxies(distance=0)
    assert "110 of 110 images look different" in said(strange)
    assert "the machine decides nothing. Calibrate it on your own votes" in said(strange)
    assert "its promises do not hold. Calibrate" in said(strange, "--decide-anyway")
    assert "knows 98 galaxies, too few to tell" in said(known_galaxies(galaxies=98))
    # The highest target that is proven and decides half of the galaxies.
    usual, lower = said(known_galaxies()), said(known_galaxies(), "--agreement", "0.9")
    assert "Target agreement 0.99 with the votes of gz2, proven with a confidence of 0.9" in usual
    assert "Target agreement 0.9 with the votes of gz2, " in lower


def test_a_table_records_campaign_calibration_and_target(archive, bundle, tmp_path):
    for suffix in (".parquet", ".fits"):
        classify(archive, tmp_path / f"a{suffix}", bundle)
        told = [recorded(tmp_path / f"a{suffix}", name) for name in (CAMPAIGN, "survey", AGREEMENT)]
        assert told == ["gz2", "real", "0.99"]
