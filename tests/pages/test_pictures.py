import numpy as np
import pytest
from typer.testing import CliRunner

from galaxies.bundle.pretrained import PRETRAINED
from galaxies.classifying.classifier import Classifier
from galaxies.cli import app
from galaxies.errors import GalaxiesError
from galaxies.pages.pictures import draw_pictures
from tests.conftest import draw_galaxy, encode

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def classifier():
    return Classifier(PRETRAINED / "simulated")


@pytest.fixture
def folder(tmp_path):
    random = np.random.default_rng(5)
    for name in ("a/7", "a/8", "b/7"):
        path = tmp_path / "images" / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(draw_galaxy(random, spiral=True)))
    return tmp_path / "images"


def test_a_folder_of_pictures_is_continued_and_repeated(classifier, folder, tmp_path):
    made = tmp_path / "made"
    (folder / "broken.jpg").write_bytes(b"nothing")
    done = draw_pictures([str(folder)], made, classifier)
    assert (done.drawn, done.kept) == (3, 0)
    assert done.unreadable == ["broken is not a JPEG or PNG"]
    names = sorted(path.name for path in made.iterdir())
    assert names == ["7.png", "7_2.png", "8.png"]
    before = (made / "7.png").read_bytes()
    (made / "8.png").unlink()
    done = draw_pictures([str(folder)], made, classifier)
    assert (done.drawn, done.kept) == (1, 2)
    draw_pictures([str(folder)], made, classifier, overwrite=True)
    assert (made / "7.png").read_bytes() == before


def test_one_pdf_has_a_page_for_each_image(classifier, folder, tmp_path):
    path = tmp_path / "all.pdf"
    assert draw_pictures([str(folder / "a")], path, classifier, "bar", "bar_no").drawn == 2
    content = path.read_bytes()
    assert content.count(b"/Type /Page ") == 2
    with pytest.raises(GalaxiesError, match="exists; --overwrite replaces it"):
        draw_pictures([str(folder / "a")], path, classifier)
    draw_pictures([str(folder / "a")], path, classifier, "bar", "bar_no", overwrite=True)
    assert path.read_bytes() == content


def test_what_cannot_be_drawn_is_said(classifier, folder, tmp_path):
    with pytest.raises(GalaxiesError, match=r"3 images; give a folder or a .pdf instead"):
        draw_pictures([str(folder)], tmp_path / "one.png", classifier)
    with pytest.raises(GalaxiesError, match=r"must end in .png or .pdf, or be a folder"):
        draw_pictures([str(folder)], tmp_path / "one.gif", classifier)
    (folder / "broken.jpg").write_bytes(b"nothing")
    with pytest.raises(GalaxiesError, match="no image could be read: broken is not a JPEG"):
        draw_pictures([str(folder / "broken.jpg")], tmp_path / "one.pdf", classifier)
    assert not (tmp_path / "one.pdf").exists()


def test_the_command_draws_one_galaxy(folder, tmp_path):
    picture = tmp_path / "seven.png"
    words = ["inside", str(folder / "a/7.jpg"), "-o", str(picture), "--model", "simulated"]
    done = CliRunner().invoke(app, words)
    assert (done.exit_code, done.stdout) == (0, f"{picture}: 1 drawn\n")
    assert picture.read_bytes().startswith(b"\x89PNG")
    (folder / "broken.jpg").write_bytes(b"nothing")
    words = ["inside", str(folder / "broken.jpg"), "-o", str(tmp_path / "made")]
    assert CliRunner().invoke(app, words).exit_code == 3
