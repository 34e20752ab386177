"""The light of a simulated galaxy, before noise.

Smooth light (bulge and disk) is drawn by GalSim through the seeing. Arms, bars, rings, patches and
knots are painted on the disk's plane, projected, and sent through the same seeing, so that the
smooth and the structured light are known apart: what volunteers can see of the structure is
measured on them.
"""

from collections.abc import Sequence

import galsim
import numpy as np
from scipy.signal import fftconvolve
from scipy.special import i0e

from galaxies.base.arrays import Floats
from galaxies.images.colour import BANDS
from galaxies.simulated.camera import PIXEL, Band, colours, plane
from galaxies.simulated.population import Galaxy

FAST = galsim.GSParams(
    folding_threshold=2e-2, maxk_threshold=5e-3, kvalue_accuracy=1e-4, xvalue_accuracy=1e-4
)
SERSIC_STEP = 0.25  # GalSim tabulates each Sersic index once, so indices are rounded


def sersic_profile(index: float, radius: float, axis_ratio: float, angle: float) -> galsim.GSObject:
    """Sersic profile (Graham & Driver 2005, PASA 22, 118) of unit flux, circularised radius."""
    rounded = max(0.5, round(index / SERSIC_STEP) * SERSIC_STEP)
    profile = galsim.Sersic(n=rounded, half_light_radius=radius, gsparams=FAST)
    return profile.shear(q=max(axis_ratio, 0.1), beta=angle * galsim.radians)


def draw_profile(profile: galsim.GSObject, band: Band, size: int) -> Floats:
    """Draw a profile through the seeing of a band on survey pixels, shape (size, size)."""
    seen = galsim.Convolve([profile, band.psf], gsparams=FAST)
    image = seen.drawImage(nx=size, ny=size, scale=PIXEL, method="no_pixel", dtype=float)
    return np.asarray(image.array, dtype=np.float64)


def smooth_light(galaxy: Galaxy, bands: Sequence[Band], size: int) -> Floats:
    """Bulge and featureless disk through the seeing.

    The disk is an inclined exponential with a sech^2 vertical profile (van der Kruit & Searle 1981,
    A&A 95, 105).

    Returns
    -------
    ndarray, shape (3, size, size), float64
        Nanomaggies per pixel in g, r, i.
    """
    bulge = sersic_profile(
        galaxy.bulge_sersic, galaxy.bulge_radius, galaxy.axis_ratio, galaxy.position_angle
    )
    bulge_flux = colours(galaxy.r_magnitude, galaxy.bulge_g_r, galaxy.bulge_r_i)
    disk = galsim.InclinedExponential(
        inclination=galaxy.inclination * galsim.radians,
        scale_radius=galaxy.disk_scale,
        scale_h_over_r=galaxy.thickness,
        gsparams=FAST,
    ).rotate(galaxy.position_angle * galsim.radians)
    disk_flux = colours(galaxy.r_magnitude, galaxy.disk_g_r, galaxy.disk_r_i)
    disk_share = galaxy.disk_fraction * (1 - galaxy.bar_fraction) * (1 - galaxy.knot_fraction)
    light = np.empty((len(bands), size, size))
    for layer, band in enumerate(bands):
        profile = bulge * (galaxy.bulge_fraction * bulge_flux[layer])
        if disk_share > 0:
            profile += disk * (disk_share * disk_flux[layer])
        light[layer] = draw_profile(profile, band, size)
    return light


