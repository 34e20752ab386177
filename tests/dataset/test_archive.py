"""An archive's images come in the order asked for, few of them in memory at a time."""

import zipfile

import numpy as np
import pytest

from galaxies.dataset import archive
from galaxies.dataset.archive import Member, list_images, read_images
from galaxies.errors import GalaxiesError
from tests.conftest import draw_galaxy, encode


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    random = np.random.default_rng(2)
    path = tmp_path_factory.mktemp("archive") / "images.zip"
    with zipfile.ZipFile(path, "w") as file:
        for number in reversed(range(1, 101)):
            data = encode(draw_galaxy(random, bool(number % 2), side=24))
            file.writestr(f"a/{number}.jpg", b"" if number == 40 else data)
        file.writestr("__MACOSX/a/1.jpg", b"")
        file.writestr("a/.DS_Store", b"")
    return path


def test_images_are_listed_by_their_ids_without_what_macos_leaves_behind(survey):
    members = list_images(survey)
    assert members == [Member(number, f"a/{number}.jpg") for number in range(1, 101)]


def read(survey, members, workers):
    images = read_images(
        survey, members, 8, 0.5, "scaled", max_unreadable=0.01, workers=workers, doing="test"
    )
    return list(images)


def test_images_come_in_the_order_asked_for_whatever_the_workers(survey):
    members = list_images(survey)[::-1]
    one, four = read(survey, members, 1), read(survey, members, 4)
    readable = [member for member in members if member.galaxy_id != 40]
    assert [member for member, _ in one] == [member for member, _ in four] == readable
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(one, four, strict=True))


def test_an_unreadable_image_is_an_error_unless_it_is_allowed(survey):
    members = [member for member in list_images(survey) if member.galaxy_id in (39, 40)]
    images = read_images(survey, members, 8, 0.5, "scaled", workers=2, doing="test")
    assert next(images)[0].galaxy_id == 39
    with pytest.raises(GalaxiesError, match=r"member 'a/40.jpg' is empty; .* allows 0 of 2 images"):
        next(images)


def test_few_images_are_read_ahead(survey, monkeypatch):
    monkeypatch.setattr(archive, "_BATCH", 2)
    read_one, begun = archive.read_member, []
    monkeypatch.setattr(archive, "read_member", lambda *a: (begun.append(a), read_one(*a))[1])
    members = list_images(survey)
    images = read_images(
        survey, members, 8, 0.5, "scaled", max_unreadable=0.01, workers=2, doing="test"
    )
    for done, _ in enumerate(images, 1):
        assert len(begun) - done <= 2 * 5 + 1
    assert len(begun) == 100


def test_the_folders_and_the_case_of_names_do_not_matter(tmp_path):
    path = tmp_path / "images.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name in ("a/b/20.JPG", "3.png", "__MACOSX/._3.png", "c/", "a/.DS_Store"):
            file.writestr(name, b"x")
    assert list_images(path) == [Member(3, "3.png"), Member(20, "a/b/20.JPG")]
