"""The size of a galaxy, and the scale at which volunteers saw it."""

import warnings
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from galaxies.base.arrays import Floats
from galaxies.errors import needs
from galaxies.images.colour import ASINH_SCALE, SLOPE
from galaxies.sky.services import FRAME

STEP: Final = 0.02
"""Scale of a frame of 424 pixels in Galaxy Zoo 2, in Petrosian 90% radii a pixel (Willett et al.
2013, MNRAS 435, 2835, section 2.1): the radius is 50 pixels, the frame 8.48 radii wide."""

_SHINE: Final = 0.2
"""The Petrosian radius is where the light falls to this part of the mean light inside (Strauss et
al. 2002, AJ 124, 1810)."""
_INNER, _OUTER = 0.8, 1.25  # edges of the annulus of that definition, in radii
_APERTURE: Final = 2.0  # radii in which SDSS sums the Petrosian flux
_PART: Final = 0.9  # of the flux, for petroR90
_SIGMA: Final = 2.0  # noise above the sky from which pixels belong to a source
_FEWEST: Final = 12  # pixels of a source
_TOO_LARGE: Final = 1.15
"""What the measured radius is too large by, in the median: the stretch lifts faint light. Measured
on frames of Galaxy Zoo 2 from Kaggle's challenge, whose radii are 50 pixels."""
_STEPS: Final = 60  # radii at which the light inside is summed
_SIDE: Final = 106  # pixels along each side at which a frame is measured: faint arms hang together
_FINE: Final = 8.0  # pixels; a smaller radius is measured again, on the centre of the frame
_SMALLEST: Final = 3.0  # pixels; a smaller radius is that of the seeing


def frame_scale(radius: float, size: int = FRAME) -> float:
    """Compute the scale at which Galaxy Zoo 2 showed a galaxy.

    Parameters
    ----------
    radius : float
        Petrosian 90% radius (`petroR90_r` of SDSS), in arcsec.
    size : int
        Pixels along each side of the frame.

    Returns
    -------
    float
        Arcsec per pixel: 0.02 radii in a frame of 424 pixels.

    Examples
    --------
    >>> frame_scale(25)
    0.5
    """
    return STEP * radius * FRAME / size


def light_of(frame: Image.Image) -> Floats:
    """Undo the stretch of a colour image, roughly: (height, width) light, in no unit.

    The inverse of the asinh stretch of `galaxies.images.colour.colour_image` for the mean of the
    three colours. Other surveys' images are stretched in a similar way.
    """
    grey = np.asarray(frame.convert("RGB"), np.float64).mean(axis=2)
    light: Floats = ASINH_SCALE / SLOPE * np.sinh(grey / ASINH_SCALE)
    return light


def measure_radius(frame: Image.Image) -> float | None:
    """Measure the Petrosian 90% radius of the galaxy at the centre of a colour frame.

    Parameters
    ----------
    frame : Image
        Stretched like an image of SDSS.

    Returns
    -------
    float or None
        In pixels of the frame; `None` if there is no source at the centre, or if it does not fit
        into the frame.

    Examples
    --------
    >>> import numpy as np
    >>> from PIL import Image
    >>> y, x = np.mgrid[:424, :424] - 211.5
    >>> disk = np.exp(-np.hypot(x, y) / 12)  # 90% of its light lies within 3.89 scale lengths
    >>> sky = np.random.default_rng(0).normal(0.01, 0.004, (424, 424))
    >>> grey = 40.5 * np.arcsinh(510 / 40.5 * (disk + sky).clip(0))
    >>> frame = Image.fromarray(grey.clip(0, 255).astype(np.uint8))
    >>> bool(abs(measure_radius(frame) / (3.89 * 12) - 1) < 0.25)
    True
    """
    side = min(frame.size)
    middle, half = (frame.width / 2, frame.height / 2), side / 2
    while True:
        size = min(_SIDE, round(2 * half))
        box = (middle[0] - half, middle[1] - half, middle[0] + half, middle[1] + half)
        part = frame.convert("RGB").resize((size, size), Image.Resampling.BOX, box)
        radius = _radius_in(light_of(part))
        if radius is None:
            return None
        pixels = radius * 2 * half / size / _TOO_LARGE
        if radius >= _FINE or size < _SIDE:
            return pixels if pixels >= _SMALLEST else None
        # Too coarse for a small galaxy: look closer.
        half /= 2


