"""Filters are put in order of wavelength, whoever named them."""

import io
import itertools

import numpy as np
import pytest
from astropy.io import fits

from galaxies.images.decode import UnreadableImageError
from galaxies.images.filters import meanings, wavelength
from galaxies.images.fits import decode_fits

Y, X = np.mgrid[:40, :60]
GLOW = 5 * np.exp(-np.hypot(X - 30, Y - 20) / 4)
BANDS = np.stack([0.4 * GLOW, GLOW, 1.3 * GLOW])  # from blue to red


def pixels(*hdus, **header):
    file = io.BytesIO()
    hdus[0].header.update(header)
    fits.HDUList(list(hdus)).writeto(file)
    return np.asarray(decode_fits(file.getvalue()))


def planes(names, order=(0, 1, 2), **header):
    """A file with an extension for each filter, from the bluest to the reddest, in some order."""
    hdus = [fits.PrimaryHDU()]
    for place in order:
        one = fits.ImageHDU(BANDS[place], name="SCI")
        one.header["FILTER"] = names[place]
        hdus.append(one)
    return pixels(*hdus, **header)


EXPECTED = pixels(fits.PrimaryHDU(BANDS))

NIRCAM_LONG = [
    "F277W", "F300M", "F322W2", "F335M", "F356W", "F360M", "F410M", "F430M", "F444W", "F460M",
    "F480M",
]  # fmt: skip
MIRI = ["F560W", "F770W", "F1000W", "F1130W", "F1280W", "F1500W", "F1800W", "F2100W", "F2550W"]


@pytest.mark.parametrize("telescope", ["JWST", None])
@pytest.mark.parametrize("name", NIRCAM_LONG + MIRI)
def test_webb_is_red(name, telescope):
    header = {"TELESCOP": telescope} if telescope else {}
    for order in ((0, 1, 2), (2, 0, 1)):
        found = planes(("F090W", "F200W", name), order, **header)
        assert np.array_equal(found, EXPECTED)
        cube = BANDS[list(order)]
        listed = ",".join(("F090W", "F200W", name)[place] for place in order)
        found = pixels(fits.PrimaryHDU(cube), BANDS=listed, **header)
        assert np.array_equal(found, EXPECTED)


@pytest.mark.parametrize(
    "names",
    [
        ("F277W", "F356W", "F444W"), ("F555W", "F814W", "F277W"), ("F606W", "F814W", "F770W"),
        ("F410M", "F555W", "F814W"), ("F225W", "F275W", "F336W"), ("F300W", "F450W", "F606W"),
        ("F110W", "F160W", "F205W"), ("F170W", "F218W", "F814W"), ("F814W", "F1042M", "F110W"),
        ("F200LP", "F350LP", "F850LP"), ("F140LP", "F165LP", "F225W"), ("F475X", "F600LP", "F098M"),
        ("F062", "F087", "F106"), ("F129", "F146", "F158"), ("F158", "F184", "F213"),
        ("VIS", "NIR_Y", "NIR_H"), ("VIS", "J", "H"), ("VIS", "NISP-J", "NISP_H"),
        ("FUV", "NUV", "g"), ("UVW2", "UVM2", "UVW1"), ("r", "W1", "W2"), ("W2", "W3", "WISE 4"),
        ("IRAC1", "IRAC2", "IRAC4"), ("IRAC 1", "IRAC-2", "IRAC_CH3"), ("r", "IRAC 3.6um", "24um"),
        ("g", "H-alpha", "i"), ("H_beta", "Halpha", "z"),
    ],
)  # fmt: skip
def test_known_filters_are_sorted(names):
    for order in itertools.permutations(range(3)):
        assert np.array_equal(planes(names, order), EXPECTED), order


@pytest.mark.parametrize("name", ["F999W", "F378", "NB816", "F277X", "B-V", "g+r", "J0378", "F1"])
def test_unknown_filters_are_an_error(name):
    assert meanings(name) == {}
    hdus = [fits.PrimaryHDU()]
    for filter_name, band in zip(("g", "r", name), BANDS, strict=True):
        hdus.append(fits.ImageHDU(band, name="SCI"))
        hdus[-1].header["FILTER"] = filter_name
    with pytest.raises(UnreadableImageError, match="has 3 planes that may be light"):
        pixels(*hdus)
    with pytest.raises(UnreadableImageError, match="not known"):
        pixels(fits.PrimaryHDU(BANDS), BANDS=f"g,r,{name}")


def test_a_name_of_two_telescopes_needs_one():
    assert wavelength("F410M") is None
    assert wavelength("F410M", "HST WFC3") == 0.41
    assert wavelength("F410M", "JWST NIRCAM") == 4.1
    said = "has the filter F410M, which is another one in HST and JWST; name the telescope by TELES"
    for others in (("g", "r"), ("F606W", "F115W"), ("F110W", "F150W")):
        with pytest.raises(UnreadableImageError, match=said):
            planes((*others, "F410M"))
        with pytest.raises(UnreadableImageError, match=said):
            pixels(fits.PrimaryHDU(BANDS), BANDS=",".join((*others, "F410M")))
    assert np.array_equal(planes(("g", "r", "F410M"), INSTRUME="NIRCAM"), EXPECTED)
    assert np.array_equal(planes(("F410M", "V", "I"), (2, 1, 0), TELESCOP="HST"), EXPECTED)
    # Alone it is grey, whatever it is.
    assert pixels(fits.PrimaryHDU(GLOW), FILTER="F410M").shape == (40, 60, 3)


