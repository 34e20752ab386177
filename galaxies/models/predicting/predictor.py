"""A bundle's model at work: the one way in which anything here predicts."""

import pkgutil
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from galaxies.base.arrays import Device, Probabilities
from galaxies.base.questions import ALL_COLUMNS, ALL_QUESTIONS, Campaign
from galaxies.errors import GalaxiesError
from galaxies.learning.bundle import Description, read_description
from galaxies.learning.fitting import Saved
from galaxies.learning.outputs import ANSWERS, Outputs, p_spiral
from galaxies.learning.views import average_views, predict_rows
from galaxies.models.registry import MODELS, Registered


def registered(name: str, folder: Path) -> Registered:
    """Look up a bundle's model; one that this version does not know is a `GalaxiesError`."""
    if name not in MODELS:
        raise GalaxiesError(
            f"{folder}: contains a model {name!r}, but this version knows {', '.join(MODELS)}; "
            "install the version of galaxies that made it"
        )
    return MODELS[name]


class Prediction(NamedTuple):
    """What a model predicts for N galaxies; each float32 (N,) where nothing else is said."""

    p_spiral: Probabilities
    """Calibrated."""
    p_spiral_raw: Probabilities
    vote_fraction: Probabilities
    """Share of volunteers who would see features or a disk."""
    spread: Probabilities
    """Standard deviation of the share of volunteers who would say "spiral": what the model expects,
    and what the views differ by. 0 for one view of a model that knows the class alone."""
    outputs: Outputs
    """All that the model says, as `galaxies.learning.outputs` has it."""
    answers: npt.NDArray[np.float32] | None = None
    """(N, 40) shares of the volunteers in the order of `galaxies.base.questions.ALL_COLUMNS`, NaN
    for questions that the model did not learn; `None` where it knows the class alone."""
    concentrations: npt.NDArray[np.float32] | None = None
    """(N, 12) for each of `galaxies.base.questions.ALL_QUESTIONS`: how sure the model is of the
    shares, as so many volunteers would be."""


class Predictor:
    """A bundle's model, its calibrations and its views.

    Parameters
    ----------
    folder : Path
        A bundle.
    views : {1, 8}, optional
        Views to average instead of those that the bundle names.
    device : Device
        What computes.
    campaign : {"gz1", "gz2"}, optional
        By whose first question the classes are told, instead of the bundle's own.

    Raises
    ------
    GalaxiesError
        If the folder is not a valid bundle, or does not know the campaign.
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
        kind = registered(self.description.model, folder).model
        self.model = cast("type[Saved]", pkgutil.resolve_name(kind)).load(folder, device)

    def predict(self, inputs: npt.NDArray[Any]) -> Prediction:
        """Predict the class of galaxies.

        Parameters
        ----------
        inputs : ndarray of shape (N, size, size, 3), uint8
            Images, cropped and reduced as the description says; for InceptionV3 also their
            features, float16 (N, 2048).

        Raises
        ------
        GalaxiesError
            If the images are of another size than those that the model learned from.
        """
        self._check(inputs)
        seen = self.description
        outputs = average_views(self.model.predict, inputs, seen.views, seen.campaign)
        return self._calibrated(*outputs)

    def predict_rows(
        self, inputs: npt.NDArray[Any], rows: npt.NDArray[np.int64], *, workers: int
    ) -> Prediction:
        """Predict for rows of an array on disk, some hundred at a time, with a progress bar.

        Parameters
        ----------
        inputs : ndarray
            As in `predict`.
        rows : ndarray of shape (N,), int64
            Which of them.
        workers : int
            Threads; the predictions do not depend on it.
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
                f"{self._folder}: is for images of {side}x{side} pixels, "
                f"not {inputs.shape[2]}x{inputs.shape[1]}"
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
    """Put predictions beside the galaxies' `galaxy_id` and `split`.

    Returns
    -------
    DataFrame
        With `p_spiral`, `p_spiral_raw`, `vote_fraction` and `spread`; where the model answers all
        questions, also its answers, named as Kaggle's columns, and `concentration_smooth` and so
        on for the questions.
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
