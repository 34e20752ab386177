"""What a network sees in one galaxy, layer by layer, on the way to its answer."""

from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from galaxies.base.arrays import Pixels
from galaxies.bundle.description import Description
from galaxies.bundle.predictor import Predictor
from galaxies.inside.channels import channel_shares
from galaxies.inside.explaining import asked, explain_answers
from galaxies.inside.gradient import Floats32, Layer
from galaxies.questions.campaign import Campaign

SHOWN: Final = 4
"""Number of layers that a strip shows."""


class LayerInside(NamedTuple):
    """A layer of a network, and what it does for one galaxy."""

    layer: Layer
    activations: Floats32
    """(rows, columns, channels)."""
    shares: Floats32
    """(channels,) the share of each channel in the layer's effect on the answer: positive for the
    answer, negative against it; their absolute values sum to 1."""

    def __repr__(self) -> str:
        return f"<LayerInside {self.layer.name}: activations {self.activations.shape}>"

    def important(self, count: int) -> list[int]:
        """List the channels with the largest shares, for or against, the largest first."""
        ranked = np.argsort(-np.abs(self.shares), kind="stable")[:count]
        return [int(channel) for channel in ranked if self.shares[channel] != 0]


class Inside(NamedTuple):
    """What a network sees in one galaxy, and its answers."""

    image: Pixels
    """(size, size, 3) what the network is given."""
    campaign: Campaign
    """Campaign whose questions these are."""
    question: str
    """Name of the question that is explained."""
    answer: str
    """Name of the answer that is explained."""
    p_spiral: float
    """Calibrated probability."""
    evidence: Floats32
    """(size, size) positive where the image is evidence for the answer."""
    layers: dict[str, LayerInside]
    """By name, in order."""
    fractions: dict[str, float]
    """Predicted vote fraction of each answer, by name, among those who are asked its question;
    empty if the bundle predicts only the class."""

    def __repr__(self) -> str:
        return (
            f"<Inside: {self.question}, evidence for {self.answer}, p_spiral {self.p_spiral:.3f}, "
            f"{len(self.layers)} layers>"
        )

    def story(self, count: int = SHOWN) -> list[LayerInside]:
        """Choose layers that tell the story, evenly from the first to the last."""
        layers = list(self.layers.values())
        places = np.linspace(0, len(layers) - 1, min(count, len(layers))).round().astype(int)
        return [layers[place] for place in places]


def look_inside(
    folder: Path,
    predictor: Predictor,
    image: Pixels,
    question: str | None = None,
    answer: str | None = None,
) -> Inside:
    """Look at what the network of a bundle sees in a galaxy.

    Parameters
    ----------
    folder : Path
        The bundle.
    predictor : Predictor
        Its predictor.
    image : ndarray of shape (size, size, 3), uint8
        Cropped and reduced image.
    question : str, optional
        Name of the question, such as `bar`; by default the first.
    answer : str, optional
        Name of the answer, such as `bar_yes`; by default the predicted answer.

    Returns
    -------
    Inside
        If the bundle averages eight views, so do the evidence and the answers; the layers are those
        of the image as it is.

    Raises
    ------
    GalaxiesError
        If the bundle is not a convolutional network, if the image has the wrong size, or if there
        is no such question or answer.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from galaxies.bundle.predictor import Predictor
    >>> folder = Path("models/cnn")
    >>> seen = look_inside(folder, Predictor(folder), np.load("data/images.npy")[0], "bar")
    >>> seen.answer, list(seen.layers)[0], seen.layers["relu_0"].activations.shape
    ('bar_no', 'relu_0', (32, 32, 24))
    >>> len(seen.layers["relu_0"].important(3))
    3
    """
    description = predictor.description
    score, names, places = asked(folder, description, image[None], question, answer)
    evidence = explain_answers(score, description.views, image[None], places)[0]
    layers = {}
    for name, layer in score.gradient.layers.items():
        activations, shares = channel_shares(score, image[None], places, name)
        layers[name] = LayerInside(layer, activations[0], shares[0])
    prediction = predictor.predict(image[None])
    fractions = {} if prediction.answers is None else _fractions(description, prediction.answers[0])
    chosen = names.answers[int(places[0])]
    p_spiral = float(prediction.p_spiral[0])
    return Inside(
        image, description.answers_of, names.question, chosen, p_spiral, evidence, layers, fractions
    )


def _fractions(description: Description, answers: npt.NDArray[np.float32]) -> dict[str, float]:
    """Compute the fraction of each answer among those who are asked, by name, where known."""
    campaign = description.answers_of
    shares = answers[description.layout.places(campaign)].astype(np.float64)
    within = campaign.within_questions(shares)
    return {
        name: float(fraction)
        for name, fraction in zip(campaign.names, within, strict=True)
        if not np.isnan(fraction)
    }
