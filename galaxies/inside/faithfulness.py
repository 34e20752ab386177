"""Test explanations of a classifier, and compare them with maps that do not use the network.

A map is float32 (side, side), largest at the most important pixels.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from galaxies.base.arrays import Pixels
from galaxies.base.pool import in_order
from galaxies.inside.images import blurred, sky
from galaxies.inside.masks import Masks, galaxy_masks
from galaxies.inside.methods import by_all_methods
from galaxies.inside.score import Score
from galaxies.questions.campaign import CLASSES

Maps = npt.NDArray[np.float32]
"""(N, side, side)."""

SHARES: Final = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
"""Shares of the pixels that are replaced, the most important first."""

CONTROLS: Final = ("random", "centre", "brightness", "edges")
"""Maps that do not use the network."""

RANDOMISED: Final = 40
"""Number of galaxies for the comparison with random layers."""

_TENTH: Final = SHARES.index(0.1)

RESAMPLES: Final = 1000

_SEED: Final = 0
_TOGETHER: Final = 8
"""Images per batch of a thread."""


def controls(images: Pixels, seed: int) -> dict[str, Maps]:
    """Make maps that do not use a network.

    Parameters
    ----------
    images : ndarray of shape (N, side, side, 3), uint8
        Images.
    seed : int
        Seed of the random maps.

    Returns
    -------
    dict of ndarray of shape (N, side, side), float32
        `random`, smoothed noise; `centre`, a Gaussian with a tenth of the side; `brightness`;
        `edges`, the gradient by the Sobel operator.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.load("data/images.npy")[:2]
    >>> {name: maps.shape for name, maps in controls(images, seed=0).items()}["edges"]
    (2, 64, 64)
    """
    from scipy.ndimage import gaussian_filter, sobel

    count, side = images.shape[:2]
    noise = np.random.default_rng(seed).standard_normal((count, side, side))
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    blob = np.exp(-0.5 * (x**2 + y**2) / (side / 10) ** 2)
    grey = images.mean(axis=3)
    smooth = gaussian_filter(grey, (0, 0.5, 0.5))
    edges = np.hypot(sobel(smooth, 1), sobel(smooth, 2))
    maps = {
        "random": gaussian_filter(noise, (0, 1.5, 1.5)),
        "centre": np.broadcast_to(blob, noise.shape),
        "brightness": grey - np.median(grey, axis=(1, 2), keepdims=True),
        "edges": edges,
    }
    return {name: np.asarray(values, np.float32) for name, values in maps.items()}


def points_inside(maps: Maps, masks: Masks) -> Maps:
    """Play the pointing game: 1 if the maximum is inside the mask, else 0; float32 (N,).

    Zhang et al. (2018, "Top-down neural attention by excitation backprop").
    """
    strongest = maps.reshape(len(maps), -1).argmax(axis=1)
    inside = masks.reshape(len(masks), -1)[np.arange(len(maps)), strongest]
    return np.asarray(inside, np.float32)


def share_inside(maps: Maps, masks: Masks) -> Maps:
    """Compute the share of the positive part of a map inside a mask.

    Parameters
    ----------
    maps : ndarray of shape (N, side, side), float32
        Maps.
    masks : ndarray of shape (N, side, side), bool
        Masks.

    Returns
    -------
    ndarray of shape (N,), float32
        NaN if nothing is positive.

    Examples
    --------
    >>> import numpy as np
    >>> maps = np.array([[[3.0, 1.0], [-2.0, 0.0]]], np.float32)
    >>> share_inside(maps, np.array([[[True, False], [True, False]]])).tolist()
    [0.75]
    """
    positive = np.maximum(maps, 0).astype(np.float64)
    inside, all_ = (positive * masks).sum(axis=(1, 2)), positive.sum(axis=(1, 2))
    shares = np.full(len(maps), np.nan)
    np.divide(inside, all_, out=shares, where=all_ > 0)
    return shares.astype(np.float32)


def replacing(
    score: Callable[[npt.NDArray[np.float32]], Maps], before: Maps, after: Maps, maps: Maps
) -> Maps:
    """Compute a score while the most important pixels of images are replaced by those of others.

    Deletion and insertion of Petsiuk, Das & Saenko (2018, "RISE"): from the image to the bare sky,
    and from the blurred image to the image.

    Parameters
    ----------
    score : callable
        From images float32 (N, side, side, 3) to float32 (N,).
    before, after : ndarray of shape (N, side, side, 3), float32
        Images before and after the replacement.
    maps : ndarray of shape (N, side, side), float32
        Importance of the pixels.

    Returns
    -------
    ndarray of shape (N, len(SHARES)), float32
        The score for each of `SHARES`.

    Examples
    --------
    >>> import numpy as np
    >>> before, after = np.zeros((1, 10, 10, 3), np.float32), np.ones((1, 10, 10, 3), np.float32)
    >>> importance = np.arange(100, dtype=np.float32).reshape(1, 10, 10)
    >>> replacing(lambda images: images.mean(axis=(1, 2, 3)), before, after, importance).round(2)
    array([[0.  , 0.02, 0.05, 0.1 , 0.2 , 0.3 , 0.5 ]], dtype=float32)
    """
    pixels = maps[0].size
    order = np.argsort(-maps.reshape(len(maps), -1), axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(pixels)[None], axis=1)
    rank = rank.reshape(*maps.shape, 1)
    scores = [score(np.where(rank < round(share * pixels), after, before)) for share in SHARES]
    return np.stack(scores, axis=1)


def area(curve: Maps) -> Maps:
    """Average curves (N, len(SHARES)) over the share of the pixels; returns (N,)."""
    return np.asarray(np.trapezoid(curve, SHARES, axis=1) / SHARES[-1], np.float32)


def measure(
    maps: Maps,
    score: Callable[[npt.NDArray[np.float32]], Maps],
    images: Pixels,
    others: tuple[Maps, Maps],
    galaxies: Masks,
    features: Masks,
) -> dict[str, Maps]:
    """Compute all measures for maps.

    Parameters
    ----------
    maps : ndarray of shape (N, side, side), float32
        Maps.
    score : callable
        From images float32 (N, side, side, 3) to float32 (N,).
    images : ndarray of shape (N, side, side, 3), uint8
        Images.
    others : tuple of two ndarrays of shape (N, side, side, 3), float32
        The bare sky and the blurred images.
    galaxies, features : ndarray of shape (N, side, side), bool
        Pixels of the galaxy, and of its arms, bar and ring; empty if they are not known.

    Returns
    -------
    dict of ndarray
        `pointing`, `inside` and `features` float32 (N,), NaN if they cannot be measured;
        `deletion`, the drop of the score, and `insertion`, its rise, float32 (N, len(SHARES));
        `deletion_tenth` and `insertion_tenth`, the same at a tenth of the pixels, float32 (N,).

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from galaxies.inside.gradient import Gradient
    >>> from galaxies.inside.images import blurred, sky
    >>> from galaxies.inside.masks import galaxy_masks
    >>> from galaxies.inside.methods import grad_cam
    >>> from galaxies.inside.score import Score
    >>> score = Score(Gradient(Path("models/cnn")), slice(0, 2))
    >>> images = np.load("data/images.npy")[:2]
    >>> answers = score.predicted(images)
    >>> measures = measure(
    ...     grad_cam(score, images, answers),
    ...     lambda given: score(given, answers),
    ...     images,
    ...     (sky(images), blurred(images)),
    ...     galaxies=galaxy_masks(images),
    ...     features=np.zeros(images.shape[:3], bool),
    ... )
    >>> measures["pointing"].shape, measures["deletion"].shape
    ((2,), (2, 7))
    """
    pixels = images.astype(np.float32)
    sky, blurred = others
    falling = replacing(score, pixels, sky, maps)
    rising = replacing(score, blurred, pixels, maps)
    told = np.where(features.any(axis=(1, 2)), share_inside(maps, features), np.nan)
    seen = galaxies.any(axis=(1, 2))
    deletion, insertion = falling[:, :1] - falling, rising - rising[:, :1]
    return {
        "pointing": np.where(seen, points_inside(maps, galaxies), np.nan).astype(np.float32),
        "inside": np.where(seen, share_inside(maps, galaxies), np.nan).astype(np.float32),
        "features": told.astype(np.float32),
        "deletion": deletion,
        "insertion": insertion,
        "deletion_tenth": deletion[:, _TENTH],
        "insertion_tenth": insertion[:, _TENTH],
    }


def rank_correlation(maps: Maps, others: Maps) -> Maps:
    """Compute Spearman's rank correlation of the pixels of two maps; returns (N,)."""
    from scipy.stats import rankdata

    ranks = [rankdata(pixels.reshape(len(pixels), -1), axis=1) for pixels in (maps, others)]
    first, second = (rank - rank.mean(axis=1, keepdims=True) for rank in ranks)
    norms = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    correlation = np.zeros(len(maps))
    np.divide((first * second).sum(axis=1), norms, out=correlation, where=norms > 0)
    return correlation.astype(np.float32)


