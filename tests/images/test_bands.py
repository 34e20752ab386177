"""What a plane is called says whether it is light."""

import pytest

from galaxies.images.bands import is_light
from galaxies.images.filters import meanings


@pytest.mark.parametrize(
    "name",
    [
        "EXTINCTION", "EBV", "E(B-V)", "KAPPA", "PSFIMG", "DETECTION", "COUNT", "MEDIAN", "NVAR",
        "SIG", "BACK", "COLOR", "PROB", "SEEING", "REDSHIFT", "MASS", "SFR", "VELOCITY", "DEPTH",
        "psf_r", "PSF_MODEL", "IVAR", "ivar_g", "STELLAR_MASS", "SIGMA_STAR", "B-V", "g - r",
        "colour g-r", "HALPHA_ERR", "SCIERR", "SCI_ERR", "STELLAR_VEL", "EMLINE_GVEL_IVAR",
        "DetectionMask", "EXTINCTION_MAP", "SEEINGMAP", "PROBABILITY", "photoz", "BACKGR", "MAGLIM",
        "chi", "REDCHI2", "INVRMS", "VELOCITY_DISPERSION", "GALDEPTH_r", "AV", "median",
    ],
)  # fmt: skip
def test_these_are_no_light(name):
    assert is_light(name) is False


@pytest.mark.parametrize(
    "name",
    [
        "SCI", "IMAGE", "COADD", "MOSAIC", "FLUX", "DATA", "COUNTS", "SCI_r", "DATA_1",
        "COUNT_RATE", "MEDIAN IMAGE", "COLOR_IMAGE", "CUTOUT g", "SIGNAL", "INTENSITY",
    ],
)  # fmt: skip
def test_these_are_light(name):
    assert is_light(name) is True


@pytest.mark.parametrize(
    "name",
    [
        "PRIMARY", "", "NGC 4030", "M 51", "UGC 5720", "IC 10", "ESO 137-G006", "Arp 220",
        "Mrk 231", "MCG+08-11-011", "2MASS", "2MASX J12345", "VV 114", "I Zw 18", "HCG 92",
        "DES J0000", "g", "HSC-R2", "F814W", "H-alpha", "VIS", "Malin 1", "CGCG 049-057", "PGC 1",
        "NIRCam", "galaxy", "J123049.42+122328.0", "AM 0644-741", "NGC 2207 ID 3", "Stephan",
        "SDSS J1", "KUG 0003",
    ],
)  # fmt: skip
def test_names_of_galaxies_and_filters_do_not_say(name):
    assert is_light(name) is None


def test_no_filter_is_called_no_light():
    for name in ("U", "B", "V", "gp1", "Ks", "FUV", "NUV", "W1", "IRAC1", "F475X", "H-alpha"):
        assert meanings(name)
        assert is_light(name) is None
