"""The simulated population: the true parameters of each galaxy.

Every galaxy has an absolute and an apparent magnitude, which give its distance. The distance gives
its size on the sky and the reddening of its colours by redshift. Shapes, colours and sizes overlap
between the kinds, as they do in nature: no single number separates ellipticals and spirals.
"""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import astropy.units as u
import numpy as np
from astropy.cosmology import Planck18
from scipy.special import gammaincinv

from galaxies.base.arrays import Floats
from galaxies.simulated.structure import (
    Encounter,
    Kind,
    bounded_normal,
    draw_encounter,
    draw_structure,
)

SMALLEST = 3.0  # arcsec, Petrosian 90% radius, the limit of Galaxy Zoo 2
# What the survey takes for sky near a bright galaxy is partly the galaxy: its radii come out small
# (Blanton et al. 2011, AJ 142, 31).
OVERSUBTRACTED = 0.92
BRIGHTEST = 13.5  # r magnitude; brighter galaxies were shredded by the survey's deblender


@dataclass(frozen=True)
class Galaxy:
    """True parameters of one galaxy; radii in arcsec, angles in radians, magnitudes and colours AB.

    `axis_ratio` is the true flattening of the light of an elliptical and of the bulge of a disk
    galaxy; `boxiness` is 0 for elliptical isophotes of the bulge and 1 for a box. `inclination` is
    0 face-on. Strengths of arms, ring, patches and lopsidedness are relative to the smooth disk; 0
    is a perfectly smooth galaxy. `grand_design` is 0 for arms that wobble and differ, 1 for two
    symmetric ones. Lengths of bar and ring, and `disturbance`, by which the disk is
    pushed about, are in disk scale lengths; `twist` is how far it is turned per scale length.
    `arc` is the light of a background galaxy that the gravity of this one bends into an arc,
    relative to the galaxy's. `encounter` is what the galaxy goes through: another nucleus in the
    same envelope, a partner close by, one that draws out tails, or what a merger has left. The
    partner's flux is relative to the galaxy's, its distance and the tails' length are in half-light
    radii; `off_centre` is how far the middle of the frame lies from the galaxy towards the partner,
    as a share of the distance.
    `tail_fraction` is the light in all tails relative to the galaxy's.
    """

    kind: Kind
    redshift: float
    r_magnitude: float
    half_light_radius: float
    position_angle: float
    bulge_fraction: float
    bulge_sersic: float
    bulge_radius: float
    axis_ratio: float
    disk_scale: float
    inclination: float
    thickness: float
    boxiness: float
    bulge_g_r: float
    bulge_r_i: float
    disk_g_r: float
    disk_r_i: float
    arms: int
    arm_strength: float
    arm_sharpness: float
    grand_design: float
    pitch: float
    winding: int
    bar_fraction: float
    bar_length: float
    bar_width: float
    ring_strength: float
    ring_radius: float
    ring_width: float
    patchiness: float
    knot_fraction: float
    knots: int
    lopsidedness: float
    dust: float
    lane: float
    arc: float
    disturbance: float
    twist: float
    encounter: Encounter
    partner_flux: float
    partner_distance: float
    partner_direction: float
    partner_radius: float
    partner_axis_ratio: float
    partner_sersic: float
    partner_blueness: float
    off_centre: float
    tails: int
    tail_fraction: float
    tail_length: float
    petrosian_r90: float = 0.0

    @property
    def disk_fraction(self) -> float:
        """Share of the r-band light in the disk, its bar and its knots."""
        return 1.0 - self.bulge_fraction


@cache
def _redshift_table() -> tuple[Floats, Floats, Floats]:
    """Distance modulus (mag) and kpc per arcsec over a grid of redshifts."""
    redshift = np.geomspace(0.002, 0.4, 400)
    modulus = Planck18.distmod(redshift).to_value(u.mag)
    kpc = Planck18.kpc_proper_per_arcmin(redshift).to_value(u.kpc / u.arcsec)
    return redshift, modulus, kpc


