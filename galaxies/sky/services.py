"""Services that cut images out of surveys, and the addresses that they are asked at.

Each service is a small class of documented parameters. What it is asked is compared in
`tests/sky/test_services.py`, letter by letter, with the examples in its documentation.
"""

from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import quote

from galaxies.errors import GalaxiesError

FRAME: Final = 424
"""Side of a cut-out in pixels, as in Galaxy Zoo 2 (Willett et al. 2013, MNRAS 435, 2835)."""


class Service(Protocol):
    """A survey's image service."""

    @property
    def name(self) -> str:
        """The name of the service, as in `--images`."""

    @property
    def release(self) -> str:
        """Data release, if the service has several; otherwise empty."""

    @property
    def layer(self) -> str:
        """Layer or image survey, if the service has several; otherwise empty."""

    @property
    def rate(self) -> float:
        """Requests a second, unless the user sets another limit."""

    @property
    def native(self) -> float:
        """Scale of the survey's own pixels, in arcsec."""

    @property
    def scales(self) -> tuple[float, float]:
        """Smallest and largest scale of a cut-out, in arcsec per pixel."""

    def url(self, ra: float, dec: float, scale: float, size: int = FRAME) -> str:
        """Write the request for a square cut-out.

        Parameters
        ----------
        ra, dec : float
            Its centre, ICRS, in degrees.
        scale : float
            Arcsec per pixel.
        size : int
            Pixels along each side.
        """


@dataclass(frozen=True)
class Sdss:
    """SkyServer's image cut-out: colour images of SDSS in g, r and i.

    Documentation: https://skyserver.sdss.org/dr18/en/help/docs/api.aspx. The service draws images
    of 64 to 2,048 pixels at any scale; pixels of the survey have 0.396127 arcsec.

    Parameters
    ----------
    release : str
        Data release, such as `dr17`; since DR13 the images are the same.
    address : str, optional
        Address of the service, if it has moved or there is a mirror.

    Examples
    --------
    >>> Sdss("dr17").url(184.9511, -0.8754, scale=0.4, size=512)
    'https://skyserver.sdss.org/dr17/SkyServerWS/ImgCutout/getjpeg?ra=184.9511&dec=-0.8754&scale=0.4&height=512&width=512'
    """

    release: str = "dr17"
    address: str | None = None
    name = "sdss"
    layer = "gri"
    rate = 5.0
    native = 0.396127
    scales = (0.015, 60.0)

    def url(self, ra: float, dec: float, scale: float, size: int = FRAME) -> str:
        """Write the request for a square cut-out; see `Service.url`."""
        address = self.address or (
            f"https://skyserver.sdss.org/{self.release}/SkyServerWS/ImgCutout/getjpeg"
        )
        where = f"ra={_degrees(round(ra, 6) % 360)}&dec={_degrees(dec)}&scale={scale:.5g}"
        return f"{address}?{where}&height={size}&width={size}"


@dataclass(frozen=True)
class Legacy:
    """The viewer of the DESI Legacy Imaging Surveys: colour images in g, r, (i) and z.

    Documentation: https://www.legacysurvey.org/dr10/description/ (image cut-outs of at most 512
    pixels) and https://www.legacysurvey.org/viewer/urls.

    Parameters
    ----------
    layer : str
        Layer of the viewer, such as `ls-dr10`, `ls-dr10-grz`, `ls-dr9` or `sdss`.
    address : str, optional
        Address of the service, if it has moved or there is a mirror.

    Examples
    --------
    >>> Legacy("ls-dr10").url(190.1086, 1.2005, scale=0.262, size=100)
    'https://www.legacysurvey.org/viewer/jpeg-cutout?ra=190.1086&dec=1.2005&size=100&layer=ls-dr10&pixscale=0.262'
    """

    layer: str = "ls-dr10"
    address: str | None = None
    name = "legacy"
    rate = 5.0
    native = 0.262
    scales = (0.01, 60.0)

    @property
    def release(self) -> str:
        """Data release, from the layer."""
        return next((part for part in self.layer.split("-") if part.startswith("dr")), "")

    def url(self, ra: float, dec: float, scale: float, size: int = FRAME) -> str:
        """Write the request for a square cut-out; see `Service.url`."""
        address = self.address or "https://www.legacysurvey.org/viewer/jpeg-cutout"
        where = f"ra={_degrees(round(ra, 6) % 360)}&dec={_degrees(dec)}&size={size}"
        return f"{address}?{where}&layer={quote(self.layer)}&pixscale={scale:.5g}"


