"""FITS cut-outs as colour frames."""

import gzip
import io
import zlib
from typing import Final

import numpy as np
import numpy.typing as npt
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning
from PIL import Image

from galaxies.images.colour import colour_image, grey_level
from galaxies.images.decode import LARGEST_IMAGE, UnreadableImageError

Planes = npt.NDArray[np.float64]

_GZIP: Final = b"\x1f\x8b"
_DAMAGED: Final = (
    OSError, ValueError, TypeError, KeyError, IndexError, EOFError, AttributeError, zlib.error,
    AstropyWarning,
)  # fmt: skip
_BLUE_TO_RED: Final = "ugrizy"
_BRIGHT: Final = 99.5  # percentile of a frame without a known unit
_NUMBER: Final = 1e30  # larger values are not fluxes in any unit
_BRIGHT_LIGHT: Final = (
    2.0  # nanomaggies per pixel of this percentile: the centre of a bright galaxy
)


def decode_fits(data: bytes) -> Image.Image:
    """Make a colour frame from a FITS cut-out.

    The asinh stretch of Lupton et al. (2004, PASP 116, 133) with the weights of SDSS images
    (`galaxies.images.colour.colour_image`). One band gives a grey frame; two or more give a colour
    frame of the bluest, a middle and the reddest. If `BUNIT` is nanomaggies, fluxes are used
    unchanged; otherwise the median is the sky, and the 99.5th percentile is set to 2 nanomaggies
    per pixel.

    Parameters
    ----------
    data : bytes
        Contents of the file: a plane (height, width), a cube (bands, height, width), or an
        extension for each band. Bands are sorted by `FILTER`, `BAND` or `EXTNAME` if these are
        among u, g, r, i, z, y; otherwise they must go from blue to red. Invalid pixels become sky.

    Returns
    -------
    Image
        RGB.

    Raises
    ------
    UnreadableImageError
        If the file is damaged, or contains no image.

    Examples
    --------
    >>> import io
    >>> import numpy as np
    >>> from astropy.io import fits
    >>> file = io.BytesIO()
    >>> fits.PrimaryHDU(np.ones((3, 40, 60))).writeto(file)
    >>> decode_fits(file.getvalue()).size
    (60, 40)
    """
    try:
        if data.startswith(_GZIP):
            data = _unpacked(data)
        with fits.open(io.BytesIO(data), lazy_load_hdus=False, memmap=False) as file:
            planes, calibrated = _planes(file)
    # astropy raises any of these on damaged files.
    except _DAMAGED as error:
        raise UnreadableImageError(f"cannot be decoded ({error})") from error
    return colour_frame(planes, calibrated)


def colour_frame(planes: Planes, calibrated: bool) -> Image.Image:
    """Make a colour frame from the bands of a cut-out, as `decode_fits` does.

    Parameters
    ----------
    planes : ndarray of shape (bands, height, width), float64
        From blue to red; the first row is at the bottom.
    calibrated : bool
        Whether they are in nanomaggies per pixel.

    Returns
    -------
    Image
        RGB.

    Raises
    ------
    UnreadableImageError
        If there is no valid pixel.

    Examples
    --------
    >>> import numpy as np
    >>> colour_frame(np.ones((3, 40, 60)), calibrated=True).size
    (60, 40)
    """
    light = _light(planes, calibrated)
    if len(light) == 1:
        grey = np.clip(grey_level(light[0]), 0, 255).round().astype(np.uint8)
        frame = np.repeat(grey[:, :, None], 3, axis=2)
    else:
        frame = colour_image(light[[0, len(light) // 2, -1]])
    # The first row of a FITS image is at the bottom.
    return Image.fromarray(np.ascontiguousarray(frame[::-1]))


def _unpacked(data: bytes) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
        unpacked = file.read(LARGEST_IMAGE + 1)
    if len(unpacked) > LARGEST_IMAGE:
        raise UnreadableImageError("is too large")
    return unpacked


def _planes(file: fits.HDUList) -> tuple[Planes, bool]:
    """Read all bands from blue to red, and whether they are in nanomaggies."""
    found: list[tuple[str, npt.NDArray[np.generic]]] = []
    calibrated = False
    for hdu in file:
        if not isinstance(hdu, fits.PrimaryHDU | fits.ImageHDU | fits.CompImageHDU):
            continue
        header, shape = hdu.header, hdu.shape
        if len(shape) not in (2, 3) or 0 in shape:
            continue
        if int(np.prod(shape)) > LARGEST_IMAGE:
            raise UnreadableImageError(f"is too large: {'x'.join(map(str, shape))} pixels")
        name = next(
            (str(header[key]) for key in ("FILTER", "BAND", "EXTNAME") if key in header), ""
        )
        calibrated |= "nanomagg" in str(header.get("BUNIT", "")).lower()
        for plane in hdu.data if len(shape) == 3 else [hdu.data]:
            found.append((name.strip().lower()[:1] if len(shape) == 2 else "", plane))
    if not found:
        raise UnreadableImageError("contains no image")
    if len({plane.shape for _, plane in found}) > 1:
        raise UnreadableImageError("has bands of different shapes")
    if all(name and name in _BLUE_TO_RED for name, _ in found):
        found.sort(key=lambda band: _BLUE_TO_RED.index(band[0]))
    return np.stack([plane for _, plane in found]).astype(np.float64), calibrated


def _light(planes: Planes, calibrated: bool) -> Planes:
    """Convert to nanomaggies per pixel."""
    good = np.abs(planes) < _NUMBER  # also False for NaN
    if not good.any():
        raise UnreadableImageError("has no valid pixel")
    if calibrated and good.all():
        return planes
    planes = np.where(good, planes, np.nan)
    # A band without valid pixels has no sky.
    sky = np.array([np.median(p[g]) if g.any() else 0.0 for p, g in zip(planes, good, strict=True)])
    if calibrated:
        return np.where(good, planes, sky[:, None, None])
    above = np.where(good, planes - sky[:, None, None], 0.0)
    bright = np.percentile(above.max(axis=0), _BRIGHT)
    return np.clip(above / bright, -1e6, 1e6) * _BRIGHT_LIGHT if bright > 0 else 0 * above
