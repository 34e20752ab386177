"""Simulated volunteers of Galaxy Zoo, who answer by what is visible and not by what is true.

What is visible is measured on the light after the seeing, in grey levels, relative to the noise of
the frame. The answers are matched to their frequencies in Galaxy Zoo 2 (Willett et al. 2013, MNRAS
435, 2835): for example, the apparent axis ratio at which half of the volunteers answer "cigar".
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter, grey_closing, map_coordinates

from galaxies.base.arrays import Floats
from galaxies.images.colour import grey_level
from galaxies.questions.gz2 import GZ2
from galaxies.simulated.camera import PIXEL
from galaxies.simulated.population import Galaxy
from galaxies.simulated.rendering import OWN

CLEAR = 3.2  # grey levels of contrast that half of the volunteers notice, near the noise of a frame
FAINTEST_SEEN = 12.0  # grey levels above the sky at which people see the edge of a galaxy


@dataclass(frozen=True)
class Appearance:
    """What is visible in one frame.

    Contrasts are root mean squares against the light without the component, in grey levels over
    the visible galaxy, for a frame of median noise: `contrast` of all structure, and that of
    `arms`, `bar`, `ring` and `knots`; `lane` is how dark the line is that dust draws.
    `axis_ratio` is the apparent one, after the seeing; `sharpness` the galaxy's visible radius in
    seeing disks; `disk_share` the disk's share of light and `bulge_share` that of the bulge in the
    visible galaxy. `asymmetry` is what changes in a turn by 180 degrees, and `tails` what tails add
    to the picture, both relative to the galaxy's grey levels. `crowding` is how bright other
    galaxies are beside this one, `starlight` likewise for stars; `partner` is the contrast of these
    other galaxies, `arc` that of a gravitational arc, and `dip`, in grey levels, how much darker it
    is between the brightest other galaxy and this one: a second nucleus that is blurred into the
    first is none. `pitch` (degrees), `arm_number`, `boxiness` and `irregular` are the galaxy's own;
    how well they are seen depends on the contrasts.
    """

    contrast: float = 0.0
    axis_ratio: float = 1.0
    disk_share: float = 0.0
    sharpness: float = 5.0
    bulge_share: float = 0.0
    arms: float = 0.0
    bar: float = 0.0
    ring: float = 0.0
    knots: float = 0.0
    lane: float = 0.0
    arc: float = 0.0
    asymmetry: float = 0.0
    tails: float = 0.0
    crowding: float = 0.0
    partner: float = 0.0
    dip: float = 0.0
    starlight: float = 0.0
    pitch: float = 20.0
    arm_number: int = 2
    boxiness: float = 0.0
    irregular: bool = False


def look(
    galaxy: Galaxy,
    layers: Mapping[str, Floats],
    arc: Floats,
    dust: Floats,
    beam: float,
    noise_factor: float,
) -> Appearance:
    """Measure what is visible of a galaxy in the r band.

    Parameters
    ----------
    galaxy : Galaxy
        The galaxy.
    layers : mapping of ndarray of shape (n, n), float64
        Noise-free light of each component after the seeing in nanomaggies per pixel.
    arc : ndarray of shape (n, n), float64
        Likewise of a background galaxy drawn out into an arc, which is no layer of its own.
    dust : ndarray of shape (n, n), float64
        Transmission of the dust, which is already applied to the layers.
    beam : float
        Full width at half maximum of the seeing in pixels.
    noise_factor : float
        Sky noise of the night relative to the median of the survey.

    Returns
    -------
    Appearance

    Examples
    --------
    >>> import numpy as np
    >>> from galaxies.simulated.camera import draw_bands
    >>> from galaxies.simulated.population import draw_target
    >>> rng = np.random.default_rng(0)
    >>> bands = draw_bands(rng)
    >>> galaxy = draw_target(rng, faintest=17.0, seeing_fwhm=bands[1].fwhm)
    >>> from galaxies.simulated.survey import draw_scene
    >>> light, _ = draw_scene(galaxy, bands, noise_factor=1.0, rng=rng)
    >>> none, clear = np.zeros(light.bands.shape[1:]), np.ones(light.bands.shape[1:])
    >>> appearance = look(galaxy, light.layers, none, clear, beam=3.3, noise_factor=1.0)
    >>> 0 < appearance.axis_ratio <= 1
    True
    """
    size = layers["disk"].shape[0]
    own = np.clip(np.sum([layers[name] for name in OWN], axis=0), 0.0, None)
    grey = grey_level(own)
    smooth = np.clip(layers["bulge"] + layers["disk"], 0.0, None)
    seen = grey_level(smooth) > FAINTEST_SEEN
    if not seen.any():
        return Appearance(disk_share=galaxy.disk_fraction)

    # Measured on the galaxy's own part of the frame: much of the rest is sky.
    rows, columns = np.nonzero(seen)
    margin = int(np.ceil(3 * beam))
    part = (
        slice(max(rows.min() - margin, 0), rows.max() + margin),
        slice(max(columns.min() - margin, 0), columns.max() + margin),
    )

    def detail(difference: Floats, wide: float) -> Floats:
        # Only what stands above the neighbouring light catches the eye: large-scale differences
        # do not.
        fine = gaussian_filter(difference, 0.35 * beam, truncate=2.5)
        return np.asarray(fine - gaussian_filter(difference, wide * beam, truncate=2.5))

    def contrast(without: Floats) -> float:
        difference = grey[part] - grey_level(np.clip(without[part], 0.0, None))
        return float(np.sqrt(np.mean(detail(difference, 3.0)[seen[part]] ** 2)) / noise_factor)

    def contrast_of(name: str) -> float:
        return contrast(own - layers[name]) if layers[name].any() else 0.0

    weights = grey_level(smooth[seen])
    covariance = np.cov(np.stack([rows, columns]).astype(np.float64), aweights=weights)
    minor, major = np.linalg.eigvalsh(np.atleast_2d(covariance))
    whole = grey[seen].sum()
    difference = np.abs(grey - turned(grey, seen))[seen].sum()
    x = np.arange(size) - (size - 1) / 2
    near = np.exp(-np.hypot(*np.meshgrid(x, x)) * PIXEL / (0.5 * galaxy.petrosian_r90))

    def beside(name: str) -> float:
        return float((near * grey_level(layers[name])).sum() / (near * grey).sum())

    others = layers["neighbours"] + layers["partner"]
    together = grey_level(own + others)
    close = near > 0.1

    def contrast_near(others: Floats) -> float:
        bumps = detail(grey_level(own + others) - grey, 2.0)[close]
        return float(np.sqrt(np.mean(bumps**2)) / noise_factor)

    tails = grey_level(own + np.clip(layers["tails"], 0, None)) - grey
    return Appearance(
        contrast=contrast(smooth),
        axis_ratio=float(np.sqrt(max(minor, 0.0) / max(major, 1e-9))),
        disk_share=galaxy.disk_fraction,
        sharpness=float(2 * np.sqrt(max(major, 0.0)) / beam),
        bulge_share=float(layers["bulge"][seen].sum() / own[seen].sum()),
        lane=dark_line(grey[part], grey_level(own / dust)[part], beam) / noise_factor
        if dust.min() < 0.98
        else 0.0,
        asymmetry=float(difference / whole),
        tails=float(np.clip(tails - 4.0, 0.0, None).sum() / whole),
        crowding=beside("neighbours") + beside("partner"),
        partner=contrast_near(others),
        arc=contrast_near(arc) if arc.any() else 0.0,
        dip=_dip(together, np.where(close, others, 0.0)) / noise_factor,
        starlight=beside("stars"),
        boxiness=galaxy.boxiness,
        irregular=galaxy.kind == "irregular",
        pitch=float(np.rad2deg(galaxy.pitch)),
        arm_number=galaxy.arms,
        arms=contrast_of("arms"),
        bar=contrast_of("bar"),
        ring=contrast_of("ring"),
        knots=contrast_of("knots"),
    )


def dark_line(grey: Floats, clear: Floats, beam: float) -> float:
    """Measure how dark the lines are that dust draws: the deepest hundredth of them.

    Lines are what a morphological closing fills; a disk that is dimmed all over has none.
    """
    side = round(2.5 * beam)
    lines = grey_closing(grey, side) - grey - (grey_closing(clear, side) - clear)
    return float(max(np.quantile(lines, 0.99), 0.0))


def turned(grey: Floats, seen: npt.NDArray[np.bool_]) -> Floats:
    """Turn an image by 180 degrees around the middle of what is seen, not that of the frame.

    The centre matters most for thin galaxies (Conselice, Bershady & Jangren 2000, ApJ 529, 886).
    """
    weights = np.where(seen, grey, 0.0)
    steps = []
    for axis in (0, 1):
        along = weights.sum(axis=1 - axis)
        middle = (along * np.arange(len(grey))).sum() / along.sum()
        steps.append(round(2 * middle) - (len(grey) - 1))
    return np.roll(grey[::-1, ::-1], steps, (0, 1))


def _dip(grey: Floats, others: Floats) -> float:
    """How much darker it is between the middle and the brightest other galaxy than at both."""
    size = len(grey)
    middle = np.array([(size - 1) / 2] * 2)
    peak = np.array(np.unravel_index(np.argmax(others), others.shape), dtype=np.float64)
    path = np.linspace(middle, peak, 33)
    between = map_coordinates(grey, path.T, order=1)
    return float(max(min(between[0], between[-1]) - between.min(), 0.0))


def noticed(strength: float, half: float, steepness: float = 2.2) -> float:
    """Compute the fraction of people who notice something; one half at the strength `half`."""
    return float(1 / (1 + (half / max(strength, 1e-6)) ** steepness))


def rising(value: float, middle: float, width: float) -> float:
    """Compute a fraction that rises from 0 to 1 around `middle`."""
    return float(1 / (1 + np.exp(-np.clip((value - middle) / width, -50, 50))))


def seen_edge_on(appearance: Appearance) -> float:
    """Chance that a thin shape is taken for a disk seen edge-on rather than for a cigar.

    Needs to be sharp: a small, blurred one could be either. Without a bulge, it is a cigar to some.
    """
    limit = 0.38 + 0.04 * np.clip(np.log(appearance.sharpness / 4), -1, 1)
    thin = rising(limit, appearance.axis_ratio, 0.055)
    sharp = np.clip(0.62 + 0.5 * np.log(appearance.sharpness / 4), 0.15, 0.95)
    disk_like = 0.25 + 0.75 * min(1.0, 1.4 * appearance.disk_share)
    bulge = 0.8 + 0.2 * min(1.0, appearance.bulge_share / 0.2)
    lane = noticed(appearance.lane, CLEAR)
    return float(thin * disk_like * bulge * (sharp + (1 - sharp) * lane))


def seen_structure(appearance: Appearance) -> float:
    """Chance that arms, bar, ring or knots are noticed; of a thin disk one sees the edge."""
    thin = rising(0.40, appearance.axis_ratio, 0.07)
    return noticed(appearance.contrast * (1 - 0.6 * thin), 1.4 * CLEAR)


def chance_of_features(appearance: Appearance) -> float:
    """Chance that one volunteer answers "features or disk".

    Structure is noticed when its contrast exceeds that of the noise, and a thin, elongated
    shape is taken for a disk seen edge-on; either is enough. Tails and a partner are features to
    some.
    """
    disturbed = 0.35 * noticed(appearance.tails, 0.15) + 0.15 * noticed(appearance.crowding, 0.5)
    plain = (1 - seen_structure(appearance)) * (1 - seen_edge_on(appearance)) * (1 - disturbed)
    return float(1 - plain)


def odd_features(appearance: Appearance) -> dict[str, float]:
    """Chance that one volunteer sees each odd feature, by Kaggle's column."""
    tidal = noticed(appearance.tails, 0.12)
    shape = noticed(appearance.asymmetry, 0.22, 3.5)
    if not appearance.irregular:  # three arms, or one, are no disturbance
        shape *= 1 - 0.7 * noticed(appearance.arms, CLEAR, 3.6)
    irregular = shape * (0.6 if appearance.irregular else 0.15) + 0.08 * appearance.irregular
    partner = noticed(appearance.crowding, 0.22, 2.6) * noticed(appearance.partner, 0.9 * CLEAR)
    partner *= 0.35 + 0.65 * noticed(appearance.dip, 4.0)
    return {
        # Seen from the side a ring is a line.
        "Class8.1": 0.8
        * noticed(appearance.ring, 1.2 * CLEAR, 3.0)
        * rising(appearance.axis_ratio, 0.42, 0.06),
        "Class8.2": 0.006 + 0.6 * noticed(appearance.arc, CLEAR),
        "Class8.3": 0.006 + 0.15 * shape + 0.12 * tidal,
        "Class8.4": 0.004 + 0.7 * irregular,
        "Class8.5": 0.035 + 0.4 * noticed(appearance.starlight, 0.2),
        "Class8.6": 0.008 + 0.93 * partner + 0.4 * tidal * (1 - partner),
        "Class8.7": 0.002 + 0.6 * noticed(appearance.lane, CLEAR, 3.0),
    }


