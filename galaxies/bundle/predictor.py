"""Predict with the model of a bundle; all predictions are made here."""

import pkgutil
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, Self, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from galaxies.base.arrays import Device, Outputs, Probabilities
from galaxies.bundle.answers import ANSWERS, p_spiral
from galaxies.bundle.folder import Description, read_description
from galaxies.bundle.registry import MODELS
from galaxies.bundle.views import average_views, predict_rows
from galaxies.errors import GalaxiesError
from galaxies.questions.tree import ALL_COLUMNS, ALL_QUESTIONS, Campaign


class Saved(Protocol):
    """A model loaded from a bundle, for predictions."""

    def predict(self, inputs: npt.NDArray[Any]) -> Outputs:
        """Compute the outputs for images uint8 (N, size, size, 3).

        Several threads may call it at the same time.
        """

    @classmethod
    def load(cls, folder: Path, device: Device = "cpu") -> Self:
        """Read the files written by `save`; a damaged file is a `GalaxiesError`."""


class Prediction(NamedTuple):
    """Predictions for N galaxies, float32 (N,) unless stated otherwise."""

    p_spiral: Probabilities
    """Calibrated probability."""
    p_spiral_raw: Probabilities
    vote_fraction: Probabilities
    """Expected fraction of volunteers who see features or a disk."""
    spread: Probabilities
    """Standard deviation of the fraction of volunteers who answer "spiral": as predicted by the
    model, and between views. 0 for one view of a model that predicts only the class."""
    outputs: Outputs
    """All outputs of the model, as in `galaxies.bundle.answers`."""
    answers: npt.NDArray[np.float32] | None = None
    """(N, 40) predicted vote fractions in the order of `galaxies.questions.tree.ALL_COLUMNS`, NaN
    for questions that the model does not answer; `None` if it predicts only the class."""
    concentrations: npt.NDArray[np.float32] | None = None
    """(N, 12) for each of `galaxies.questions.tree.ALL_QUESTIONS`: the certainty of the fractions,
    comparable to a number of volunteers."""


class Predictor:
    """The model of a bundle with its calibrations and views.

    Parameters
    ----------
    folder : Path
        A bundle.
    views : {1, 8}, optional
        Number of views to average; by default that of the bundle.
    device : {"cpu", "gpu"}
        The device that computes.
    campaign : {"gz1", "gz2"}, optional
        Campaign whose first question defines the classes; by default that of the bundle.

    Raises
    ------
    GalaxiesError
        If the folder is not a valid bundle, or does not support the campaign.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> prediction = Predictor(Path("models/cnn")).predict(np.load("data/images.npy"))
    >>> prediction.p_spiral.shape, prediction.answers.shape
    ((40,), (40, 40))
    """

    def __init__(
        self,
        folder: Path,
        views: Literal[1, 8] | None = None,
        device: Device = "cpu",
        campaign: Campaign | None = None,
    ) -> None:
        self._folder = folder
        self.description: Description = read_description(folder)
        if campaign is not None:
            self.description = self.description.by(campaign)
        if views is not None:
            self.description = self.description.model_copy(update={"views": views})
        name = self.description.model
        if name not in MODELS:
            raise GalaxiesError(
                f"{folder}: contains a model {name!r}, but this version knows {', '.join(MODELS)}; "
                "install the version of galaxies that made it"
            )
        self.model = cast("type[Saved]", pkgutil.resolve_name(MODELS[name])).load(folder, device)

    def predict(self, inputs: npt.NDArray[Any]) -> Prediction:
        """Predict the class of galaxies.

        Parameters
        ----------
        inputs : ndarray of shape (N, size, size, 3), uint8
            Images, cropped and reduced as in the description of the bundle; for InceptionV3 also
            features, float16 (N, 2048).

        Returns
        -------
        Prediction

        Raises
        ------
        GalaxiesError
            If the images have another size than the training images.
        """
        self._check(inputs)
        seen = self.description
        outputs = average_views(self.model.predict, inputs, seen.views, seen.campaign)
        return self._calibrated(*outputs)

    def predict_rows(
        self, inputs: npt.NDArray[Any], rows: npt.NDArray[np.int64], *, workers: int
    ) -> Prediction:
        """Predict rows of an array on disk, with a progress bar.

        Parameters
        ----------
        inputs : ndarray
            As in `predict`.
        rows : ndarray of shape (N,), int64
            The rows.
        workers : int
            Number of threads; the predictions do not depend on it.

        Returns
        -------
        Prediction
        """
        self._check(inputs)
        raw = predict_rows(
            self.model.predict,
            inputs,
            rows,
            self.description.views,
            self.description.campaign,
            workers=workers,
            doing=self.description.title,
        )
        return self._calibrated(*raw)

    def _check(self, inputs: npt.NDArray[Any]) -> None:
        side = self.description.size
        if inputs.ndim == 4 and inputs.shape[1:3] != (side, side):
            raise GalaxiesError(
                f"{self._folder}: needs images of {side}x{side} pixels, "
                f"got {inputs.shape[2]}x{inputs.shape[1]}"
            )

    def _calibrated(self, outputs: Outputs, spread: Probabilities) -> Prediction:
        description = self.description
        raw = p_spiral(outputs, description.campaign)
        prediction = Prediction(
            description.calibration(raw), raw, description.votes(raw), spread, outputs
        )
        if outputs.ndim == 1:
            return prediction
        answers = outputs[:, :ANSWERS].copy()
        for question in ALL_QUESTIONS:
            if question.name not in description.questions:
                answers[:, question.places] = np.nan
        return prediction._replace(answers=answers, concentrations=outputs[:, ANSWERS:])


def prediction_table(galaxies: pd.DataFrame, prediction: Prediction) -> pd.DataFrame:
    """Make a table of predictions.

    Parameters
    ----------
    galaxies : DataFrame
        `galaxy_id` and `split` of N galaxies.
    prediction : Prediction
        Predictions for the same galaxies.

    Returns
    -------
    DataFrame
        `galaxy_id`, `split`, `p_spiral`, `p_spiral_raw`, `vote_fraction` and `spread`; if the model
        answers all questions, also its answers, with the names of Kaggle's columns, and the
        concentrations, such as `concentration_smooth`.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import pandas as pd
    >>> galaxies = pd.DataFrame({"galaxy_id": [100008, 100023], "split": "test"})
    >>> prediction = Predictor(Path("models/cnn")).predict(np.load("data/images.npy")[:2])
    >>> list(prediction_table(galaxies, prediction))[:6]
    ['galaxy_id', 'split', 'p_spiral', 'p_spiral_raw', 'vote_fraction', 'spread']
    """
    each = {name: values for name, values in prediction._asdict().items() if values is not None}
    answers, concentrations = each.pop("answers", None), each.pop("concentrations", None)
    del each["outputs"]
    table = galaxies[["galaxy_id", "split"]].assign(**each)
    if answers is not None and concentrations is not None:
        names = [f"concentration_{question.name}" for question in ALL_QUESTIONS]
        index = table.index
        further = (
            pd.DataFrame(answers, index, ALL_COLUMNS),
            pd.DataFrame(concentrations, index, names),
        )
        table = pd.concat([table, *further], axis=1)
    return table
