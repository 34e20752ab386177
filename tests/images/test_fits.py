"""FITS cut-outs become the frames that the models know."""

import contextlib
import gzip
import io

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from galaxies.images.colour import colour_image
from galaxies.images.decode import UnreadableImageError
from galaxies.images.fits import decode_fits

Y, X = np.mgrid[:40, :60]
GLOW = 5 * np.exp(-np.hypot(X - 30, Y - 20) / 4)
BANDS = np.stack([0.4 * GLOW, GLOW, 1.3 * GLOW])  # g, r, i in nanomaggies


def write(*hdus, **header):
    file = io.BytesIO()
    hdus[0].header.update(header)
    fits.HDUList(list(hdus)).writeto(file)
    return file.getvalue()


def pixels(data):
    return np.asarray(decode_fits(data))


def test_a_calibrated_cube_is_composed_as_the_survey_composes_it():
    data = write(fits.PrimaryHDU(BANDS), BUNIT="nanomaggy")
    assert np.array_equal(pixels(data), colour_image(BANDS)[::-1])
    assert np.array_equal(pixels(gzip.compress(data)), pixels(data))


@pytest.mark.parametrize("key", ["FILTER", "EXTNAME"])
def test_extensions_are_put_in_order_of_their_filters(key):
    hdus = [fits.PrimaryHDU()]
    for name, band in zip("igr", BANDS[[2, 0, 1]], strict=True):
        hdu = fits.ImageHDU(band.astype(np.float32))
        hdu.header[key] = name
        hdu.header["BUNIT"] = "nanomaggies"
        hdus.append(hdu)
    apart = np.abs(pixels(write(*hdus)).astype(int) - colour_image(BANDS)[::-1])
    assert apart.max() <= 1  # float32


def test_compressed_extensions_are_read():
    hdus = [fits.PrimaryHDU()] + [
        fits.CompImageHDU((1000 * band).astype(np.int16), name=name)
        for name, band in zip("gri", BANDS, strict=True)
    ]
    frame = pixels(write(*hdus))
    assert frame.shape == (40, 60, 3)
    assert frame[20, 30].min() > 60


def test_one_band_is_grey():
    for image in (GLOW, GLOW[None]):
        frame = pixels(write(fits.PrimaryHDU(image)))
        assert (frame[:, :, 0] == frame[:, :, 1]).all()
        assert (frame[:, :, 0] == frame[:, :, 2]).all()
        assert frame[19:21, 29:31].min() > 3 * frame[:3].max()


@given(scale=st.floats(1e-3, 1e6), sky=st.floats(-100, 1000))
def test_without_a_unit_neither_scale_nor_sky_matters(scale, sky):
    frame = pixels(write(fits.PrimaryHDU(BANDS))).astype(int)
    other = pixels(write(fits.PrimaryHDU(BANDS * scale + sky * scale))).astype(int)
    assert np.abs(frame - other).max() <= 1


def test_bad_pixels_become_sky():
    holes = BANDS.copy()
    holes[:, 3:6, 3:6] = np.nan
    holes[1, 30:32, 50] = np.inf
    frame, whole = (pixels(write(fits.PrimaryHDU(b))).astype(int) for b in (holes, BANDS))
    assert np.abs(frame - whole).max() <= 4
    band = BANDS.copy()
    band[0] = np.nan
    assert pixels(write(fits.PrimaryHDU(band)))[20, 30, 0] > 100


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (write(fits.PrimaryHDU()), "contains no image"),
        (write(fits.PrimaryHDU(np.zeros(9))), "contains no image"),
        (write(fits.PrimaryHDU(np.full((9, 9), np.nan))), "has no valid pixel"),
        (
            write(fits.PrimaryHDU(np.zeros((9, 9))), fits.ImageHDU(np.zeros((8, 9)))),
            "has bands of different shapes",
        ),
        (write(fits.PrimaryHDU(BANDS))[:4000], "cannot be decoded"),
        (gzip.compress(write(fits.PrimaryHDU(BANDS)))[:300], "cannot be decoded"),
    ],
)
def test_a_file_without_a_usable_image_says_why(data, expected):
    with pytest.raises(UnreadableImageError, match=expected):
        decode_fits(data)


@pytest.mark.filterwarnings("ignore:File may have been truncated")
def test_a_bomb_is_not_decoded():
    header = fits.PrimaryHDU(np.zeros((2, 2), np.uint8)).header
    header["NAXIS1"], header["NAXIS2"] = 50_000, 50_000
    data = header.tostring().encode() + bytes(2880)
    with pytest.raises(UnreadableImageError, match="is too large: 50000x50000"):
        decode_fits(data)


def test_a_frame_without_light_is_black():
    assert not pixels(write(fits.PrimaryHDU(np.zeros((3, 9, 9))))).any()


@given(noise=st.binary(max_size=200), place=st.integers(0, 6000))
def test_damaged_bytes_never_raise_anything_else(noise, place):
    data = write(fits.PrimaryHDU(BANDS[:, ::4, ::4]))
    damaged = data[:place] + noise + data[place + len(noise) :]
    with contextlib.suppress(UnreadableImageError):
        assert decode_fits(damaged).mode == "RGB"
