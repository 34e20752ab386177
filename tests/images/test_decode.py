"""Images of every kind become the same galaxy, cut out and averaged alike."""

import io
import math
import struct
import zipfile
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from galaxies.base.arrays import shrink
from galaxies.images import decode
from galaxies.images.decode import (
    UnreadableImageError,
    as_rgb,
    decode_image,
    decode_reduced,
    reduce_image,
)
from tests.conftest import draw_galaxy, encode, real_data

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


def test_an_exif_turn_is_applied():
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


LARGE = draw_galaxy(np.random.default_rng(1), spiral=True, side=424)


def whole(data, size=64, crop=0.5):
    return reduce_image(decode_image(data), size, crop)


@pytest.mark.parametrize("side", [299, 423, 424])
def test_a_jpeg_decoded_at_half_its_scale_is_nearly_the_mean_of_all_its_pixels(side):
    data = encode(LARGE[:side, :side], quality=95)
    scaled = decode_reduced(data, 64, 0.5, "scaled")
    assert scaled.shape == (64, 64, 3)
    apart = np.abs(scaled.astype(int) - whole(data))
    assert 0 < apart.mean() < 3
    assert apart.max() < 40


def test_the_centre_stays_the_centre_at_every_scale():
    """Of 427 pixels a half would be 213.5: rounding it up must not move the galaxy."""
    y, x = np.mgrid[:427, :427] - 213.0
    glow = (250 * np.exp(-np.hypot(x, y) / 60)).astype(np.uint8)
    data = encode(np.repeat(glow[:, :, None], 3, axis=2), quality=100)
    for size, crop in ((64, 0.5), (32, 0.5), (16, 0.5), (50, 1.0)):
        pixels = decode_reduced(data, size, crop, "scaled")[:, :, 1].astype(float)
        place = np.arange(size) - (size - 1) / 2
        for axis in (0, 1):
            assert abs((pixels.sum(axis=axis) * place).sum() / pixels.sum()) < 0.1


