"""The surroundings of a simulated galaxy: stars, other galaxies and stray light."""

from collections.abc import Sequence

import numpy as np

from galaxies.base.arrays import Floats
from galaxies.images.colour import BANDS
from galaxies.simulated.camera import PIXEL, SKY_NOISE, Band, blur, colours, nanomaggies, plane
from galaxies.simulated.encounter import partner_light, tail_map
from galaxies.simulated.population import Galaxy
from galaxies.simulated.rendering import Light, deposit, draw_profile, sersic_profile

FAINTEST = 22.2  # r magnitude of the faintest sources worth drawing
RESOLVED = 19.5  # r magnitude; fainter galaxies are too small for a profile to show
SPIKED = 16.0  # r magnitude; brighter stars have halos and spikes


def source_counts(rng: np.random.Generator, area: float, density: float, slope: float) -> Floats:
    """Draw r magnitudes from 14 to 22.2 of sources in an area (arcmin^2).

    `density` is their number per arcmin^2 to r = 21 and `slope` that of their logarithmic counts.
    """
    number = rng.poisson(area * density * 10 ** (slope * (FAINTEST - 21)))
    share = rng.uniform(10 ** (slope * (14 - FAINTEST)), 1.0, number)
    return np.asarray(FAINTEST + np.log10(share) / slope, dtype=np.float64)


def field_light(
    galaxy: Galaxy, bands: Sequence[Band], size: int, rng: np.random.Generator
) -> Light:
    """Draw foreground stars, background galaxies, companions, and the tails of the galaxy.

    The counts are those of a high galactic latitude; galaxies cluster around early types.

    Returns
    -------
    Light
        Layers are "stars", "neighbours", "partner" and "tails".

    Examples
    --------
    >>> import numpy as np
    >>> from galaxies.simulated.camera import draw_bands
    >>> from galaxies.simulated.population import draw_target
    >>> rng = np.random.default_rng(0)
    >>> bands = draw_bands(rng)
    >>> galaxy = draw_target(rng, faintest=17.0, seeing_fwhm=bands[1].fwhm)
    >>> light = field_light(galaxy, bands, 100, rng)
    >>> light.bands.shape, sorted(light.layers)
    ((3, 100, 100), ['neighbours', 'partner', 'stars', 'tails'])
    """
    area = (size * PIXEL / 60) ** 2
    crowd = float(np.exp(rng.normal(0.25 if galaxy.bulge_fraction > 0.5 else 0.0, 0.5)))
    others = source_counts(rng, area, 3.0 * crowd, 0.42)
    stars = source_counts(rng, area, 1.4 * float(np.exp(rng.normal(0.0, 0.6))), 0.17)
    starlight, points = np.zeros((2, len(bands), size, size))
    wings = _add_stars(starlight, stars, rng)
    _add_small_galaxies(points, others[others > RESOLVED], rng)
    tails = tail_map(galaxy, size, rng)
    # Stars pulled out of the disk, with their colours.
    tint = colours(galaxy.r_magnitude, galaxy.disk_g_r, galaxy.disk_r_i)
    kernels = np.stack([band.kernel for band in bands])
    maps = np.concatenate([points, starlight[1:2], tails[None]])
    points[0] += starlight[0] + tint[0] * tails
    points[2] += starlight[2] + tint[2] * tails
    maps[[0, 2]] = points[[0, 2]]
    seen = blur(maps, np.concatenate([kernels, kernels[[1, 1]]]))
    layers = {"stars": seen[3] + wings[1], "tails": tint[1] * seen[4]}
    neighbours = np.zeros_like(seen[:3])
    half = size * PIXEL / 2
    for magnitude in others[others <= RESOLVED]:
        offset = rng.uniform(-half, half, 2)
        _add_neighbour(neighbours, galaxy, float(magnitude), offset, bands[1], rng)
    for _ in range(rng.poisson(0.14 * crowd)):
        magnitude = galaxy.r_magnitude + rng.uniform(0.3, 3.5)
        direction = rng.uniform(0, 2 * np.pi)
        offset = np.array([np.cos(direction), np.sin(direction)])
        offset *= galaxy.petrosian_r90 * rng.uniform(0.5, 3.5)
        _add_neighbour(neighbours, galaxy, magnitude, offset, bands[1], rng)
    layers["neighbours"] = neighbours[1] + seen[1]
    partner = np.zeros((len(bands), size, size))
    if galaxy.partner_flux > 0:
        partner = partner_light(galaxy, bands[1], size, rng)
    layers["partner"] = partner[1]
    light = seen[:3] + neighbours + partner + wings
    light[1] = np.sum(list(layers.values()), axis=0)
    return Light(light, layers)


def _add_stars(points: Floats, stars: Floats, rng: np.random.Generator) -> Floats:
    """Add stars of given r magnitudes to point maps in place; return the wings of bright ones."""
    size = points.shape[-1]
    # Red dwarfs are near and faint; bright stars are seldom red.
    red = rng.random(stars.size) < np.clip(0.1 * (stars - 14), 0.03, 0.5)
    g_r = np.where(red, rng.normal(1.42, 0.08, stars.size), rng.uniform(0.2, 0.9, stars.size))
    r_i = np.where(red, rng.uniform(0.6, 1.7, stars.size), 0.38 * g_r - 0.03)
    places = rng.uniform(-1, size, (2, stars.size))
    for layer, magnitude in zip(points, (stars + g_r, stars, stars - r_i), strict=True):
        deposit(layer, places[0], places[1], nanomaggies(magnitude))
    wings = np.zeros_like(points)
    for k in np.flatnonzero(stars < SPIKED):
        wings += star_wings(colours(stars[k], g_r[k], r_i[k]), size, places[:, k], rng)
    return wings


