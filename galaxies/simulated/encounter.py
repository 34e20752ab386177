"""The light of an encounter: the partner of a galaxy, the tails that it pulls out, and arcs."""

import numpy as np

from galaxies.base.arrays import Floats
from galaxies.simulated.camera import PIXEL, Band, blur, colours
from galaxies.simulated.population import Galaxy
from galaxies.simulated.rendering import deposit, draw_profile, sersic_profile


def partner_light(galaxy: Galaxy, band: Band, size: int, rng: np.random.Generator) -> Floats:
    """Draw the partner of an encounter, with the seeing of one band for all.

    Returns
    -------
    ndarray of shape (3, size, size), float64
        Nanomaggies per pixel in g, r, i.

    Examples
    --------
    >>> import numpy as np
    >>> from galaxies.simulated.camera import draw_bands
    >>> from galaxies.simulated.population import draw_target
    >>> rng = np.random.default_rng(0)
    >>> bands = draw_bands(rng)
    >>> galaxy = draw_target(rng, faintest=17.0, seeing_fwhm=bands[1].fwhm)
    >>> from dataclasses import replace
    >>> pair = replace(galaxy, partner_flux=0.5)
    >>> partner_light(pair, bands[1], 100, rng).shape
    (3, 100, 100)
    """
    radius = max(galaxy.half_light_radius * galaxy.partner_radius, 0.8)
    place = galaxy.partner_distance * galaxy.half_light_radius
    profile = sersic_profile(
        galaxy.partner_sersic, radius, galaxy.partner_axis_ratio, rng.uniform(0, np.pi)
    ).shift(place * np.cos(galaxy.partner_direction), place * np.sin(galaxy.partner_direction))
    magnitude = galaxy.r_magnitude - 2.5 * np.log10(galaxy.partner_flux)
    flux = colours(magnitude, galaxy.bulge_g_r - galaxy.partner_blueness, galaxy.bulge_r_i)
    return flux[:, None, None] * draw_profile(profile, band, size)


def arc_light(galaxy: Galaxy, band: Band, size: int, rng: np.random.Generator) -> Floats:
    """Draw a blue galaxy behind this one, drawn out around it by gravity.

    Most real ones lie within the half-light radius (Bolton et al. 2008, ApJ 682, 964), where nobody
    sees them in such a frame. These lie outside, as those around groups do.

    Returns
    -------
    ndarray of shape (3, size, size), float64
        Nanomaggies per pixel in g, r, i.

    Examples
    --------
    >>> from dataclasses import replace
    >>> import numpy as np
    >>> from galaxies.simulated.camera import draw_bands
    >>> from galaxies.simulated.population import draw_target
    >>> rng = np.random.default_rng(0)
    >>> bands = draw_bands(rng)
    >>> galaxy = draw_target(rng, faintest=17.0, seeing_fwhm=bands[1].fwhm)
    >>> arc_light(replace(galaxy, arc=0.05), bands[1], 100, rng).shape
    (3, 100, 100)
    """
    painted = np.zeros((size, size))
    radius = max(galaxy.half_light_radius * rng.uniform(1.5, 2.2), 3.0) / PIXEL
    half_length = np.deg2rad(rng.uniform(25.0, 60.0))
    along = np.linspace(-2.0, 2.0, 120)
    azimuth = rng.uniform(0, 2 * np.pi) + half_length * along / 2
    middle = (size - 1) / 2
    columns, rows = middle + radius * np.cos(azimuth), middle + radius * np.sin(azimuth)
    deposit(painted, columns, rows, np.exp(-(along**2) / 2))
    painted /= max(painted.sum(), 1e-9)
    magnitude = galaxy.r_magnitude - 2.5 * np.log10(galaxy.arc)
    tint = colours(magnitude, rng.uniform(0.1, 0.6), rng.uniform(0.0, 0.3))
    return tint[:, None, None] * blur(painted, band.kernel)


def tail_map(galaxy: Galaxy, size: int, rng: np.random.Generator) -> Floats:
    """Paint the tidal tails of an encounter, before the seeing.

    Each starts at the rim, bends away and widens as it fades; there is a bridge to the partner.

    Returns
    -------
    ndarray of shape (size, size), float64
        Light relative to that of the galaxy.

    Examples
    --------
    >>> from dataclasses import replace
    >>> import numpy as np
    >>> from galaxies.simulated.population import draw_galaxy
    >>> rng = np.random.default_rng(0)
    >>> galaxy = draw_galaxy(rng, faintest=17.0)
    >>> tidal = replace(galaxy, tails=2, tail_fraction=0.1, tail_length=1.0)
    >>> round(float(tail_map(tidal, 300, rng).sum()), 2)
    0.1
    """
    painted = np.zeros((size, size))
    if galaxy.tails == 0:
        return painted
    scale = galaxy.half_light_radius / PIXEL
    middle = (size - 1) / 2
    step = np.linspace(0.0, 1.0, 80)[:, None]
    spread = np.linspace(-2.0, 2.0, 13)[None, :]
    direction = galaxy.partner_direction + rng.normal(0.0, 0.4)
    streams = []
    for number in range(galaxy.tails):
        distance = scale * (0.7 + galaxy.tail_length * rng.uniform(0.7, 1.2) * step)
        bend = galaxy.winding * rng.uniform(0.3, 2.2) * step
        azimuth = direction + np.pi * (number + 1) + bend
        streams.append((distance * np.cos(azimuth), distance * np.sin(azimuth)))
    if galaxy.partner_flux > 0:
        distance = scale * galaxy.partner_distance * step
        bridge = galaxy.partner_direction + 0 * step
        streams.append((distance * np.cos(bridge), distance * np.sin(bridge)))
    for right, up in streams:
        ahead, aside = np.gradient(right, axis=0), np.gradient(up, axis=0)
        length = np.hypot(ahead, aside) + 1e-9
        width = scale * rng.uniform(0.12, 0.3) * (1 + 1.2 * step) * spread
        columns = middle + right - width * aside / length
        rows = middle + up + width * ahead / length
        flux = np.exp(-1.3 * step) * np.exp(-(spread**2) / 2)
        flux = galaxy.tail_fraction / len(streams) * flux / flux.sum()
        deposit(painted, columns.ravel(), rows.ravel(), np.broadcast_to(flux, rows.shape).ravel())
    return painted