@pytest.mark.parametrize(
    ("size", "crop", "scale"),
    [(64, 0.5, 2), (107, 0.5, 1), (106, 0.5, 2), (212, 1.0, 2), (53, 0.5, 4), (26, 0.5, 8)],
)
@pytest.mark.parametrize("exif", [b"", b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"])
def test_the_smallest_scale_with_pixels_enough_is_taken(size, crop, scale, exif, monkeypatch):
    centre, taken = decode._centre, []

    def note(image, middle, half, size, scale):
        taken.append((half, scale))
        return centre(image, middle, half, size, scale)

    monkeypatch.setattr(decode, "_centre", note)
    decode_reduced(encode(np.resize(LARGE, (424, 600, 3)), exif=exif), size, crop, "scaled")
    assert taken == [(pytest.approx(crop * 424 / scale / 2), scale)]


def test_the_pixels_are_those_of_pillow():
    path = real_data() / "gz2" / "images_training_rev1.zip"
    with zipfile.ZipFile(path) as archive:
        frames = [archive.read(name) for name in archive.namelist()[1:30]]
    for data in frames:
        image = Image.open(io.BytesIO(data))
        assert np.array_equal(np.asarray(decode_image(data)), np.asarray(image))
        for size, crop in ((64, 0.5), (64, 1.0), (20, 0.11), (5, 0.9)):
            scale = decode._scale(image.size, math.ceil(size / crop))
            scaled = Image.open(io.BytesIO(data))
            scaled.draft(None, (image.width // scale, image.height // scale))
            x, y = image.width / scale / 2, image.height / scale / 2
            expected = decode._centre(scaled, (x, y), crop * min(x, y), size, scale)
            assert np.array_equal(decode_reduced(data, size, crop, "scaled"), np.asarray(expected))


def test_a_small_jpeg_is_decoded_whole():
    data = encode(LARGE[:120, :120])
    assert np.array_equal(decode_reduced(data, 64, 0.5, "scaled"), whole(data))


def test_a_frame_is_reduced_like_the_jpeg_that_it_came_from():
    data = encode(LARGE, quality=95)
    jpeg = decode_reduced(data, 64, 0.5, "scaled").astype(int)
    frame = decode_image(data)
    assert np.abs(jpeg - decode_reduced(png(frame), 64, 0.5, "scaled")).mean() < 0.5
    assert np.abs(jpeg - decode_reduced(png(frame), 64, 0.5, "whole")).mean() > 0.5
    assert np.array_equal(decode_reduced(png(frame), 64, 0.5, "whole"), whole(data))


@pytest.mark.parametrize("decoding", ["scaled", "whole"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_an_exif_turn_turns_the_reduced_image(turn, decoding):
    image = Image.fromarray(LARGE[:, 20:400])
    exif = image.getexif()
    exif[0x0112] = turn
    turned = encode(np.asarray(image), quality=95, exif=exif)
    expected = whole(turned).astype(int)
    found = decode_reduced(turned, 64, 0.5, decoding)
    assert np.abs(found - expected).mean() < 2
    if turn > 1:
        assert np.abs(found - whole(encode(np.asarray(image), quality=95)).astype(int)).mean() > 2


def test_grey_and_cmyk_are_scaled_too():
    for mode, limit in (("L", 3), ("CMYK", 5)):
        file = io.BytesIO()
        Image.fromarray(LARGE).convert(mode).save(file, "JPEG", quality=95)
        data = file.getvalue()
        scaled = decode_reduced(data, 64, 0.5, "scaled").astype(int)
        assert 0 < np.abs(scaled - whole(data)).mean() < limit


@pytest.mark.parametrize("decoding", ["scaled", "whole"])
def test_a_damaged_jpeg_says_why_at_every_scale(decoding):
    data = encode(LARGE)
    for bad, expected in (
        (b"", "is empty"),
        (b"text", "is not a JPEG or PNG"),
        (data[:300], "cannot be decoded"),
        (data[:-2], "cannot be decoded .Premature end"),
        (_with_html(data), "cannot be decoded .Corrupt JPEG data"),
        (_scans(data), "has too many scans: 201 of 424x424"),
        (data[: len(data) // 2], "cannot be decoded .Premature end of JPEG file"),
        (_bomb(data), "is too large: 60000x60000"),
    ):
        with pytest.raises(UnreadableImageError, match=expected):
            decode_reduced(bad, 64, 0.5, decoding)


def _with_html(data):
    """A JPEG with a gateway's error page in the middle."""
    page = b"<html><body>502 Bad Gateway</body></html>" * 20
    half = len(data) // 2
    return data[:half] + page + data[half + len(page) :]


def _scans(data):
    """A JPEG that would be decoded 201 times."""
    start = data.index(b"\xff\xda")
    return data[:-2] + data[start:-2] * 200 + data[-2:]


def _bomb(data):
    """A JPEG whose header promises more pixels than we would decode."""
    place = data.index(b"\xff\xc0") + 5
    return data[:place] + (60_000).to_bytes(2, "big") * 2 + data[place + 4 :]


@given(noise=st.binary(max_size=200), place=st.integers(0, 6000))
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_noise_in_a_jpeg_is_refused_or_decoded_the_same_each_time(noise, place):
    data = encode(GALAXY)
    data = data[:place] + noise + data[place + len(noise) :]
    try:
        first = decode_reduced(data, 16, 0.5, "scaled")
    except UnreadableImageError:
        return
    assert np.array_equal(decode_reduced(data, 16, 0.5, "scaled"), first)


def test_real_frames_of_every_size_are_scaled():
    for survey, fewest in (("gz1", 1), ("gz2", 1), ("kaggle", 2)):
        path = real_data() / survey / "images_training_rev1.zip"
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(".jpg")][:20]
            for data in map(archive.read, names):
                scaled = decode_reduced(data, 64, 0.5, "scaled").astype(int)
                assert 0 < np.abs(scaled - whole(data)).mean() < fewest


def _chunk(kind, content):
    check = zlib.crc32(kind + content).to_bytes(4, "big")
    return struct.pack(">I", len(content)) + kind + content + check


def test_every_damaged_byte_of_a_png_is_noticed():
    """Pillow does not check the pixels, and would show others."""
    data = png(Image.fromarray(GALAXY))
    assert decode_image(data).size == (96, 96)
    for place in range(30, len(data) - 12, 97):
        damaged = bytearray(data)
        damaged[place] ^= 0x40
        with pytest.raises(UnreadableImageError, match=r"cut off|checksum"):
            decode_image(bytes(damaged))
    for end in (20, 40, len(data) // 2, len(data) - 12):
        with pytest.raises(UnreadableImageError, match="it is cut off"):
            decode_image(data[:end])


def test_a_png_of_a_million_chunks_is_not_walked():
    data = png(Image.fromarray(GALAXY))
    many = data[:33] + _chunk(b"tEXt", b"a\0b") * 100_001 + data[33:]
    with pytest.raises(UnreadableImageError, match="more than 100,000 chunks"):
        decode_image(many)


@pytest.mark.parametrize(
    ("size", "said"),
    [
        ((1, 1), "is too small for a galaxy: 1x1 pixels"),
        ((15, 40), "is too small for a galaxy: 15x40"),
        ((424, 100), "is a strip, not a frame: 424x100"),
    ],
)
def test_a_frame_too_small_or_narrow_for_a_galaxy_is_refused(size, said):
    frame = Image.new("RGB", size)
    for door in (png(frame), encode(np.asarray(frame))):
        with pytest.raises(UnreadableImageError, match=said):
            decode_reduced(door, 16, 0.5, "scaled")
    with pytest.raises(UnreadableImageError, match=said):
        as_rgb(frame)
