"""The structure of a simulated disk: arms, ring, and the gap around a bar.

Each pattern is the surface brightness of the disk relative to a smooth one, minus 1, in its plane.
"""

import numpy as np
from scipy.special import expit, i0e

from galaxies.base.arrays import Floats
from galaxies.simulated.population import Galaxy

DARKEST = 0.45
"""Share of the smooth disk's light that is left where least is.

Between the arms of bright spirals the disk is about a magnitude fainter than in them (Elmegreen et
al. 2011, ApJ 737, 32), and its old stars are everywhere."""


def filled(pattern: Floats) -> Floats:
    """Let no pattern, or sum of patterns, take more light from the disk than is there to take.

    What is brighter than the smooth disk remains, and the transition is smooth.

    Examples
    --------
    >>> import numpy as np
    >>> filled(np.array([-50.0, 0.0, 1.5])).round(2).tolist()
    [-0.55, 0.0, 1.5]
    """
    depth = 1 - DARKEST
    darker = depth * np.expm1(np.minimum(pattern, 0.0) / depth)
    return np.asarray(darker + np.maximum(pattern, 0.0), dtype=np.float64)


def spiral_pattern(
    galaxy: Galaxy, radius: Floats, angle: Floats, rng: np.random.Generator
) -> Floats:
    """Compute the pattern of spiral arms, patches and lopsidedness.

    Logarithmic arms of constant pitch with some wobble and unequal brightness, patches sheared
    along them, and a lopsided side. Arms of a grand design do not wobble and are equal, over half a
    turn at least. Arms begin where the bar ends, if there is one; four or more branch off two.

    Parameters
    ----------
    galaxy : Galaxy
        The galaxy.
    radius : ndarray
        Distance from the centre in disk scale lengths.
    angle : ndarray
        Azimuth in radians from the bar.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, like `radius`, float64
        Before it is `filled`.

    Examples
    --------
    >>> from dataclasses import replace
    >>> import numpy as np
    >>> from galaxies.simulated.population import draw_galaxy
    >>> rng = np.random.default_rng(0)
    >>> spiral = replace(draw_galaxy(rng, faintest=17.0), arms=2, arm_strength=1.0)
    >>> angle = np.linspace(-np.pi, np.pi, 200)
    >>> pattern = spiral_pattern(spiral, np.full(200, 1.5), angle, rng)
    >>> pattern.shape, bool(np.ptp(pattern) > 0.5)
    ((200,), True)
    """
    # Single precision, because cosines of whole images take half of the time.
    radius, angle = np.minimum(radius, 25.0).astype(np.float32), angle.astype(np.float32)
    irregularity = 1 - galaxy.grand_design
    start, end = rng.uniform(0.6, 1.0), rng.uniform(2.8, 4.5)
    if galaxy.bar_fraction > 0:
        start = 0.95 * galaxy.bar_length
    end = max(end, galaxy.grand_design * start * np.exp(np.pi * np.tan(galaxy.pitch)))
    # Arms leave at the azimuth 0 of the radius where they start.
    log_radius = np.log((radius + np.float32(0.08)) / np.float32(start + 0.08))
    waves, starts = rng.normal(0.0, 0.30 * irregularity, 3), rng.uniform(0, 2 * np.pi, 3)
    phase = angle - np.float32(galaxy.winding / np.tan(galaxy.pitch)) * log_radius
    for k in range(3):
        phase = phase + np.float32(waves[k] / (k + 1)) * (
            np.cos(np.float32(1.6 * (k + 1)) * log_radius + np.float32(starts[k]))
            - np.float32(np.cos(starts[k]))
        )
    visible = expit((radius - np.float32(start)) / np.float32(0.15))
    visible *= expit((np.float32(end) - radius) / np.float32(0.4))
    ridge = _ridge(galaxy.arms, phase, galaxy.arm_sharpness)
    if galaxy.arms >= 4:
        inner = expit((np.float32(1.4) - radius) / np.float32(0.2))
        ridge += inner * (_ridge(2, phase, galaxy.arm_sharpness) - ridge)
    uneven, side, lopsided = rng.uniform(0.0, 0.5) * irregularity, *rng.uniform(0, 2 * np.pi, 2)
    patches = np.zeros_like(radius)
    if galaxy.patchiness > 0:
        numbers, shears = rng.integers(1, 9, 10), rng.normal(0.0, 5.0, 10)
        for number, shear, place in zip(
            numbers, shears, rng.uniform(0, 2 * np.pi, 10), strict=True
        ):
            patches += np.cos(number * phase + np.float32(shear) * log_radius + np.float32(place))
        patches *= np.float32(galaxy.patchiness / np.sqrt(5.0))
    # Outwards the arms stand out more (Elmegreen et al. 2011).
    rise = np.clip(np.float32(0.35) * radius + np.float32(0.5), 0.5, 1.6)
    unequal = 1 + np.float32(uneven) * np.cos(phase + np.float32(side))
    pattern = visible * (
        np.float32(galaxy.arm_strength) * rise * ridge * unequal * (1 + patches) + patches
    )
    if galaxy.lopsidedness > 0:
        heavier = np.cos(angle - np.float32(lopsided)) * np.clip(radius / 2, 0, 1.5)
        pattern += np.float32(galaxy.lopsidedness) * heavier
    return np.asarray(pattern, dtype=np.float64)


def _ridge(arms: int, phase: Floats, sharpness: float) -> Floats:
    """Equal arms of mean 0 around the centre, as narrow as von Mises distributions."""
    narrow = np.float32(sharpness)
    return np.exp(narrow * (np.cos(arms * phase) - 1)) / np.float32(i0e(narrow)) - 1


def ring_pattern(galaxy: Galaxy, radius: Floats) -> Floats:
    """Compute the pattern of a ring, which has swept up the material of a gap inside it."""
    where, width = galaxy.ring_radius, galaxy.ring_width
    ring = np.exp(-(((radius - where) / width) ** 2) / 2)
    gap = np.exp(-(((radius - 0.62 * where) / (0.2 * where)) ** 2) / 2)
    return np.asarray(
        galaxy.ring_strength * ring - 0.6 * min(galaxy.ring_strength, 1.5) * gap, dtype=np.float64
    )


def bar_gap(galaxy: Galaxy, radius: Floats) -> Floats:
    """Compute the pattern of the gap that a bar leaves around it in the disk.

    Few stars form where a bar sweeps (James & Percival 2018, MNRAS 474, 3101): the stronger the
    bar, the fainter the disk on both sides of it.
    """
    reach = radius / galaxy.bar_length
    depth = 0.9 * min(galaxy.bar_fraction / 0.15, 1.0)
    return np.asarray(
        -depth * np.exp(-(reach**4)) * -np.expm1(-((reach / 0.4) ** 2)), dtype=np.float64
    )
