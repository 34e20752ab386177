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
    for image in (GLOW, GLOW[None], GLOW[None, None]):
        frame = pixels(write(fits.PrimaryHDU(image)))
        assert (frame[:, :, 0] == frame[:, :, 1]).all()
        assert (frame[:, :, 0] == frame[:, :, 2]).all()
        assert frame[19:21, 29:31].min() > 3 * frame[:3].max()


@pytest.mark.slow
@given(scale=st.floats(1e-3, 1e6), sky=st.floats(-100, 1000))
def test_without_a_unit_neither_scale_nor_sky_matters(scale, sky):
    frame = pixels(write(fits.PrimaryHDU(BANDS))).astype(int)
    other = pixels(write(fits.PrimaryHDU(BANDS * scale + sky * scale))).astype(int)
    assert np.abs(frame - other).max() <= 1


def test_bad_pixels_become_sky():
    for mark in (np.nan, np.inf, 1e20, -1e20):
        holes = BANDS.copy()
        holes[:, 3:6, 3:6] = mark
        holes[1, 30:32, 50] = mark
        frame, whole = (pixels(write(fits.PrimaryHDU(b))).astype(int) for b in (holes, BANDS))
        assert np.abs(frame - whole).max() <= 4


@pytest.mark.parametrize(("kind", "bits"), [("f4", 0x7FA00001), ("f8", 0x7FF4000000000001)])
@pytest.mark.parametrize("packed", [False, True])
def test_numbers_that_signal_are_blank_pixels_without_a_warning(kind, bits, packed):
    quiet = BANDS[1].astype(kind)
    quiet[3:6, 3:6] = np.nan
    loud = quiet.copy()
    loud.view(f"u{loud.itemsize}")[3:6, 3:6] = bits
    assert np.isnan(loud[3, 3])
    if packed:
        options = {"quantize_level": 0, "compression_type": "GZIP_1"}
        files = [(fits.PrimaryHDU(), fits.CompImageHDU(one, **options)) for one in (quiet, loud)]
    else:
        files = [(fits.PrimaryHDU(one),) for one in (quiet, loud)]
    first, second = (pixels(write(*hdus)) for hdus in files)
    assert np.array_equal(first, second)


def test_numbers_beyond_all_limits_are_blank_pixels():
    counts = (BANDS[1] * 100).astype(np.int16)
    counts[3:6, 3:6] = -1
    data = write(fits.PrimaryHDU(counts))
    end = data.index(b"END" + b" " * 77)
    for scale in ("1.0E308", "-1.0E308"):
        card = f"BSCALE  = {scale:>20}".ljust(80).encode()
        with pytest.raises(UnreadableImageError, match="has no valid pixel"):
            decode_fits(data[:end] + card + data[end:2800] + data[2880:])


def test_blank_integers_become_sky():
    counts = (BANDS[1] * 100).astype(np.int16)
    counts[2:5, 2:5] = 32000
    frame = pixels(write(fits.PrimaryHDU(counts), BLANK=32000))
    assert frame[-5:-2, 2:5].max() < 10
    assert frame[20, 30].min() > 100


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_every_type_of_number_gives_the_same_frame(kind):
    counts = (BANDS[1] * 45).astype(np.uint8)
    expected = pixels(write(fits.PrimaryHDU(counts.astype(np.float64))))
    assert np.array_equal(pixels(write(fits.PrimaryHDU(counts.astype(kind)))), expected)
    packed = fits.CompImageHDU(counts.astype(kind), quantize_level=0)
    assert np.array_equal(pixels(write(fits.PrimaryHDU(), packed)), expected)


def test_twelve_bits_in_sixteen_are_stretched():
    counts = (BANDS * 800).astype(np.uint16)
    assert counts.max() < 4096 * 2
    deep = pixels(write(fits.PrimaryHDU(counts)))
    assert np.abs(deep.astype(int) - pixels(write(fits.PrimaryHDU(counts * 8.0)))).max() <= 1


def hdu(plane, name=None, kind=np.float32, **keywords):
    one = fits.ImageHDU(plane.astype(kind), name=name)
    one.header.update(keywords)
    return one


ALONE = pixels(write(fits.PrimaryHDU(BANDS[1].astype(np.float32))))
LEFT_OUT = 5 + 3 * np.cos(X + Y)  # would look like light


