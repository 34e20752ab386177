"""Predict with the model of a bundle; all predictions are made here."""

import pkgutil
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, Self, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from galaxies.base.arrays import Device, Outputs, Probabilities
from galaxies.bundle.answers import p_spiral, read_outputs
from galaxies.bundle.description import Description, read_description, require_own_files
from galaxies.bundle.known_galaxies import read_known
from galaxies.bundle.registry import MODELS
from galaxies.bundle.views import average_views, predict_rows
from galaxies.errors import GalaxiesError
from galaxies.judgement.appearance import appearance
from galaxies.judgement.familiarity import KnownGalaxies
from galaxies.questions.layout import Layout


class Saved(Protocol):
    """A model loaded from a bundle, for predictions."""

    def predict(self, inputs: npt.NDArray[Any]) -> Outputs:
        """Compute the raw outputs for images uint8 (N, size, size, 3).

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
    familiar: npt.NDArray[np.bool_] | None = None
    """Whether each image looks like the galaxies that the bundle was calibrated on; `None` if the
    bundle cannot tell, or for rows of an array."""
    answers: npt.NDArray[np.float32] | None = None
    """(N, answers) predicted vote fractions in the order of the bundle's layout, NaN for questions
    that the model does not answer; `None` if it predicts only the class."""
    concentrations: npt.NDArray[np.float32] | None = None
    """(N, questions) the certainty of the fractions of each question, comparable to a number of
    volunteers."""


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
    campaign : str, optional
        Campaign whose first question defines the classes; by default that of the bundle.
    description : Description, optional
        A changed description to use instead of that of the bundle.

    Attributes
    ----------
    known : KnownGalaxies or None
        The galaxies that are familiar to the bundle.

    Raises
    ------
    GalaxiesError
        If the folder is not a valid bundle, or is not calibrated for the campaign.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> prediction = Predictor(Path("models/cnn")).predict(np.load("data/images.npy"))
    >>> prediction.p_spiral.shape, prediction.answers.shape
    ((40,), (40, 37))
    """

    def __init__(
        self,
        folder: Path,
        views: Literal[1, 8] | None = None,
        device: Device = "cpu",
        campaign: str | None = None,
        description: Description | None = None,
    ) -> None:
        self._folder = folder
        self.description: Description = description or read_description(folder)
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
        require_own_files(folder, self.description)
        self.model = cast("type[Saved]", pkgutil.resolve_name(MODELS[name])).load(folder, device)
        self.known: KnownGalaxies | None = read_known(folder)

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
        outputs = average_views(self._outputs, inputs, seen.views, seen.class_places)
        prediction = self._calibrated(*outputs)
        if self.known is None or inputs.ndim != 4:
            return prediction
        return prediction._replace(familiar=self.known.familiar(appearance(inputs)))

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
            self._outputs,
            inputs,
            rows,
            self.description.views,
            self.description.class_places,
            workers=workers,
            doing=self.description.title,
        )
        return self._calibrated(*raw)

    def _outputs(self, inputs: npt.NDArray[Any]) -> Outputs:
        """Compute the outputs; those of a network are numbers that the layout makes readable."""
        numbers = self.model.predict(inputs)
        if not np.isfinite(numbers).all():
            raise GalaxiesError(
                f"{self._folder}: its model answers with what is not a number, so its weights are "
                "damaged; copy the bundle again, or train the model again"
            )
        return numbers if numbers.ndim == 1 else read_outputs(numbers, self.description.layout)

    def _check(self, inputs: npt.NDArray[Any]) -> None:
        side = self.description.size
        if inputs.ndim == 4 and inputs.shape[1:3] != (side, side):
            raise GalaxiesError(
                f"{self._folder}: needs images of {side}x{side} pixels, "
                f"got {inputs.shape[2]}x{inputs.shape[1]}"
            )

    def _calibrated(self, outputs: Outputs, spread: Probabilities) -> Prediction:
        description = self.description
        judgement = description.judgement
        raw = p_spiral(outputs, description.class_places)
        prediction = Prediction(
            judgement.calibration(raw), raw, judgement.votes(raw), spread, outputs
        )
        if outputs.ndim == 1:
            return prediction
        layout = description.layout
        answers = outputs[:, : layout.answers].copy()
        for (campaign, question), places in zip(
            layout.questions, layout.question_places, strict=True
        ):
            if question.name not in description.questions.get(campaign.name, ()):
                answers[:, places] = np.nan
        return prediction._replace(answers=answers, concentrations=outputs[:, layout.answers :])


def prediction_table(
    galaxies: pd.DataFrame, prediction: Prediction, layout: Layout
) -> pd.DataFrame:
    """Make a table of predictions.

    Parameters
    ----------
    galaxies : DataFrame
        `galaxy_id` and `split` of N galaxies.
    prediction : Prediction
        Predictions for the same galaxies.
    layout : Layout
        Order of the answers.

    Returns
    -------
    DataFrame
        `galaxy_id`, `split`, `p_spiral`, `p_spiral_raw`, `vote_fraction` and `spread`; if the model
        answers all questions, also its answers and their concentrations, with columns
        such as `gz2.bar_yes` and `gz2.bar.concentration`.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import pandas as pd
    >>> galaxies = pd.DataFrame({"galaxy_id": [100008, 100023], "split": "test"})
    >>> predictor = Predictor(Path("models/cnn"))
    >>> prediction = predictor.predict(np.load("data/images.npy")[:2])
    >>> list(prediction_table(galaxies, prediction, predictor.description.layout))[:7]
    ['galaxy_id', 'split', 'p_spiral', 'p_spiral_raw', 'vote_fraction', 'spread', 'gz2.smooth']
    """
    each = {name: values for name, values in prediction._asdict().items() if values is not None}
    answers, concentrations = each.pop("answers", None), each.pop("concentrations", None)
    del each["outputs"]
    each.pop("familiar", None)
    table = galaxies[["galaxy_id", "split"]].assign(**each)
    if answers is not None and concentrations is not None:
        index = table.index
        further = (
            pd.DataFrame(answers, index, layout.columns),
            pd.DataFrame(concentrations, index, layout.concentrations),
        )
        table = pd.concat([table, *further], axis=1)
    return table
