"""A survey's archive has the same bytes, however its images were stored and whenever it is made."""

import zipfile

import numpy as np
import pytest

from galaxies.dataset.archive import list_images
from galaxies.errors import GalaxiesError
from galaxies.surveys.writing import StoredImage, add_image
from tests.conftest import draw_galaxy, encode

JPEG = encode(draw_galaxy(np.random.default_rng(1), spiral=True))


def store(path, name, method):
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr(name, JPEG)
    return path


def test_an_image_makes_the_same_archive_from_bytes_and_from_any_other_archive(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as target:
        add_image(target, 100008, JPEG)
    stored = store(tmp_path / "stored.zip", "x/y.JPG", zipfile.ZIP_DEFLATED)
    with (
        zipfile.ZipFile(stored) as archive,
        zipfile.ZipFile(tmp_path / "b.zip", "w") as target,
    ):
        add_image(target, 100008, StoredImage(archive, "x/y.JPG"))
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    [member] = list_images(tmp_path / "a.zip")
    assert member == (100008, "images_training_rev1/100008.jpg")


def test_a_damaged_image_is_named(tmp_path):
    path = store(tmp_path / "damaged.zip", "1.jpg", zipfile.ZIP_STORED)
    data = path.read_bytes()
    path.write_bytes(data.replace(JPEG[300:340], bytes(40)))
    with (
        zipfile.ZipFile(path) as archive,
        zipfile.ZipFile(tmp_path / "b.zip", "w") as target,
        pytest.raises(GalaxiesError, match=r"damaged.zip: member '1.jpg' is damaged .*CRC"),
    ):
        add_image(target, 1, StoredImage(archive, "1.jpg"))
