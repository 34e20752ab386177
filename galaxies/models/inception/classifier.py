"""The simple classifier on top of InceptionV3: logistic regression on its features."""

from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from galaxies.base.arrays import Probabilities
from galaxies.errors import GalaxiesError
from galaxies.learning.parts import Part
from galaxies.models.plain_arrays import read_arrays

Features = npt.NDArray[np.float16]
"""(N, features)."""


class Head(NamedTuple):
    """Logistic regression on standardised features."""

    mean: npt.NDArray[np.float64]
    """(features,) of the training galaxies; as the next two."""
    scale: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]
    intercept: np.float64

    def predict(self, features: Features) -> Probabilities:
        """Probability of "spiral", float32 (N,)."""
        standardised = _standardised(features, self.mean, self.scale)
        with _one_thread():
            scores = standardised @ self.weights + self.intercept
        return np.asarray(1 / (1 + np.exp(-scores)), dtype=np.float32)

    def save(self, path: Path) -> None:
        """Write an `.npz` file."""
        np.savez(path, **self._asdict())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote; a damaged file is a `GalaxiesError`."""
        arrays = read_arrays(path, cls._fields)
        shapes = [array.shape for array in arrays.values()]
        features = arrays["weights"].shape
        whole = shapes == [features, features, features, ()] and len(features) == 1
        if not whole or any(
            a.dtype != np.float64 or not np.isfinite(a).all() for a in arrays.values()
        ):
            raise GalaxiesError(f"{path}: its numbers make no classifier; make the bundle again")
        return cls._make(arrays.values())


class FittedHead(NamedTuple):
    """The chosen regression and how the candidates did."""

    head: Head
    chosen: dict[str, float]
    """`regularisation`, and `accuracy` and `loss` on validation galaxies."""
    candidates: list[dict[str, float]]
    """The same of every candidate."""


def fit_head(
    embeddings: Features, train: Part, validation: Part, regularisation: list[float]
) -> FittedHead:
    """Fit a regression for every strength of the penalty, and keep the best on validation.

    Parameters
    ----------
    embeddings
        (M, features), of which the parts take rows.
    train, validation
        Galaxies to learn from, and to choose by.
    regularisation
        Strengths of the L2 penalty on the weights, relative to the mean log loss.

    Returns
    -------
    FittedHead
        The one with the least log loss; of equals the most penalised.
    """
    # Those who only predict need not wait for the import.
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss

    known, held_out = embeddings[train.rows], embeddings[validation.rows]
    mean = known.mean(axis=0, dtype=np.float64)
    scale = known.std(axis=0, dtype=np.float64)
    scale[scale == 0] = 1
    standardised = _standardised(known, mean, scale)
    fitted: list[FittedHead] = []
    candidates: list[dict[str, float]] = []
    strengths = sorted(regularisation, reverse=True)
    for strength in tqdm(strengths, desc="InceptionV3", unit=" fits"):
        model = LogisticRegression(C=1 / (strength * len(known)), max_iter=5000)
        with _one_thread():
            model.fit(standardised, train.labels)
        head = Head(mean, scale, model.coef_[0], np.float64(model.intercept_[0]))
        p = head.predict(held_out)
        candidate = {
            "regularisation": strength,
            "accuracy": float(((p > 0.5) == validation.labels).mean()),
            "loss": float(log_loss(validation.labels, p, labels=[0, 1])),
        }
        candidates.append(candidate)
        fitted.append(FittedHead(head, candidate, candidates))
    return min(fitted, key=lambda one: one.chosen["loss"])


def _one_thread() -> threadpool_limits:
    """Keep BLAS from sharing out a sum: its last digits would tell the number of threads."""
    return threadpool_limits(1, user_api="blas")


def _standardised(
    features: Features, mean: npt.NDArray[np.float64], scale: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    return (features.astype(np.float64) - mean) / scale
