"""Requests, letter by letter as in the services' documentation.

Nobody has asked the real services with this code yet: the machines that it was written on do not
reach them.
"""

import pytest

from galaxies.errors import GalaxiesError
from galaxies.sky.services import Hips, Legacy, Sdss, find_service


def test_sdss_asks_as_skyservers_documentation_does():
    """The example of https://skyserver.sdss.org/dr12/en/help/docs/api.aspx, Image Cutout."""
    documented = (
        "http://skyserver.sdss.org/dr12/SkyserverWS/ImgCutout/getjpeg"
        "?ra=184.9511&dec=-0.8754&scale=0.4&height=512&width=512&opt=GO"
    )
    address = "http://skyserver.sdss.org/dr12/SkyserverWS/ImgCutout/getjpeg"
    # GO draws a grid and outlines, which no classifier wants.
    assert Sdss(address=address).url(184.9511, -0.8754, 0.4, 512) + "&opt=GO" == documented


def test_legacy_asks_as_the_surveys_documentation_does():
    """An example of https://www.legacysurvey.org/dr10/description/, Obtaining images."""
    documented = (
        "https://www.legacysurvey.org/viewer/jpeg-cutout"
        "?ra=190.1086&dec=1.2005&size=100&layer=ls-dr10&pixscale=0.262"
    )
    assert Legacy("ls-dr10").url(190.1086, 1.2005, 0.262, 100) == documented


def test_hips_asks_with_the_parameters_of_astroquery():
    """The parameters that `astroquery.hips2fits` sends, and CDS's own address.

    https://astroquery.readthedocs.io/en/latest/hips2fits/hips2fits.html: hips, width, height,
    projection, fov (of the largest side, in degrees), ra, dec, coordsys, format.
    """
    url = Hips("CDS/P/DSS2/color").url(10.6847, 41.2692, 4.2 * 3600 / 960, 960)
    assert url == (
        "https://alasky.cds.unistra.fr/hips-image-services/hips2fits?hips=CDS%2FP%2FDSS2%2Fcolor"
        "&width=960&height=960&projection=TAN&fov=4.2&ra=10.6847&dec=41.2692&coordsys=icrs"
        "&format=jpg"
    )


def test_angles_keep_a_microdegree_and_no_exponent():
    url = Sdss().url(0.0000004, -0.0000123, 0.1)
    assert "ra=0&dec=-0.000012&" in url
    # No 360 and no negative zero, which a service may not know.
    assert "ra=0&dec=0&" in Sdss().url(359.9999999, -0.0000001, 0.1)
    assert "ra=100&dec=-90&" in Sdss().url(100, -90, 0.1)


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        ("sdss", Sdss("dr17")),
        ("sdss:dr18", Sdss("dr18")),
        ("legacy:ls-dr9", Legacy("ls-dr9")),
        ("hips:CDS/P/DSS2/color", Hips("CDS/P/DSS2/color")),
        ("sdss@http://127.0.0.1:80/x", Sdss(address="http://127.0.0.1:80/x")),
        ("hips:CDS/P/DSS2/color@https://a.b/c", Hips("CDS/P/DSS2/color", "https://a.b/c")),
    ],
)
def test_one_word_names_service_layer_and_address(images, expected):
    assert find_service(images) == expected


@pytest.mark.parametrize("images", ["hubble", "", "sdss@ftp://x", "SDSS"])
def test_what_is_no_service_is_refused(images):
    with pytest.raises(GalaxiesError, match="--images"):
        find_service(images)


def test_the_release_of_a_layer():
    assert [Legacy(one).release for one in ("ls-dr10", "ls-dr9-north", "sdss")] == [
        "dr10",
        "dr9",
        "",
    ]