@dataclass(frozen=True)
class Traits:
    """What the galaxies of one kind have in common.

    Shares are those of a survey limited in apparent magnitude. The half-light radius in kpc is
    `log_radius` (base 10) at the mean absolute r magnitude and changes by `slope` per magnitude,
    with a log-normal scatter.
    """

    share: float
    magnitude: float
    magnitude_spread: float
    log_radius: float
    slope: float
    radius_scatter: float


# Steep for early types, shallow for disks, as Shen et al. 2003 (MNRAS 343, 978) found; the values
# are adjusted to the sizes of real cut-outs.
TRAITS: dict[Kind, Traits] = {
    "elliptical": Traits(0.17, -21.8, 0.8, 0.635, -0.25, 0.25),
    "lenticular": Traits(0.33, -21.3, 0.8, 0.51, -0.22, 0.25),
    "spiral": Traits(0.45, -21.2, 0.9, 0.65, -0.16, 0.26),
    "irregular": Traits(0.05, -19.9, 0.9, 0.52, -0.16, 0.26),
}


def draw_galaxy(rng: np.random.Generator, faintest: float) -> Galaxy:
    """Draw the true parameters of one galaxy of a magnitude-limited survey.

    Parameters
    ----------
    rng : numpy.random.Generator
        Random numbers.
    faintest : float
        Limit in apparent r magnitude; 17 in Galaxy Zoo 2 (Willett et al. 2013, MNRAS 435, 2835).

    Returns
    -------
    Galaxy

    Notes
    -----
    Counts grow as 10^(0.6 m), as for any local population. Colours follow the red sequence and the
    blue cloud (Strateva et al. 2001, AJ 122, 1861), axis ratios of ellipticals and the thickness of
    disks Padilla & Strauss 2008 (MNRAS 388, 1321), pitch angles Kennicutt 1981 (AJ 86, 1847). See
    also `draw_structure` and `draw_encounter`.

    Examples
    --------
    >>> import numpy as np
    >>> galaxy = draw_galaxy(np.random.default_rng(0), faintest=17.0)
    >>> galaxy.kind in ("elliptical", "lenticular", "spiral", "irregular"), galaxy.r_magnitude <= 17
    (True, True)
    """
    kinds = list(TRAITS)
    kind = kinds[rng.choice(len(kinds), p=[traits.share for traits in TRAITS.values()])]
    traits = TRAITS[kind]
    absolute = rng.normal(traits.magnitude, traits.magnitude_spread)
    brightest = 10 ** (0.6 * (BRIGHTEST - faintest))
    apparent = faintest + np.log10(rng.uniform(brightest, 1.0)) / 0.6
    redshifts, moduli, scales = _redshift_table()
    redshift = float(np.interp(apparent - absolute, moduli, redshifts))
    log_radius = traits.log_radius + traits.slope * (absolute - traits.magnitude)
    kpc = 10**log_radius * np.exp(rng.normal(0.0, traits.radius_scatter))
    radius = float(np.clip(kpc / np.interp(redshift, redshifts, scales), 1.2, 16.0))
    inclination = float(np.arccos(rng.uniform(0.0, 1.0)))

    shape = _draw_shape(kind, absolute, radius, inclination, rng)
    red_g_r = 0.73 + 1.6 * redshift - 0.02 * (absolute + 21.5) + rng.normal(0.0, 0.06)
    colours = _draw_colours(kind, red_g_r, redshift, shape["bulge_fraction"], inclination, rng)
    return Galaxy(
        kind=kind,
        redshift=redshift,
        r_magnitude=float(apparent),
        half_light_radius=radius,
        position_angle=float(rng.uniform(0.0, np.pi)),
        disk_scale=radius / 1.45,
        inclination=inclination,
        **shape,
        **colours,
        **draw_structure(kind, shape["bulge_fraction"], colours["disk_g_r"], rng),
        **draw_encounter(kind, rng),
    )