@pytest.mark.parametrize(
    "others",
    [
        pytest.param([("SCI", "f4"), ("ERR", "f4"), ("DQ", "i2")], id="HST"),
        pytest.param([("SCI", "f4"), ("WHT", "f4"), ("CTX", "i4")], id="HST drizzled"),
        pytest.param(
            [("SCI", "f4"), ("ERR", "f4"), ("DQ", "u4"), ("AREA", "f4"), ("VAR_POISSON", "f4"),
             ("VAR_RNOISE", "f4"), ("VAR_FLAT", "f4")], id="JWST",
        ),
        pytest.param([("IMAGE", "f4"), ("MASK", "i4"), ("VARIANCE", "f4")], id="LSST and HSC"),
        pytest.param([("SCI", "f4"), ("MSK", "i2"), ("WGT", "f4")], id="DES"),
        pytest.param([("", "f4"), ("", "i4"), ("", "f4")], id="LSST without names"),
        pytest.param([("", "f4"), ("", "f4"), ("", "i2")], id="HST without names"),
        pytest.param([("IMAGE", "f4"), ("INVVAR", "f4"), ("MASKBITS", "i4")], id="Legacy"),
        pytest.param([("galaxy", "f4"), ("sigma_map", "f4"), ("badpix", "u1")], id="own names"),
        pytest.param([("", "f4"), ("PSF", "f4")], id="a plane and its PSF"),
    ],
)  # fmt: skip
def test_only_light_is_used(others):
    planes = [BANDS[1]] + [LEFT_OUT] * (len(others) - 1)
    hdus = [
        hdu(plane, name or None, kind) for plane, (name, kind) in zip(planes, others, strict=True)
    ]
    assert np.array_equal(pixels(write(fits.PrimaryHDU(), *hdus)), ALONE)
    primary = fits.PrimaryHDU(hdus[0].data, hdus[0].header)
    assert np.array_equal(pixels(write(primary, *hdus[1:])), ALONE)
    packed = [
        fits.CompImageHDU(one.data, one.header, quantize_level=0, compression_type="GZIP_2")
        for one in hdus
    ]
    assert np.array_equal(pixels(write(fits.PrimaryHDU(), *packed)), ALONE)


@pytest.mark.parametrize(
    ("key", "light", "other"),
    [
        ("HDUCLAS2", "DATA", "ERROR"), ("HDUCLAS2", "DATA", "QUALITY"),
        ("EXTTYPE", "IMAGE", "VARIANCE"), ("DES_EXT", "IMAGE", "WEIGHT"),
        ("IMTYPE", "image", "invvar"), ("BUNIT", "nanomaggy", "1/nanomaggy^2"),
        ("BUNIT", "nanomaggy", "nanomaggy**(-2)"),
    ],
)  # fmt: skip
def test_other_keywords_say_what_is_light_too(key, light, other):
    first, second = hdu(BANDS[1], **{key: light}), hdu(LEFT_OUT, **{key: other})
    expected = pixels(write(fits.PrimaryHDU(), first))
    assert np.array_equal(pixels(write(fits.PrimaryHDU(), first.copy(), second)), expected)
    assert np.array_equal(pixels(write(fits.PrimaryHDU(), second.copy(), first.copy())), expected)


def test_a_cube_of_the_legacy_surveys_goes_by_its_bands():
    inverse = hdu(np.stack([LEFT_OUT] * 3), IMTYPE="invvar")
    for order, bands in ((["0", "1", "2"], "grz"), (["2", "0", "1"], "zgr")):
        cube = BANDS[[int(place) for place in order]]
        data = write(fits.PrimaryHDU(cube), inverse.copy(), BANDS=bands, BUNIT="nanomaggy")
        assert np.array_equal(pixels(data), colour_image(BANDS)[::-1])


@pytest.mark.parametrize(
    "names",
    [
        ("g", "r", "i"), ("B", "V", "I"), ("u", "g", "K"), ("HSC-G", "HSC-R2", "HSC-I2"),
        ("F435W", "F606W", "F814W"), ("F606W", "F814W", "F160W"), ("F475W", "F110W", "F160W"),
        ("g DECam SDSS c0001 4720.0", "r DECam SDSS c0002 6415.0", "z DECam SDSS c0004 9260.0"),
        ("VIS", "NIR_Y", "NIR_H"), ("g.MP9401", "r.MP9601", "i.MP9702"), ("NUV", "r", "W1"),
    ],
)  # fmt: skip
def test_filters_of_every_survey_are_put_in_order(names):
    hdus = [
        hdu(band, "SCI", FILTER=name, BUNIT="nanomaggy")
        for name, band in zip(names, BANDS, strict=True)
    ]
    expected = pixels(write(fits.PrimaryHDU(), *hdus))
    apart = np.abs(expected.astype(int) - colour_image(BANDS)[::-1])
    assert apart.max() <= 1
    for order in ((2, 1, 0), (1, 2, 0)):
        mixed = [hdus[place].copy() for place in order]
        assert np.array_equal(pixels(write(fits.PrimaryHDU(), *mixed)), expected)