def with_intervals(measured: Mapping[str, Maps], seed: int) -> dict[str, float]:
    """Average over galaxies, with 95% bootstrap intervals.

    Parameters
    ----------
    measured : mapping of ndarray of shape (N,) or (N, len(SHARES)), float32
        Measures; galaxies with NaN are left out; for curves the `area` is used.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    dict
        For each `name` also `name_low` and `name_high`; measures without galaxies are left out.

    Examples
    --------
    >>> import numpy as np
    >>> with_intervals({"inside": np.full(20, 0.75, np.float32)}, seed=0)
    {'inside': 0.75, 'inside_low': 0.75, 'inside_high': 0.75}
    """
    random = np.random.default_rng(seed)
    summary: dict[str, float] = {}
    for name, values in measured.items():
        each = area(values) if values.ndim == 2 else values
        finite = each[~np.isnan(each)].astype(np.float64)
        if not len(finite):
            continue
        means = finite[random.integers(0, len(finite), (RESAMPLES, len(finite)))].mean(axis=1)
        low, high = np.quantile(means, (0.025, 0.975))
        figures = {name: finite.mean(), f"{name}_low": low, f"{name}_high": high}
        summary |= {key: round(float(value), 4) for key, value in figures.items()}
    return summary


def measure_all(
    score: Score, images: Pixels, answers: npt.NDArray[np.int64], features: Masks
) -> dict[str, dict[str, Maps]]:
    """Compute all measures for all methods and controls.

    Parameters
    ----------
    score : Score
        The score to explain.
    images : ndarray of shape (N, side, side, 3), uint8
        Images.
    answers : ndarray of shape (N,), int64
        Places of the answers in `CLASSES`.
    features : ndarray of shape (N, side, side), bool
        Pixels of arms, bar and ring.

    Returns
    -------
    dict of dict of ndarray
        For each method, and each of `CONTROLS`, the output of `measure`, and `deletion_tenth` for
        the galaxies of each class, such as `deletion_tenth_spiral`.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from galaxies.inside.gradient import Gradient
    >>> from galaxies.inside.score import Score
    >>> score = Score(Gradient(Path("models/cnn")), slice(0, 2))
    >>> images = np.load("data/images.npy")[:2]
    >>> answers = score.predicted(images)
    >>> measures = measure_all(score, images, answers, np.zeros(images.shape[:3], bool))
    >>> sorted(measures)[:4], measures["evidence"]["inside"].shape
    (['brightness', 'centre', 'contributions', 'edges'], (2,))
    """
    galaxies = galaxy_masks(images)
    control_maps = controls(images, _SEED)

    def measure_some(start: int) -> dict[str, dict[str, Maps]]:
        at = slice(start, start + _TOGETHER)
        batch, batch_answers = images[at], answers[at]
        maps = by_all_methods(score, batch, batch_answers)
        maps |= {name: control[at] for name, control in control_maps.items()}
        others = (sky(batch), blurred(batch))
        return {
            name: measure(
                evidence,
                lambda given: score(given, batch_answers),
                batch,
                others,
                galaxies[at],
                features[at],
            )
            for name, evidence in maps.items()
        }

    measured = _by_pieces(measure_some, len(images))
    for each in measured.values():
        for place, name in enumerate(CLASSES):
            of_class = np.where(answers == place, each["deletion_tenth"], np.nan)
            each[f"deletion_tenth_{name}"] = of_class.astype(np.float32)
    return measured