def _draw_shape(
    kind: Kind, absolute: float, radius: float, inclination: float, rng: np.random.Generator
) -> dict[str, Any]:
    """Draw the bulge (an elliptical is all bulge) and the thickness of the disk.

    Faint ellipticals are less concentrated (Caon, Capaccioli & D'Onofrio 1993, MNRAS 265, 1013).
    Some 45% of the bulges of edge-on disks are boxy or shaped like a peanut (Luetticke, Dettmar &
    Pohlen 2000, A&AS 145, 405), most of them too little to be noticed here; a third of late spirals
    seen edge-on show no bulge at all (Kautsch et al. 2006, A&A 445, 765).
    """
    if kind == "elliptical":
        return {
            "boxiness": 0.0,
            "bulge_fraction": 1.0,
            "bulge_sersic": bounded_normal(rng, 3.8 - 0.9 * (absolute + 21.8), 0.9, 1.0, 6.0),
            "bulge_radius": radius,
            "axis_ratio": bounded_normal(rng, 0.80, 0.14, 0.40, 1.0),
            "thickness": 1.0,
        }
    if kind == "lenticular":
        fraction, sersic = rng.beta(3.0, 4.5), bounded_normal(rng, 3.0, 0.8, 1.5, 5.0)
        size, thickness = rng.uniform(0.2, 0.5), rng.uniform(0.12, 0.28)
    elif kind == "spiral":
        fraction, sersic = rng.beta(1.3, 4.5), bounded_normal(rng, 2.0, 0.8, 0.8, 4.0)
        size, thickness = rng.uniform(0.1, 0.32), rng.uniform(0.10, 0.34)
        if rng.random() < 0.25:  # a disk and nothing else
            fraction *= 0.15
    else:
        fraction, sersic = rng.uniform(0.0, 0.1), 1.0
        size, thickness = 0.2, rng.uniform(0.2, 0.45)
    boxy = kind != "irregular" and rng.random() < 0.35
    # An oblate bulge, as it looks from the side.
    flattening = bounded_normal(rng, 0.68, 0.12, 0.4, 1.0)
    return {
        "boxiness": float(rng.uniform(0.3, 1.0)) if boxy else 0.0,
        "bulge_fraction": float(fraction),
        "bulge_sersic": sersic,
        "bulge_radius": radius * float(size),
        "axis_ratio": float(np.hypot(np.cos(inclination), flattening * np.sin(inclination))),
        "thickness": float(thickness),
    }