def _radius_in(light: Floats) -> float | None:
    """Measure the radius in light (n, n) that still contains the sky.

    Sources are found with `photutils.segmentation`, and others than the central one are masked. The
    curve of growth in circles, `photutils.profiles.CurveOfGrowth`, gives the Petrosian radius, in
    SDSS's definition (Blanton et al. 2001, AJ 121, 2358; Strauss et al. 2002, AJ 124, 1810), and
    the radius with 90% of the flux within twice that.
    """
    with needs("sky"):
        from photutils.profiles import CurveOfGrowth
        from photutils.segmentation import detect_sources
        from photutils.utils.exceptions import NoDetectionsWarning

    # That there is no source is an answer.
    warnings.filterwarnings("ignore", category=NoDetectionsWarning)
    sky, noise = _sky_of(light)
    if noise <= 0:
        return None
    light = light - sky
    sources = detect_sources(_smooth(light), _SIGMA * noise / 3, n_pixels=_FEWEST)
    side = len(light)
    if sources is None or (label := _central(sources.data)) == 0:
        return None
    others = (sources.data > 0) & (sources.data != label)
    middle = _middle(np.where(sources.data == label, light, 0))
    largest = side / 2 - 1
    radii = np.geomspace(0.5, largest, _STEPS)
    growth = CurveOfGrowth(light, middle, radii, mask=others)
    return _petrosian(radii, np.asarray(growth.profile), np.asarray(growth.area), largest)


def _petrosian(radii: Floats, flux: Floats, area: Floats, largest: float) -> float | None:
    """Find the radius with 90% of the Petrosian flux on a curve of growth."""

    def at(values: Floats, radius: Floats | float) -> Floats:
        return np.asarray(np.interp(radius, radii, values, left=0))

    inside = radii[radii * _OUTER <= radii[-1]]
    ring = at(flux, _OUTER * inside) - at(flux, _INNER * inside)
    ring_area = at(area, _OUTER * inside) - at(area, _INNER * inside)
    with np.errstate(divide="ignore", invalid="ignore"):
        shine = ring / ring_area / (at(flux, inside) / at(area, inside))
    below = np.flatnonzero((shine < _SHINE) & (inside > 2))
    if len(below) == 0:
        return None
    reach = _APERTURE * inside[below[0]]
    if reach > largest:
        return None
    total = at(flux, reach)
    enough = np.flatnonzero((flux >= _PART * total) & (radii <= reach))
    if total <= 0 or len(enough) == 0:
        return None
    last = enough[0]
    first = max(last - 1, 0)
    radius = float(np.interp(_PART * total, flux[[first, last]], radii[[first, last]]))
    return radius


def _sky_of(light: Floats) -> tuple[float, float]:
    """Estimate the sky and its noise from the pixels that are no source."""
    from astropy.stats import sigma_clipped_stats

    _, median, deviation = sigma_clipped_stats(light, sigma=3, maxiters=5)
    return float(median), float(deviation)


def _smooth(light: Floats) -> Floats:
    """Average 3x3 pixels."""
    padded = np.pad(light, 1, mode="edge")
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    smooth: Floats = (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / 9
    return smooth


def _central(labels: npt.NDArray[np.integer]) -> int:
    """Find the source at the centre, or nearest to it within a twentieth of the frame."""
    y, x = len(labels) // 2, len(labels) // 2
    reach = max(3, len(labels) // 20)
    near = labels[y - reach : y + reach + 1, x - reach : x + reach + 1]
    rows, columns = np.nonzero(near)
    if len(rows) == 0:
        return 0
    nearest = int(np.argmin((rows - reach) ** 2 + (columns - reach) ** 2))
    return int(near[rows[nearest], columns[nearest]])


def _middle(light: Floats) -> tuple[float, float]:
    """Compute the centre of light (x, y) of the brightest part."""
    bright = np.where(light > 0.3 * light.max(), light, 0)
    total = bright.sum()
    y, x = np.indices(light.shape)
    return float((x * bright).sum() / total), float((y * bright).sum() / total)
