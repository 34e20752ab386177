"""The loss of the network: the negative log-likelihood of the volunteers' votes."""

from typing import Any, Final

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import ops

from galaxies.bundle.answers import ANSWERS, LEAST, MOST, USUAL
from galaxies.questions.tree import (
    ALL_COLUMNS,
    ALL_QUESTIONS,
    FIRST,
    Campaign,
    Question,
    chosen_by_answer,
)
from galaxies.training.parts import Votes

_CHOSEN: Final = 0.1

_FEWEST: Final = 1e-3
"""Added to the parameters of the Dirichlet distribution, which must not be 0."""


def targets(votes: Votes) -> npt.NDArray[np.float32]:
    """Convert votes to the input of `surprise`.

    Galaxies that were chosen by an answer do not show how common it is, so their votes have a tenth
    of the weight (`galaxies.questions.tree.chosen_by_answer`).

    Parameters
    ----------
    votes : Votes
        Votes on N galaxies.

    Returns
    -------
    ndarray of shape (N, 80), float32
        The number of counted votes for each answer, then hard votes. Both are 0 for questions
        without votes.

    Examples
    --------
    >>> import numpy as np
    >>> from galaxies.training.parts import Votes
    >>> shares = np.full((1, 40), np.nan, np.float32)
    >>> shares[0, :3] = [0.75, 0.25, 0.0]
    >>> votes = Votes(shares, np.array([40.0], np.float32))
    >>> targets(votes)[0, :3].tolist()
    [30.0, 10.0, 0.0]
    """
    shares = np.nan_to_num(votes.shares)
    counted = shares * votes.volunteers[:, None]
    hard = np.where(votes.volunteers[:, None] == 0, shares, 0)
    chosen = chosen_by_answer(votes.shares, votes.volunteers == 0)
    for place, question in enumerate(ALL_QUESTIONS):
        hard[:, question.places] *= np.where(chosen[:, place], _CHOSEN, 1.0)[:, None]
    return np.concatenate([counted, hard], axis=1).astype(np.float32)


def untold(votes: Votes) -> tuple[Question, ...]:
    """Find the questions without votes that show how common the answers are.

    They have no votes, or only votes on galaxies that were chosen by the answer
    (`galaxies.questions.tree.chosen_by_answer`).

    Parameters
    ----------
    votes : Votes
        Votes on N galaxies.

    Returns
    -------
    tuple of Question

    Examples
    --------
    >>> import numpy as np
    >>> from galaxies.training.parts import Votes
    >>> shares = np.full((1, 40), np.nan, np.float32)
    >>> shares[0, :3] = [0.75, 0.25, 0.0]
    >>> votes = Votes(shares, np.array([40.0], np.float32))
    >>> [question.name for question in untold(votes)][:3]
    ['edge_on', 'bar', 'arms']
    """
    chosen = chosen_by_answer(votes.shares, votes.volunteers == 0)
    given = np.nan_to_num(votes.shares)
    return tuple(
        question
        for place, question in enumerate(ALL_QUESTIONS)
        if not given[~chosen[:, place], question.places].any()
    )


