import zipfile

import pytest

from galaxies.dataset.archive import list_images
from galaxies.dataset.layout import IMAGES, VOTES, survey_file
from galaxies.dataset.votes import read_votes
from galaxies.errors import GalaxiesError
from tests.conftest import HEADER


def write_votes(tmp_path, text, encoding="utf-8"):
    path = tmp_path / VOTES
    path.write_bytes(text.encode(encoding))
    return path


def test_votes_are_read_exactly_and_sorted(tmp_path):
    text = f"{HEADER},Class2.1\n587722952767439451,0.25,0.75,0,1\n587722952767439450,1,0,0,0\n"
    table = read_votes(write_votes(tmp_path, text))
    assert table["galaxy_id"].tolist() == [587722952767439450, 587722952767439451]
    assert table["p_features"].tolist() == [0, 0.75]
    assert table.dtypes.astype(str).tolist() == ["int64", "float32", "float32", "float32"]


def write_zip(tmp_path, *names):
    path = tmp_path / IMAGES
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return path


def test_images_are_listed_by_id_whatever_their_folder(tmp_path):
    path = write_zip(tmp_path, "a/b/20.JPG", "3.png", "__MACOSX/._3.png", "c/", "a/.DS_Store")
    assert [(m.galaxy_id, m.name) for m in list_images(path)] == [(3, "3.png"), (20, "a/b/20.JPG")]


def test_an_absent_survey_says_what_belongs_there(tmp_path):
    with pytest.raises(GalaxiesError, match=r"no such folder; put images_training_rev1\.zip"):
        survey_file(tmp_path / "none", IMAGES)
    with pytest.raises(GalaxiesError, match="no such file; a survey holds"):
        survey_file(tmp_path, VOTES)
