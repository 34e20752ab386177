import io
import re
import shutil
import zipfile
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from galaxies.base.fingerprints import fingerprints
from galaxies.bundle.description import read_description
from galaxies.bundle.folder import copy_recalibrated, describe, new_bundle
from galaxies.bundle.known_galaxies import read_known
from galaxies.bundle.learned import Learned, write_learned
from galaxies.bundle.predictor import Predictor
from galaxies.bundle.pretrained import PRETRAINED
from galaxies.classifying.classifier import Classifier
from galaxies.classifying.options import Options
from galaxies.cli import app
from galaxies.dataset.archive import open_archive
from galaxies.dataset.layout import write_campaign
from galaxies.errors import GalaxiesError
from galaxies.judgement.class_shares import ClassOutputs
from galaxies.questions.gz1 import GZ1
from galaxies.questions.gz2 import GZ2
from galaxies.questions.kaggle import KAGGLE
from galaxies.recalibrating.surveys import for_campaign
from tests.conftest import (
    draw_galaxy,
    judgement,
    known_galaxies,
    real_data,
    write_tiny_survey,
)

pytestmark = pytest.mark.slow


def run(bundle, *command):
    done = CliRunner().invoke(app, ["calibrate", *map(str, command), "--model", str(bundle)])
    if isinstance(done.exception, GalaxiesError):
        return str(done.exception)
    assert done.exit_code == 0, done.output
    return done.output


def seen(first):
    """Fingerprints of three galaxies that are in no survey."""
    random = np.random.default_rng(first)
    return fingerprints(np.stack([draw_galaxy(random, bool(n % 2), 32) for n in range(3)]))


@pytest.fixture(scope="module")
def knowing_bundle(tree_bundle, tmp_path_factory):
    """The same, of which is known what it learned from and what it gives for each class."""
    folder = tmp_path_factory.mktemp("bundles") / "knowing"
    outputs = ClassOutputs(edges=(0.5,), elliptical=(30, 10), spiral=(10, 30))
    before = read_description(tree_bundle)
    description = before.judged(before.judgement.model_copy(update={"outputs": outputs}))
    with new_bundle(folder) as beside:
        for path in tree_bundle.iterdir():
            (beside / path.name).write_bytes(path.read_bytes())
        write_learned(beside, Learned(np.array([1, 2, 3]), seen(first=1000)))
        describe(beside, description)
    return folder


def test_calibrate_says_before_and_after_and_makes_a_bundle(knowing_bundle, tiny_survey, tmp_path):
    said = run(knowing_bundle, tiny_survey, "-o", tmp_path / "a")
    assert f"{tiny_survey}: 59 galaxies (29 elliptical, 30 spiral)" in said
    for row in ("accuracy", "calibration error", "target agreement 99%: decided"):
        assert row in said
    assert "warning" not in said
    made = read_description(tmp_path / "a")
    on = made.judgement.calibrated
    assert on is not None
    assert (on.survey, on.galaxies, on.by) == ("tiny", 59, "votes")
    assert made.calibration != read_description(knowing_bundle).calibration
    assert Predictor(tmp_path / "a").predict(np.zeros((1, 32, 32, 3), np.uint8))
    # Once more, the same bytes; and none but those of the description differ from before.
    run(knowing_bundle, tiny_survey, "-o", tmp_path / "b")
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
        same = path.read_bytes() == (knowing_bundle / path.name).read_bytes()
        assert same == (path.name != "bundle.json")
    assert "exists; --overwrite replaces it" in run(
        knowing_bundle, tiny_survey, "-o", tmp_path / "b"
    )


def test_votes_of_another_campaign_are_calibrated_by_themselves(
    knowing_bundle, tiny_survey, tmp_path
):
    other = tmp_path / "weighted"
    shutil.copytree(tiny_survey, other)
    write_campaign(other, GZ2)
    before = read_description(knowing_bundle)
    run(knowing_bundle, other, "-o", tmp_path / "a")
    made = read_description(tmp_path / "a")
    assert (made.campaign, list(made.judgements)) == ("gz2", ["kaggle", "gz2"])
    assert made.judgement.answers_of == "kaggle"
    assert made.answers_of == KAGGLE
    assert made.judgement.calibrated.survey == "weighted"
    # Those of Kaggle's challenge are as before.
    assert made.judgements["kaggle"] == before.judgement
    run(tmp_path / "a", tiny_survey, "-o", tmp_path / "b")
    both = read_description(tmp_path / "b")
    assert both.campaign == "kaggle"
    assert both.judgements["gz2"] == made.judgement
    assert both.judgement.calibrated.survey == "tiny"
    assert both.judgement.answers_of is None