def surprise(votes: Any, numbers: Any, sharpness: float, counted: float = 1.0) -> Any:  # noqa: ANN401 - tensors
    """Compute the negative log-likelihood of the votes on each galaxy.

    The counted votes of those who reached a question follow a Dirichlet-multinomial distribution
    (Walmsley et al. 2022, MNRAS 509, 3966, section 4.2). A hard vote says what most volunteers saw,
    which is more certain than a single vote: its likelihood is the predicted fraction to the power
    `sharpness`, normalised over all answers. Questions without votes add nothing.

    Parameters
    ----------
    votes : tensor of shape (N, 80)
        Output of `targets`.
    numbers : tensor of shape (N, 52)
        Raw output of the network, the input of `galaxies.bundle.answers.read_outputs`.
    sharpness : float
        Exponent for hard votes.
    counted : float
        Weight of counted votes relative to hard ones.

    Returns
    -------
    tensor of shape (N,)

    Examples
    --------
    >>> import numpy as np
    >>> from galaxies.training.parts import Votes
    >>> shares = np.full((1, 40), np.nan, np.float32)
    >>> shares[0, :3] = [0.75, 0.25, 0.0]
    >>> votes = Votes(shares, np.array([40.0], np.float32))
    >>> undecided, smooth = np.zeros((2, 1, 52), np.float32)
    >>> smooth[0, 0] = 1.0
    >>> likely, unlikely = (surprise(targets(votes), one, 2.0) for one in (smooth, undecided))
    >>> bool(likely < unlikely)
    True
    """
    counts, hard = votes[:, :ANSWERS], votes[:, ANSWERS:]
    logits = numbers[:, :ANSWERS]
    concentrations = ops.exp(ops.clip(numbers[:, ANSWERS:] + USUAL, LEAST, MOST))
    parameters = ops.exp(_log_shares(logits)) * ops.matmul(concentrations, _ASKS) + _FEWEST
    return -counted * _dirichlet_multinomial(counts, parameters) - ops.sum(
        hard * _log_shares(sharpness * logits), axis=1
    )


_ASKS: Final = np.array(
    [[column in question.columns for column in ALL_COLUMNS] for question in ALL_QUESTIONS],
    np.float32,
)
"""(12, 40) the answers of each question, to compute all questions at once."""


def _log_shares(logits: Any) -> Any:  # noqa: ANN401
    """Compute the logarithms of the fractions within each question (N, 40)."""
    logits = logits - ops.max(logits, axis=1, keepdims=True)
    # Limited, because the exponentials of a question far below the largest would vanish.
    sums = ops.matmul(ops.exp(ops.maximum(logits, -60.0)), _ASKS.T)
    return ops.maximum(logits, -60.0) - ops.matmul(ops.log(sums), _ASKS)


def _dirichlet_multinomial(counts: Any, parameters: Any) -> Any:  # noqa: ANN401
    """Compute the log-likelihood of counts (N, 40), of all questions together."""
    log_gamma = tf.math.lgamma
    volunteers, concentrations = (ops.matmul(one, _ASKS.T) for one in (counts, parameters))
    of_questions = (
        log_gamma(concentrations)
        - log_gamma(volunteers + concentrations)
        + log_gamma(volunteers + 1)
    )
    of_answers = log_gamma(counts + parameters) - log_gamma(parameters) - log_gamma(counts + 1)
    return ops.sum(of_questions, axis=1) + ops.sum(of_answers, axis=1)


class ClassAccuracy(keras.metrics.Mean):  # type: ignore[misc]
    """Accuracy on the galaxies that have a class.

    Parameters
    ----------
    campaign : {"gz1", "gz2"}
        Campaign whose first question defines the classes.

    Examples
    --------
    >>> import numpy as np
    >>> from galaxies.training.parts import Votes
    >>> shares = np.full((1, 40), np.nan, np.float32)
    >>> shares[0, :3] = [0.75, 0.25, 0.0]
    >>> votes = Votes(shares, np.array([40.0], np.float32))
    >>> smooth = np.zeros((1, 52), np.float32)
    >>> smooth[0, 0] = 1.0
    >>> accuracy = ClassAccuracy("gz2")
    >>> _ = accuracy.update_state(targets(votes), smooth)
    >>> float(accuracy.result())
    1.0
    """

    def __init__(self, campaign: Campaign) -> None:
        super().__init__(name="accuracy")
        first = FIRST[campaign].places.start
        self._elliptical, self._spiral = first, first + 1

    def update_state(
        self,
        votes: Any,  # noqa: ANN401 - tensors
        numbers: Any,  # noqa: ANN401
        sample_weight: Any = None,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """Count a batch of galaxies."""
        known = votes[:, : len(ALL_COLUMNS)] + votes[:, len(ALL_COLUMNS) :]
        spiral, elliptical = known[:, self._spiral], known[:, self._elliptical]
        said = numbers[:, self._spiral] > numbers[:, self._elliptical]
        right = ops.cast(ops.equal(spiral > elliptical, said), "float32")
        return super().update_state(right, ops.cast(spiral + elliptical > 0, "float32"))