def test_a_filter_of_another_telescope_is_not_known():
    assert meanings("F277W", "HST ACS") == {}
    assert meanings("F606W", "JWST") == {}
    assert meanings("F140M", "HST FOC") == {"HST": 0.14}


def test_numbers_of_bands_count_where_the_telescope_has_them():
    assert meanings("1", "WISE") == meanings("W1")
    assert meanings("2", "Spitzer IRAC") == meanings("I2", "IRAC") == meanings("IRAC2")
    assert meanings("1") == {}
    assert meanings("I2") == meanings("I")


def test_the_filter_in_the_pupil_is_within_the_other():
    hdus = []
    named = (("F150W2", "F162M"), ("F444W", "CLEAR"), ("F444W", "F470N"))
    for (name, pupil), band in zip(named, BANDS, strict=True):
        one = fits.ImageHDU(band, name="SCI")
        one.header.update(FILTER=name, PUPIL=pupil)
        hdus.insert(0, one)
    assert np.array_equal(pixels(fits.PrimaryHDU(), *hdus, TELESCOP="JWST"), EXPECTED)


@pytest.mark.parametrize(
    "header",
    [
        {"FILTER": "r"}, {"BAND": "r"}, {"EXTNAME": "SCI_r"}, {"FILTER": "F606W"}, {"BANDS": "r"},
        {"FILTER": "VIS"}, {"FILTER": "r DECam SDSS c0002 6415.0 1480.0"}, {"FILTERS": "HSC-R"},
        {"BAND": 1, "TELESCOP": "WISE"}, {"FILTER1": "F606W"},
    ],
)  # fmt: skip
@pytest.mark.parametrize("inherited", [False, True])
def test_a_cube_of_one_filter_is_not_three_colours(header, inherited):
    for count in (2, 3):
        cube = np.stack([GLOW, 0.1 * GLOW, GLOW**0.5])[:count]
        hdus = [fits.PrimaryHDU(), fits.ImageHDU(cube)] if inherited else [fits.PrimaryHDU(cube)]
        with pytest.raises(UnreadableImageError, match=f"has {count} planes, but .* one filt"):
            pixels(*hdus, **header)


@pytest.mark.parametrize(
    "header",
    [
        {"FILTER": "igr"}, {"FILTER": "i,g,r"}, {"FILTERS": "i,g,r"}, {"BAND": "i g r"},
        {"FILTER": "i/g/r"}, {"FILTERS": "HSC-I, HSC-G, HSC-R2"}, {"EXTNAME": "SCI_igr"},
        {"FILTER1": "i", "FILTER2": "g", "FILTER3": "r"},
        {"BAND0": "i", "BAND1": "g", "BAND2": "r"},
        {"FILTER0": "F814W", "FILTER1": "F435W", "FILTER2": "F606W"}, {"BANDS": "igr"},
        {"PLANE1": "i", "PLANE2": "g", "PLANE3": "r"}, {"BANDS": "igr", "FILTER": "multi"},
        {"FILTER": "igr", "BAND0": "i", "BAND1": "g", "BAND2": "r"},
        {"FILTER": "F444W;F090W;F200W"},
    ],
)  # fmt: skip
@pytest.mark.parametrize("inherited", [False, True])
def test_a_cube_is_sorted_by_whatever_names_its_filters(header, inherited):
    cube = BANDS[[2, 0, 1]]
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(cube)] if inherited else [fits.PrimaryHDU(cube)]
    assert np.array_equal(pixels(*hdus, **header), EXPECTED)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ({"FILTER": "gr"}, "has 3 bands, but FILTER names 2"),
        ({"FILTER": "griz"}, "has 3 bands, but FILTER names 4"),
        ({"FILTERS": "g,r,NB816"}, "bands that are not known: g, r, NB816"),
        ({"FILTER": "ggr"}, "one band twice in FILTER"),
        ({"FILTER": "narrow"}, "has 3 bands, but FILTER names 6"),
        ({"FILTER": "NB816"}, "has 3 bands, but FILTER names 1"),
        ({"FILTER1": "CLEAR1L", "FILTER2": "F814W"}, "has 3 bands, but FILTER1 to FILTER2 names 2"),
        ({"FILTER": "gri", "BAND": "irg"}, "filters in different orders in FILTER and BAND"),
    ],
)
def test_names_that_do_not_fit_a_cube_are_an_error(header, said):
    with pytest.raises(UnreadableImageError, match=said):
        pixels(fits.PrimaryHDU(BANDS), **header)


@pytest.mark.parametrize(
    "header", [{}, {"FILTER": ""}, {"FILTER": "none"}, {"EXTNAME": "I Zw 18"}, {"OBJECT": "M 81"}]
)
def test_a_cube_without_names_goes_from_blue_to_red(header):
    assert np.array_equal(pixels(fits.PrimaryHDU(BANDS), **header), EXPECTED)
