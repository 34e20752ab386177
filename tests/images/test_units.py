"""A unit is read in the spelling of any survey."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from galaxies.images.units import common_scale, read_unit


@pytest.mark.parametrize(
    ("text", "factor"),
    [
        ("nanomaggies", 1), ("nanomaggy", 1), ("nmgy", 1), ("NANOMAGGIES", 1), ("nMgy", 1),
        ("nanomaggy/pixel", 1), ("nmgy pix-1", 1), ("1e-3 nanomaggies", 1e-3), ("mnanomaggy", 1e-3),
        ("10**(-2) nanomaggies", 1e-2), ("10^-2*nmgy", 1e-2), ("maggies", 1e9), ("umgy", 1e3),
    ],
)  # fmt: skip
def test_nanomaggies_of_any_size_are_calibrated(text, factor):
    scale = common_scale([read_unit(text)])
    assert scale is not None
    assert scale[1]
    assert scale[0] == pytest.approx([factor])


@pytest.mark.parametrize(
    "text",
    [
        "", "ADU", "adu/s", "counts", "counts s-1", "ct/s", "count / s", "DN/s", "ELECTRONS/S",
        "electron s^-1", "e-/s", "e- s-1", "E-/S", "MJy/sr", "nJy", "uJy/arcsec2", "Jy/beam", "MJY",
        "Jy/beam*km/s", "erg/s/cm^2/Angstrom", "10**(-17)*erg/cm**2/s/Angstrom",
        "1E-17 erg s-1 cm-2 A-1", "W.m-2.um-1.sr-1", "W/m^2/um/sr", "photons / (cm2 s)",
        "10^-20 erg/s/cm2/A", "Lsun/pc^2", "counts/exposure", "data numbers", "1", "[adu]",
        "none", "counts per second", "electrons per second per pixel", "Cnts/s/Pix", "cps", "flux",
        "nW m-2 sr-1", "ergs/cm**2/s/Ang", "1E-17 erg/s/cm^2/spaxel", "el/s", "counts/ksec",
        "[10**-20 erg/s/cm2/Angstrom]", "J s-1 m-2 um-1", "photoelectrons", "DN/pixel/s", "kJy/sr",
        "photon/cm2/s/keV", "solLum/kpc2", "FLAM", "digital numbers", "Unknown",
    ],
)  # fmt: skip
def test_fluxes_of_other_units_are_light(text):
    unit = read_unit(text)
    assert unit.light
    assert not unit.wrong
    assert common_scale([unit, unit]) == ([1, 1], False)


@pytest.mark.parametrize(
    "text",
    [
        "mag", "MAG/ARCSEC**2", "mag / arcsec2", "mag arcsec-2", "ABmag", "magnitude", "Magnitudes",
        "mag(AB)", "mag_arcsec2", "mmag", "AB_mag", "STMAG", "log10(flux)", "log(nanomaggies)",
        "LOG(erg/s)", "log flux", "ln(counts)", "dex", "dex(nJy)", "dB", "nmgy/arcsec2",
        "nanomaggies/s",
    ],
)  # fmt: skip
def test_magnitudes_and_logarithms_are_wrong(text):
    unit = read_unit(text)
    assert text in unit.wrong
    assert unit.light


@pytest.mark.parametrize(
    "text",
    [
        "s", "sec", "seconds", "SECONDS", "nJy**2", "1/(ELECTRONS/S)**2", "(adu)^2", "adu2",
        "electron2 s-2", "1/nanomaggy^2", "nanomaggy**(-2)", "nanomaggies^(-2)", "1/nmgy",
        "(nanomaggies)**2", "pixel", "km/s", "Angstrom", "electron/adu", "Jy^(1/2)", "1/s", "sigma",
        "mas", "ksec", "redshift", "solMass", "K km/s", "K", "%", "kg", "Msun/pc2", "msec", "1/kg",
        "solMass/yr", "s/pixel",
    ],
)  # fmt: skip
def test_squares_inverses_and_times_are_not_light(text):
    unit = read_unit(text)
    assert not unit.light
    assert text in unit.wrong


@pytest.mark.parametrize(
    "text",
    ["??", "furlong", "Vega nanomaggies", "K_CMB", "DENSITY", "adu/furlong", "Jyy", "counts^", "z"],
)
def test_units_that_are_not_known_are_wrong(text):
    assert "is not known as the unit of a flux" in read_unit(text).wrong
    assert text in read_unit(text).wrong


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (("Jy", "mJy", "Jy"), ([1, 1e-3, 1], False)),
        (("nJy", "uJy"), ([1e-3, 1], False)),
        (("Jy/sr", "MJy/sr"), ([1e-6, 1], False)),
        (("adu", "ADU"), ([1, 1], False)),
        (("counts/s", "ct s-1"), ([1, 1], False)),
        (("nanomaggies", "1e-3 nanomaggies"), ([1, 1e-3], True)),
        (("nanomaggies", "uJy"), ([1, 1 / 3.631], True)),
        (("nJy", "adu"), None),
        (("nJy", ""), None),
        (("nanomaggies", "adu"), None),
        (("adu", "electron/s"), None),
        (("MJY", "Jy"), None),
        (("nW/m2/sr", "W m-2 sr-1"), ([1e-9, 1], False)),
        (("counts per second", "ct/s"), ([1, 1], False)),
    ],
)
def test_bands_are_brought_to_one_unit_or_refused(texts, expected):
    found = common_scale([read_unit(text) for text in texts])
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert found[0] == pytest.approx(expected[0])
        assert found[1] is expected[1]


@given(st.text("adumJygs0123.^*/()+-e ", max_size=30))
def test_no_text_is_too_odd_to_read(text):
    assert read_unit(text).factor > 0