def chances(appearance: Appearance, artifact: float) -> dict[int, Floats]:
    """Compute the probabilities of the answers to each question among those who reach it.

    Parameters
    ----------
    appearance : Appearance
        What is visible.
    artifact : float
        Probability of "star or artifact".

    Returns
    -------
    dict of ndarray
        By the number of the question; each sums to 1.

    Examples
    --------
    >>> round_and_smooth = Appearance(axis_ratio=0.95, bulge_share=0.9)
    >>> found = chances(round_and_smooth, artifact=0.02)
    >>> found[7].argmax(), round(float(found[7].sum()), 6)  # "completely round"
    (np.int64(0), 1.0)
    """
    features = chance_of_features(appearance)
    ratio = appearance.axis_ratio
    arms = noticed(appearance.arms, CLEAR, 3.6)
    edge_on = 0.02 + 0.96 * rising(0.41, ratio, 0.05)
    cigar, round_ = rising(0.51, ratio, 0.055), 0.9 * rising(ratio, 0.80, 0.09)
    # How prominent the bulge is: four steps along one line, blurred.
    prominence = 6.5 * appearance.bulge_share**0.6 - 1.9
    bulge = np.array([rising(limit, prominence, 0.65) for limit in (-1.8, 0.7, 2.5)])
    rounded = noticed(appearance.bulge_share, 0.07, 1.8)
    boxy = 0.12 + 0.4 * appearance.boxiness * rounded
    # Between tight, medium and loose people agree only where the arms are plain.
    blurred = 5.5 + 7 * (1 - arms)
    winding = np.exp(-(((appearance.pitch - np.array([12.0, 21.0, 31.0])) / blurred) ** 2) / 2)
    odd = odd_features(appearance)
    anything = 1 - float(np.prod([1 - share for share in odd.values()]))
    return {
        1: _shares((1 - features) * (1 - artifact), features * (1 - artifact), artifact),
        2: _choice(edge_on),
        3: _choice(0.07 + 0.83 * noticed(appearance.bar, 0.8 * CLEAR)),
        4: _choice(0.10 + 0.88 * arms),
        5: np.diff(np.array([0.0, *bulge, 1.0])),
        6: _choice(anything),
        7: _shares(round_, max(1 - round_ - cigar, 0.02), cigar),
        8: _shares(*odd.values()),
        9: _shares(rounded * (1 - boxy), rounded * boxy, 1 - rounded),
        10: _shares(*winding),
        11: _arm_number(appearance.arm_number, arms),
    }


