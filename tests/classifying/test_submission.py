"""A submission to Kaggle's Galaxy Zoo challenge."""

import gzip
import zipfile

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from galaxies.bundle.description import read_description
from galaxies.bundle.folder import copy_recalibrated
from galaxies.bundle.pretrained import PRETRAINED
from galaxies.classifying import submission
from galaxies.classifying.submission import write_submission
from galaxies.cli import app
from galaxies.errors import GalaxiesError
from galaxies.questions.kaggle import KAGGLE
from tests.conftest import draw_galaxy, encode

REAL = PRETRAINED / "real"
IDS = (999_967, 100_018, 100_037, 537_211, 100_042)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """As `images_test_rev1.zip`, with few galaxies, and in no order."""
    path = tmp_path_factory.mktemp("kaggle") / "images_test_rev1.zip"
    random = np.random.default_rng(6)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("images_test_rev1/", b"")
        for place, galaxy_id in enumerate(IDS):
            picture = encode(draw_galaxy(random, bool(place % 2), side=424))
            file.writestr(f"images_test_rev1/{galaxy_id}.jpg", picture)
    return path


def test_rows_and_columns_are_those_of_the_challenge(archive, tmp_path, monkeypatch):
    output = tmp_path / "submission.csv"
    assert write_submission(archive, output, REAL, workers=2) == len(IDS)
    header, *rows = output.read_text().splitlines()
    assert header == "GalaxyID," + ",".join(KAGGLE.columns)
    assert [int(row.partition(",")[0]) for row in rows] == sorted(IDS)
    table = pd.read_csv(output)
    shares = table[list(KAGGLE.columns)].to_numpy()
    assert ((shares >= 0) & (shares <= 1)).all()
    assert KAGGLE.tree_errors(shares).max() < 1e-5  # six digits
    assert np.ptp(shares, axis=0).max() > 0.05
    monkeypatch.setattr(submission, "BATCH", 2)
    write_submission(archive, tmp_path / "again.csv", REAL, workers=1)
    again = pd.read_csv(tmp_path / "again.csv")
    assert again.to_numpy() == pytest.approx(table.to_numpy(), abs=2e-6)
    with pytest.raises(GalaxiesError, match=r"submission\.csv: exists; --overwrite replaces it"):
        write_submission(archive, output, REAL, workers=1)


def test_the_command_says_that_rows_are_lacking(archive, tmp_path):
    output = tmp_path / "submission.csv"
    done = CliRunner().invoke(app, ["submission", str(archive), "-o", str(output)])
    assert done.exit_code == 0
    assert "submission.csv: 5 galaxies" in done.output
    assert "the challenge has 79,975 galaxies; Kaggle will reject this file" in done.output


def test_a_damaged_image_is_refused_and_nothing_left(archive, tmp_path):
    path = tmp_path / "images_test_rev1.zip"
    path.write_bytes(archive.read_bytes())
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("images_test_rev1/100123.jpg", b"text")
    with pytest.raises(
        GalaxiesError,
        match=r"zip: member 'images_test_rev1/100123\.jpg' .*; the challenge needs all images",
    ):
        write_submission(path, tmp_path / "a.csv", REAL, workers=2)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_a_bundle_that_did_not_learn_all_questions_is_refused(archive, tree_bundle, tmp_path):
    with pytest.raises(
        GalaxiesError, match=r"tree: does not answer 11 of the 11 questions, such as"
    ):
        write_submission(archive, tmp_path / "a.csv", tree_bundle, workers=1)
    before = read_description(REAL)
    own = before.answers_of.name
    questions = before.questions | {own: tuple(one for one in before.answered if one != "bar")}
    few = tmp_path / "few"
    copy_recalibrated(REAL, few, before.model_copy(update={"questions": questions}))
    with pytest.raises(
        GalaxiesError, match=r"few: does not answer 1 of the 11 questions, .* 'bar'"
    ):
        write_submission(archive, tmp_path / "a.csv", few, workers=1)
    types = tmp_path / "types"
    alone = {"questions": {"gz1": ("type",)}, "judgements": {"gz1": before.judgements["gz1"]}}
    copy_recalibrated(REAL, types, before.by("gz1").model_copy(update=alone))
    with pytest.raises(GalaxiesError, match=r"types: answers the questions of gz1, not those of"):
        write_submission(archive, tmp_path / "a.csv", types, workers=1)
    assert not (tmp_path / "a.csv").exists()


def test_a_name_in_gz_is_compressed(archive, tmp_path):
    for name in ("a.csv", "a.csv.gz", "b.csv.gz"):
        write_submission(archive, tmp_path / name, REAL, workers=2)
    packed = (tmp_path / "a.csv.gz").read_bytes()
    assert gzip.decompress(packed) == (tmp_path / "a.csv").read_bytes()
    assert packed == (tmp_path / "b.csv.gz").read_bytes()
