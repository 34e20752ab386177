"""The outputs of a model: the class only, or all questions of Galaxy Zoo."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from galaxies.base.arrays import Outputs, Probabilities
from galaxies.questions.tree import (
    ALL_COLUMNS,
    ALL_QUESTIONS,
    FIRST,
    Campaign,
    down_the_tree,
)

"""(N, 52) vote fractions in the order of `ALL_COLUMNS`, then a
concentration for each of `ALL_QUESTIONS`. The fractions among those who reached a question are
modelled by a Dirichlet distribution; the concentration is the sum of its parameters. The larger it
is, the more certain the network."""

ANSWERS: Final = len(ALL_COLUMNS)
"""Number of vote fractions, before the concentrations."""

NUMBERS: Final = ANSWERS + len(ALL_QUESTIONS)
"""Number of outputs of a model that answers all questions."""

USUAL: Final = 2.0
"""Added to the network's logarithm of a concentration, so that 0 means about seven volunteers."""

LEAST, MOST = -1.0, 6.0
"""Limits of the logarithm of a concentration."""


def read_outputs(network: npt.NDArray[np.float32]) -> Outputs:
    """Turn the raw numbers of a network into vote fractions and concentrations.

    Parameters
    ----------
    network : ndarray of shape (N, 52), float32
        For each answer a logit within its question, then for each question the logarithm of its
        concentration, minus `USUAL`.

    Returns
    -------
    ndarray of shape (N, 52), float32
        Vote fractions down the tree, then concentrations.

    Examples
    --------
    >>> import numpy as np
    >>> from galaxies.bundle.answers import NUMBERS
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
    """Compute the raw probability of "spiral" for the first question of a campaign.

    Parameters
    ----------
    outputs : ndarray of shape (N,) or (N, 52)
        Outputs of a model.
    campaign : {"gz1", "gz2"}
        Ignored for a model that predicts only the class.

    Returns
    -------
    ndarray of shape (N,), float32

    Examples
    --------
    >>> import numpy as np
    >>> from galaxies.bundle.answers import NUMBERS
    >>> outputs = read_outputs(np.zeros((1, NUMBERS), np.float32))
    >>> p_spiral(outputs, "gz2").tolist()
    [0.5]
    """
    if outputs.ndim == 1:
        return np.asarray(outputs, dtype=np.float32)
    elliptical, spiral = _two_classes(outputs, campaign)
    return np.asarray(spiral / (elliptical + spiral), dtype=np.float32)


def vote_spread(outputs: npt.NDArray[Any], campaign: Campaign) -> Probabilities:
    """Compute the standard deviation of the fraction of volunteers who answer "spiral".

    If the fractions of all three answers follow a Dirichlet distribution, those of the two classes
    among themselves follow a beta distribution.

    Parameters
    ----------
    outputs : ndarray of shape (N,) or (N, 52)
        Outputs of a model.
    campaign : {"gz1", "gz2"}
        Ignored for a model that predicts only the class.

    Returns
    -------
    ndarray of shape (N,), float32
        0 for a model that predicts only the class.

    Examples
    --------
    >>> import numpy as np
    >>> from galaxies.bundle.answers import NUMBERS
    >>> outputs = read_outputs(np.zeros((1, NUMBERS), np.float32))
    >>> vote_spread(outputs, "gz2").round(2)
    array([0.21], dtype=float32)
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
    # A float32 fraction can be 0, but not the divisor.
    elliptical, spiral = np.maximum(first[:, :2], 1e-30).T
    return elliptical, spiral
