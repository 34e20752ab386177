"""The contents of the page of `galaxies explore`: a changed galaxy, and the answers of a bundle."""

import base64
import io
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from galaxies.base.arrays import Pixels
from galaxies.classifying.classifier import Classifier
from galaxies.errors import GalaxiesError
from galaxies.judgement.promises import UNDECIDED, choose_promise, decide

_TRIED: Final[dict[str, tuple[float, ...]]] = {
    "rotation": tuple(np.arange(0.0, 361, 30).tolist()),
    "blur": tuple(np.arange(0.0, 5.1, 0.5).tolist()),
    "noise": tuple(np.arange(0.0, 51, 5).tolist()),
}
"""Where the curves are computed."""


class Change(NamedTuple):
    """Changes to an image before it is classified."""

    rotation: float = 0.0
    """Degrees, anticlockwise."""
    mirror: bool = False
    size: float = 1.0
    """Factor on the size of the galaxy."""
    blur: float = 0.0
    """Standard deviation, in hundredths of the side of the image."""
    noise: float = 0.0
    """Standard deviation, in grey levels (0 to 255)."""


def changed(image: Pixels, change: Change) -> Pixels:
    """Rotate, mirror, resize and blur an image, and add noise.

    Pixels that come in from outside are filled with sky, the median of the edge pixels.

    Parameters
    ----------
    image : ndarray of shape (size, size, 3), uint8
        The image.
    change : Change
        The changes.

    Returns
    -------
    ndarray of shape (size, size, 3), uint8
        Identical for the same change.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((64, 64, 3), np.uint8)
    >>> changed(image, Change(rotation=30, noise=5)).shape
    (64, 64, 3)
    """
    if change.mirror:
        image = image[:, ::-1]
    quarters, rest = divmod(change.rotation, 90)
    image = np.ascontiguousarray(np.rot90(image, int(quarters)))
    side = len(image)
    frame = Image.fromarray(image)
    if rest or change.size != 1:
        edge = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
        red, green, blue = np.median(edge, axis=0).astype(int).tolist()
        # The source position of each new pixel.
        angle, middle = np.radians(rest), side / 2
        cosine, sine = np.cos(angle) / change.size, np.sin(angle) / change.size
        shift = middle * (1 - cosine + sine), middle * (1 - cosine - sine)
        matrix = (cosine, -sine, shift[0], sine, cosine, shift[1])
        frame = frame.transform(
            frame.size,
            Image.Transform.AFFINE,
            matrix,
            Image.Resampling.BICUBIC,
            fillcolor=(red, green, blue),
        )
    if change.blur:
        frame = frame.filter(ImageFilter.GaussianBlur(change.blur * side / 100))
    if not change.noise:
        return np.asarray(frame)
    # The same noise for each amplitude, so that a slider changes nothing else.
    noise = np.random.default_rng(0).standard_normal(image.shape)
    return (np.asarray(frame) + change.noise * noise).round().clip(0, 255).astype(np.uint8)


class Seen(NamedTuple):
    """The answers of a bundle for one image."""

    p_spiral: float
    """Calibrated probability."""
    decision: str
    vote_fraction: float
    spread: float
    answers: dict[str, float]
    """Predicted vote fractions by column; empty if the bundle predicts only the class."""
    threshold: float | None = None
    """Certainty from which the machine decides; `None` if it decides nothing."""
    unfamiliar: bool = False
    """Whether the image does not look like the galaxies that the bundle knows."""