def _add_small_galaxies(points: Floats, magnitudes: Floats, rng: np.random.Generator) -> None:
    """Add faint exponential disks of given r magnitudes to point maps in place, as clouds."""
    size, number, cloud = points.shape[-1], magnitudes.size, 80
    scale = 0.55 * 10 ** (-0.12 * (magnitudes - 20)) * np.exp(rng.normal(0.0, 0.3, number))
    distance = rng.gamma(2.0, 1.0, (number, cloud)) * scale[:, None] / PIXEL
    azimuth = rng.uniform(0, 2 * np.pi, (number, cloud))
    along = distance * np.cos(azimuth)
    across = distance * np.sin(azimuth) * rng.uniform(0.3, 1.0, (number, 1))
    tilt = rng.uniform(0, np.pi, (number, 1))
    middle = rng.uniform(-1, size, (2, number, 1))
    columns = middle[0] + along * np.cos(tilt) - across * np.sin(tilt)
    rows = middle[1] + along * np.sin(tilt) + across * np.cos(tilt)
    g_r = np.clip(rng.normal(0.85, 0.35, number), 0.1, 1.7)
    r_i = np.clip(0.10 + 0.38 * g_r + rng.normal(0.0, 0.1, number), 0.0, 1.0)
    bands = (magnitudes + g_r, magnitudes, magnitudes - r_i)
    for layer, magnitude in zip(points, bands, strict=True):
        flux = np.repeat(nanomaggies(magnitude) / cloud, cloud)
        deposit(layer, columns.ravel(), rows.ravel(), flux)


def _add_neighbour(
    light: Floats,
    galaxy: Galaxy,
    magnitude: float,
    offset: Floats,
    band: Band,
    rng: np.random.Generator,
) -> None:
    """Add a galaxy at an offset (arcsec) in place; one band's seeing serves all."""
    radius = 2.6 * 10 ** (-0.13 * (magnitude - 16.5)) * float(np.exp(rng.normal(0.0, 0.25)))
    profile = sersic_profile(
        rng.choice([1.0, 1.5, 2.5]), radius, rng.uniform(0.35, 1.0), rng.uniform(0, np.pi)
    )
    reach = int(7 * radius / PIXEL) + 8
    stamp = draw_profile(profile, band, 2 * reach)
    flux = colours(magnitude, galaxy.bulge_g_r - abs(rng.normal(0.0, 0.2)), galaxy.bulge_r_i)
    size = light.shape[-1]
    column, row = (int(size / 2 + step / PIXEL) for step in offset)
    left, bottom = max(column - reach, 0), max(row - reach, 0)
    right, top = min(column + reach, size), min(row + reach, size)
    if left < right and bottom < top:
        seen = stamp[
            bottom - row + reach : top - row + reach, left - column + reach : right - column + reach
        ]
        light[:, bottom:top, left:right] += flux[:, None, None] * seen


def star_wings(flux: Floats, size: int, place: Floats, rng: np.random.Generator) -> Floats:
    """Halo and spikes of a bright star at a pixel (column, row), shape (3, size, size)."""
    x, y = plane(size)
    x, y = x - x[0, 0] - place[0] * PIXEL, y - y[0, 0] - place[1] * PIXEL
    distance = np.hypot(x, y)
    halo = 0.05 * PIXEL**2 / (4 * np.pi) / (1 + (distance / 2.0) ** 2) ** 1.5
    turn = rng.uniform(0, np.pi / 2)
    spikes = np.zeros_like(distance)
    for quarter in (turn, turn + np.pi / 2):
        off_axis = -x * np.sin(quarter) + y * np.cos(quarter)
        spikes += np.exp(-((off_axis / 0.7) ** 2) / 2)
    spikes *= 1.2e-4 / (1 + (distance / 4.0) ** 2)
    # Red light scatters further in the camera's chips.
    tint = flux * np.array([0.8, 1.0, 1.4])
    return np.asarray(tint[:, None, None] * (halo + spikes), dtype=np.float64)


def stray_light(size: int, rng: np.random.Generator) -> Floats:
    """Glow of a bright star off the frame and an imperfect sky level, shape (3, size, size)."""
    level = np.array([SKY_NOISE[name] for name in BANDS]) * rng.normal([-0.18, -0.12, -0.18], 0.12)
    if rng.random() < 0.08:
        level += np.array([0.004, 0.007, 0.016]) * rng.exponential(1.0)
    glow = np.repeat(level[:, None, None], size * size, axis=1).reshape(3, size, size)
    if rng.random() < 0.04:
        x, y = plane(size)
        half, side = size * PIXEL / 2, rng.uniform(0, 2 * np.pi)
        reach = half * rng.uniform(1.1, 1.8)
        distance = np.hypot(x - reach * np.cos(side), y - reach * np.sin(side)) / half
        tint = np.array([0.3, 0.5, 1.0]) * rng.uniform(0.7, 1.3, 3)
        glow = glow + 0.25 * rng.uniform(0.3, 1.5) * tint[:, None, None] * np.exp(-2.2 * distance)
    return np.asarray(glow, dtype=np.float64)
