"""The loss of the network: the negative log-likelihood of the volunteers' votes.

For hard votes and for galaxies chosen by an answer it is a pseudo-likelihood: a weighted one.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from galaxies.base.tensorflow_import import importing_tensorflow
from galaxies.bundle.answers import LEAST, MOST, TYPICAL
from galaxies.questions.layout import ClassPlaces, Layout
from galaxies.training.parts import Votes

with importing_tensorflow():
    import keras
    import tensorflow as tf
    from keras import ops


_CHOSEN: Final = 0.1

_FEWEST: Final = 1e-3
"""Added to the parameters of the Dirichlet distribution, which must not be 0."""


def targets(votes: Votes, layout: Layout) -> npt.NDArray[np.float32]:
    """Convert votes to the input of `surprise`.

    Galaxies that were chosen by an answer do not show how common it is, so their votes have a tenth
    of the weight (`galaxies.questions.layout.Layout.chosen_by_answer`): a pseudo-likelihood
    (Skinner 1989, "Domain means, regression and multivariate analysis"), not a model of how they
    were chosen.

    Parameters
    ----------
    votes : Votes
        Votes on N galaxies.
    layout : Layout
        Order of the network's answers; it may have further campaigns.

    Returns
    -------
    ndarray of shape (N, 2 * answers), float32
        The number of counted votes for each answer, then hard votes. Both are 0 for questions
        without votes.

    Examples
    --------
    >>> import numpy as np
    >>> from galaxies.questions.layout import Layout
    >>> from galaxies.questions.registry import campaign_named
    >>> from galaxies.training.parts import Votes
    >>> layout = Layout((campaign_named("gz2"),))
    >>> shares = np.full((1, 37), np.nan, np.float32)
    >>> shares[0, :3] = [0.75, 0.25, 0.0]
    >>> votes = Votes(layout, shares, np.array([40.0], np.float32))
    >>> targets(votes, layout)[0, :3].tolist()
    [30.0, 10.0, 0.0]
    """
    voted = votes.arranged(layout)
    shares = np.nan_to_num(voted)
    counted = shares * votes.volunteers[:, None]
    hard = np.where(votes.volunteers[:, None] == 0, shares, 0)
    chosen = layout.chosen_by_answer(voted, votes.volunteers == 0)
    for place, places in enumerate(layout.question_places):
        hard[:, places] *= np.where(chosen[:, place], _CHOSEN, 1.0)[:, None]
    return np.concatenate([counted, hard], axis=1).astype(np.float32)


def untold(votes: Votes, layout: Layout) -> tuple[int, ...]:
    """Find the questions without votes that show how common the answers are.

    They have no votes, or only votes on galaxies that were chosen by the answer
    (`galaxies.questions.layout.Layout.chosen_by_answer`).

    Parameters
    ----------
    votes : Votes
        Votes on N galaxies.
    layout : Layout
        Order of the network's answers; it may have further campaigns.

    Returns
    -------
    tuple of int
        Places in the questions of the layout.

    Examples
    --------
    >>> import numpy as np
    >>> from galaxies.questions.layout import Layout
    >>> from galaxies.questions.registry import campaign_named
    >>> from galaxies.training.parts import Votes
    >>> layout = Layout((campaign_named("gz2"),))
    >>> shares = np.full((1, 37), np.nan, np.float32)
    >>> shares[0, :3] = [0.75, 0.25, 0.0]
    >>> votes = Votes(layout, shares, np.array([40.0], np.float32))
    >>> untold(votes, layout)[:3]
    (1, 2, 3)
    """
    voted = votes.arranged(layout)
    chosen = layout.chosen_by_answer(voted, votes.volunteers == 0)
    given = np.nan_to_num(voted)
    return tuple(
        place
        for place, places in enumerate(layout.question_places)
        if not given[~chosen[:, place], places].any()
    )


def surprise(
    votes: Any,  # noqa: ANN401 - tensors
    numbers: Any,  # noqa: ANN401
    layout: Layout,
    sharpness: float,
    counted: float = 1.0,
) -> Any:  # noqa: ANN401
    """Compute the negative log-likelihood of the votes on each galaxy.

    The counted votes of those who reached a question follow a Dirichlet-multinomial distribution
    (Walmsley et al. 2022, MNRAS 509, 3966, section 4.2). A hard vote says what most volunteers saw,
    which is more certain than a single vote: its pseudo-likelihood is the predicted fraction to the
    power `sharpness`, normalised over all answers. The exponent is a weight, chosen on validation
    galaxies; no number of volunteers is known that would give it. Questions without votes add
    nothing.

    Parameters
    ----------
    votes : tensor of shape (N, 2 * answers)
        Output of `targets`.
    numbers : tensor of shape (N, outputs)
        Raw output of the network, the input of `galaxies.bundle.answers.read_outputs`.
    layout : Layout
        Order of the outputs.
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
    >>> from galaxies.questions.layout import Layout
    >>> from galaxies.questions.registry import campaign_named
    >>> from galaxies.training.parts import Votes
    >>> layout = Layout((campaign_named("gz2"),))
    >>> shares = np.full((1, 37), np.nan, np.float32)
    >>> shares[0, :3] = [0.75, 0.25, 0.0]
    >>> votes = Votes(layout, shares, np.array([40.0], np.float32))
    >>> undecided, smooth = np.zeros((2, 1, layout.outputs), np.float32)
    >>> smooth[0, 0] = 1.0
    >>> voted = targets(votes, layout)
    >>> likely, unlikely = (surprise(voted, out, layout, 2.0) for out in (smooth, undecided))
    >>> bool(likely < unlikely)
    True
    """
    asks, answers = layout.asks, layout.answers
    counts, hard = votes[:, :answers], votes[:, answers:]
    logits = numbers[:, :answers]
    concentrations = ops.exp(ops.clip(numbers[:, answers:] + TYPICAL, LEAST, MOST))
    parameters = ops.exp(_log_shares(logits, asks)) * ops.matmul(concentrations, asks) + _FEWEST
    return -counted * _dirichlet_multinomial(counts, parameters, asks) - ops.sum(
        hard * _log_shares(sharpness * logits, asks), axis=1
    )


def _log_shares(logits: Any, asks: npt.NDArray[np.float32]) -> Any:  # noqa: ANN401
    """Compute the logarithms of the fractions within each question (N, answers)."""
    logits = logits - ops.max(logits, axis=1, keepdims=True)
    # Limited, because the exponentials of a question far below the largest would vanish.
    sums = ops.matmul(ops.exp(ops.maximum(logits, -60.0)), asks.T)
    return ops.maximum(logits, -60.0) - ops.matmul(ops.log(sums), asks)


def _dirichlet_multinomial(
    counts: Any,  # noqa: ANN401
    parameters: Any,  # noqa: ANN401
    asks: npt.NDArray[np.float32],
) -> Any:  # noqa: ANN401
    """Compute the log-likelihood of counts (N, answers), of all questions together."""
    log_gamma = tf.math.lgamma
    volunteers, concentrations = (ops.matmul(numbers, asks.T) for numbers in (counts, parameters))
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
    classes : ClassPlaces
        Places of the answers that define the classes.

    Examples
    --------
    >>> import numpy as np
    >>> from galaxies.questions.layout import Layout
    >>> from galaxies.questions.registry import campaign_named
    >>> from galaxies.training.parts import Votes
    >>> layout = Layout((campaign_named("gz2"),))
    >>> shares = np.full((1, 37), np.nan, np.float32)
    >>> shares[0, :3] = [0.75, 0.25, 0.0]
    >>> votes = Votes(layout, shares, np.array([40.0], np.float32))
    >>> smooth = np.zeros((1, layout.outputs), np.float32)
    >>> smooth[0, 0] = 1.0
    >>> accuracy = ClassAccuracy(layout.class_places(campaign_named("gz2")))
    >>> _ = accuracy.update_state(targets(votes, layout), smooth)
    >>> float(accuracy.result())
    1.0
    """

    def __init__(self, classes: ClassPlaces) -> None:
        super().__init__(name="accuracy")
        self._classes = classes

    def update_state(
        self,
        votes: Any,  # noqa: ANN401 - tensors
        numbers: Any,  # noqa: ANN401
        sample_weight: Any = None,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """Count a batch of galaxies."""
        answers = votes.shape[1] // 2
        voted = votes[:, :answers] + votes[:, answers:]
        spiral, elliptical = voted[:, self._classes.spiral], voted[:, self._classes.elliptical]
        predicted = numbers[:, self._classes.spiral] > numbers[:, self._classes.elliptical]
        right = ops.cast(ops.equal(spiral > elliptical, predicted), "float32")
        return super().update_state(right, ops.cast(spiral + elliptical > 0, "float32"))
