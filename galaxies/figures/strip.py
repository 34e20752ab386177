"""The way of one galaxy through a network: picture, layers, evidence, answer."""

from collections.abc import Mapping
from textwrap import wrap
from typing import Final

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrow, Rectangle
from PIL import Image

from galaxies.base.arrays import Pixels
from galaxies.figures.galleries import draw_picture
from galaxies.figures.style import AGAINST, FOR, GREY, STYLE, canvas
from galaxies.inside.channels import Exciting, cut_out, field_of
from galaxies.inside.strip import Inside, LayerInside
from galaxies.questions.campaign import Answer, Question

ACTIVE: Final = "#FFC20A"
"""Where a channel responds."""
PREDICTED: Final = "#4D4D4D"
_CHANNELS: Final = 3
_WIDTH, _HEIGHT = 11.4, 5.85
_TOP: Final = 0.84
_LARGE: Final = 1.75
_TILE: Final = 1.05
_GAP: Final = 0.2
_STEP: Final = 1.46
_SMALL, _NORMAL, _BOLD = 9, 9.5, 11  # points, for a figure that stands on a page at three quarters
_FINE: Final = 4
"""Pixels of an overlay for each pixel of the image."""

Shares = npt.NDArray[np.float32]


def upsampled(values: Shares, side: int) -> Shares:
    """Interpolate a map (rows, columns) smoothly to a square of `side` pixels."""
    frame = Image.fromarray(np.asarray(values, np.float32))
    return np.asarray(frame.resize((side, side), Image.Resampling.BICUBIC))


def activation_over(
    image: Pixels, values: Shares, largest: float | None = None
) -> npt.NDArray[np.float64]:
    """Draw where a channel responds over a grey galaxy.

    Parameters
    ----------
    image : ndarray of shape (side, side, 3), uint8
        The galaxy.
    values : ndarray of shape (rows, columns), float32
        Activations.
    largest : float, optional
        End of a scale from 0 on which the square root is drawn; by default the scale is linear, up
        to the largest of these activations.

    Returns
    -------
    ndarray of shape (4 * side, 4 * side, 3), float64
        Colours from 0 to 1.

    Examples
    --------
    >>> import numpy as np
    >>> image, values = np.zeros((8, 8, 3), np.uint8), np.zeros((2, 2), np.float32)
    >>> values[0, 0] = 3
    >>> drawn = activation_over(image, values)
    >>> drawn.shape, bool(drawn[0, 0, 0] > 0.8), drawn[-1, -1].round(1).tolist()
    ((32, 32, 3), True, [0.0, 0.0, 0.0])
    """
    side = _FINE * len(image)
    grey = upsampled(np.sqrt(image.mean(axis=2) / 255), side).clip(0, 1)[..., None]
    strength = upsampled(values / (largest or values.max() or 1), side).clip(0, 1)[..., None]
    if largest is not None:
        strength = np.sqrt(strength)
    return np.asarray(0.75 * grey * (1 - strength) + np.array(to_rgb(ACTIVE)) * strength)


def evidence_over(image: Pixels, evidence: Shares) -> npt.NDArray[np.float64]:
    """Draw evidence over a galaxy, which is light grey on white.

    Parameters
    ----------
    image : ndarray of shape (side, side, 3), uint8
        The galaxy.
    evidence : ndarray of shape (side, side), float32
        Evidence; the colours are strongest from the 99.5th percentile.

    Returns
    -------
    ndarray of shape (4 * side, 4 * side, 3), float64
        Colours from 0 to 1: red for the answer, blue against it.

    Examples
    --------
    >>> import numpy as np
    >>> image, evidence = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.float32)
    >>> evidence[:4] = 1
    >>> drawn = evidence_over(image, evidence)
    >>> [round(value, 1) for value in drawn[0, 0].tolist()], drawn[-1, -1].tolist()
    ([0.7, 0.1, 0.2], [1.0, 1.0, 1.0])
    """
    side = _FINE * len(image)
    base = 1 - 0.45 * upsampled(np.sqrt(image.mean(axis=2) / 255), side).clip(0, 1)[..., None]
    largest = float(np.percentile(np.abs(evidence), 99.5)) or float(np.abs(evidence).max()) or 1
    fine = upsampled(evidence / largest, side).clip(-1, 1)[..., None]
    colour = np.where(fine > 0, to_rgb(FOR), to_rgb(AGAINST))
    strength = np.abs(fine) ** 0.8
    return np.asarray(base * (1 - strength) + colour * strength)