def _draw_colours(
    kind: Kind,
    red_g_r: float,
    redshift: float,
    bulge_fraction: float,
    inclination: float,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Draw the observed colours of bulge and disk, given that of the red sequence."""
    bulge_g_r = red_g_r
    if kind == "elliptical" and rng.random() < 0.20:  # some are still young
        bulge_g_r -= rng.uniform(0.1, 0.5)
    if kind == "spiral":
        reddening = 0.10 * np.log(1 / max(np.cos(inclination), 0.15))  # by dust
        disk_g_r = 0.35 + 0.45 * bulge_fraction + redshift + reddening + rng.normal(0.0, 0.13)
        if rng.random() < 0.12:  # some have stopped forming stars
            disk_g_r = red_g_r - rng.uniform(0.0, 0.1)
    elif kind == "irregular":
        disk_g_r = rng.normal(0.35, 0.1)
    else:
        disk_g_r = red_g_r - abs(rng.normal(0.0, 0.16))
        if kind == "lenticular" and rng.random() < 0.15:  # as some ellipticals
            disk_g_r -= rng.uniform(0.1, 0.35)
    return {
        "bulge_g_r": float(bulge_g_r),
        "bulge_r_i": float(0.39 + 0.5 * (bulge_g_r - 0.83) + rng.normal(0.0, 0.03)),
        "disk_g_r": float(disk_g_r),
        "disk_r_i": float(0.24 + 0.5 * (disk_g_r - 0.50) + rng.normal(0.0, 0.03)),
    }


def petrosian_r90(galaxy: Galaxy, seeing_fwhm: float) -> float:
    """Petrosian 90% radius in arcsec as measured through circular apertures and the seeing.

    The light is represented by points at even steps of enclosed flux and at golden angles,
    projected on the sky and widened by the seeing; the Petrosian radius is where the local surface
    brightness falls to 0.2 of the mean within, and the flux is that within two such radii (Strauss
    et al. 2002, AJ 124, 1810). A partner at less than about a half-light radius is not told apart
    from the galaxy and adds to it; one further out is a source of its own.
    """
    bulge_ratio = galaxy.axis_ratio
    disk_ratio = np.hypot(np.cos(galaxy.inclination), galaxy.thickness * np.sin(galaxy.inclination))
    distances = np.concatenate(
        [
            _sersic_points(
                galaxy.bulge_sersic, galaxy.bulge_radius / bulge_ratio**0.5, bulge_ratio
            ),
            _sersic_points(1.0, 1.678 * galaxy.disk_scale, disk_ratio),
        ]
    )
    blended = galaxy.partner_flux * np.clip(1.6 - galaxy.partner_distance, 0.0, 1.0)
    distances *= 1.0 + 0.5 * galaxy.partner_distance * min(float(blended), 1.0)
    distances = np.hypot(distances, seeing_fwhm / 2.355 * np.sqrt(2.0))
    weights = np.repeat([galaxy.bulge_fraction, galaxy.disk_fraction], len(distances) // 2)
    order = np.argsort(distances)
    distances = distances[order]
    flux = np.cumsum(weights[order]) * 2 / len(distances)
    radii = np.geomspace(1.0, 90.0, 120)
    inner, within, outer = (
        np.interp(factor * radii, distances, flux, left=0.0) for factor in (0.8, 1.0, 1.25)
    )
    local = (outer - inner) / (1.25**2 - 0.8**2)
    below = np.flatnonzero((local < 0.2 * within) & (within > 0.2))
    petrosian = radii[below[0]] if below.size else radii[-1]
    total = np.interp(2 * petrosian, distances, flux)
    return OVERSUBTRACTED * float(np.interp(0.9 * total, flux, distances))


def _sersic_points(index: float, radius: float, axis_ratio: float, count: int = 1500) -> Floats:
    """Distances from the centre of points that sample an elliptical Sersic profile evenly.

    `radius` is the half-light radius along the major axis.
    """
    share = (np.arange(count) + 0.5) / count
    angle = np.arange(count) * np.pi * (3 - np.sqrt(5))
    scaled = gammaincinv(2 * index, share) / gammaincinv(2 * index, 0.5)
    distance = radius * scaled**index
    return np.asarray(
        distance * np.hypot(np.cos(angle), axis_ratio * np.sin(angle)), dtype=np.float64
    )


def draw_target(rng: np.random.Generator, faintest: float, seeing_fwhm: float) -> Galaxy:
    """Draw a galaxy that is large enough for Galaxy Zoo 2, and record its Petrosian radius.

    The radius is the one that the survey measures: a little off, and much too small where the
    deblender has shredded a large galaxy (Strauss et al. 2002, section 4.3), whose frame then shows
    it too close. Smaller galaxies are drawn again.
    """
    while True:
        galaxy = draw_galaxy(rng, faintest)
        radius = petrosian_r90(galaxy, seeing_fwhm) * float(np.exp(rng.normal(0.0, 0.10)))
        if rng.random() < 0.06:
            radius *= rng.uniform(0.5, 0.85)
        if radius > SMALLEST:
            return replace(galaxy, petrosian_r90=radius)