def spiral_pattern(
    galaxy: Galaxy, radius: Floats, angle: Floats, rng: np.random.Generator
) -> Floats:
    """Surface brightness of the disk relative to a smooth one, minus 1, on its own plane.

    Logarithmic arms of constant pitch, wobbling and of unequal brightness, with patches sheared
    along them, an optional ring and a lopsided side.

    Parameters
    ----------
    galaxy : Galaxy
    radius : ndarray
        Distance from the centre in disk scale lengths.
    angle : ndarray
        Azimuth in radians.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, like `radius`
        At least -0.9.
    """
    log_radius = np.log(radius + 0.08)
    wobble = sum(
        rng.normal(0.0, 0.30 / k) * np.cos(1.6 * k * log_radius + rng.uniform(0, 2 * np.pi))
        for k in range(1, 4)
    )
    phase = angle - galaxy.winding * log_radius / np.tan(galaxy.pitch) + wobble
    start, end = rng.uniform(0.3, 0.9), rng.uniform(2.8, 4.5)
    visible = 1 / (1 + np.exp(-(radius - start) / 0.15)) / (1 + np.exp((radius - end) / 0.4))
    sharpness = galaxy.arm_sharpness
    ridge = np.exp(sharpness * (np.cos(galaxy.arms * phase) - 1)) / i0e(sharpness) - 1
    unequal = 1 + rng.uniform(0.0, 0.5) * np.cos(phase + rng.uniform(0, 2 * np.pi))
    patches = np.zeros_like(radius)
    for _ in range(10):
        patches += np.cos(
            rng.integers(1, 9) * phase
            + rng.normal(0.0, 5.0) * log_radius
            + rng.uniform(0, 2 * np.pi)
        )
    patches *= galaxy.patchiness / np.sqrt(5.0)
    pattern = visible * (galaxy.arm_strength * ridge * unequal * (1 + patches) + patches)
    if galaxy.ring_strength > 0:
        where, width = rng.uniform(1.2, 2.4), rng.uniform(0.15, 0.35)
        pattern += galaxy.ring_strength * np.exp(-(((radius - where) / width) ** 2) / 2)
    side = np.cos(angle - rng.uniform(0, 2 * np.pi))
    pattern += galaxy.lopsidedness * side * np.clip(radius / 2, 0, 1.5)
    return np.asarray(np.maximum(pattern, -0.9), dtype=np.float64)


def structure_light(
    galaxy: Galaxy, bands: Sequence[Band], size: int, rng: np.random.Generator
) -> Floats:
    """Light of arms, bar, rings, patches and knots less the smooth disk's, through the seeing.

    Returns
    -------
    ndarray, shape (3, size, size), float64
        Nanomaggies per pixel in g, r, i; negative between the arms.
    """
    light = np.zeros((len(bands), size, size))
    if galaxy.disk_fraction < 0.005:
        return light
    x, y = plane(size)
    # Arms of a disk seen nearly edge-on are thinner than a pixel: they are painted on a slightly
    # tipped plane.
    foreshortening = max(np.cos(galaxy.inclination), 0.13)
    cosine, sine = np.cos(galaxy.position_angle), np.sin(galaxy.position_angle)
    along = (x * cosine + y * sine) / galaxy.disk_scale
    across = (-x * sine + y * cosine) / galaxy.disk_scale / foreshortening
    radius, angle = np.hypot(along, across), np.arctan2(across, along)
    thin = np.exp(-radius) * PIXEL**2 / (2 * np.pi * galaxy.disk_scale**2 * foreshortening)
    pattern = spiral_pattern(galaxy, radius, angle, rng)
    disk = colours(galaxy.r_magnitude, galaxy.disk_g_r, galaxy.disk_r_i) * galaxy.disk_fraction
    arms = (1 - galaxy.bar_fraction) * (1 - galaxy.knot_fraction) * thin * pattern

    bar = np.zeros_like(thin)
    if galaxy.bar_fraction > 0:
        turn, length = rng.uniform(0, np.pi), rng.uniform(0.7, 1.4)
        lengthwise = (along * np.cos(turn) + across * np.sin(turn)) / length
        sideways = (across * np.cos(turn) - along * np.sin(turn)) / (length * rng.uniform(0.2, 0.4))
        bar = np.exp(-(np.abs(lengthwise) ** 3) - np.abs(sideways) ** 2)
        bar *= galaxy.bar_fraction / bar.sum()
    bar_flux = galaxy.disk_fraction * colours(
        galaxy.r_magnitude, galaxy.bulge_g_r, galaxy.bulge_r_i
    )

    knots = np.zeros(size * size)
    if galaxy.knots > 0 and galaxy.knot_fraction > 0:
        chance = np.cumsum((thin * (1 + pattern) ** 2).ravel())
        places = np.searchsorted(chance, rng.uniform(0, chance[-1], galaxy.knots))
        flux = np.exp(rng.normal(0.0, 0.9, galaxy.knots))
        # Half of the young light is in knots, half spread along the arms.
        np.add.at(knots, places, 0.5 * galaxy.knot_fraction * flux / flux.sum())
    spread = thin * (1 + pattern)
    spread *= (galaxy.knot_fraction - knots.sum()) / max(spread.sum(), 1e-12)
    young = knots.reshape(size, size) + spread
    # Young stars are about 0.35 mag bluer than the disk they light up.
    young_flux = galaxy.disk_fraction * colours(
        galaxy.r_magnitude, galaxy.disk_g_r - 0.35, galaxy.disk_r_i - 0.15
    )
    thickness = galaxy.thickness * galaxy.disk_scale * np.sin(galaxy.inclination)
    for layer, band in enumerate(bands):
        # Arms are a little bluer than the disk between them.
        tint = (1.08, 1.0, 0.95)[layer]
        painted = disk[layer] * tint * arms + bar_flux[layer] * bar + young_flux[layer] * young
        light[layer] = fftconvolve(painted, _thick_kernel(band, thickness, cosine, sine), "same")
    return light