def test_what_a_bundle_knows_is_kept_while_the_survey_looks_familiar(knowing_bundle, tmp_path):
    survey = write_tiny_survey(tmp_path / "survey", galaxies=130)
    said = run(knowing_bundle, survey, "-o", tmp_path / "alike")
    assert "unfamiliar before: 0 of 129. Images are compared with the 200 of the bundle" in said
    kept, before = (read_known(one) for one in (tmp_path / "alike", knowing_bundle))
    assert np.array_equal(kept.distances, before.distances)
    other = tmp_path / "other"
    copy_recalibrated(
        knowing_bundle, other, read_description(knowing_bundle), known_galaxies(distance=0)
    )
    said = run(other, survey, "-o", tmp_path / "new")
    assert "unfamiliar before: 129 of 129. Images are compared with these 129 now" in said
    assert "the test is noisy" in said
    assert len(read_known(tmp_path / "new").distances) == 129
    # Too few to be compared with.
    few = write_tiny_survey(tmp_path / "few", galaxies=60)
    assert "decide nothing on this survey; with 99" in run(other, few, "-o", tmp_path / "few_of")


def test_kaggles_votes_calibrate_the_answers_of_galaxy_zoo_2(tiny_survey, tmp_path):
    run("simulated", tiny_survey, "-o", tmp_path / "a")
    made = read_description(tmp_path / "a")
    before = read_description(PRETRAINED / "simulated")
    assert (made.campaign, made.judgement.answers_of) == ("kaggle", "gz2")
    assert made.judgements["gz2"] == before.judgement
    assert made.questions == before.questions
    assert made.class_places == before.class_places
    # What its answers look like is not changed by whose votes they are calibrated on.
    image = np.zeros((1, 64, 64, 3), np.uint8)
    found, as_before = (
        Predictor(one).predict(image) for one in (tmp_path / "a", PRETRAINED / "simulated")
    )
    assert np.array_equal(found.answers, as_before.answers, equal_nan=True)
    assert found.p_spiral_raw == as_before.p_spiral_raw
    assert found.p_spiral != as_before.p_spiral


def test_a_bundle_is_described_for_another_campaign_without_its_promises(tree_bundle):
    before = read_description(tree_bundle)
    assert for_campaign(before, KAGGLE) == before
    other = for_campaign(before, GZ1)
    assert (other.campaign, other.judgement.answers_of) == ("gz1", "kaggle")
    assert {one.threshold for one in other.triage} == {None}
    assert other.calibration == before.calibration
    assert other.judgement.triage[0].threshold is None
    assert other.judgements["kaggle"] == before.judgement


@pytest.mark.parametrize(("answered", "answers_of"), [(("smooth", "odd"), None), (("odd",), "gz2")])
def test_answers_are_its_own_if_it_answers_the_first_question(answered, answers_of):
    before = read_description(PRETRAINED / "simulated")
    changes = {
        "campaigns": (KAGGLE, GZ2),
        "questions": {"kaggle": answered, "gz2": before.answered},
    }
    kaggle = for_campaign(before.model_copy(update=changes), KAGGLE)
    assert kaggle.judgement.answers_of == answers_of
    assert kaggle.class_places.spiral == (1 if answers_of is None else 38)


def test_shares_alone_remove_the_promises_of_other_campaigns(knowing_bundle, tiny_survey, tmp_path):
    before = read_description(knowing_bundle)
    both = before.model_copy(
        update={"judgements": before.judgements | {"gz2": judgement(answers_of="kaggle")}}
    )
    copy_recalibrated(knowing_bundle, tmp_path / "both", both)
    run(tmp_path / "both", tiny_survey, "-o", tmp_path / "a", "--shares-only", "--anyway")
    assert list(read_description(tmp_path / "a").judgements) == ["kaggle"]


def test_a_bundle_that_keeps_nothing_of_its_training_is_warned_of(
    tree_bundle, tiny_survey, tmp_path
):
    assert "warning: " in run(tree_bundle, tiny_survey, "-o", tmp_path / "a")
    said = run(tree_bundle, tiny_survey, "-o", tmp_path / "b", "--shares-only")
    assert "has no outputs for each class" in said


