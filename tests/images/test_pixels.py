"""A frame has the same pixels through every door, and one without a galaxy has none."""

import io
import zipfile

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from galaxies.images.decode import UnreadableImageError, as_rgb
from galaxies.images.pixels import check_array, read_frame, read_pixels, refuse_blank
from tests.conftest import draw_galaxy, encode, real_data

GALAXY = draw_galaxy(np.random.default_rng(1), spiral=True, side=160)
SHAPE = (32, 0.5, "scaled")


def saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def pixels(image):
    return read_pixels(image, *SHAPE)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_file_frame_and_array_have_the_same_pixels(mode):
    if mode == "I;16":
        image = Image.fromarray(GALAXY[:, :, 0].astype(np.uint16) * 257)
    else:
        image = Image.fromarray(GALAXY).convert(mode)
    expected = pixels(np.asarray(as_rgb(image)))
    assert np.array_equal(pixels(saved(image, "PNG")), expected)
    assert np.array_equal(pixels(image), expected)
    assert np.array_equal(pixels(Image.open(io.BytesIO(saved(image, "PNG")))), expected)
    if mode in ("L", "RGB", "RGBA", "I;16"):
        assert np.array_equal(pixels(np.asarray(image)), expected)


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "HSV", "RGBX", "PA", "La", "RGBa", "I;16B"])
def test_frames_of_other_modes_show_the_same_galaxy(mode):
    image = Image.fromarray(GALAXY)
    if mode == "I;16B":
        image = Image.frombytes(mode, (160, 160), (GALAXY[:, :, 0].astype(">u2") * 257).tobytes())
    elif mode == "PA":
        image = image.convert("P").convert("PA")
    else:
        way = {"La": "LA", "RGBa": "RGBA"}.get(mode)
        image = (image.convert(way) if way else image).convert(mode)
    apart = pixels(image).astype(int).mean(axis=2) - pixels(GALAXY).mean(axis=2)
    assert np.abs(apart).mean() < 8


@pytest.mark.parametrize("number", [np.uint16, np.int32])
def test_numbers_of_16_bits_keep_their_brightness(number):
    grey = GALAXY[:, :, 0]
    deep = Image.fromarray((grey.astype(np.int32) * 257).astype(number))
    assert deep.mode == {np.uint16: "I;16", np.int32: "I"}[number]
    assert np.array_equal(pixels(deep), pixels(grey))


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_an_exif_turn_is_applied_to_files_and_frames(turn, kind):
    image = Image.fromarray(GALAXY)
    exif = image.getexif()
    exif[0x0112] = turn
    data = saved(image, kind, exif=exif, **({"quality": 100} if kind == "JPEG" else {}))
    opened = Image.open(io.BytesIO(data))
    apart = np.abs(pixels(data).astype(int) - pixels(opened))
    assert apart.max() == 0 if kind == "PNG" else apart.mean() < 1
    if turn > 1:
        assert np.abs(pixels(data).astype(int) - pixels(GALAXY)).mean() > 1.5


def test_transparent_pixels_are_sky_whatever_colour_they_hide():
    alpha = np.full((160, 160, 1), 255, np.uint8)
    alpha[:40] = 0
    image = Image.fromarray(np.concatenate([GALAXY, alpha], axis=2))
    shown = GALAXY.copy()
    shown[:40] = 0
    assert np.array_equal(pixels(image), pixels(shown))
    assert np.array_equal(pixels(saved(image, "PNG")), pixels(shown))
    palette = Image.fromarray(GALAXY).convert("P")
    assert pixels(saved(palette, "PNG", transparency=bytes(256))).max() == 0


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (Image.fromarray(np.zeros((40, 40), np.float32)), "floats, of which black and white"),
        (Image.fromarray(np.full((40, 40), 70_000, np.int32)), "numbers from 70000 to 70000"),
        (Image.fromarray(np.full((40, 40), -1, np.int32)), "numbers from -1 to -1"),
        (np.full((40, 40), 4095, np.uint16), "has 16 bits, but no number above 4095"),
        (np.zeros((40, 40)), r"must be uint8 .*, got float64 \(40, 40\)"),
        (np.zeros((3, 40, 40), np.uint8), r"got uint8 \(3, 40, 40\)"),
        (np.ma.masked_less(GALAXY, 20), "has masked pixels"),
    ],
)
def test_what_cannot_be_decided_is_an_error(image, said):
    with pytest.raises(UnreadableImageError, match=said):
        read_pixels(image, *SHAPE)


