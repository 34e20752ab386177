"""How likely the volunteers' votes are by what a network says: the loss that it learns by."""

from typing import Any, Final

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import ops

from galaxies.base.questions import (
    ALL_COLUMNS,
    ALL_QUESTIONS,
    FIRST,
    Campaign,
    Question,
    chosen_by_answer,
)
from galaxies.learning.outputs import ANSWERS, LEAST, MOST, USUAL
from galaxies.learning.parts import Votes

_CHOSEN: Final = 0.1

_FEWEST: Final = 1e-3
"""Added to each parameter of a Dirichlet distribution, whose logarithm of gamma has no 0."""


def targets(votes: Votes) -> npt.NDArray[np.float32]:
    """Put votes into the form that `surprise` takes.

    How common an answer is, galaxies that were chosen by it do not tell: their votes count a tenth
    (`galaxies.base.questions.chosen_by_answer`).

    Parameters
    ----------
    votes : Votes
        Of N galaxies.

    Returns
    -------
    ndarray of shape (N, 80), float32
        How many volunteers gave each answer, 0 for hard votes; then hard votes, 0 for counted
        ones. What a survey does not answer is 0 in both.
    """
    shares = np.nan_to_num(votes.shares)
    counted = shares * votes.volunteers[:, None]
    hard = np.where(votes.volunteers[:, None] == 0, shares, 0)
    chosen = chosen_by_answer(votes.shares, votes.volunteers == 0)
    for place, question in enumerate(ALL_QUESTIONS):
        hard[:, question.places] *= np.where(chosen[:, place], _CHOSEN, 1.0)[:, None]
    return np.concatenate([counted, hard], axis=1).astype(np.float32)


def untold(votes: Votes) -> tuple[Question, ...]:
    """Find the questions of which votes do not tell how common the answers are.

    Nobody answered them, or only galaxies that were chosen by the answer
    (`galaxies.base.questions.chosen_by_answer`).

    Parameters
    ----------
    votes : Votes
        Of N galaxies.
    """
    chosen = chosen_by_answer(votes.shares, votes.volunteers == 0)
    given = np.nan_to_num(votes.shares)
    return tuple(
        question
        for place, question in enumerate(ALL_QUESTIONS)
        if not given[~chosen[:, place], question.places].any()
    )


def surprise(votes: Any, numbers: Any, sharpness: float, counted: float = 1.0) -> Any:  # noqa: ANN401 - tensors
    """Compute minus the logarithm of the chance of each galaxy's votes.

    Counted votes of those who came to a question follow a Dirichlet-multinomial distribution
    (Walmsley et al. 2022, MNRAS 509, 3966, section 4.2). A hard vote only says what most
    volunteers saw, which is surer than what one of them sees: its chance is the share to the power
    `sharpness`, over the sum of those of all answers. Questions without votes add nothing.

    Parameters
    ----------
    votes : tensor of shape (N, 80)
        As `targets` makes it.
    numbers : tensor of shape (N, 52)
        As `galaxies.learning.outputs.read_outputs` takes it.
    sharpness : float
    counted : float
        Weight of counted votes beside hard ones.

    Returns
    -------
    tensor of shape (N,)
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
"""(12, 40) which answers a question has: all questions go through a few operations at once."""


def _log_shares(logits: Any) -> Any:  # noqa: ANN401
    """Logarithms of the shares within each question (N, 40)."""
    logits = logits - ops.max(logits, axis=1, keepdims=True)
    # Far below the largest of all, a question's own would vanish.
    sums = ops.matmul(ops.exp(ops.maximum(logits, -60.0)), _ASKS.T)
    return ops.maximum(logits, -60.0) - ops.matmul(ops.log(sums), _ASKS)


def _dirichlet_multinomial(counts: Any, parameters: Any) -> Any:  # noqa: ANN401
    """Logarithm of the chance of counts (N, 40), of all questions together."""
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
    """Share of galaxies whose class is right, among those that have one.

    Parameters
    ----------
    campaign : {"gz1", "gz2"}
        By whose first question.
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
        """Count some galaxies."""
        known = votes[:, : len(ALL_COLUMNS)] + votes[:, len(ALL_COLUMNS) :]
        spiral, elliptical = known[:, self._spiral], known[:, self._elliptical]
        said = numbers[:, self._spiral] > numbers[:, self._elliptical]
        right = ops.cast(ops.equal(spiral > elliptical, said), "float32")
        return super().update_state(right, ops.cast(spiral + elliptical > 0, "float32"))