@STYLE
def draw_strip(
    inside: Inside,
    title: str,
    name: str,
    exciting: Exciting | None = None,
    among: str = "galaxies",
    voted: Mapping[str, float] | None = None,
) -> Figure:
    """Draw the way of a galaxy through a network.

    Parameters
    ----------
    inside : Inside
        What the network sees.
    title : str
        Name of the network.
    name : str
        Name of the galaxy, and where it is from.
    exciting : Exciting, optional
        The galaxies from which the patches that excite a channel are cut; by default the place in
        this galaxy that excites it most.
    among : str
        What these galaxies are, such as `200 test galaxies`.
    voted : mapping of str to float, optional
        Observed vote fractions by the name of the answer, among those who were asked.

    Returns
    -------
    Figure

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from galaxies.bundle.predictor import Predictor
    >>> from galaxies.inside.strip import look_inside
    >>> folder = Path("models/cnn")
    >>> inside = look_inside(folder, Predictor(folder), np.load("data/images.npy")[0])
    >>> draw_strip(inside, "CNN", "a simulated galaxy").savefig("strip.png")
    """
    figure, axes = canvas(_HEIGHT, _WIDTH)
    middle = _TOP + 1.5 * _STEP - 0.2
    top = middle - _LARGE / 2
    x = 0.1
    _heading(axes, x + _LARGE / 2, "what it is given", name)
    draw_picture(axes, np.sqrt(inside.image / 255), x, top, _LARGE)
    x += _LARGE + 0.34
    _arrow(axes, x - 0.2, middle)
    numbers = {each.layer.name: place for place, each in enumerate(inside.layers.values(), 1)}
    story = inside.story()
    for each in story:
        _draw_layer(axes, x, inside.image, each, numbers[each.layer.name], exciting)
        x += _TILE + _GAP
    x += 0.16
    _arrow(axes, x - 0.2, middle)
    question = inside.campaign.question(inside.question)
    answer = next(each for each in question.answers if each.name == inside.answer)
    _heading(axes, x + _LARGE / 2, "where it sees evidence", f"for “{answer.words}”")
    draw_picture(axes, evidence_over(inside.image, inside.evidence), x, top, _LARGE)
    frame = Rectangle((x, top), _LARGE, _LARGE, fill=False, ec=GREY, lw=0.6)
    axes.add_patch(frame)
    below = top + _LARGE + 0.18
    axes.text(x, below, "against", color=AGAINST, size=_NORMAL)
    axes.text(x + _LARGE, below, "for", color=FOR, size=_NORMAL, ha="right")
    x += _LARGE + 0.34
    _arrow(axes, x - 0.2, middle)
    _draw_answers(axes, x, inside, title, question, voted or {})
    small = f"the parts of {among} that excite it most"
    if exciting is None:
        small = "the part of this galaxy that excites it most, framed above"
    told = (
        "Yellow: where a channel responds, up to its largest response. Below it its share of the "
        f"layer's effect on “{answer.words}”, for it (+, red) or against it (−, blue), and "  # noqa: RUF001
        f"{small}. Shown are the {_CHANNELS} channels with the largest shares, in {len(story)} of "
        f"{len(inside.layers)} layers."
    )
    for number, line in enumerate(wrap(told, 160)):
        axes.text(0.1, _HEIGHT - 0.3 + 0.18 * number, line, size=_SMALL, color=PREDICTED)
    return figure


def _heading(axes: Axes, x: float, above: str, below: str) -> None:
    axes.text(x, 0.26, above, ha="center", size=_BOLD, weight="bold")
    axes.text(x, 0.46, below, ha="center", size=_SMALL, color=PREDICTED)


def _arrow(axes: Axes, x: float, y: float) -> None:
    axes.add_patch(
        FancyArrow(
            x - 0.05, y, 0.1, 0, width=0.025, head_width=0.12, head_length=0.08, color=GREY, lw=0
        )
    )


def _draw_layer(
    axes: Axes,
    x: float,
    image: Pixels,
    inside: LayerInside,
    number: int,
    exciting: Exciting | None,
) -> None:
    rows, columns, channels = inside.activations.shape
    field = min(inside.layer.field, len(image))
    _heading(axes, x + _TILE / 2, f"layer {number}", f"{channels} channels")
    sees = f"each sees {field} pixels"
    axes.text(x + _TILE / 2, 0.64, sees, ha="center", size=_SMALL - 0.5, color=PREDICTED)
    for place, channel in enumerate(inside.important(_CHANNELS)):
        y = _TOP + place * _STEP
        values = inside.activations[..., channel]
        draw_picture(axes, activation_over(image, values), x, y, _TILE)
        share = float(inside.shares[channel])
        axes.text(
            x, y + _TILE + 0.22, signed(share), size=_BOLD, color=FOR if share > 0 else AGAINST
        )
        position = divmod(int(values.argmax()), columns)
        square = field_of(position, rows, inside.layer.field, len(image))
        if exciting is None:
            patches = [cut_out(image, square)]
            top, left, width = (value * _TILE / len(image) for value in square)
            axes.add_patch(
                Rectangle((x + left, y + top), width, width, fill=False, ec="white", lw=0.8)
            )
        else:
            patches = exciting.patches(inside.layer.name, channel, 2)
        for nth, patch in enumerate(patches):
            side = 0.27
            left = x + _TILE - side - (len(patches) - 1 - nth) * (side + 0.03)
            draw_picture(axes, np.sqrt(patch / 255), left, y + _TILE + 0.04, side)


