"""The light of a simulated galaxy, before noise.

GalSim draws bulge, smooth disk and partner through the seeing. Components without a GalSim profile
(arms, bar, ring, knots, a box, a distorted disk, tails) are painted and convolved with the same
seeing. In the r band all components are kept separate, to measure what volunteers can see of each,
and to compare it with what a network looks at.

Arguments are the same here and in `encounter` and `field`: the `galaxy`; the observing conditions
`bands` in g, r, i, or those of one `band`; the `size`, the side of the frame in SDSS pixels; and
the random numbers `rng`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import galsim
import numpy as np

from galaxies.base.arrays import Floats
from galaxies.images.colour import BANDS
from galaxies.simulated.camera import PIXEL, Band, blur, colours, plane
from galaxies.simulated.disk import bar_gap, filled, ring_pattern, spiral_pattern
from galaxies.simulated.population import Galaxy

FAST = galsim.GSParams(
    folding_threshold=2e-2, maxk_threshold=5e-3, kvalue_accuracy=1e-4, xvalue_accuracy=1e-4
)
SERSIC_STEP = 0.25  # GalSim tabulates each Sersic index once, so indices are rounded

OWN = ("bulge", "disk", "arms", "bar", "ring", "knots")
"""Components of the galaxy itself; arms and rings are what they add to the smooth disk, and the gap
beside a bar is missing in the disk."""

SCALES = (1.05, 1.0, 0.98)
"""Scale lengths of a disk in g, r, i: outwards it is bluer (de Jong 1996, A&A 313, 377)."""


@dataclass(frozen=True)
class Light:
    """Noise-free light after the seeing in nanomaggies per pixel.

    `bands` has shape (3, n, n), in g, r, i; `layers` has the r band of each component, (n, n). Arms
    and ring are negative where the disk is darker than a smooth one.
    """

    bands: Floats
    layers: Mapping[str, Floats]


def sersic_profile(index: float, radius: float, axis_ratio: float, angle: float) -> galsim.GSObject:
    """Build a Sersic profile of unit flux (Graham & Driver 2005, PASA 22, 118)."""
    rounded = max(0.5, round(index / SERSIC_STEP) * SERSIC_STEP)
    profile = galsim.Sersic(n=rounded, half_light_radius=radius, gsparams=FAST)
    return profile.shear(q=max(axis_ratio, 0.1), beta=angle * galsim.radians)


def draw_profile(profile: galsim.GSObject, band: Band, size: int) -> Floats:
    """Draw a profile through the seeing of a band on SDSS pixels, shape (size, size)."""
    seen = galsim.Convolve([profile, band.psf], gsparams=FAST)
    image = seen.drawImage(nx=size, ny=size, scale=PIXEL, method="no_pixel", dtype=float)
    return np.asarray(image.array, dtype=np.float64)


def galaxy_light(
    galaxy: Galaxy, bands: Sequence[Band], size: int, rng: np.random.Generator
) -> Light:
    """Draw the galaxy without partner, tails and dust.

    The disk is an inclined exponential with a sech^2 vertical profile (van der Kruit & Searle 1981,
    A&A 95, 105).

    Returns
    -------
    Light
        With the layers in `OWN`.

    Examples
    --------
    >>> import numpy as np
    >>> from galaxies.simulated.camera import draw_bands
    >>> from galaxies.simulated.population import draw_target
    >>> rng = np.random.default_rng(0)
    >>> bands = draw_bands(rng)
    >>> galaxy = draw_target(rng, faintest=17.0, seeing_fwhm=bands[1].fwhm)
    >>> light = galaxy_light(galaxy, bands, 300, rng)
    >>> magnitude = 22.5 - 2.5 * np.log10(light.bands[1].sum())
    >>> bool(abs(magnitude - galaxy.r_magnitude) < 0.3)
    True
    """
    old = colours(galaxy.r_magnitude, galaxy.bulge_g_r, galaxy.bulge_r_i)
    young = colours(galaxy.r_magnitude, galaxy.disk_g_r, galaxy.disk_r_i)
    empty = np.zeros((size, size))
    layers = dict.fromkeys(OWN, empty)
    light = np.zeros((len(BANDS), size, size))
    boxy = 0.7 * galaxy.boxiness
    profiles = {}
    if galaxy.bulge_fraction * (1 - boxy) > 0:
        flux = galaxy.bulge_fraction * (1 - boxy) * old
        bulge = sersic_profile(
            galaxy.bulge_sersic, galaxy.bulge_radius, galaxy.axis_ratio, galaxy.position_angle
        )
        profiles["bulge"] = (bulge, flux)
    disk_share = galaxy.disk_fraction * (1 - galaxy.bar_fraction) * (1 - galaxy.knot_fraction)
    if galaxy.disturbance == 0.0 and disk_share > 0:
        disk = galsim.InclinedExponential(
            inclination=galaxy.inclination * galsim.radians,
            scale_radius=galaxy.disk_scale,
            scale_h_over_r=galaxy.thickness,
            gsparams=FAST,
        ).rotate(galaxy.position_angle * galsim.radians)
        profiles["disk"] = (disk, disk_share * young)
    for name, (profile, flux) in profiles.items():
        layers[name] = flux[1] * draw_profile(profile, bands[1], size)
    for layer in (0, 2):
        # One drawing of all at once where they need not be told apart.
        both = galsim.Add(
            [
                (profile.dilate(SCALES[layer]) if name == "disk" else profile) * flux[layer]
                for name, (profile, flux) in profiles.items()
            ]
        )
        light[layer] = draw_profile(both, bands[layer], size)
    painted, fluxes, smear = _paint(galaxy, old, young, size, rng)
    if painted:
        maps = np.stack(list(painted.values()))
        tints = np.stack([fluxes[name] for name in painted])
        sums = np.einsum("cb,cyx->byx", tints[:, ::2], maps)
        kernels = np.stack([bands[0].kernel, bands[2].kernel, *[bands[1].kernel] * len(maps)])
        seen = blur(np.concatenate([sums, maps]), kernels, *smear)
        light[::2] += seen[:2]
        for name, tint, layer in zip(painted, tints, seen[2:], strict=True):
            part = "disk" if name == "gap" else name
            layers[part] = layers[part] + tint[1] * layer
    light[1] = np.sum(list(layers.values()), axis=0)
    return Light(light, layers)


def _paint(
    galaxy: Galaxy, old: Floats, young: Floats, size: int, rng: np.random.Generator
) -> tuple[dict[str, Floats], dict[str, Floats], tuple[Floats, ...]]:
    """Paint what GalSim has no profile for.

    Returns the light of each component relative to that of the galaxy, before the seeing, its
    fluxes in g, r, i, and the thickness of the disk as a kernel.
    """
    maps: dict[str, Floats] = {}
    fluxes: dict[str, Floats] = {}
    x, y = plane(size)
    cosine, sine = np.cos(galaxy.position_angle), np.sin(galaxy.position_angle)
    along, across = x * cosine + y * sine, -x * sine + y * cosine
    if galaxy.boxiness > 0 and galaxy.bulge_fraction > 0:
        # Isophotes |x|^c + |y|^c = 1 (Athanassoula et al. 1990, MNRAS 245, 130).
        corner, height = 2 + 2 * galaxy.boxiness, 0.7
        distance = np.abs(along) ** corner + np.abs(across / height) ** corner
        box = np.exp(-1.678 * distance ** (1 / corner) / (1.2 * galaxy.bulge_radius))
        maps["bulge"] = 0.7 * galaxy.boxiness * galaxy.bulge_fraction * box / box.sum()
        fluxes["bulge"] = old
    if galaxy.disk_fraction < 0.005:
        return maps, fluxes, ()
    # Arms of a disk seen nearly edge-on are thinner than a pixel: they are painted on a slightly
    # tipped plane.
    foreshortening = max(np.cos(galaxy.inclination), 0.13)
    along, across = along / galaxy.disk_scale, across / galaxy.disk_scale
    if galaxy.disturbance > 0:
        along, across = _push(along, across, galaxy, foreshortening, rng)
    across = across / foreshortening
    radius, angle = np.hypot(along, across), np.arctan2(across, along)
    thin = np.exp(-radius) * PIXEL**2 / (2 * np.pi * galaxy.disk_scale**2 * foreshortening)
    thin *= galaxy.disk_fraction * (1 - galaxy.bar_fraction) * (1 - galaxy.knot_fraction)
    turn = rng.uniform(0, np.pi)
    arms = spiral_pattern(galaxy, radius, angle - turn, rng)
    light = filled(arms)
    # Arms are a little bluer than the disk between them.
    maps["arms"], fluxes["arms"] = thin * light, young * np.array([1.12, 1.0, 0.94])
    if galaxy.disturbance > 0:
        maps["disk"], fluxes["disk"] = thin, young
    # Each takes its light from the disk that the others have left.
    if galaxy.ring_strength > 0:
        arms = arms + ring_pattern(galaxy, radius)
        light, before = filled(arms), light
        maps["ring"], fluxes["ring"] = thin * (light - before), fluxes["arms"]
    if galaxy.bar_fraction > 0:
        light, before = filled(arms + bar_gap(galaxy, radius)), light
        maps["gap"], fluxes["gap"] = thin * (light - before), young
        lengthwise = (along * np.cos(turn) + across * np.sin(turn)) / galaxy.bar_length
        sideways = across * np.cos(turn) - along * np.sin(turn)
        sideways = sideways / (galaxy.bar_length * galaxy.bar_width)
        bar = np.exp(-(np.abs(lengthwise) ** 3) - sideways**2)
        maps["bar"] = galaxy.disk_fraction * galaxy.bar_fraction * bar / bar.sum()
        fluxes["bar"] = old
    if galaxy.knots > 0 and galaxy.knot_fraction > 0:
        share = galaxy.disk_fraction * galaxy.knot_fraction
        knots = np.zeros(size * size)
        chance = np.cumsum((thin * (1 + light) ** 2).ravel())
        places = np.searchsorted(chance, rng.uniform(0, chance[-1], galaxy.knots))
        flux = np.exp(rng.normal(0.0, 0.9, galaxy.knots))
        # Half of the young light is in knots, half spread along the arms.
        np.add.at(knots, places, 0.5 * share * flux / flux.sum())
        spread = thin * (1 + light)
        spread *= 0.5 * share / max(spread.sum(), 1e-12)
        maps["knots"] = knots.reshape(size, size) + spread
        # Young stars are about 0.35 mag bluer than the disk they light up.
        fluxes["knots"] = colours(
            galaxy.r_magnitude, galaxy.disk_g_r - 0.35, galaxy.disk_r_i - 0.15
        )
    thickness = galaxy.thickness * galaxy.disk_scale * np.sin(galaxy.inclination)
    return maps, fluxes, _thickness_kernel(thickness, cosine, sine)


def _push(
    along: Floats,
    across: Floats,
    galaxy: Galaxy,
    foreshortening: float,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Distort a disk: twist it with the radius, and shift it in waves.

    Most of the shift is in the plane of the disk, so an edge-on disk is bent only a little.
    """
    turn = galaxy.twist * np.hypot(along, across)
    turned = along * np.cos(turn) + across * np.sin(turn)
    across = across * np.cos(turn) - along * np.sin(turn)
    shove = [np.zeros_like(along), np.zeros_like(along)]
    for push in shove:
        for _ in range(3):
            wave = rng.normal(0.0, 0.55, 2)
            push += np.sin(wave[0] * turned + wave[1] * across + rng.uniform(0, 2 * np.pi))
    strength = 0.9 * galaxy.disturbance
    return turned + strength * shove[0], across + strength * max(
        0.6 * foreshortening, 0.07
    ) * shove[1]


