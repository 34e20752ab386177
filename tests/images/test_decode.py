import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from galaxies.base.arrays import open_array, shrink
from galaxies.dataset.archive import list_images, read_images
from galaxies.dataset.layout import IMAGES
from galaxies.dataset.packing import pack_images
from galaxies.errors import GalaxiesError
from galaxies.images.decode import decode_image, reduce_image
from tests.conftest import draw_galaxy, encode, real_data, write_survey

GALAXY = draw_galaxy(np.random.default_rng(1), spiral=True)


def png(image):
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def test_colour_grey_and_cmyk_decode_to_the_same_galaxy():
    colour = np.asarray(decode_image(encode(GALAXY, quality=95))).astype(int)
    assert np.abs(colour - GALAXY).mean() < 4
    grey = Image.fromarray(GALAXY).convert("L")
    for data in (png(grey), png(grey.convert("LA")), png(grey.convert("P"))):
        assert np.array_equal(np.asarray(decode_image(data)), np.asarray(grey.convert("RGB")))
    file = io.BytesIO()
    Image.fromarray(GALAXY).convert("CMYK").save(file, "JPEG", quality=95)
    cmyk = np.asarray(decode_image(file.getvalue())).astype(int)
    assert np.abs(cmyk - GALAXY).mean() < 5


def test_sixteen_bits_keep_their_brightness():
    deep = Image.fromarray(GALAXY[:, :, 0].astype(np.uint16) * 257)
    decoded = np.asarray(decode_image(png(deep)))
    assert np.array_equal(decoded[:, :, 1], GALAXY[:, :, 0])


def test_exif_orientation_is_applied():
    image = Image.fromarray(GALAXY)
    exif = image.getexif()
    exif[0x0112] = 6
    turned = np.asarray(decode_image(encode(GALAXY, quality=100, exif=exif))).astype(int)
    assert np.abs(turned - np.rot90(GALAXY, -1)).mean() < 4


@pytest.mark.parametrize("side", [299, 423, 424])
def test_the_crop_is_central_for_every_frame_size(side):
    frame = np.zeros((side, side, 3), np.uint8)
    low, high = round(side * 0.25), round(side * 0.75)
    frame[low:high, low:high] = 200
    reduced = reduce_image(Image.fromarray(frame), 32, 0.5)
    assert reduced.shape == (32, 32, 3)
    assert reduced[1:-1, 1:-1].min() == 200
    assert np.array_equal(reduced, reduced[::-1, ::-1]) or side % 2  # odd frames have no middle


@given(st.integers(0, 255), st.integers(8, 64), st.floats(0.2, 1))
def test_reducing_keeps_an_even_sky_even(level, size, crop):
    frame = Image.new("RGB", (70, 90), (level, level, level))
    assert (reduce_image(frame, size, crop) == level).all()


def test_reducing_by_whole_blocks_is_their_mean():
    reduced = reduce_image(Image.fromarray(GALAXY), 32, 1.0).astype(int)
    blocks = GALAXY.reshape(32, 3, 32, 3, 3).mean(axis=(1, 3))
    assert np.abs(reduced - blocks).max() <= 1
    assert np.abs(shrink(GALAXY[None], 32)[0] - blocks).max() <= 0.5


def pack(folder, out, **options):
    defaults = {"size": 16, "crop": 0.5, "max_unreadable": 0.0, "workers": 2}
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
    [(_, pixels)] = read_images(tiny_survey / IMAGES, [member], 16, 0.5, workers=1, doing="test")
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


def test_real_surveys_pack(tmp_path):
    folder = real_data()
    packed = pack(folder / "gz2", tmp_path, size=64)
    assert len(packed.table) == 486
    array = open_array(tmp_path / "images.npy")
    centre, corner = array[:, 28:36, 28:36].mean(), array[:, :8, :8].mean()
    assert centre > 3 * corner  # galaxies are in the middle
