"""Images of every kind become the same galaxy, cut out and averaged alike."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from galaxies.base.arrays import shrink
from galaxies.images.decode import decode_image, reduce_image
from tests.conftest import draw_galaxy, encode

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