def test_galaxies_that_a_bundle_learned_from_are_left_out(knowing_bundle, tiny_survey, tmp_path):
    known = tmp_path / "known"
    copy_recalibrated(knowing_bundle, known, read_description(knowing_bundle))
    # The second galaxy of the survey, under another number.
    with open_archive(tiny_survey / "images_training_rev1.zip") as archive:
        data = archive.read("images/587722952767439457.jpg")
    image = Classifier(known, Options(agreement=0.9)).prepare(data)
    description = read_description(known)
    write_learned(known, Learned(np.array([3]), fingerprints(image[None])))
    describe(known, description)
    for options in ((), ("--shares-only", "--anyway")):
        said = run(known, tiny_survey, "-o", tmp_path / f"a{len(options)}", *options)
        assert "left out: 1 galaxy that the bundle has learned" in said
        on = read_description(tmp_path / f"a{len(options)}").judgement.calibrated
        assert on is not None
        assert on.galaxies == (59 if options else 58)
    # The same number on another picture is another galaxy.
    write_learned(known, Learned(np.array([587722952767439457]), seen(first=1000)[:1]))
    describe(known, description)
    run(known, tiny_survey, "-o", tmp_path / "a")


def turned_survey(survey, folder, turn, first=1, only=None):
    """The same galaxies under other numbers, turned, or all with one picture."""
    folder.mkdir()
    votes = pd.read_csv(survey / "training_solutions_rev1.csv")
    ids = votes["GalaxyID"].tolist()
    votes.assign(GalaxyID=np.arange(first, first + len(ids))).to_csv(
        folder / "training_solutions_rev1.csv", index=False
    )
    with (
        open_archive(survey / "images_training_rev1.zip") as archive,
        zipfile.ZipFile(folder / "images_training_rev1.zip", "w") as new,
    ):
        members = {PurePosixPath(name).stem: name for name in archive.namelist()}
        for number, galaxy_id in enumerate(ids, first):
            name = members.get(str(only or galaxy_id))
            if name is None:
                continue
            frame = Image.open(io.BytesIO(archive.read(name))).convert("RGB").resize((128, 128))
            data = io.BytesIO()
            (frame if turn is None else frame.transpose(turn)).save(data, "PNG")
            new.writestr(f"images/{number}.png", data.getvalue())
    return folder


@pytest.mark.parametrize("turn", [None, Image.Transpose.ROTATE_90, Image.Transpose.FLIP_TOP_BOTTOM])
def test_learned_galaxies_are_left_out_however_they_are_turned(
    knowing_bundle, tiny_survey, tmp_path, turn
):
    description = read_description(knowing_bundle)
    upright = turned_survey(tiny_survey, tmp_path / "upright", None)
    with open_archive(upright / "images_training_rev1.zip") as archive:
        prepare = Classifier(knowing_bundle, Options(agreement=0.9)).prepare
        names = [f"images/{number}.png" for number in range(20, 31)]
        pixels = np.stack([prepare(archive.read(name)) for name in names])
    copy_recalibrated(knowing_bundle, tmp_path / "known", description)
    write_learned(tmp_path / "known", Learned(np.arange(11), fingerprints(pixels)))
    describe(tmp_path / "known", description)
    survey = turned_survey(tiny_survey, tmp_path / "turned", turn)
    said = run(tmp_path / "known", survey, "-o", tmp_path / "a")
    assert "left out: 11 galaxies that the bundle has learned" in said


def test_the_same_galaxies_under_other_numbers_do_not_calibrate_twice(
    knowing_bundle, tiny_survey, tmp_path
):
    run(knowing_bundle, turned_survey(tiny_survey, tmp_path / "s", None), "-o", tmp_path / "a")
    again = turned_survey(tiny_survey, tmp_path / "t", None, first=5000)
    assert "is calibrated on these 59 galaxies already" in run(
        tmp_path / "a", again, "-o", tmp_path / "b"
    )
    # A bundle of an earlier version knows them by their IDs alone.
    old = read_description(tmp_path / "a")
    on = old.judgement.calibrated.model_copy(update={"images": None})
    old = old.judged(old.judgement.model_copy(update={"calibrated": on}))
    copy_recalibrated(tmp_path / "a", tmp_path / "old", old)
    assert "already" in run(tmp_path / "old", tmp_path / "s", "-o", tmp_path / "b")
    run(tmp_path / "old", again, "-o", tmp_path / "b")


def test_one_image_for_all_galaxies_calibrates_nothing(knowing_bundle, tiny_survey, tmp_path):
    same = turned_survey(tiny_survey, tmp_path / "s", None, only=587722952767439457)
    said = run(knowing_bundle, same, "-o", tmp_path / "a")
    assert re.search("[0-9]+ galaxies have 1 different images, .*own image", said), said


def test_few_galaxies_and_absent_votes_are_refused(knowing_bundle, tmp_path):
    few = write_tiny_survey(tmp_path / "few", galaxies=20)
    assert "19 galaxies with images and votes" in run(knowing_bundle, few, "-o", tmp_path / "a")
    (few / "training_solutions_rev1.csv").unlink()
    assert "--shares-only estimates the shares" in run(knowing_bundle, few, "-o", tmp_path / "a")
    said = run(knowing_bundle, few, "-o", tmp_path / "a", "--shares-only")
    assert "20 images that are readable and that the bundle has not learned; estimating" in said
    assert "--anyway needs --shares-only" in run(
        knowing_bundle, few, "-o", tmp_path / "a", "--anyway"
    )
    assert not (tmp_path / "a").exists()


