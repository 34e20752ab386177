"""The interface of all models, and the result of fitting one."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from galaxies.base.arrays import Outputs, Probabilities
from galaxies.questions.layout import Layout
from galaxies.training.parts import Part

History = list[dict[str, float]]
"""One row for each epoch or candidate."""


class Model(Protocol):
    """A fitted classifier: a tree, a network, a regression."""

    @property
    def title(self) -> str:
        """Name in figures."""

    def predict(self, inputs: npt.NDArray[Any]) -> Outputs:
        """Compute the raw outputs for images uint8 (N, size, size, 3).

        Probabilities of "spiral" (N,), or the input of `galaxies.bundle.answers.read_outputs`.
        """

    def save(self, folder: Path) -> None:
        """Write the files of the model into an existing folder."""


M = TypeVar("M")


class Fit(NamedTuple, Generic[M]):
    """Result of fitting a model."""

    model: M
    chosen: dict[str, Any]
    """For `metrics/train_<model>.json`: `accuracy` and `loss` on the validation galaxies, and the
    best settings or epoch."""
    history: History
    """The same for every epoch or candidate."""
    layout: Layout | None = None
    """Order of the outputs; `None` for a model that predicts only the class."""
    kept: frozenset[tuple[str, str]] = frozenset()
    """Campaigns and names of questions without votes, whose answers are those of the start
    network."""


class Candidate(NamedTuple, Generic[M]):
    """A model fitted with one choice of settings."""

    model: M
    settings: dict[str, float]
    p_spiral: Probabilities
    """(N,) for the validation galaxies."""


def best_candidate(
    settings: Sequence[Any],
    fit: Callable[[Any], Candidate[M]],
    validation: Part,
    *,
    doing: str,
) -> Fit[M]:
    """Fit all candidates, and keep the one with the lowest log loss on the validation galaxies.

    Parameters
    ----------
    settings : sequence of Any
        The candidates; in a tie, the earlier is kept.
    fit : callable
        Fits one candidate.
    validation : Part
        The validation galaxies, all with a label.
    doing : str
        Text of the progress bar.

    Returns
    -------
    Fit

    Raises
    ------
    ValueError
        If there are no candidates.

    Examples
    --------
    >>> import numpy as np
    >>> def fit(p):
    ...     return Candidate(f"always {p}", {"p": p}, np.full(4, p, np.float32))
    >>> import pandas as pd
    >>> from galaxies.training.parts import Part
    >>> labels = np.array([1, 1, 1, 0])
    >>> marks = np.zeros((4, 3), np.uint64)
    >>> validation = Part(pd.DataFrame(index=range(4)), np.arange(4), labels, marks)
    >>> best_candidate([0.5, 0.75], fit, validation, doing="fit").model
    'always 0.75'
    """
    # Imported here because predicting does not need it.
    from sklearn.metrics import log_loss

    labels, weights = validation.labels, validation.weights
    best: M | None = None
    history: History = []
    for choice in tqdm(settings, desc=doing, unit=" fits"):
        candidate = fit(choice)
        p = candidate.p_spiral
        row = {
            **candidate.settings,
            "accuracy": float(np.average((p > 0.5) == labels, weights=weights)),
            "loss": float(log_loss(labels, p, labels=[0, 1], sample_weight=weights)),
        }
        if best is None or row["loss"] < min(earlier["loss"] for earlier in history):
            best = candidate.model
        history.append(row)
    if best is None:
        raise ValueError("no candidate to fit")
    return Fit(best, min(history, key=lambda row: row["loss"]), history)
