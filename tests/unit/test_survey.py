import zipfile

import numpy as np
import pytest

from galaxies.errors import GalaxiesError
from galaxies.survey import IMAGES, VOTES, list_images, read_votes, survey_file
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


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_byte_order_mark_and_windows_lines_are_read(tmp_path, encoding, newline):
    text = newline.join([HEADER, "3,0.5,0.5,0", ""])
    assert read_votes(write_votes(tmp_path, text, encoding))["galaxy_id"].tolist() == [3]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "not a CSV table"),
        ("\n\n", "not a CSV table"),
        (f"{HEADER}\n", "no rows"),
        ("GalaxyID,Class1.1,Class1.2\n1,1,0\n", "no column 'Class1.3'"),
        ("id,Class1.1,Class1.2,Class1.3\n1,1,0,0\n", "no column 'GalaxyID'"),
        (f"{HEADER}\n1,1,0,0\n2,1.5,0,0\n", "line 3: Class1.1 of GalaxyID 2 is '1.5'"),
        (f"{HEADER}\n1,1,-0.1,0\n", "line 2: Class1.2 of GalaxyID 1 is '-0.1'"),
        (f"{HEADER}\n1,1,many,0\n", "line 2: Class1.2 of GalaxyID 1 is 'many'"),
        (f"{HEADER}\n1,1,,0\n", "line 2: Class1.2 of GalaxyID 1 is ''"),
        (f"{HEADER}\n1,1,nan,0\n", "line 2: Class1.2 of GalaxyID 1 is 'nan'"),
        (f"{HEADER}\n1,1,inf,0\n", "line 2: Class1.2 of GalaxyID 1 is 'inf'"),
        (f"{HEADER}\n1,0,0,0\n", "line 2: GalaxyID 1 has no votes at all"),
        (f"{HEADER}\n1,1,0,0\n2,1,0,0\n1,1,0,0\n", "line 4: GalaxyID 1 stands twice"),
        (f"{HEADER}\n5.8e17,1,0,0\n", "line 2: GalaxyID '5.8e17' is not a whole number"),
        (f"{HEADER}\n-1,1,0,0\n", "line 2: GalaxyID '-1' is not a whole number"),
        (f"{HEADER}\n9223372036854775808,1,0,0\n", "is not a whole number"),
        (f"{HEADER}\n1,1,0,0,7,8\n2,1\n3,1,0,0,1,1,1,1,1\n", "not a CSV table"),
    ],
)
def test_bad_votes_are_refused_with_their_line(tmp_path, text, expected):
    path = write_votes(tmp_path, text)
    with pytest.raises(GalaxiesError) as caught:
        read_votes(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_votes_in_another_encoding_are_refused(tmp_path):
    with pytest.raises(GalaxiesError, match="not UTF-8 text at byte"):
        read_votes(write_votes(tmp_path, f"{HEADER},Größe\n1,1,0,0,1\n", "latin-1"))


def write_zip(tmp_path, *names):
    path = tmp_path / IMAGES
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return path


def test_images_are_listed_by_id_whatever_their_folder(tmp_path):
    path = write_zip(tmp_path, "a/b/20.JPG", "3.png", "__MACOSX/._3.png", "c/", "a/.DS_Store")
    assert [(m.galaxy_id, m.name) for m in list_images(path)] == [(3, "3.png"), (20, "a/b/20.JPG")]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["../1.jpg"], "'../1.jpg' points outside the archive"),
        (["a/../../1.jpg"], "points outside the archive"),
        (["/etc/1.jpg"], "points outside the archive"),
        (["C:/1.jpg"], "points outside the archive"),
        (["..\\1.jpg"], "points outside the archive"),
        (["1.jpg", "notes.txt"], "'notes.txt' is not an image"),
        (["1.jpg", "inner.zip"], "'inner.zip' is not an image"),
        (["galaxy.jpg"], "'galaxy.jpg' is not named by a GalaxyID"),
        (["²³.jpg"], "is not named by a GalaxyID"),
        (["99999999999999999999.jpg"], "is not named by a GalaxyID"),
        (["a/1.jpg", "b/1.jpeg"], "GalaxyID 1 twice: 'a/1.jpg' and 'b/1.jpeg'"),
        ([], "holds no image"),
    ],
)
def test_bad_archives_are_refused_with_the_member(tmp_path, names, expected):
    with pytest.raises(GalaxiesError) as caught:
        list_images(write_zip(tmp_path, *names))
    assert expected in str(caught.value)


def test_a_cut_off_archive_is_refused(tmp_path):
    path = write_zip(tmp_path, *[f"{number}.jpg" for number in range(50)])
    whole = path.read_bytes()
    for length in np.linspace(1, len(whole) - 1, 20).astype(int):
        path.write_bytes(whole[:length])
        with pytest.raises(GalaxiesError, match="is cut off or no zip archive"):
            list_images(path)
    path.write_bytes(b"")
    with pytest.raises(GalaxiesError, match="is empty"):
        list_images(path)


def test_an_absent_survey_says_what_belongs_there(tmp_path):
    with pytest.raises(GalaxiesError, match=r"no such folder; put images_training_rev1\.zip"):
        survey_file(tmp_path / "none", IMAGES)
    with pytest.raises(GalaxiesError, match="no such file; a survey holds"):
        survey_file(tmp_path, VOTES)
