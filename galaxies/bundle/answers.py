"""The outputs of a model: the class only, or the answers to all questions of some campaigns.

A model that answers questions has outputs (N, outputs) in the order of a
`galaxies.questions.layout.Layout`: vote fractions, then a concentration for each question. The
fractions among those who reached a question are modelled by a Dirichlet distribution; the
concentration is the sum of its parameters. The larger it is, the more certain the network.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from galaxies.base.arrays import Outputs, Probabilities
from galaxies.questions.layout import ClassPlaces, Layout

TYPICAL: Final = 2.0
"""Added to the network's logarithm of a concentration, so that 0 means about seven volunteers."""

LEAST, MOST = -1.0, 6.0
"""Limits of the logarithm of a concentration."""


def read_outputs(network: npt.NDArray[np.float32], layout: Layout) -> Outputs:
    """Turn the raw numbers of a network into vote fractions and concentrations.

    Parameters
    ----------
    network : ndarray of shape (N, outputs), float32
        For each answer a logit within its question, then for each question the logarithm of its
        concentration, minus `TYPICAL`.
    layout : Layout
        Order of the outputs.

    Returns
    -------
    ndarray of shape (N, outputs), float32
        Vote fractions down the tree, then concentrations.

    Examples
    --------
    >>> import numpy as np
    >>> from galaxies.questions.layout import Layout
    >>> from galaxies.questions.registry import campaign_named
    >>> layout = Layout((campaign_named("gz2"),))
    >>> outputs = read_outputs(np.zeros((1, layout.outputs), np.float32), layout)
    >>> [round(float(share), 3) for share in outputs[0, :5]]
    [0.333, 0.333, 0.333, 0.167, 0.167]
    """
    numbers = network.astype(np.float64)
    for places in layout.question_places:
        logits = numbers[:, places]
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        numbers[:, places] = shares / shares.sum(axis=1, keepdims=True)
    for campaign in layout.campaigns:
        places = layout.places(campaign)
        numbers[:, places] = campaign.down_the_tree(numbers[:, places])
    concentrations = numbers[:, layout.answers :]
    numbers[:, layout.answers :] = np.exp(np.clip(concentrations + TYPICAL, LEAST, MOST))
    return numbers.astype(np.float32)


def p_spiral(outputs: npt.NDArray[Any], classes: ClassPlaces) -> Probabilities:
    """Compute the raw probability of "spiral" for the first question of a campaign.

    Parameters
    ----------
    outputs : ndarray of shape (N,) or (N, outputs)
        Outputs of a model.
    classes : ClassPlaces
        Places of the answers; ignored for a model that predicts only the class.

    Returns
    -------
    ndarray of shape (N,), float32

    Examples
    --------
    >>> import numpy as np
    >>> from galaxies.questions.layout import Layout
    >>> from galaxies.questions.registry import campaign_named
    >>> gz2 = campaign_named("gz2")
    >>> layout = Layout((gz2,))
    >>> outputs = read_outputs(np.zeros((1, layout.outputs), np.float32), layout)
    >>> p_spiral(outputs, layout.class_places(gz2)).tolist()
    [0.5]
    """
    if outputs.ndim == 1:
        return np.asarray(outputs, dtype=np.float32)
    elliptical, spiral = _two_classes(outputs, classes)
    return np.asarray(spiral / (elliptical + spiral), dtype=np.float32)


def vote_spread(outputs: npt.NDArray[Any], classes: ClassPlaces) -> Probabilities:
    """Compute the standard deviation of the fraction of volunteers who answer "spiral".

    If the fractions of all three answers follow a Dirichlet distribution, those of the two classes
    among themselves follow a beta distribution.

    Parameters
    ----------
    outputs : ndarray of shape (N,) or (N, outputs)
        Outputs of a model.
    classes : ClassPlaces
        Places of the answers; ignored for a model that predicts only the class.

    Returns
    -------
    ndarray of shape (N,), float32
        0 for a model that predicts only the class.

    Examples
    --------
    >>> import numpy as np
    >>> from galaxies.questions.layout import Layout
    >>> from galaxies.questions.registry import campaign_named
    >>> gz2 = campaign_named("gz2")
    >>> layout = Layout((gz2,))
    >>> outputs = read_outputs(np.zeros((1, layout.outputs), np.float32), layout)
    >>> vote_spread(outputs, layout.class_places(gz2)).round(2)
    array([0.21], dtype=float32)
    """
    if outputs.ndim == 1:
        return np.zeros(len(outputs), np.float32)
    elliptical, spiral = _two_classes(outputs, classes)
    galaxy = elliptical + spiral
    p = spiral / galaxy
    concentration = outputs[:, classes.concentration].astype(np.float64) * galaxy
    return np.sqrt(p * (1 - p) / (concentration + 1)).astype(np.float32)


def _two_classes(
    outputs: npt.NDArray[Any], classes: ClassPlaces
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    first = outputs[:, [classes.elliptical, classes.spiral]].astype(np.float64)
    # A float32 fraction can be 0, but not the divisor.
    elliptical, spiral = np.maximum(first, 1e-30).T
    return elliptical, spiral
