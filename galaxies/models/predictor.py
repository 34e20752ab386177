"""A trained bundle at work: the one way in which anything here predicts."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from galaxies.base.arrays import Pixels, Probabilities
from galaxies.errors import GalaxiesError
from galaxies.learning.bundle import Description, read_description
from galaxies.learning.views import average_orientations, score_rows
from galaxies.models.inception.classifier import Head
from galaxies.models.tree import DecisionTree


class Prediction(NamedTuple):
    """What a model says of N galaxies; each float32 (N,)."""

    p_spiral: Probabilities
    """Calibrated."""
    p_spiral_raw: Probabilities
    vote_fraction: Probabilities
    """Share of volunteers who would see features or a disk, as far as the model can tell."""
    spread: Probabilities
    """Standard deviation of the raw probability over the orientations; 0 for a single one."""


class Classifier:
    """A model with all it needs.

    Parameters
    ----------
    folder
        A bundle.
    views
        Orientations to average instead of those that the bundle names.

    Raises
    ------
    GalaxiesError
        If it is none, or damaged.
    """

    def __init__(self, folder: Path, views: Literal[1, 8] | None = None) -> None:
        self._folder = folder
        self.description: Description = read_description(folder)
        if views is not None:
            self.description = self.description.model_copy(update={"views": views})
        self._score: Callable[[Any], Probabilities]
        match self.description.model:
            case "tree":
                self._score = DecisionTree.load(folder / "tree.npz").predict
            case "inception":
                self._score = Head.load(folder / "head.npz").predict
            case "mlp" | "cnn":
                # Keras takes seconds to import, which the tree need not wait for.
                from galaxies.models.networks import load_network, predict_network

                network = load_network(folder)
                self._score = lambda images: predict_network(network, images)

    def predict(self, inputs: npt.NDArray[Any]) -> Prediction:
        """Classify galaxies.

        Parameters
        ----------
        inputs
            Images uint8 (N, size, size, 3) cropped and reduced as the description says, or for
            InceptionV3 their features float16 (N, 2048).
        """
        self._check(inputs)
        return self._calibrated(*average_orientations(self._score, inputs, self.description.views))

    def _check(self, inputs: npt.NDArray[Any]) -> None:
        """Refuse images of another size than the model was trained on."""
        side = self.description.size
        if self.description.model != "inception" and inputs.shape[1:3] != (side, side):
            raise GalaxiesError(
                f"{self._folder}: is for images of {side}x{side} pixels, "
                f"not {inputs.shape[2]}x{inputs.shape[1]}"
            )

    def predict_rows(self, inputs: npt.NDArray[Any], rows: npt.NDArray[np.int64]) -> Prediction:
        """Classify rows (N,) of an array on disk, some hundred at a time."""
        self._check(inputs)
        name, views = self.description.title, self.description.views
        return self._calibrated(*score_rows(self._score, inputs, rows, views, doing=name))

    def _calibrated(self, raw: Probabilities, spread: Probabilities) -> Prediction:
        description = self.description
        return Prediction(description.calibration(raw), raw, description.votes(raw), spread)

    def predict_images(self, images: Pixels) -> Prediction:
        """Classify images uint8 (N, size, size, 3), cropped and reduced as the description says.

        Unlike `predict`, this runs InceptionV3 itself.
        """
        score = self._score_images
        return self._calibrated(*average_orientations(score, images, self.description.views))

    def _score_images(self, images: Pixels) -> Probabilities:
        if self.description.model != "inception":
            return self._score(images)
        from galaxies.models.inception.backbone import embed_many

        return self._score(embed_many(self._trunk, images))

    @cached_property
    def _trunk(self) -> Any:  # noqa: ANN401 - keras.Model, which is not imported here
        from galaxies.models.inception.backbone import load_trunk

        return load_trunk(self._folder, self.description.size)


def prediction_table(galaxies: pd.DataFrame, prediction: Prediction) -> pd.DataFrame:
    """Put predictions beside the galaxies' `galaxy_id` and `split`."""
    return galaxies[["galaxy_id", "split"]].assign(**prediction._asdict())