def test_shares_alone_promise_nothing(knowing_bundle, tiny_survey, tmp_path):
    said = run(knowing_bundle, tiny_survey, "-o", tmp_path / "a", "--shares-only", "--anyway")
    assert "60 images; 0 could not be read" in said
    assert re.search(r"share of spirals: 0\.\d{3} \(95% interval 0\.\d{3}-[01]\.\d{3}; in", said)
    assert "it makes no promises" in said
    made = read_description(tmp_path / "a")
    assert made.judgement.calibrated is not None
    assert made.judgement.calibrated.by == "shares"
    assert {one.threshold for one in made.triage} == {None}
    again = run(tmp_path / "a", tiny_survey, "-o", tmp_path / "b", "--shares-only")
    assert "has no outputs" in again


def test_shares_are_not_adjusted_where_more_differs(knowing_bundle, tiny_survey, tmp_path):
    odd = tmp_path / "odd"
    outputs = ClassOutputs(edges=(0.0001, 0.9999), elliptical=(500, 0, 1), spiral=(1, 0, 500))
    before = read_description(knowing_bundle)
    judged = before.judgement.model_copy(update={"outputs": outputs})
    copy_recalibrated(knowing_bundle, odd, before.judged(judged))
    said = run(odd, tiny_survey, "-o", tmp_path / "a", "--shares-only")
    assert "not saved, because" in said
    assert not (tmp_path / "a").exists()


def test_a_pretrained_bundle_is_better_on_another_survey_once_it_is_calibrated(tmp_path):
    survey = real_data() / "gz2"
    said = run("real", survey, "-o", tmp_path / "a")
    assert re.search(
        r"\d+ galaxies with images and votes, and 4\d\d that the bundle has learned", said
    )
    votes = pd.read_csv(real_data() / "gz1b/training_solutions_rev1.csv", dtype=str)
    few = tmp_path / "few"
    few.mkdir()
    votes[::30].to_csv(few / "training_solutions_rev1.csv", index=False)
    (few / "images_training_rev1.zip").symlink_to(real_data() / "gz1b/images_training_rev1.zip")
    found = run("simulated", few, "-o", tmp_path / "a")
    [row] = [line.split() for line in found.splitlines() if line.strip().startswith("accuracy")]
    assert float(row[3]) > float(row[1]) + 0.03


def test_the_galaxies_of_a_calibration_do_not_test_the_next_one(
    knowing_bundle, tiny_survey, tmp_path
):
    run(knowing_bundle, tiny_survey, "-o", tmp_path / "a")
    said = run(tmp_path / "a", tiny_survey, "-o", tmp_path / "b")
    assert "is calibrated on these 59 galaxies already, by their votes; calibrate the" in said
    renamed = tmp_path / "renamed"
    shutil.copytree(tiny_survey, renamed)
    assert "is calibrated on these" in run(tmp_path / "a", renamed, "-o", tmp_path / "b")
    assert not (tmp_path / "b").exists()
    # For the votes of another campaign they are new.
    write_campaign(renamed, GZ2)
    run(tmp_path / "a", renamed, "-o", tmp_path / "b")
    assert set(read_description(tmp_path / "b").judgements) == {"kaggle", "gz2"}


def test_a_survey_that_becomes_familiar_has_no_promises_of_other_campaigns(
    tmp_path, tiny_survey, monkeypatch
):
    monkeypatch.setattr("galaxies.judgement.familiarity.FEWEST", 50)
    bundle = tmp_path / "before"
    shutil.copytree(PRETRAINED / "real", bundle)
    said = run(bundle, tiny_survey, "-o", tmp_path / "a")
    assert "It makes no promises for gz2 and gz1, whose votes on tiny are unknown" in said
    made = read_description(tmp_path / "a")
    for name in ("gz2", "gz1"):
        assert all(one.threshold is None for one in made.by(name).triage)
        assert made.by(name).calibration == read_description(bundle).by(name).calibration
    # Those that were calibrated on the same galaxies are kept.
    weighted = tmp_path / "weighted"
    shutil.copytree(tiny_survey, weighted)
    write_campaign(weighted, GZ2)
    said = run(tmp_path / "a", weighted, "-o", tmp_path / "b")
    assert "no promises" not in said
    both = read_description(tmp_path / "b")
    assert both.judgements["kaggle"] == made.judgements["kaggle"]