def test_filters_of_webb_are_not_those_of_hubble():
    hdus = [
        hdu(band, "SCI", FILTER=name, TELESCOP="JWST", BUNIT="nanomaggy")
        for name, band in zip(("F115W", "F200W", "F444W"), BANDS, strict=True)
    ]
    apart = np.abs(pixels(write(fits.PrimaryHDU(), *hdus)).astype(int) - colour_image(BANDS)[::-1])
    assert apart.max() <= 1


def test_bands_with_masks_are_sorted_without_them():
    hdus = [fits.PrimaryHDU()]
    for name, band in zip("zrg", BANDS[::-1], strict=True):
        hdus += [
            hdu(band, f"SCI_{name}"),
            hdu(LEFT_OUT, f"WHT_{name}"),
            hdu(X, f"MASK_{name}", "i4"),
        ]
    expected = pixels(write(fits.PrimaryHDU(BANDS.astype(np.float32))))
    assert np.array_equal(pixels(write(*hdus)), expected)


@pytest.mark.parametrize(
    ("hdus", "said"),
    [
        ([hdu(GLOW), hdu(GLOW)], "has 2 planes that may be light"),
        ([hdu(GLOW), hdu(GLOW), hdu(GLOW)], "has 3 planes that may be light"),
        ([hdu(GLOW), hdu(GLOW, "SCI")], "has 2 planes that may be light"),
        ([hdu(GLOW, "first"), hdu(GLOW, "second")], r"may be light \(FIRST, SECOND\)"),
        ([hdu(GLOW, "SCI", EXTVER=1), hdu(GLOW, "SCI", EXTVER=2)], "has 2 planes that may be"),
        ([hdu(GLOW, "SCI", FILTER="g"), hdu(GLOW, "SCI", FILTER="g")], "several planes of one"),
        ([hdu(GLOW, "SCI", FILTER="g"), hdu(GLOW[:-2], "SCI", FILTER="r")], "different shapes"),
        ([hdu(GLOW, BAND="g", BUNIT="nanomaggy"), hdu(GLOW, BAND="r", BUNIT="adu")], "units: nano"),
        ([hdu(GLOW, "MASK"), hdu(GLOW, "VAR")], "no plane of light, only MASK, VAR"),
        ([hdu(np.moveaxis(BANDS, 0, 2))], "axes that cannot be read: 3x60x40"),
        ([hdu(np.moveaxis(BANDS, 0, 1))], "axes that cannot be read"),
        ([hdu(np.zeros((299, 40, 60)))], "axes that cannot be read: 60x40x299"),
        ([hdu(np.zeros((2, 3, 40, 60)))], "axes that cannot be read"),
        ([hdu(BANDS, BANDS="gr")], "has 3 bands, but BANDS names 2"),
        ([hdu(BANDS, BANDS="grg")], "one band twice"),
        ([hdu(BANDS, BANDS="abc")], "bands that are not known: A, B, C"),
        ([hdu(np.where(X > 25, np.nan, GLOW))], "has no valid pixel in [67].% of the centre"),
        ([hdu(np.stack([GLOW, GLOW * np.nan]))], "100% of the centre of band 2"),
    ],
)
def test_what_is_not_clear_is_an_error(hdus, said):
    with pytest.raises(UnreadableImageError, match=said):
        decode_fits(write(fits.PrimaryHDU(), *hdus))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (write(fits.PrimaryHDU()), "contains no image"),
        (write(fits.PrimaryHDU(np.zeros(9))), "contains no image"),
        (write(fits.PrimaryHDU(np.full((20, 20), np.nan))), "has no valid pixel"),
        (write(fits.PrimaryHDU(BANDS))[:4000], "is cut off"),
        (write(fits.PrimaryHDU(BANDS))[:2000], "is cut off"),
        (write(fits.PrimaryHDU(GLOW), hdu(X, "MASK"))[:-2880], "is cut off"),
        (gzip.compress(write(fits.PrimaryHDU(BANDS)), mtime=0)[:300], "cannot be decoded"),
        (gzip.compress(b"text", mtime=0), "no FITS header at byte 0"),
        (write(fits.PrimaryHDU(BANDS)) + b"<html>", "no FITS header at byte"),
    ],
)
def test_a_file_without_a_usable_image_says_why(data, expected):
    with pytest.raises(UnreadableImageError, match=expected):
        decode_fits(data)