def _arm_number(number: int, arms: float) -> Floats:
    """Chances of counting 1, 2, 3, 4, more, or giving up: many arms are hard to count."""
    counted = np.array([0.07, 0.30, 0.05, 0.02, 0.02])
    truth = np.zeros(5)
    truth[min(number, 5) - 1] = 1.0
    slip = 0.05 if number <= 2 else 0.12
    near = np.convolve(truth, [slip, 1 - 2 * slip, slip], "same")
    plain = arms * {1: 0.6, 2: 0.95, 3: 0.6, 4: 0.5}.get(number, 0.65)
    # Many arms that cannot be told apart look like two, or like nothing that can be counted.
    count = plain * near / near.sum() + (1 - plain) * 0.45 * counted / counted.sum()
    return _shares(*count, (1 - plain) * 0.55)


def _choice(yes: float) -> Floats:
    return np.array([yes, 1 - yes])


def _shares(*weights: float) -> Floats:
    shares = np.clip(np.array(weights, dtype=np.float64), 0.0, None)
    return np.asarray(shares / shares.sum(), dtype=np.float64)


def cast_votes(
    appearance: Appearance, artifact: float, volunteers: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Let volunteers answer, question by question, down the tree.

    Parameters
    ----------
    appearance : Appearance
        What they see.
    artifact : float
        Probability of "star or artifact".
    volunteers : int
        Number of volunteers.
    rng : numpy.random.Generator
        Random numbers.

    Returns
    -------
    ndarray of shape (37,), int64
        Number of votes for each answer, in the order of Galaxy Zoo 2.

    Examples
    --------
    >>> import numpy as np
    >>> votes = cast_votes(Appearance(axis_ratio=0.95), 0.02, 40, np.random.default_rng(0))
    >>> int(votes[:3].sum()), bool(votes[0] > votes[1])
    (40, True)
    """
    asked = chances(appearance, artifact)
    votes = np.zeros(len(GZ2.answers), dtype=np.int64)
    waiting = {question.name: 0 for question in GZ2.questions} | {GZ2.first.name: volunteers}
    for question in GZ2.in_order_of_asking:
        # Every galaxy is peculiar, and some volunteers click at random.
        shares = asked[question.number] * np.exp(rng.normal(0.0, 0.45, len(question.answers)))
        shares = shares / shares.sum() + rng.uniform(0.01, 0.06) / len(shares)
        if question == GZ2.first:  # on artifacts people agree
            shares[:2] *= (1 - artifact) / shares[:2].sum()
            shares[2] = artifact
        votes[question.places] = rng.multinomial(waiting[question.name], shares / shares.sum())
        for answer, count in zip(question.answers, votes[question.places], strict=True):
            if answer.leads_to is not None:
                waiting[answer.leads_to] += int(count)
    return votes


def as_columns(votes: npt.NDArray[np.int64]) -> Floats:
    """Convert counted votes to Kaggle's columns.

    Parameters
    ----------
    votes : ndarray of shape (..., 37), int64
        Number of votes for each answer.

    Returns
    -------
    ndarray of shape (..., 37), float64
        Vote fractions. If all volunteers took the object for an artifact, nobody was asked whether
        anything is odd: this question and the next are NaN.

    Examples
    --------
    >>> import numpy as np
    >>> votes = np.zeros(37, np.int64)
    >>> votes[:5] = [30, 10, 0, 2, 8]
    >>> as_columns(votes)[:5].tolist()
    [0.75, 0.25, 0.0, 0.05, 0.2]
    """
    within = np.full(votes.shape, np.nan)
    for question in GZ2.questions:
        counts = votes[..., question.places]
        came = counts.sum(axis=-1, keepdims=True)
        np.divide(counts, came, out=within[..., question.places], where=came > 0)
    return GZ2.down_the_tree(within)
