"""What a model's numbers say: the class alone, or all of Galaxy Zoo's questions at once."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from galaxies.base.arrays import Probabilities
from galaxies.base.questions import (
    ALL_COLUMNS,
    ALL_QUESTIONS,
    FIRST,
    Campaign,
    down_the_tree,
)

Outputs = npt.NDArray[np.float32]
"""(N,) the probability of "spiral"; or (N, 52) shares of the volunteers in the order of
`ALL_COLUMNS`, then a concentration for each of `ALL_QUESTIONS`. The shares of those who came to a
question are expected to follow a Dirichlet distribution, whose parameters add up to the
concentration: the larger it is, the surer the network."""

ANSWERS: Final = len(ALL_COLUMNS)
"""Numbers before the concentrations."""

NUMBERS: Final = ANSWERS + len(ALL_QUESTIONS)
"""Numbers of a model that answers all questions."""

USUAL: Final = 2.0
"""Added to what the network says of a concentration's logarithm, so that 0 means some seven
volunteers."""

LEAST, MOST = -1.0, 6.0
"""Between these the logarithm of a concentration is kept."""


def read_outputs(network: npt.NDArray[np.float32]) -> Outputs:
    """Turn what a network computes into shares and concentrations.

    Parameters
    ----------
    network : ndarray of shape (N, 52), float32
        For each answer a logit within its question, then for each question the logarithm of its
        concentration, less `USUAL`.

    Returns
    -------
    ndarray of shape (N, 52), float32
        Shares that obey the tree, then concentrations.

    Examples
    --------
    >>> outputs = read_outputs(np.zeros((1, NUMBERS), np.float32))
    >>> [round(float(share), 3) for share in outputs[0, :5]]
    [0.333, 0.333, 0.333, 0.167, 0.167]
    """
    numbers = network.astype(np.float64)
    for question in ALL_QUESTIONS:
        logits = numbers[:, question.places]
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        numbers[:, question.places] = shares / shares.sum(axis=1, keepdims=True)
    numbers[:, : FIRST["gz1"].places.start] = down_the_tree(numbers[:, : FIRST["gz1"].places.start])
    numbers[:, ANSWERS:] = np.exp(np.clip(numbers[:, ANSWERS:] + USUAL, LEAST, MOST))
    return numbers.astype(np.float32)


def p_spiral(outputs: npt.NDArray[Any], campaign: Campaign) -> Probabilities:
    """Find the raw probability of "spiral", float32 (N,), by a campaign's first question.

    Parameters
    ----------
    outputs : ndarray of shape (N,) or (N, 52)
    campaign : {"gz1", "gz2"}
        Of no effect on a model that knows the class alone.
    """
    if outputs.ndim == 1:
        return np.asarray(outputs, dtype=np.float32)
    elliptical, spiral = _two_classes(outputs, campaign)
    return np.asarray(spiral / (elliptical + spiral), dtype=np.float32)


def vote_spread(outputs: npt.NDArray[Any], campaign: Campaign) -> Probabilities:
    """Find the standard deviation of the share of volunteers who would say "spiral".

    Of the two classes alone the shares follow a beta distribution, as those of all three answers
    follow a Dirichlet distribution.

    Parameters
    ----------
    outputs, campaign
        As in `p_spiral`.

    Returns
    -------
    ndarray of shape (N,), float32
        0 for a model that knows the class alone.
    """
    if outputs.ndim == 1:
        return np.zeros(len(outputs), np.float32)
    elliptical, spiral = _two_classes(outputs, campaign)
    galaxy = elliptical + spiral
    p = spiral / galaxy
    place = ANSWERS + ALL_QUESTIONS.index(FIRST[campaign])
    concentration = outputs[:, place].astype(np.float64) * galaxy
    return np.sqrt(p * (1 - p) / (concentration + 1)).astype(np.float32)


def _two_classes(
    outputs: npt.NDArray[Any], campaign: Campaign
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    first = outputs[:, FIRST[campaign].places].astype(np.float64)
    # A float32 share can be 0; what it is divided by must not.
    elliptical, spiral = np.maximum(first[:, :2], 1e-30).T
    return elliptical, spiral