def header_with(**changes):
    """A file whose header promises other sizes."""
    header = fits.PrimaryHDU(GLOW.astype(np.float32)).header
    text = header.tostring()
    for key, value in changes.items():
        place = text.index(f"{key:<8}=")
        text = text[: place + 10] + f"{value:>20}" + text[place + 30 :]
    return text.encode() + bytes(2880 * 4)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"NAXIS1": 50_000, "NAXIS2": 50_000}, "is too large: 50000x50000"),
        ({"NAXIS1": -60}, "an axis has -60 pixels"),
        ({"NAXIS1": 2**62, "NAXIS2": 4}, "is too large"),
        ({"NAXIS1": 2**64}, "is too large"),
        ({"NAXIS": 2**31}, "NAXIS is 2147483648"),
        ({"NAXIS": -1}, "NAXIS is -1"),
        ({"BITPIX": 7}, "BITPIX is 7"),
        ({"BITPIX": "T"}, "BITPIX is True"),
        ({"NAXIS1": "'wide'"}, "NAXIS1 is 'wide'"),
        ({"NAXIS1": "6.5"}, "NAXIS1 is 6.5"),
    ],
)
def test_impossible_sizes_are_refused_before_memory_is_taken(changes, said):
    with pytest.raises(UnreadableImageError, match=said):
        decode_fits(header_with(**changes))


def test_all_planes_together_must_fit_into_memory(monkeypatch):
    monkeypatch.setattr("galaxies.images.fits.LARGEST_LIGHT", 2 * GLOW.size)
    hdus = [hdu(GLOW, FILTER=name) for name in "gri"]
    with pytest.raises(UnreadableImageError, match="is too large: more than 4,800 pixels"):
        decode_fits(write(fits.PrimaryHDU(), *hdus))


def test_data_that_do_not_match_their_checksum_are_refused():
    one = fits.PrimaryHDU(BANDS)
    one.add_checksum()
    data = write(one)
    assert np.array_equal(pixels(data), pixels(write(fits.PrimaryHDU(BANDS))))
    damaged = bytearray(data)
    damaged[-6000] ^= 1
    with pytest.raises(UnreadableImageError, match="do not match DATASUM"):
        decode_fits(bytes(damaged))


def test_a_frame_without_light_is_black():
    assert not pixels(write(fits.PrimaryHDU(np.zeros((3, 20, 20))))).any()


@pytest.mark.slow
@given(noise=st.binary(max_size=200), place=st.integers(0, 6000))
def test_damaged_bytes_never_raise_anything_else(noise, place):
    data = write(fits.PrimaryHDU(BANDS[:, ::2, ::2]))
    damaged = data[:place] + noise + data[place + len(noise) :]
    with contextlib.suppress(UnreadableImageError):
        assert decode_fits(damaged).mode == "RGB"


CAGED = write(
    fits.PrimaryHDU(),
    fits.CompImageHDU((BANDS[1] * 100).astype(np.int16), compression_type="HCOMPRESS_1"),
)


@pytest.mark.slow
@given(noise=st.binary(max_size=20), place=st.integers(2880, len(CAGED)))
def test_damaged_compressed_bytes_never_raise_anything_else(noise, place):
    damaged = CAGED[:place] + noise + CAGED[place + len(noise) :]
    with contextlib.suppress(UnreadableImageError):
        assert decode_fits(damaged).mode == "RGB"


@pytest.mark.parametrize(
    ("hdu", "said"),
    [
        (fits.PrimaryHDU(BANDS[:2]), "has two planes, which may be two bands, or light and its er"),
        (
            fits.PrimaryHDU((GLOW > 1).astype(np.uint8)),
            "has only two values in band 1, like a mask",
        ),
        (fits.PrimaryHDU((GLOW > 1) * 2.5), "has only two values in band 1, like a mask"),
    ],
)
def test_what_may_be_no_light_is_an_error(hdu, said):
    with pytest.raises(UnreadableImageError, match=said):
        decode_fits(write(hdu))