GOOD = saved(Image.fromarray(GALAXY), "JPEG", quality=95)
DAMAGED = GOOD[: len(GOOD) // 2] + b"<html>\xff\x00" * 40 + GOOD[-2000:]


@pytest.mark.parametrize("draft", [False, True])
def test_an_image_that_is_not_loaded_is_checked_like_its_file(draft, tmp_path):
    with pytest.raises(UnreadableImageError) as of_bytes:
        pixels(DAMAGED)
    (tmp_path / "a.jpg").write_bytes(DAMAGED)
    for file in (tmp_path / "a.jpg", io.BytesIO(DAMAGED)):
        with Image.open(file) as image:
            if draft:
                image.draft("L", (80, 80))
            for read in (pixels, read_frame):
                with pytest.raises(UnreadableImageError, match="cannot be decoded") as found:
                    read(image)
                assert str(found.value) == str(of_bytes.value)


@pytest.mark.parametrize(("kind", "mode"), [("JPEG", "RGB"), ("PNG", "P"), ("PNG", "RGBA")])
def test_an_image_that_is_not_loaded_has_the_pixels_of_its_file(kind, mode):
    data = saved(Image.fromarray(GALAXY).convert(mode), kind)
    image = Image.open(io.BytesIO(data))
    assert np.array_equal(pixels(image), pixels(data))
    assert np.array_equal(pixels(image), pixels(data))
    image.load()  # still possible
    assert np.asarray(image.convert("RGB")).shape == GALAXY.shape


def test_an_image_that_was_changed_before_it_is_loaded_is_what_it_is():
    data = saved(Image.fromarray(GALAXY), "JPEG")
    image = Image.open(io.BytesIO(data))
    image.draft("L", (80, 80))
    assert image.size == (80, 80)
    small = pixels(image)
    assert (small[:, :, 0] == small[:, :, 1]).all()
    frames = [Image.fromarray(GALAXY), Image.fromarray(GALAXY[::-1])]
    file = io.BytesIO()
    frames[0].save(file, "PNG", save_all=True, append_images=frames[1:])
    image = Image.open(file)
    image.seek(1)
    assert np.array_equal(pixels(image), pixels(GALAXY[::-1]))


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP"])
def test_images_of_other_formats_are_read_by_pillow(kind):
    data = saved(Image.fromarray(GALAXY), kind)
    assert pixels(Image.open(io.BytesIO(data))).shape == (32, 32, 3)


def test_a_mask_that_hides_nothing_does_not_matter():
    array = np.ma.masked_array(GALAXY)
    check_array(array)
    assert np.array_equal(pixels(array), pixels(GALAXY))


def test_a_fits_file_and_its_frame_have_the_same_pixels():
    file = io.BytesIO()
    fits.PrimaryHDU(np.moveaxis(GALAXY, 2, 0).astype(np.float32)).writeto(file)
    frame = read_frame(file.getvalue())
    assert np.array_equal(pixels(file.getvalue()), pixels(frame))
    assert np.array_equal(pixels(np.asarray(frame)), pixels(frame))


NOISE = np.random.default_rng(2).integers(0, 30, (160, 160, 3), dtype=np.uint8)


def half(level, axis=0, share=0.5):
    frame = GALAXY.copy() + NOISE // 3
    frame[(slice(None),) * axis + (slice(int(160 * (1 - share)), None),)] = level
    return frame


def diagonal(level):
    frame = GALAXY + NOISE // 3
    frame[np.triu_indices(160)] = level
    return frame


@pytest.mark.parametrize(
    "frame",
    [
        *(np.full((160, 160, 3), level, np.uint8) for level in (0, 7, 128, 255)),
        np.repeat(np.linspace(0, 30, 160).astype(np.uint8)[:, None, None], 160, 1).repeat(3, 2),
        *(half(level, axis) for level in (0, 255) for axis in (0, 1)),
        half(40, share=0.6),
        half(40)[::-1],
        diagonal(255),
    ],
)
def test_a_frame_without_a_galaxy_is_refused(frame):
    for door in (frame, encode(frame, quality=95)):
        with pytest.raises(UnreadableImageError, match="is blank"):
            refuse_blank(read_pixels(door, *SHAPE))


LARGE = np.minimum(draw_galaxy(np.random.default_rng(1), spiral=True, side=400), 240)
LARGE += np.random.default_rng(2).integers(0, 10, LARGE.shape, dtype=np.uint8)


def blanked(rows, columns, level=0):
    frame = LARGE.copy()
    frame[rows, columns] = level
    return frame


ALL = slice(None)


@pytest.mark.parametrize("level", [0, 255])
@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        *((slice(248, None), ALL), (slice(152), ALL), (ALL, slice(248, None))),
        *((half, other) for half in (slice(200), slice(200, None)) for other in (slice(200), ALL)),
        (slice(200), slice(200, None)),
        (slice(150, 255), slice(140, 260)),
    ],
)
def test_a_frame_with_a_blank_rectangle_is_refused(rows, columns, level):
    frame = blanked(rows, columns, level)
    for door in (frame, encode(frame, quality=95)):
        with pytest.raises(UnreadableImageError, match=r"is blank (in a rectangle of|on one)"):
            refuse_blank(read_pixels(door, 64, 0.5, "scaled"))


@pytest.mark.parametrize("rows", [slice(130), slice(300, None)])
def test_a_frame_at_the_edge_of_its_survey_is_not_refused(rows):
    refuse_blank(read_pixels(blanked(rows, ALL), 64, 0.5, "scaled"))


def test_real_frames_have_no_blank_rectangle():
    for survey in ("gz1", "gz2", "kaggle"):
        with zipfile.ZipFile(real_data() / survey / "images_training_rev1.zip") as archive:
            for name in [name for name in archive.namelist() if name.endswith(".jpg")][:50]:
                refuse_blank(read_pixels(archive.read(name), 64, 0.5, "scaled"))


@given(spiral=st.booleans(), seed=st.integers(0, 10**6), noise=st.booleans(), dark=st.booleans())
def test_a_galaxy_is_not_blank_even_on_a_black_sky(spiral, seed, noise, dark):
    frame = draw_galaxy(np.random.default_rng(seed), spiral=spiral, side=160)
    if noise:
        frame = np.minimum(frame, 200) + NOISE
    if dark:
        frame = np.where(frame < 60, 0, frame)
    refuse_blank(read_pixels(frame, *SHAPE))
