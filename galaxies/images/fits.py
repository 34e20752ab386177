"""FITS cut-outs as the colour frames that the models know."""

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
_BRIGHT: Final = 99.5  # percentile of a frame whose unit is unknown
_NUMBER: Final = 1e30  # beyond it no flux in any unit
_BRIGHT_LIGHT: Final = 2.0  # nanomaggies per pixel it is taken for: a bright galaxy's middle


def decode_fits(data: bytes) -> Image.Image:
    """Compose a colour frame of a FITS cut-out.

    The asinh stretch of Lupton et al. (2004, PASP 116, 133) with the weights of the Sloan images
    (`galaxies.images.colour.colour_image`). One band gives a grey frame, two or more a colour one
    of the bluest, a middle and the reddest. Where `BUNIT` says nanomaggies, light is taken as it
    is; otherwise the median is taken for the sky, and the brightness where the brightest 0.5%
    begin for 2 nanomaggies per pixel.

    Parameters
    ----------
    data : bytes
        The file's bytes: a plane (height, width), a cube (bands, height, width), or an extension
        for each band; bands in order of `FILTER`, `BAND` or `EXTNAME` where those are among
        u, g, r, i, z, y, else from blue to red as they stand. Pixels that are no number become sky.

    Returns
    -------
    Image
        RGB.

    Raises
    ------
    UnreadableImageError
        If the file is damaged, or no image is in it.

    Examples
    --------
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
    light = _light(planes, calibrated)
    if len(light) == 1:
        grey = np.clip(grey_level(light[0]), 0, 255).round().astype(np.uint8)
        frame = np.repeat(grey[:, :, None], 3, axis=2)
    else:
        frame = colour_image(light[[0, len(light) // 2, -1]])
    # The first row of a FITS image is its lowest.
    return Image.fromarray(np.ascontiguousarray(frame[::-1]))


def _unpacked(data: bytes) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
        unpacked = file.read(LARGEST_IMAGE + 1)
    if len(unpacked) > LARGEST_IMAGE:
        raise UnreadableImageError("is too large")
    return unpacked


def _planes(file: fits.HDUList) -> tuple[Planes, bool]:
    """All bands from blue to red (bands, height, width), and whether they are in nanomaggies."""
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
        raise UnreadableImageError("has no image in it")
    if len({plane.shape for _, plane in found}) > 1:
        raise UnreadableImageError("has bands of different shapes")
    if all(name and name in _BLUE_TO_RED for name, _ in found):
        found.sort(key=lambda band: _BLUE_TO_RED.index(band[0]))
    return np.stack([plane for _, plane in found]).astype(np.float64), calibrated


def _light(planes: Planes, calibrated: bool) -> Planes:
    """Light in nanomaggies per pixel."""
    good = np.abs(planes) < _NUMBER  # False for NaN, too
    if not good.any():
        raise UnreadableImageError("has no pixel that is a number")
    planes = np.where(good, planes, np.nan)
    # A band without one good pixel has no sky of its own.
    sky = np.array([np.median(p[g]) if g.any() else 0.0 for p, g in zip(planes, good, strict=True)])
    if calibrated:
        return np.where(good, planes, sky[:, None, None])
    above = np.where(good, planes - sky[:, None, None], 0.0)
    bright = np.percentile(above.max(axis=0), _BRIGHT)
    return np.clip(above / bright, -1e6, 1e6) * _BRIGHT_LIGHT if bright > 0 else 0 * above