@pytest.mark.parametrize("kind", ["STOKES", "TIME", "UTC"])
def test_planes_of_another_kind_than_bands_are_no_colours(kind):
    with pytest.raises(UnreadableImageError, match=f"third axis that is not the bands, but {kind}"):
        decode_fits(write(fits.PrimaryHDU(BANDS), CTYPE3=kind))
    assert pixels(write(fits.PrimaryHDU(BANDS), CTYPE3="WAVE")).shape == (40, 60, 3)


@pytest.mark.parametrize("unit", ["mag", "mag/arcsec^2", "MAG/ARCSEC**2"])
def test_magnitudes_are_no_fluxes(unit):
    with pytest.raises(UnreadableImageError, match="where brighter is less; give fluxes"):
        decode_fits(write(fits.PrimaryHDU(GLOW), BUNIT=unit))


@pytest.mark.parametrize("name", ["THUMB", "KERNEL", "APERTURE", "BEAM"])
def test_more_planes_that_are_not_light(name):
    with pytest.raises(UnreadableImageError, match=f"no plane of light, only {name}"):
        decode_fits(write(fits.PrimaryHDU(), fits.ImageHDU(GLOW, name=name)))


def test_a_band_of_an_unknown_unit_is_not_left_out():
    light = [hdu(BANDS[0], "G", BUNIT="adu"), hdu(BANDS[1], "R", BUNIT="furlong")]
    with pytest.raises(UnreadableImageError, match="is in furlong, which is not known"):
        decode_fits(write(fits.PrimaryHDU(), *light))


def test_two_bands_with_names_are_colours():
    named = pixels(write(fits.PrimaryHDU(BANDS[:2]), BANDS="gr"))
    assert named[20, 30, 0] > 60


def test_nanomaggies_of_another_size_are_scaled():
    expected = pixels(write(fits.PrimaryHDU(BANDS), BUNIT="nanomaggies"))
    data = write(fits.PrimaryHDU(1000 * BANDS), BUNIT="1e-3 nanomaggies")
    assert np.array_equal(pixels(data), expected)


@pytest.mark.parametrize("units", [("Jy", "mJy", "uJy"), ("nmgy", "1e-3 nmgy", "uJy")])
def test_bands_of_different_units_are_brought_to_one(units):
    sizes = (1, 1e3, 1e6) if units[0] == "Jy" else (1, 1e3, 3.631)
    same, mixed = [fits.PrimaryHDU()], [fits.PrimaryHDU()]
    for name, band, unit, size in zip("gri", BANDS, units, sizes, strict=True):
        marked = np.hypot(X - 3, Y - 3) < 2  # a mark of blank pixels stays one
        same.append(hdu(np.where(marked, 1e20, band), FILTER=name, BUNIT=units[0]))
        mixed.append(hdu(np.where(marked, 1e20, band * size), FILTER=name, BUNIT=unit))
    assert np.abs(pixels(write(*same)).astype(int) - pixels(write(*mixed))).max() <= 1


@pytest.mark.parametrize(
    ("unit", "said"),
    [
        ("mag / arcsec2", r"is in mag / arcsec2, where brighter is less"),
        ("mag(AB)", r"is in mag\(AB\), where brighter is less"),
        ("log10(flux)", r"is in log10\(flux\), a logarithm"),
        ("nmgy/arcsec2", "is in nmgy/arcsec2; give nanomaggies for each pixel"),
        ("nJy**2", r"no plane of light, only without a name in nJy\*\*2"),
        ("1/(ELECTRONS/S)**2", r"no plane of light, only without a name in 1/\(ELECTRONS/S\)\*\*2"),
        ("s", "no plane of light, only without a name in s"),
        ("ksec", "no plane of light, only without a name in ksec"),
        ("K km/s", "no plane of light, only without a name in K km/s"),
        ("solMass", "no plane of light, only without a name in solMass"),
        ("%", "no plane of light, only without a name in %"),
        ("furlong", "is in furlong, which is not known as the unit of a flux"),
    ],
)
def test_a_plane_that_is_no_flux_says_its_unit(unit, said):
    with pytest.raises(UnreadableImageError, match=said):
        decode_fits(write(fits.PrimaryHDU(GLOW), BUNIT=unit))