def compare_with_random(
    score: Score, others: Mapping[str, Score], images: Pixels, answers: npt.NDArray[np.int64]
) -> dict[str, dict[str, Maps]]:
    """Compute the rank correlation with the maps of networks with random layers.

    The randomisation test of Adebayo et al. (2018, "Sanity checks for saliency maps").

    Parameters
    ----------
    score : Score
        The score to explain.
    others : mapping of str to Score
        The same network with random layers.
    images : ndarray of shape (N, side, side, 3), uint8
        Images.
    answers : ndarray of shape (N,), int64
        Places of the answers.

    Returns
    -------
    dict of dict of ndarray of shape (N,), float32
        For each method, for each of the others.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from galaxies.inside.gradient import Gradient
    >>> from galaxies.inside.score import Score
    >>> from galaxies.models.backward import randomised_gradient
    >>> score = Score(Gradient(Path("models/cnn")), slice(0, 2))
    >>> images = np.load("data/images.npy")[:2]
    >>> answers = score.predicted(images)
    >>> random = Score(Gradient(randomised_gradient(Path("models/cnn"), 1, 0)), slice(0, 2))
    >>> correlations = compare_with_random(score, {"last layer": random}, images, answers)
    >>> correlations["evidence"]["last layer"].shape
    (2,)
    """

    def correlate(start: int) -> dict[str, dict[str, Maps]]:
        at = slice(start, start + _TOGETHER)
        own = by_all_methods(score, images[at], answers[at])
        random = {
            name: by_all_methods(randomised, images[at], answers[at])
            for name, randomised in others.items()
        }
        return {
            method: {
                name: rank_correlation(maps, by_method[method])
                for name, by_method in random.items()
            }
            for method, maps in own.items()
        }

    return _by_pieces(correlate, len(images))


def _by_pieces(
    function: Callable[[int], dict[str, dict[str, Maps]]], count: int
) -> dict[str, dict[str, Maps]]:
    """Apply a function to batches of galaxies, and join the results."""
    workers = cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        parts = list(in_order(pool, function, range(0, count, _TOGETHER), 2 * workers))
    return {
        name: {key: np.concatenate([part[name][key] for part in parts]) for key in each}
        for name, each in parts[0].items()
    }


def report(
    measured: Mapping[str, Mapping[str, Maps]], like_random: Mapping[str, Mapping[str, Maps]]
) -> dict[str, Any]:
    """Summarise means with their intervals, for the `methods` and the `controls`."""
    averages = {
        name: with_intervals({**each, **like_random.get(name, {})}, _SEED)
        for name, each in measured.items()
    }
    return {
        "methods": {name: values for name, values in averages.items() if name not in CONTROLS},
        "controls": {name: averages[name] for name in CONTROLS},
    }