@dataclass(frozen=True)
class Hips:
    """CDS hips2fits: any colour image survey in the HiPS format.

    Documentation: https://alasky.cds.unistra.fr/hips-image-services/hips2fits; image surveys:
    https://aladin.cds.unistra.fr/hips/list.

    Parameters
    ----------
    layer : str
        ID of a colour HiPS, such as `CDS/P/SDSS9/color` or `CDS/P/PanSTARRS/DR1/color-i-r-g`.
    address : str, optional
        Address of the service; CDS has a mirror at
        https://alaskybis.cds.unistra.fr/hips-image-services/hips2fits.

    Examples
    --------
    >>> Hips("CDS/P/DSS2/color").url(10.6847, 41.2692, scale=0.9, size=400)
    'https://alasky.cds.unistra.fr/hips-image-services/hips2fits?hips=CDS%2FP%2FDSS2%2Fcolor&width=400&height=400&projection=TAN&fov=0.1&ra=10.6847&dec=41.2692&coordsys=icrs&format=jpg'
    """

    layer: str = "CDS/P/SDSS9/color"
    address: str | None = None
    name = "hips"
    release = ""
    rate = 5.0
    native = 0.4
    scales = (0.001, 600.0)

    def url(self, ra: float, dec: float, scale: float, size: int = FRAME) -> str:
        """Write the request for a square cut-out; see `Service.url`."""
        address = self.address or "https://alasky.cds.unistra.fr/hips-image-services/hips2fits"
        frame = f"width={size}&height={size}&projection=TAN&fov={scale * size / 3600:.6g}"
        where = f"ra={_degrees(round(ra, 6) % 360)}&dec={_degrees(dec)}&coordsys=icrs&format=jpg"
        return f"{address}?hips={quote(self.layer, safe='')}&{frame}&{where}"


SERVICES: Final[dict[str, type[Sdss] | type[Legacy] | type[Hips]]] = {
    "sdss": Sdss,
    "legacy": Legacy,
    "hips": Hips,
}
LOCAL: Final = "local"


def find_service(images: str) -> Service:
    """Find a service by its name.

    Parameters
    ----------
    images : str
        `sdss`, `legacy` or `hips`; after a colon the release or the layer; after an @ the address,
        instead of the usual one.

    Raises
    ------
    GalaxiesError
        If there is no such service.

    Examples
    --------
    >>> find_service("sdss:dr18").release
    'dr18'
    >>> find_service("hips:CDS/P/DSS2/color@http://mirror.org/hips2fits")
    Hips(layer='CDS/P/DSS2/color', address='http://mirror.org/hips2fits')
    >>> find_service("hubble")
    Traceback (most recent call last):
    galaxies.errors.GalaxiesError: --images hubble: no such service; possible are sdss, ...
    """
    named, _, address = images.partition("@")
    name, _, what = named.partition(":")
    if name not in SERVICES:
        raise GalaxiesError(
            f"--images {images}: no such service; possible are {', '.join(SERVICES)} and "
            f"{LOCAL}:FOLDER"
        )
    kind = SERVICES[name]
    if address and not address.startswith(("http://", "https://")):
        raise GalaxiesError(f"--images {images}: the address must start with http:// or https://")
    return kind(what, address or None) if what else kind(address=address or None)


def _degrees(angle: float) -> str:
    """Write an angle to a microdegree, 4 milliarcsec, without zeros at the end."""
    # Adding 0 makes 0 of -0.
    return f"{round(angle, 6) + 0.0:.6f}".rstrip("0").rstrip(".")