def test_a_band_whose_unit_is_a_square_is_a_variance():
    light = [hdu(BANDS[0], "G", BUNIT="adu"), hdu(BANDS[1], "R", BUNIT="adu")]
    expected = pixels(write(fits.PrimaryHDU(), *light))
    more = [one.copy() for one in light] + [hdu(LEFT_OUT, "Z", BUNIT="(adu)^2")]
    assert np.array_equal(pixels(write(fits.PrimaryHDU(), *more)), expected)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("EXTNAME", "CONF"), ("EXTNAME", "IVM"), ("EXTNAME", "OBJECTS"), ("IMAGETYP", "WEIGHT"),
        ("EXTNAME", "SEGMENTATION"), ("IMAGETYP", "Dark Frame"), ("OBSTYPE", "FLAT"),
        ("OBSTYPE", "bias"), ("OBSTYPE", "sky flat"), ("PROCTYPE", "Weight"), ("PRODTYPE", "wtmap"),
        ("IMAGETYP", "MASK"), ("IMAGETYP", "VARIANCE"),
    ],
)  # fmt: skip
def test_a_plane_that_says_it_is_no_light_is_refused(key, value):
    with pytest.raises(UnreadableImageError, match=f"no plane of light, only .*{value}"):
        decode_fits(write(fits.PrimaryHDU(GLOW), **{key: value}))
    if key != "EXTNAME":
        with pytest.raises(UnreadableImageError, match="no plane of light"):
            decode_fits(write(fits.PrimaryHDU(), hdu(GLOW), **{key: value}))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("IMAGETYP", "object"), ("IMAGETYP", "Light Frame"), ("IMAGETYP", "EXT"),
        ("OBSTYPE", "IMAGING"), ("OBSTYPE", "sky"), ("PROCTYPE", "Stacked"), ("PRODTYPE", "image"),
        ("IMAGETYP", "exposure"),
    ],
)  # fmt: skip
def test_an_exposure_of_the_sky_is_light(key, value):
    expected = pixels(write(fits.PrimaryHDU(GLOW)))
    assert np.array_equal(pixels(write(fits.PrimaryHDU(GLOW), **{key: value})), expected)


def test_a_cube_that_names_its_planes_must_have_bands_only():
    header = {"PLANE1": "IMAGE", "PLANE2": "INVVAR", "PLANE3": "MASK"}
    with pytest.raises(UnreadableImageError, match="planes that are not light: INVVAR, MASK"):
        decode_fits(write(fits.PrimaryHDU(BANDS), **header))


@pytest.mark.parametrize(
    ("header", "from_red"),
    [
        ({"CTYPE3": "FREQ", "CDELT3": 1e14}, True), ({"CTYPE3": "FREQ", "CDELT3": -1e14}, False),
        ({"CTYPE3": "WAVE", "CDELT3": -1e-7}, True), ({"CTYPE3": "AWAV", "CDELT3": 1e-7}, False),
        ({"CTYPE3": "WAVE", "CD3_3": -1e-7}, True), ({"CTYPE3": "WAVE-LOG"}, False),
        ({"CTYPE3": "FREQ-LSR", "PC3_3": -1.0}, False), ({"CTYPE3": "ENER"}, True),
        ({"CTYPE3": "FREQ", "CDELT3": 1e14, "BANDS": "gri"}, False),
    ],
)  # fmt: skip
def test_a_spectral_axis_is_put_in_order_of_wavelength(header, from_red):
    expected = pixels(write(fits.PrimaryHDU(BANDS)))
    cube = BANDS[::-1] if from_red else BANDS
    assert np.array_equal(pixels(write(fits.PrimaryHDU(cube), **header)), expected)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ({"CTYPE3": "VELO-LSR"}, "third axis that is not the bands, but VELO-LSR"),
        ({"CTYPE3": "VRAD"}, "third axis that is not the bands, but VRAD"),
        ({"CTYPE3": "WAVE-TAB"}, "an order that is not known"),
        ({"CTYPE3": "FREQ", "CDELT3": 0.0}, "an order that is not known"),
        ({"CTYPE3": "FREQ", "CDELT3": "one"}, "CDELT3 is 'one'"),
    ],
)
def test_a_spectral_axis_without_an_order_is_refused(header, said):
    with pytest.raises(UnreadableImageError, match=said):
        decode_fits(write(fits.PrimaryHDU(BANDS), **header))