def _thickness_kernel(thickness: float, cosine: float, sine: float) -> tuple[Floats, ...]:
    """Make a kernel along the minor axis for a disk's thickness (arcsec), unless it is thin."""
    if thickness < 0.2:
        return ()
    reach = np.linspace(-2.0, 2.0, 21)
    weights = np.cosh(reach) ** -2
    smear = np.zeros((25, 25))
    columns, rows = (12 + reach * thickness / PIXEL * f for f in (-sine, cosine))
    deposit(smear, np.clip(columns, 0, 23.9), np.clip(rows, 0, 23.9), weights / weights.sum())
    return (smear,)


def dust_lane(galaxy: Galaxy, size: int, seeing_fwhm: float) -> Floats:
    """Compute the transmission of a dust lane in g, r, i, shape (3, size, size).

    In an edge-on disk it is in the plane of the disk; in an early type it is across it. Some stars
    lie before it, so it is never black. What is seen of it is the mean over the seeing, weighted by
    the starlight; all three are taken for Gaussians across the lane.
    """
    edge_on = float(np.clip((np.rad2deg(galaxy.inclination) - 74) / 10, 0, 1))
    across_it = galaxy.lane > 0
    depth = galaxy.lane if across_it else galaxy.dust * edge_on
    if depth == 0.0:
        return np.ones((len(BANDS), 1, 1))
    x, y = plane(size)
    turn = galaxy.position_angle + (np.pi / 2 if across_it else 0.0)
    cosine, sine = np.cos(turn), np.sin(turn)
    along, across = x * cosine + y * sine, -x * sine + y * cosine
    # Across an early type the starlight is wide, and the lane is seen as wide as it is.
    stars = (1.5 if across_it else 0.85 * galaxy.thickness) * galaxy.disk_scale
    width = (0.12 if across_it else 0.4 * galaxy.thickness) * galaxy.disk_scale
    offset = 0.0 if across_it else 0.1 * galaxy.winding * (1.3 - edge_on) * galaxy.disk_scale
    seeing = seeing_fwhm / 2.355
    nearer = stars**2 / (stars**2 + seeing**2)
    blurred = np.hypot(width, seeing * np.sqrt(nearer))
    lane = np.exp(-((along / (2.2 * galaxy.disk_scale)) ** 4))
    lane = lane * np.exp(-(((nearer * across - offset) / blurred) ** 2) / 2) * width / blurred
    # Optical depths of the Milky Way's extinction curve, relative to r.
    depths = depth * np.array([1.40, 1.0, 0.75])[:, None, None]
    return np.asarray(1 + 0.9 * np.expm1(-depths) * lane, dtype=np.float64)


def deposit(image: Floats, columns: Floats, rows: Floats, flux: Floats) -> None:
    """Add points to an image in place, each divided among its four nearest pixels.

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
