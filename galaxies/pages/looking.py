"""The contents of the page of `galaxies explore`: a changed galaxy, and the answers of a bundle."""

import base64
import html
import io
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from galaxies.base.arrays import Pixels
from galaxies.bundle.description import read_description
from galaxies.classifying.classifier import Classifier
from galaxies.errors import GalaxiesError
from galaxies.judgement.promises import UNDECIDED, choose_promise, decide
from galaxies.questions.registry import CAMPAIGNS

if TYPE_CHECKING:
    from galaxies.inside.gradient import Gradient

_CHANNELS: Final = 8
_GAP: Final = 2  # pixels between channels
_TILE: Final = 64  # side of a channel, in pixels


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
    found = classifier.predictor.predict(image[None])
    answers: dict[str, float] = {}
    if found.answers is not None:
        columns = classifier.description.layout.columns
        pairs = zip(columns, found.answers[0].tolist(), strict=True)
        answers = {column: share for column, share in pairs if not np.isnan(share)}
    unfamiliar = found.familiar is not None and not found.familiar[0]
    return Seen(
        float(found.p_spiral[0]),
        UNDECIDED if unfamiliar else str(decide(found.p_spiral, threshold)[0]),
        float(found.vote_fraction[0]),
        float(found.spread[0]),
        answers,
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


def evidence_layer(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Colour evidence for an overlay on the galaxy.

    Parameters
    ----------
    values : ndarray of shape (size, size), float32
        Positive for the class, negative against it.

    Returns
    -------
    ndarray of shape (size, size, 4), uint8
        Red if positive, blue if negative; the stronger, the more opaque, up to the 99th
        percentile.

    Examples
    --------
    >>> import numpy as np
    >>> evidence_layer(np.array([[1.0, -0.5]], np.float32))[0].tolist()
    [[214, 60, 70, 180], [60, 130, 220, 90]]
    """
    sizes = np.abs(values)
    strong = float(np.percentile(sizes, 99)) or float(sizes.max()) or 1.0
    strength = np.minimum(sizes / strong, 1)
    colours = np.where(values[..., None] >= 0, (214, 60, 70), (60, 130, 220))
    opacity = 180 * strength[..., None]
    return np.concatenate([colours, opacity], axis=2).round().astype(np.uint8)


def layers_picture(layers: Sequence[npt.NDArray[np.float32]]) -> Pixels:
    """Draw a row for each layer: the channels that vary most, each from black to white.

    Parameters
    ----------
    layers : sequence of ndarray of shape (height, width, channels), float32
        Activations of at least one layer.

    Returns
    -------
    ndarray of shape (height, width), uint8

    Examples
    --------
    >>> import numpy as np
    >>> layers_picture([np.zeros((32, 32, 24), np.float32), np.zeros((8, 8, 48), np.float32)]).shape
    (132, 528)
    """
    step = _TILE + _GAP
    picture = np.full((len(layers) * step, _CHANNELS * step), 255, np.uint8)
    for row, values in enumerate(layers):
        for place, channel in enumerate(np.argsort(-values.std(axis=(0, 1)))[:_CHANNELS]):
            one = values[..., channel]
            low, high = float(one.min()), float(one.max())
            grey = (255 * (one - low) / ((high - low) or 1)).astype(np.uint8)
            tile = Image.fromarray(grey).resize((_TILE, _TILE), Image.Resampling.NEAREST)
            top, left = row * step, place * step
            picture[top : top + _TILE, left : left + _TILE] = np.asarray(tile)
    return picture


class Activation(NamedTuple):
    """Activations of a layer for one galaxy."""

    name: str
    values: npt.NDArray[np.float32]
    """(height, width, channels)."""


@lru_cache(maxsize=2)
def _gradient(bundle: Path) -> "Gradient":
    from galaxies.inside.gradient import Gradient

    return Gradient(bundle)


def layer_activations(bundle: Path, image: Pixels) -> list[Activation]:
    """Compute the activations of all layers of a CNN for an image.

    Parameters
    ----------
    bundle : Path
        A bundle.
    image : ndarray of shape (size, size, 3), uint8
        The image.

    Returns
    -------
    list of Activation

    Raises
    ------
    GalaxiesError
        If the bundle is not a CNN.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> layers = layer_activations(Path("models/cnn"), np.load("data/images.npy")[0])
    >>> layers[0].name, layers[0].values.shape
    ('relu_0', (32, 32, 24))
    """
    if read_description(bundle).model != "cnn":
        raise GalaxiesError("only a CNN has layers")
    layers = _gradient(bundle).activations(image[None])
    return [Activation(name, values[0]) for name, values in layers.items()]


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


def questions_table(predicted: Mapping[str, float], voted: Mapping[str, float]) -> str:
    """Make an HTML table of all questions with predicted and observed vote fractions.

    Parameters
    ----------
    predicted, voted : mapping of str to float
        Vote fractions by column, such as `gz2.bar_yes`; unknown ones are missing.

    Returns
    -------
    str
        The table; empty if there are no vote fractions.

    Examples
    --------
    >>> table = questions_table({"gz2.odd_yes": 0.25, "gz2.odd_no": 0.75}, {})
    >>> "Is there anything odd?" in table, table.count("<tr>")
    (True, 4)
    """
    rows = []
    for campaign in CAMPAIGNS.values():
        for question in campaign.in_order_of_asking:
            columns = [f"{campaign.name}.{name}" for name in question.names]
            if not (set(columns) & (predicted.keys() | voted.keys())):
                continue
            words = html.escape(f"{question.words} ({campaign.title})")
            rows.append(f'<tr><th colspan="3" style="text-align: left">{words}</th></tr>')
            for column, answer in zip(columns, question.answers, strict=True):
                shares = (_bar(shares.get(column)) for shares in (predicted, voted))
                rows.append(f"<tr><td>{html.escape(answer.words)}</td>{''.join(shares)}</tr>")
    head = "<tr><td>fraction of volunteers</td><td>predicted</td><td>observed</td></tr>"
    return f'<table id="questions">{head}{"".join(rows)}</table>' if rows else ""


def _bar(share: float | None) -> str:
    if share is None:
        return "<td></td>"
    filled = f"linear-gradient(to right, #9ecae1 {share:.1%}, transparent {share:.1%})"
    return f'<td style="background: {filled}">{share:.2f}</td>'
