"""InceptionV3 with a simple classifier: logistic regression on its features."""

import shutil
import threading
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from galaxies.base.arrays import Device, Probabilities
from galaxies.bundle.forward import ForwardPass
from galaxies.bundle.plain_arrays import read_arrays
from galaxies.errors import GalaxiesError
from galaxies.models.inception.features import Features, extract_features
from galaxies.models.inception.weights import BACKBONE, read_weights_record
from galaxies.settings import InceptionSettings
from galaxies.training.fitting import Candidate, Fit, best_candidate
from galaxies.training.parts import Part

REGRESSION: Final = "regression.npz"


class Regression(NamedTuple):
    """Logistic regression on standardised features."""

    mean: npt.NDArray[np.float64]
    """(features,) of the training galaxies, like the next two."""
    scale: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]
    intercept: np.float64

    def predict(self, features: Features) -> Probabilities:
        """Compute the probability of "spiral", float32 (N,)."""
        standardised = _standardised(features, self.mean, self.scale)
        with _one_thread():
            scores = standardised @ self.weights + self.intercept
        return np.asarray(1 / (1 + np.exp(-scores)), dtype=np.float32)

    def save(self, path: Path) -> None:
        """Write an `.npz` file."""
        np.savez(path, **self._asdict())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the file written by `save`; a damaged file is a `GalaxiesError`."""
        arrays = read_arrays(path, cls._fields)
        shapes = [array.shape for array in arrays.values()]
        features = arrays["weights"].shape
        whole = shapes == [features, features, features, ()] and len(features) == 1
        if not whole or any(
            a.dtype != np.float64 or not np.isfinite(a).all() for a in arrays.values()
        ):
            raise GalaxiesError(f"{path}: damaged classifier; train the model again")
        return cls._make(arrays.values())


class InceptionClassifier:
    """The backbone of InceptionV3, and the regression on its features.

    Parameters
    ----------
    regression : Regression
        The fitted regression.
    backbone : Path
        Folder of the backbone.
    device : {"cpu", "gpu"}
        The device that computes the features.
    """

    def __init__(self, regression: Regression, backbone: Path, device: Device = "cpu") -> None:
        self._regression = regression
        self._folder = backbone
        self._device: Device = device
        self._forward: ForwardPass | None = None
        self._lock = threading.Lock()

    @property
    def title(self) -> str:
        """Name in figures, with the source of the backbone's weights."""
        return read_weights_record(self._folder).title

    def predict(self, inputs: npt.NDArray[Any]) -> Probabilities:
        """Compute the raw probability of "spiral".

        Parameters
        ----------
        inputs : ndarray of shape (N, size, size, 3), uint8, or of shape (N, 2048), float16
            Images, or their features.

        Returns
        -------
        ndarray of shape (N,), float32
        """
        if inputs.ndim == 4:
            inputs = extract_features(self._backbone, inputs)
        return self._regression.predict(inputs)

    @property
    def _backbone(self) -> ForwardPass:
        """The backbone, loaded when it is first needed (not for features)."""
        with self._lock:
            if self._forward is None:
                self._forward = ForwardPass(self._folder / BACKBONE, self._device)
            return self._forward

    def save(self, folder: Path) -> None:
        """Write the regression, and a copy of the backbone."""
        self._regression.save(folder / REGRESSION)
        shutil.copytree(self._folder, folder, dirs_exist_ok=True)

    @classmethod
    def load(cls, folder: Path, device: Device = "cpu") -> Self:
        """Read the file written by `save`; a damaged file is a `GalaxiesError`."""
        return cls(Regression.load(folder / REGRESSION), folder, device)


def fit(
    features: Features,
    train: Part,
    validation: Part,
    settings: InceptionSettings,
    backbone: Path,
) -> Fit[InceptionClassifier]:
    """Fit a regression for every strength of the penalty, and keep the best on validation.

    Parameters
    ----------
    features : ndarray of shape (M, 2048), float16
        Features of all images.
    train, validation : Part
        Galaxies for training, and for choosing the penalty.
    settings : InceptionSettings
        Strengths of the L2 penalty, relative to the mean log loss.
    backbone : Path
        Folder of the backbone that made the features.

    Returns
    -------
    Fit of InceptionClassifier
        The one with the lowest log loss; in a tie, the strongest penalty.
    """
    # Imported here because predicting does not need it.
    from sklearn.linear_model import LogisticRegression

    learned, held_out = features[train.rows], features[validation.rows]
    mean = learned.mean(axis=0, dtype=np.float64)
    scale = learned.std(axis=0, dtype=np.float64)
    scale[scale == 0] = 1
    standardised = _standardised(learned, mean, scale)

    def fit_one(strength: float) -> Candidate[Regression]:
        model = LogisticRegression(C=1 / (strength * len(learned)), max_iter=5000)
        with _one_thread():
            model.fit(standardised, train.labels, sample_weight=train.weights)
        regression = Regression(mean, scale, model.coef_[0], np.float64(model.intercept_[0]))
        return Candidate(regression, {"regularisation": strength}, regression.predict(held_out))

    strengths = sorted(settings.regularisation, reverse=True)
    best = best_candidate(strengths, fit_one, validation, doing="InceptionV3")
    weights = {"weights": read_weights_record(backbone).source}
    classifier = InceptionClassifier(best.model, backbone)
    return Fit(classifier, weights | best.chosen, best.history)


def _one_thread() -> threadpool_limits:
    """Use one BLAS thread, because the last digits of sums depend on the number of threads."""
    return threadpool_limits(1, user_api="blas")


def _standardised(
    features: Features, mean: npt.NDArray[np.float64], scale: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    return (features.astype(np.float64) - mean) / scale