def _thick_kernel(band: Band, thickness: float, cosine: float, sine: float) -> Floats:
    """Seeing kernel smeared along the minor axis by the disk's thickness (arcsec)."""
    kernel = band.kernel
    if thickness < 0.2:
        return kernel
    reach = np.linspace(-2.0, 2.0, 21)
    weights = np.cosh(reach) ** -2
    smear = np.zeros((25, 25))
    columns, rows = (12 + reach * thickness / PIXEL * f for f in (-sine, cosine))
    deposit(smear, np.clip(columns, 0, 23.9), np.clip(rows, 0, 23.9), weights / weights.sum())
    return np.asarray(fftconvolve(kernel, smear, "same"), dtype=np.float64)


def dust_lane(galaxy: Galaxy, size: int, seeing_fwhm: float) -> Floats:
    """Transmission in g, r, i of the dust lane of a disk seen edge-on, shape (3, size, size)."""
    edge_on = float(np.clip((np.rad2deg(galaxy.inclination) - 74) / 10, 0, 1))
    depth = galaxy.dust * edge_on
    if depth == 0.0:
        return np.ones((len(BANDS), 1, 1))
    x, y = plane(size)
    cosine, sine = np.cos(galaxy.position_angle), np.sin(galaxy.position_angle)
    along, across = x * cosine + y * sine, -x * sine + y * cosine
    width = 0.09 * galaxy.disk_scale
    blurred = np.hypot(width, seeing_fwhm / 2.355)
    offset = galaxy.winding * 0.08 * galaxy.disk_scale * (1.2 - edge_on)
    lane = np.exp(-np.abs(along) / (1.5 * galaxy.disk_scale))
    lane = lane * np.exp(-(((across - offset) / blurred) ** 2) / 2) * width / blurred
    # Optical depths of the Milky Way's extinction curve, relative to r.
    depths = depth * np.array([1.40, 1.0, 0.75])[:, None, None]
    return np.asarray(np.exp(-depths * lane), dtype=np.float64)


def deposit(image: Floats, columns: Floats, rows: Floats, flux: Floats) -> None:
    """Add points to an image in place, each shared among its four nearest pixels.

    Points outside are dropped.
    """
    height, width = image.shape
    left, bottom = np.floor(columns).astype(int), np.floor(rows).astype(int)
    for step_right in (0, 1):
        for step_up in (0, 1):
            column, row = left + step_right, bottom + step_up
            share = np.abs(1 - step_right - (columns - left)) * np.abs(
                1 - step_up - (rows - bottom)
            )
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            np.add.at(image, (row[inside], column[inside]), (flux * share)[inside])
