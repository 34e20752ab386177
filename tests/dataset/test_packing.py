"""A survey's images become one array, the same whatever the workers."""

import numpy as np
import pytest

from galaxies.base.arrays import open_array
from galaxies.dataset.archive import list_images, read_images
from galaxies.dataset.layout import IMAGES
from galaxies.dataset.packing import pack_images
from galaxies.errors import GalaxiesError
from tests.conftest import draw_galaxy, encode, real_data, write_survey

GALAXY = draw_galaxy(np.random.default_rng(1), spiral=True)


def pack(folder, out, **options):
    defaults = {"size": 16, "crop": 0.5, "decoding": "scaled", "max_unreadable": 0.0, "workers": 2}
    return pack_images(folder / IMAGES, out / "images.npy", **defaults | options)


def test_packing_keeps_the_order_of_ids_whatever_the_workers(tiny_survey, tmp_path):
    one = pack(tiny_survey, tmp_path, workers=1)
    first = (tmp_path / "images.npy").read_bytes()
    three = pack(tiny_survey, tmp_path, workers=3)
    assert (tmp_path / "images.npy").read_bytes() == first
    assert one.table.equals(three.table)
    assert one.table["galaxy_id"].is_monotonic_increasing
    array = open_array(tmp_path / "images.npy")
    assert array.shape == (60, 16, 16, 3)
    assert array.dtype == np.uint8
    member = list_images(tiny_survey / IMAGES)[5]
    [(_, pixels)] = read_images(
        tiny_survey / IMAGES, [member], 16, 0.5, "scaled", workers=1, doing="test"
    )
    assert np.array_equal(array[5], pixels)


def test_unreadable_images_are_fatal_or_tolerated_and_named(tmp_path):
    members = {f"{number}.jpg": encode(GALAXY) for number in range(8)}
    members |= {"8.jpg": b"", "9.jpg": encode(GALAXY)[:300]}
    survey = write_survey(tmp_path / "survey", members, ["1,1,0,0"])
    with pytest.raises(GalaxiesError, match=r"member '8.jpg' is empty; pack.max_unreadable"):
        pack(survey, tmp_path)
    with pytest.raises(GalaxiesError, match=r"member '9.jpg' cannot be decoded.*after 8.jpg"):
        pack(survey, tmp_path, max_unreadable=0.1)
    assert not list(tmp_path.glob("*.npy")) + list(tmp_path.glob(".*.npy"))
    packed = pack(survey, tmp_path, max_unreadable=0.2)
    assert packed.unreadable == ["8.jpg", "9.jpg"]
    assert packed.table["galaxy_id"].tolist() == list(range(8))
    assert packed.table["row"].tolist() == list(range(8))
    assert packed.table["sha1"].nunique() == 1


@pytest.mark.slow
def test_real_surveys_pack(tmp_path):
    folder = real_data()
    packed = pack(folder / "gz2", tmp_path, size=64)
    assert len(packed.table) == 486
    array = open_array(tmp_path / "images.npy")
    centre, corner = array[:, 28:36, 28:36].mean(), array[:, :8, :8].mean()
    assert centre > 3 * corner  # galaxies are in the middle
