"""Simulated Galaxy Zoo volunteers: they vote on what can be seen, not on what is true."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from galaxies.base.arrays import Floats
from galaxies.images.colour import grey_level
from galaxies.simulated.population import Galaxy

CLEAR = 3.2  # grey levels of contrast that half of the volunteers notice, near the noise of a frame
FAINTEST_SEEN = 12.0  # grey levels above the sky at which people see the edge of a galaxy


@dataclass(frozen=True)
class Appearance:
    """What the eye gets from one frame.

    `contrast` is the root mean square of arms, bars, rings and knots against the smooth light, in
    grey levels over the visible galaxy; `axis_ratio` is the apparent one, after the seeing;
    `disk_share` the disk's share of light.
    """

    contrast: float
    axis_ratio: float
    disk_share: float


def look(galaxy: Galaxy, smooth: Floats, full: Floats, beam: float) -> Appearance:
    """Measure what is visible of a galaxy in the r band.

    Parameters
    ----------
    galaxy : Galaxy
    smooth, full : ndarray, shape (n, n), float64
        Noise-free light through the seeing in nanomaggies per pixel, without and with structure.
    beam : float
        Full width at half maximum of the seeing in pixels.
    """
    seen = grey_level(smooth) > FAINTEST_SEEN
    if not seen.any():
        return Appearance(0.0, 1.0, galaxy.disk_fraction)
    # Only what stands above the neighbouring light catches the eye: large-scale differences do not.
    difference = grey_level(np.clip(full, 0, None)) - grey_level(smooth)
    detail = gaussian_filter(difference, 0.35 * beam) - gaussian_filter(difference, 3.0 * beam)
    contrast = float(np.sqrt(np.mean(detail[seen] ** 2)))
    rows, columns = np.nonzero(seen)
    weights = grey_level(smooth[seen])
    covariance = np.cov(np.stack([rows, columns]).astype(np.float64), aweights=weights)
    minor, major = np.linalg.eigvalsh(np.atleast_2d(covariance))
    axis_ratio = float(np.sqrt(max(minor, 0.0) / max(major, 1e-9)))
    return Appearance(contrast, axis_ratio, galaxy.disk_fraction)


def chance_of_features(appearance: Appearance) -> float:
    """Chance that one volunteer answers "features or disk".

    Structure is noticed when its contrast exceeds that of the noise, and a thin, elongated
    shape is taken for a disk seen edge-on; either is enough.
    """
    structure = 1 / (1 + (CLEAR / max(appearance.contrast, 1e-3)) ** 2.2)
    thin = 1 / (1 + np.exp((appearance.axis_ratio - 0.40) / 0.05))
    disk_like = 0.25 + 0.75 * min(1.0, 1.4 * appearance.disk_share)
    # Without a bulge, a disk seen edge-on looks like a smooth cigar to some.
    bulge = 0.8 + 0.2 * min(1.0, (1 - appearance.disk_share) / 0.2)
    return float(1 - (1 - structure) * (1 - thin * disk_like * bulge))


def cast_votes(
    features: float, artifact: float, votes: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Draw votes for smooth, features or disk, star or artifact.

    Parameters
    ----------
    features : float
        Chance of "features or disk" where the object is not taken for an artifact.
    artifact : float
        Chance of "star or artifact".
    votes : int
        Number of volunteers.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (3,), int64
    """
    # Every galaxy has its own quirks, and some volunteers click at random.
    clipped = np.clip(features, 0.01, 0.99)
    logit = np.log(clipped / (1 - clipped)) + rng.normal(0.0, 0.5)
    floor = rng.uniform(0.03, 0.16)
    chance = floor + (0.93 - floor) / (1 + np.exp(-logit))
    probabilities = np.array([(1 - artifact) * (1 - chance), (1 - artifact) * chance, artifact])
    return rng.multinomial(votes, probabilities / probabilities.sum())