def signed(share: float) -> str:
    """Format a share as a percentage with its sign."""
    return f"{'+' if share > 0 else '−'}{100 * abs(share):.0f}%"  # noqa: RUF001


def _draw_answers(
    axes: Axes,
    x: float,
    inside: Inside,
    title: str,
    question: Question,
    voted: Mapping[str, float],
) -> None:
    width = _WIDTH - x - 0.46  # numbers beside the bars
    axes.text(x, 0.26, "what it answers", size=_BOLD, weight="bold")
    axes.text(
        x, 0.46, f"{title}: $p$(spiral) = {inside.p_spiral:.2f}", size=_SMALL, color=PREDICTED
    )
    y = _TOP - 0.1
    for number, (each, answers) in enumerate(answers_to_show(inside, question)):
        if number == 0:
            for line in wrap(each.words, 27):
                axes.text(x, y + 0.1, line, size=_SMALL, color=PREDICTED)
                y += 0.16
            y += 0.04
        elif number == 1:
            axes.text(x, y + 0.16, "its other answers", size=_SMALL, color=PREDICTED)
            y += 0.24
        for answer in answers:
            explained = each == question and answer.name == inside.answer
            fraction = inside.fractions[answer.name]
            _draw_fraction(axes, (x, y, width), answer.words, fraction, explained)
            if answer.name in voted and not np.isnan(voted[answer.name]):
                place = x + width * voted[answer.name]
                axes.plot([place, place], [y, y + 0.2], color="black", lw=1.6)
            y += 0.235
    if inside.fractions:
        told = "fraction of the volunteers who are asked"
        told += ", predicted; black line: observed" if voted else ", predicted"
        for line in wrap(told, 34):
            axes.text(x, y + 0.12, line, size=_SMALL - 1, color=PREDICTED)
            y += 0.14


def _draw_fraction(
    axes: Axes, place: tuple[float, float, float], words: str, fraction: float, explained: bool
) -> None:
    x, y, width = place
    axes.add_patch(Rectangle((x, y), width, 0.2, color="#EEEEEE", lw=0))
    colour = "#F4A582" if explained else "#C4C4C4"
    axes.add_patch(Rectangle((x, y), width * fraction, 0.2, color=colour, lw=0))
    axes.text(x + 0.05, y + 0.145, words, size=_SMALL)
    axes.text(x + width + 0.36, y + 0.145, f"{fraction:.2f}", size=_SMALL, ha="right")


def answers_to_show(inside: Inside, question: Question) -> list[tuple[Question, list[Answer]]]:
    """Choose questions and answers: all to the question that is explained, then down the tree.

    The most frequent answer to each question leads to the next one; of these questions only that
    answer is shown.

    Parameters
    ----------
    inside : Inside
        The answers of a network.
    question : Question
        The question that is explained.

    Returns
    -------
    list of tuple
        Empty if the network predicts only the class.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from galaxies.bundle.predictor import Predictor
    >>> from galaxies.inside.strip import look_inside
    >>> folder = Path("models/cnn")
    >>> seen = look_inside(folder, Predictor(folder), np.load("data/images.npy")[0], "bar")
    >>> shown = answers_to_show(seen, seen.campaign.question("bar"))
    >>> [answer.name for answer in shown[0][1]], shown[1][0].name, len(shown[1][1])
    (['bar_yes', 'bar_no'], 'smooth', 1)
    """
    answered = [
        each
        for each in inside.campaign.in_order_of_asking
        if all(answer.name in inside.fractions for answer in each.answers)
    ]
    shown = [(question, list(question.answers))] if question in answered else []
    asked: set[str | None] = {None}
    for each in answered:
        if each.asked_after not in asked:
            continue
        top = max(each.answers, key=lambda answer: inside.fractions[answer.name])
        asked.add(top.name)
        if each != question:
            shown.append((each, [top]))
    return shown
