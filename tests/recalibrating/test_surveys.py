import re

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from galaxies.bundle.description import read_description
from galaxies.bundle.folder import copy_recalibrated, describe, new_bundle
from galaxies.bundle.learned import write_learned
from galaxies.bundle.predictor import Predictor
from galaxies.cli import app
from galaxies.errors import GalaxiesError
from galaxies.judgement.class_shares import ClassOutputs
from tests.conftest import real_data, write_tiny_survey


def run(*command):
    done = CliRunner().invoke(app, ["calibrate", *map(str, command)])
    if isinstance(done.exception, GalaxiesError):
        return str(done.exception)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def knowing_bundle(tree_bundle, tmp_path_factory):
    """The same, of which is known what it learned from and what it gives for each class."""
    folder = tmp_path_factory.mktemp("bundles") / "knowing"
    outputs = ClassOutputs(edges=(0.5,), elliptical=(30, 10), spiral=(10, 30))
    description = read_description(tree_bundle).model_copy(update={"outputs": outputs})
    with new_bundle(folder) as beside:
        for path in tree_bundle.iterdir():
            (beside / path.name).write_bytes(path.read_bytes())
        write_learned(beside, np.array([1, 2, 3], np.int64))
        describe(beside, description)
    return folder


def test_calibrate_says_before_and_after_and_makes_a_bundle(knowing_bundle, tiny_survey, tmp_path):
    said = run(knowing_bundle, tiny_survey, "-o", tmp_path / "a")
    assert f"{tiny_survey}: 59 galaxies (29 elliptical, 30 spiral)" in said
    for row in ("accuracy", "calibration error", "target agreement 99%: decided"):
        assert row in said
    assert "warning" not in said
    made = read_description(tmp_path / "a")
    assert made.calibrated is not None
    assert (made.calibrated.survey, made.calibrated.galaxies, made.calibrated.by) == (
        "tiny",
        59,
        "votes",
    )
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


def test_a_bundle_that_keeps_nothing_of_its_training_is_warned_of(
    tree_bundle, tiny_survey, tmp_path
):
    assert "warning: " in run(tree_bundle, tiny_survey, "-o", tmp_path / "a")
    said = run(tree_bundle, tiny_survey, "-o", tmp_path / "b", "--shares-only")
    assert "has no outputs for each class" in said


def test_galaxies_that_a_bundle_learned_from_are_refused(knowing_bundle, tiny_survey, tmp_path):
    known = tmp_path / "known"
    copy_recalibrated(knowing_bundle, known, read_description(knowing_bundle))
    write_learned(known, np.array([587722952767439450 + 7], np.int64))
    said = run(known, tiny_survey, "-o", tmp_path / "a")
    assert "was trained on 1 of these 60 galaxies, such as 587722952767439457" in said
    assert not (tmp_path / "a").exists()
    run(known, tiny_survey, "-o", tmp_path / "a", "--other-ids")


def test_few_galaxies_and_absent_votes_are_refused(knowing_bundle, tmp_path):
    few = write_tiny_survey(tmp_path / "few", galaxies=20)
    assert "19 galaxies with images and votes" in run(knowing_bundle, few, "-o", tmp_path / "a")
    (few / "training_solutions_rev1.csv").unlink()
    assert "--shares-only estimates the shares" in run(knowing_bundle, few, "-o", tmp_path / "a")
    assert "20 readable images; estimating shares needs 30" in run(
        knowing_bundle, few, "-o", tmp_path / "a", "--shares-only"
    )
    assert "--anyway needs --shares-only" in run(
        knowing_bundle, few, "-o", tmp_path / "a", "--anyway"
    )
    assert not (tmp_path / "a").exists()


def test_shares_alone_promise_nothing(knowing_bundle, tiny_survey, tmp_path):
    said = run(knowing_bundle, tiny_survey, "-o", tmp_path / "a", "--shares-only", "--anyway")
    assert "60 images; 0 could not be read" in said
    assert "it makes no promises" in said
    made = read_description(tmp_path / "a")
    assert made.calibrated is not None
    assert made.calibrated.by == "shares"
    assert {one.threshold for one in made.triage} == {None}
    again = run(tmp_path / "a", tiny_survey, "-o", tmp_path / "b", "--shares-only")
    assert "has no outputs" in again


def test_shares_are_not_adjusted_where_more_differs(knowing_bundle, tiny_survey, tmp_path):
    odd = tmp_path / "odd"
    outputs = ClassOutputs(edges=(0.0001, 0.9999), elliptical=(500, 0, 1), spiral=(1, 0, 500))
    description = read_description(knowing_bundle).model_copy(update={"outputs": outputs})
    copy_recalibrated(knowing_bundle, odd, description)
    said = run(odd, tiny_survey, "-o", tmp_path / "a", "--shares-only")
    assert "not saved, because" in said
    assert not (tmp_path / "a").exists()


def test_a_pretrained_bundle_is_better_on_another_survey_once_it_is_calibrated(tmp_path):
    survey = real_data() / "gz2"
    said = run("real", survey, "-o", tmp_path / "a")
    assert re.search(r"was trained on 4\d\d of these 486 galaxies", said)
    votes = pd.read_csv(real_data() / "gz1b/training_solutions_rev1.csv", dtype=str)
    few = tmp_path / "few"
    few.mkdir()
    votes[::30].to_csv(few / "training_solutions_rev1.csv", index=False)
    (few / "images_training_rev1.zip").symlink_to(real_data() / "gz1b/images_training_rev1.zip")
    found = run("simulated", few, "-o", tmp_path / "a")
    [row] = [line.split() for line in found.splitlines() if line.strip().startswith("accuracy")]
    assert float(row[3]) > float(row[1]) + 0.03