def look(classifier: Classifier, image: Pixels, agreement: float | None) -> Seen:
    """Classify one image.

    Parameters
    ----------
    classifier : Classifier
        The bundle.
    image : ndarray of shape (size, size, 3), uint8
        Output of `classifier.prepare`.
    agreement : float
        Target agreement with the volunteers.

    Returns
    -------
    Seen

    Raises
    ------
    GalaxiesError
        If the bundle has no promise for this agreement.

    Examples
    --------
    >>> import numpy as np
    >>> import galaxies
    >>> classifier = galaxies.load("models/cnn", agreement=0.9)
    >>> image = np.load("data/images.npy")[0]
    >>> seen = look(classifier, image, agreement=0.9)
    >>> 0 < seen.p_spiral < 1, len(seen.answers) >= 37
    (True, True)
    """
    threshold = choose_promise(classifier.description.triage, agreement).threshold
    predicted = classifier.predictor.predict(image[None])
    answers: dict[str, float] = {}
    if predicted.answers is not None:
        columns = classifier.description.layout.columns
        pairs = zip(columns, predicted.answers[0].tolist(), strict=True)
        answers = {column: share for column, share in pairs if not np.isnan(share)}
    unfamiliar = predicted.familiar is not None and not predicted.familiar[0]
    return Seen(
        float(predicted.p_spiral[0]),
        UNDECIDED if unfamiliar else str(decide(predicted.p_spiral, threshold)[0]),
        float(predicted.vote_fraction[0]),
        float(predicted.spread[0]),
        answers,
        threshold,
        unfamiliar,
    )


def evidence(classifier: Any, image: Pixels) -> npt.NDArray[np.float32] | None:  # noqa: ANN401
    """Compute the evidence of a classifier, if it can be explained.

    Parameters
    ----------
    classifier : Classifier
        The bundle.
    image : ndarray of shape (size, size, 3), uint8
        The image.

    Returns
    -------
    ndarray of shape (size, size), float32, or None
        `None` for a classifier that cannot be explained.

    Examples
    --------
    >>> import numpy as np
    >>> import galaxies
    >>> classifier = galaxies.load("models/cnn", agreement=0.9)
    >>> image = np.load("data/images.npy")[0]
    >>> evidence(classifier, image).shape
    (64, 64)
    """
    explain = getattr(classifier, "explain", None)
    try:
        return None if explain is None else explain(image[None])[0]
    except GalaxiesError:
        return None


def png(pixels: npt.NDArray[np.uint8]) -> str:
    """Encode an image as a data URL with a PNG.

    Parameters
    ----------
    pixels : ndarray of shape (height, width), (height, width, 3) or (height, width, 4), uint8
        The image.

    Returns
    -------
    str

    Examples
    --------
    >>> import numpy as np
    >>> png(np.zeros((4, 4), np.uint8))[:22]
    'data:image/png;base64,'
    """
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


class Curve(NamedTuple):
    """How the answer changes with one change to the image, while the others stay."""

    name: str
    """A field of `Change`."""
    values: tuple[float, ...]
    p_spiral: tuple[float, ...]
    """Calibrated probability at each value."""


def curves(classifier: Classifier, image: Pixels, change: Change) -> list[Curve]:
    """Compute the answer against rotation, blur and noise, each with the other changes as set.

    Parameters
    ----------
    classifier : Classifier
        The bundle.
    image : ndarray of shape (size, size, 3), uint8
        Output of `classifier.prepare`, without the changes.
    change : Change
        The changes that are set.

    Returns
    -------
    list of Curve

    Examples
    --------
    >>> import numpy as np
    >>> import galaxies
    >>> classifier = galaxies.load("models/cnn", agreement=0.9)
    >>> image = np.load("data/images.npy")[0]
    >>> [each.name for each in curves(classifier, image, Change(blur=1))]
    ['rotation', 'blur', 'noise']
    """
    tried = [
        (name, value, changed(image, Change(**{**change._asdict(), name: value})))
        for name, values in _TRIED.items()
        for value in values
    ]
    p = classifier.predictor.predict(np.stack([each for _, _, each in tried])).p_spiral.tolist()
    answers = {(name, value): at for (name, value, _), at in zip(tried, p, strict=True)}
    return [
        Curve(name, values, tuple(answers[name, value] for value in values))
        for name, values in _TRIED.items()
    ]
