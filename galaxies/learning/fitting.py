"""What every model offers, and what fitting one gives."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, Self, TypeVar

import numpy.typing as npt
from tqdm import tqdm

from galaxies.base.arrays import Device, Probabilities
from galaxies.learning.outputs import Outputs
from galaxies.learning.parts import Labels

History = list[dict[str, float]]
"""One row for each epoch or candidate."""


class Model(Protocol):
    """A classifier that was fitted: a tree, a network, a regression."""

    @property
    def title(self) -> str:
        """What figures call it."""

    def predict(self, inputs: npt.NDArray[Any]) -> Outputs:
        """Say what it sees in images uint8 (N, size, size, 3)."""

    def save(self, folder: Path) -> None:
        """Write its files into a folder that is there."""


class Saved(Protocol):
    """A model read back from a bundle, to predict."""

    def predict(self, inputs: npt.NDArray[Any]) -> Outputs:
        """Say what it sees in images uint8 (N, size, size, 3).

        Several threads may call it at the same time.
        """

    @classmethod
    def load(cls, folder: Path, device: Device = "cpu") -> Self:
        """Read what the model's `save` wrote; a damaged file is a `GalaxiesError`."""


M = TypeVar("M")


class Fit(NamedTuple, Generic[M]):
    """What fitting a model gives."""

    model: M
    chosen: dict[str, Any]
    """What was kept, for `metrics/train_<model>.json`: `accuracy` and `loss` on validation
    galaxies, and the settings or the epoch that did best."""
    history: History
    """The same of every epoch or candidate."""
    kept: tuple[str, ...] = ()
    """Names of questions that the training galaxies do not teach, and that the model answers as
    the one that it started from."""


class Candidate(NamedTuple, Generic[M]):
    """A model fitted with one of several settings."""

    model: M
    settings: dict[str, float]
    p_spiral: Probabilities
    """(N,) of the validation galaxies."""


def best_candidate(
    settings: Sequence[Any],
    fit: Callable[[Any], Candidate[M]],
    labels: Labels,
    *,
    doing: str,
) -> Fit[M]:
    """Fit a model for every candidate, and keep the one with the least log loss on validation.

    Parameters
    ----------
    settings : sequence of Any
        The candidates; of equally good ones the earlier is kept.
    fit : callable
        Fits one.
    labels : ndarray of shape (N,), int64
        Of the validation galaxies.
    doing : str
        What the progress bar says.
    """
    # Those who only predict need not wait for the import.
    from sklearn.metrics import log_loss

    best: M | None = None
    history: History = []
    for one in tqdm(settings, desc=doing, unit=" fits"):
        candidate = fit(one)
        p = candidate.p_spiral
        row = {
            **candidate.settings,
            "accuracy": float(((p > 0.5) == labels).mean()),
            "loss": float(log_loss(labels, p, labels=[0, 1])),
        }
        if best is None or row["loss"] < min(earlier["loss"] for earlier in history):
            best = candidate.model
        history.append(row)
    if best is None:
        raise ValueError("no candidate to fit")
    return Fit(best, min(history, key=lambda row: row["loss"]), history)
