"""FITS cut-outs as colour frames."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from astropy.io import fits
from PIL import Image

from galaxies.images.bands import is_light
from galaxies.images.colour import colour_image, grey_level
from galaxies.images.decode import UnreadableImageError, check_size, damage_named
from galaxies.images.filters import wavelengths, words
from galaxies.images.fits_file import (
    LARGEST_LIGHT,
    Plane,
    Unit,
    number,
    read_plane,
    read_units,
    unpacked,
)
from galaxies.images.fits_names import (
    cube_lengths,
    filter_of,
    instrument_of,
    lengths_of,
    listed_bands,
    refuse_unclear,
)
from galaxies.images.units import FluxUnit, common_scale, read_unit

Planes = npt.NDArray[np.float64]

_GZIP: Final = b"\x1f\x8b"
_MOST_BANDS: Final = 12
_KINDS: Final = ("EXTNAME", "EXTTYPE", "DES_EXT", "IMTYPE", "HDUCLAS2", "HDUCLAS3")
"""Keywords that say what a plane is: EXTNAME of most surveys; LSST; DES; Legacy; ESO."""
_EXPOSURES: Final = ("IMAGETYP", "OBSTYPE", "PROCTYPE", "PRODTYPE")
"""Keywords that say what was exposed, or made of it: a flat field or weights, say."""
_ON_SKY: Final = ("SKY", "EXPOSURE", "EXP")  # said of exposures with galaxies too
_NO_NAMES: Final = ("", "PRIMARY", "COMPRESSED_IMAGE")  # the last is from fpack
_NO_BANDS: Final = (
    "STOKES", "TIME", "UTC", "PHASE", "COMPLEX", "VELO", "VRAD", "VOPT", "ZOPT", "BETA", "FELO"
)  # fmt: skip
"""Kinds of the third axis of a cube (CTYPE3) whose planes are not bands."""
_LONGER: Final = ("WAVE", "AWAV")
_SHORTER: Final = ("FREQ", "ENER", "WAVN")
"""Kinds of the third axis along which wavelengths grow, or shrink."""
_FEWEST_LEVELS: Final = 3  # a mask has two
_BRIGHT: Final = 99.5  # percentile of a frame without a known unit
_NUMBER: Final = 1e15  # larger values are not fluxes in any unit, but marks of blank pixels
_HOLES: Final = 0.25  # a larger share of blank pixels at the centre may hide the galaxy
_BRIGHT_LIGHT: Final = (
    2.0  # nanomaggies per pixel of this percentile: the centre of a bright galaxy
)


class _Band(NamedTuple):
    """A plane of light, or a cube of several."""

    unit: Unit
    light: bool | None
    """Whether its names say that it is light."""
    filter: str
    means: dict[str, float]
    """What the name of the filter may mean."""
    flux: FluxUnit


def decode_fits(data: bytes) -> Image.Image:
    """Make a colour frame from a FITS cut-out.

    The asinh stretch of Lupton et al. (2004, PASP 116, 133) with the weights of SDSS images
    (`galaxies.images.colour.colour_image`). One band gives a grey frame; two or more give a colour
    frame of the bluest, a middle and the reddest. If `BUNIT` is nanomaggies, fluxes are used
    as they are; otherwise the median is the sky, and the 99.5th percentile is set to 2 nanomaggies
    per pixel.

    Parameters
    ----------
    data : bytes
        Contents of the file: a plane (height, width), a cube (bands, height, width), or an
        extension for each band. Planes that are not light, such as masks, variances and weights,
        are left out. Bands are sorted by wavelength: of a cube by the keyword `BANDS`, or others
        that name all its filters, and without names they must go from blue to red; of extensions
        by `FILTER`, `BAND` or `EXTNAME`. Blank pixels become sky.

    Returns
    -------
    Image
        RGB.

    Raises
    ------
    UnreadableImageError
        If the file is damaged or contains no image; if it is not clear which planes are light, or
        which bands they are; or if too many pixels at the centre are blank.

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
    with damage_named():
        if data.startswith(_GZIP):
            data = unpacked(data)
        units = read_units(data)
        bands = _light_of(units)
        factors, calibrated = _scales(bands)
        planes = _in_order(data, units[0].header, bands, factors)
    frame = colour_frame(planes, calibrated)
    [first, *others] = bands
    if len(planes) == 2 and not others and not cube_lengths(first.unit.header, units[0].header, 2):
        raise UnreadableImageError(
            "has two planes, which may be two bands, or light and its error; name them by BANDS"
        )
    return frame


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
        frame = colour_image(light if len(light) == 3 else light[[0, len(light) // 2, -1]])
    # The first row of a FITS image is at the bottom.
    return Image.fromarray(np.ascontiguousarray(frame[::-1]))


def _light_of(units: Sequence[Unit]) -> list[_Band]:
    """Choose the planes of light; nothing is guessed."""
    # Extensions inherit from a header without an image.
    primary = fits.Header() if units[0].shape else units[0].header
    images = [
        _named(unit, primary, units[0].header)
        for unit in units
        if len(unit.shape) > 1 and 0 not in unit.shape
    ]
    if not images:
        raise UnreadableImageError("contains no image")
    possible = [band for band in images if band.light is not False]
    if not possible:
        raise UnreadableImageError(f"contains no plane of light, only {_list(images)}")
    sure = [band for band in possible if band.light or band.means]
    # A first plane without a name may be light too: then it is not clear which one is meant.
    unnamed = [band for band in possible if not _names(band.unit) and band not in sure]
    if not sure and len(unnamed) > 1 and _first_is_science([band.unit for band in unnamed]):
        unnamed = unnamed[:1]
    chosen = sure + unnamed if sure else (unnamed or possible)
    listed = len(listed_bands(units[0].header))
    if len(chosen) > 1 and listed != len(chosen) and not all(band.means for band in chosen):
        raise UnreadableImageError(
            f"has {len(chosen)} planes that may be light ({_list(chosen)}); name their bands by "
            "FILTER, and the others by EXTNAME, such as MASK"
        )
    if sum(int(np.prod(band.unit.shape)) for band in chosen) > LARGEST_LIGHT:
        raise UnreadableImageError(f"is too large: more than {LARGEST_LIGHT:,} pixels of light")
    return chosen


def _named(unit: Unit, primary: fits.Header, first: fits.Header) -> _Band:
    header = unit.header
    says = [is_light(name) for name in _names(unit)]
    flux = read_unit(str(header.get("BUNIT", "")))
    # An inverse variance of nanomaggies has 1/nanomaggies^2.
    dark = not flux.light or False in says or bool(_exposed(header) or _exposed(primary))
    light = False if dark else (True if True in says else None)
    return _Band(unit, light, *filter_of(header, first), flux)


def _exposed(header: fits.Header) -> str:
    """Say what was exposed, if it was not the sky."""
    for key in _EXPOSURES:
        said = [word for word in words(str(header.get(key, ""))) if word not in _ON_SKY]
        if is_light(" ".join(said)) is False:
            return f"{key} {header[key]}"
    return ""


def _first_is_science(units: Sequence[Unit]) -> bool:
    """Whether planes without names are in the order of HST, JWST, LSST, DES or HSC.

    All have the science first, in floats, and a mask of integers among the others.
    """
    kinds = [int(unit.header["ZBITPIX" if unit.compressed else "BITPIX"]) for unit in units]
    return kinds[0] < 0 and any(kind > 0 for kind in kinds[1:])


def _in_order(
    data: bytes, primary: fits.Header, bands: list[_Band], factors: list[float]
) -> Planes:
    """Read all bands from blue to red, in one unit."""
    if len({band.unit.shape for band in bands}) > 1:
        raise UnreadableImageError("has bands of different shapes")
    shape = bands[0].unit.shape
    if len(bands) == 1 and len(shape) == 3:
        return _scaled(_cube(data, primary, bands[0].unit), factors[0])
    if len(shape) != 2:
        raise UnreadableImageError(f"has axes that cannot be read: {'x'.join(map(str, shape))}")
    check_size(*shape)
    means = [band.means for band in bands]
    if len(bands) == 1:
        lengths = [0.0]
    elif all(means):
        refuse_unclear([band.filter for band in bands], means)
        lengths = [length for length in wavelengths(means) if length is not None]
    else:
        instrument = instrument_of(primary, primary)
        lengths = lengths_of("BANDS", listed_bands(primary), len(bands), instrument)
    if len(set(lengths)) < len(lengths):
        raise UnreadableImageError(f"has several planes of one band ({_list(bands)})")
    order = np.argsort(lengths)
    return np.stack(
        [_scaled(read_plane(data, bands[place].unit), factors[place]) for place in order]
    )


def _scaled(plane: Plane, factor: float) -> Plane:
    """Bring a plane to another unit, but not the marks of its blank pixels."""
    return plane if factor == 1 else np.where(np.abs(plane) < _NUMBER, plane * factor, np.nan)


def _cube(data: bytes, primary: fits.Header, unit: Unit) -> Planes:
    count, height, width = unit.shape
    if count > _MOST_BANDS or count >= min(height, width):
        raise UnreadableImageError(
            f"has axes that cannot be read: {width}x{height}x{count}, but the third of a FITS cube "
            f"must be the bands, at most {_MOST_BANDS}"
        )
    if min(height, width) <= _MOST_BANDS:
        raise UnreadableImageError(f"has axes that cannot be read: {width}x{height}x{count}")
    check_size(width, height)
    kind = str(unit.header.get("CTYPE3", "")).strip().upper()
    if kind.startswith(_NO_BANDS):
        raise UnreadableImageError(f"has a third axis that is not the bands, but {kind}")
    names = [str(unit.header.get(f"PLANE{place}", "")) for place in range(count + 1)]
    if others := [name for name in names if is_light(name) is False]:
        raise UnreadableImageError(f"has planes that are not light: {', '.join(others)}")
    lengths = cube_lengths(unit.header, primary, count)
    planes = read_plane(data, unit)
    if lengths:
        return planes[np.argsort(lengths)]
    # Without names, bands go from blue to red.
    return planes[::-1] if _from_red(unit.header, kind) else planes


def _from_red(header: fits.Header, kind: str) -> bool:
    """Whether the third axis of a cube goes from red to blue."""
    if not kind.startswith((*_LONGER, *_SHORTER)):
        return False
    step = number(header, "CDELT3", 1.0) * number(header, "PC3_3", 1.0)
    step = number(header, "CD3_3", step)
    if step == 0 or kind.endswith("TAB"):
        raise UnreadableImageError(f"has bands in an order that is not known ({kind})")
    return (step < 0) != kind.startswith(_SHORTER)


def _names(unit: Unit) -> list[str]:
    """Say what the header calls a plane."""
    names = (str(unit.header[key]).strip() for key in _KINDS if key in unit.header)
    return [name for name in names if name.upper() not in _NO_NAMES]


def _list(bands: Sequence[_Band]) -> str:
    return ", ".join(
        (*_names(band.unit), _exposed(band.unit.header) or "without a name")[0]
        + ("" if band.flux.light else f" in {str(band.unit.header['BUNIT']).strip()}")
        for band in bands[:5]
    )


def _scales(bands: Sequence[_Band]) -> tuple[list[float], bool]:
    """Find factors that bring all planes to one unit, and whether it is the nanomaggy."""
    for band in bands:
        if band.flux.wrong:
            raise UnreadableImageError(band.flux.wrong)
    scales = common_scale([band.flux for band in bands])
    if scales is None:
        units = (str(band.unit.header.get("BUNIT", "")).strip() or "none" for band in bands)
        raise UnreadableImageError(f"has bands of different units: {', '.join(units)}")
    return scales


def _light(planes: Planes, calibrated: bool) -> Planes:
    """Convert to nanomaggies per pixel."""
    good = np.abs(planes) < _NUMBER  # also False for NaN
    if not good.any():
        raise UnreadableImageError("has no valid pixel")
    height, width = planes.shape[1:]
    centre = good[:, height // 4 : -(height // 4), width // 4 : -(width // 4)]
    holes = 1 - centre.mean(axis=(1, 2))
    if holes.max() > _HOLES:
        raise UnreadableImageError(
            f"has no valid pixel in {holes.max():.0%} of the centre of band {holes.argmax() + 1}"
        )
    for place, plane in enumerate(planes, 1):
        inside = plane[height // 4 : -(height // 4), width // 4 : -(width // 4)]
        if 1 < len(np.unique(inside[np.isfinite(inside)])) < _FEWEST_LEVELS:
            raise UnreadableImageError(f"has only two values in band {place}, like a mask")
    if calibrated and good.all():
        return planes
    planes = np.where(good, planes, np.nan)
    sky = np.array([np.median(plane[fine]) for plane, fine in zip(planes, good, strict=True)])
    if calibrated:
        return np.where(good, planes, sky[:, None, None])
    above = np.where(good, planes - sky[:, None, None], 0.0)
    bright = np.percentile(above.max(axis=0), _BRIGHT)
    return np.clip(above / bright, -1e6, 1e6) * _BRIGHT_LIGHT if bright > 0 else 0 * above
