"""Pictures of galaxies with their votes, and the choice of the galaxies."""

from collections.abc import Mapping, Sequence
from math import ceil
from textwrap import wrap
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from galaxies.base.arrays import Pixels
from galaxies.base.questions import (
    ANSWERS,
    CLASSES,
    COLUMNS,
    Shares,
    most_said,
    within_questions,
)
from galaxies.errors import GalaxiesError
from galaxies.figures.style import GREY, SMALL, STYLE, WIDTH, canvas

_VOTES: Final = {
    "p_smooth": ("votes: smooth", "#D55E00"),
    "p_features": ("features or disk", "#56B4E9"),
    "p_artifact": ("star or artifact", "#000000"),
}


class Portrait(NamedTuple):
    """A galaxy to show."""

    image: Pixels
    """(side, side, 3)."""
    galaxy_id: int
    votes: tuple[float, float, float] | None
    """Smooth, features or disk, star or artifact; `None` for a galaxy outside the split."""
    p_spiral: float | None
    """What the model in question says; `None` where there is none."""
    answers: Shares | None = None
    """Kaggle's columns (37,), NaN where unknown; `None` where only the first question matters."""


_ARTIFACT: Final = "Class1.3"

# What goes without saying of a galaxy: most have no bar, and nothing odd.
_UNREMARKABLE: Final = (
    "Class1.1",
    "Class1.2",
    "Class2.2",
    "Class3.2",
    "Class4.1",
    "Class6.1",
    "Class6.2",
    "Class11.6",
)


def choose_samples(split: pd.DataFrame, count: int) -> dict[str, pd.DataFrame]:
    """Choose galaxies of each class evenly from the least to the most agreed on.

    Parameters
    ----------
    split : DataFrame
        As `galaxies.dataset.splitting.split_galaxies` makes it.
    count : int
        Galaxies of each class; fewer where there are fewer.

    Returns
    -------
    dict
        For each class its rows of the split, in order of agreement; among galaxies with equal
        votes, in order of `galaxy_id`.
    """
    chosen = {}
    for label, votes in zip(CLASSES, ("p_smooth", "p_features"), strict=True):
        ranked = split[split["label"] == label].sort_values([votes, "galaxy_id"])
        shown = min(count, len(ranked))
        # The middle of each of `shown` equal stretches, neither of the extremes.
        chosen[label] = ranked.iloc[((np.arange(shown) + 0.5) * len(ranked) / shown).astype(int)]
    return chosen


def choose_mistakes(
    split: pd.DataFrame, predictions: pd.DataFrame, count: int
) -> dict[str, pd.DataFrame]:
    """Choose the test galaxies of each class that a model is surest of being the other.

    Parameters
    ----------
    split : DataFrame
        As `galaxies.dataset.splitting.split_galaxies` makes it.
    predictions : DataFrame
        One model's, with `galaxy_id` and `p_spiral`.
    count : int
        Galaxies of each class; fewer where there are fewer mistakes.

    Returns
    -------
    dict
        For each class its rows of the split with `p_spiral`, the surest mistake first.
    """
    chosen = {}
    for label in CLASSES:
        test = _by_surety(split, predictions, label)
        mistakes = test[(test["p_spiral"] > 0.5) != (label == "spiral")]
        chosen[label] = mistakes.sort_values(["surety", "galaxy_id"]).head(count)
    return chosen


def choose_galaxy(
    wanted: int | None,
    label: str,
    split: pd.DataFrame,
    predictions: pd.DataFrame,
    images: pd.DataFrame,
) -> int:
    """Choose the galaxy that stands for a class where the network is explained.

    Parameters
    ----------
    wanted : int, optional
        The setting `explain.<label>`: any galaxy with an image, or `None` for the test galaxy of
        this class that the network is surest of; of equals the one with the smallest ID.
    label : str
        One of `CLASSES`.
    split, predictions : DataFrame
        As in `choose_mistakes`.
    images : DataFrame
        `galaxy_id` of every packed image.

    Raises
    ------
    GalaxiesError
        If the galaxy wanted has no image.
    """
    if wanted is None:
        return int(_by_surety(split, predictions, label)["galaxy_id"].iloc[0])
    if not (images["galaxy_id"] == wanted).any():
        raise GalaxiesError(
            f"explain.{label}: the survey has no image of GalaxyID {wanted}; "
            "name one that it has, or null"
        )
    return wanted


def _by_surety(split: pd.DataFrame, predictions: pd.DataFrame, label: str) -> pd.DataFrame:
    """Test galaxies of a class, the surest right first, the surest mistake last."""
    test = split[(split["split"] == "test") & (split["label"] == label)]
    table = test.merge(predictions[["galaxy_id", "p_spiral"]], on="galaxy_id")
    surety = table["p_spiral"].astype(np.float64) - 0.5
    table["surety"] = surety if label == "spiral" else -surety
    return table.sort_values(["surety", "galaxy_id"], ascending=[False, True])


def choose_answers(answers: pd.DataFrame) -> dict[str, int]:
    """Choose for each answer of the tree the galaxy that most volunteers gave it to.

    Parameters
    ----------
    answers : DataFrame
        As `galaxies.dataset.votes.read_answers` makes it, of galaxies that have an image.

    Returns
    -------
    dict
        `galaxy_id` by Kaggle's column, in the order of `COLUMNS`. No galaxy stands for two
        answers while there are others: the rarest answers choose first. What most took for an
        artifact stands for that alone. An answer that the survey does not know, or nobody gave, is
        left out.
    """
    chosen: dict[str, int] = {}
    spoilt = answers[_ARTIFACT] > 0.5
    means = answers[list(COLUMNS)].mean()
    for column in means[means > 0].sort_values(kind="stable").index:
        known = answers if column == _ARTIFACT else answers[~spoilt]
        free = known[~known["galaxy_id"].isin(chosen.values())]
        free = free if (free[column] > 0).any() else answers
        ranked = free.sort_values([column, "galaxy_id"], ascending=[False, True])
        chosen[column] = int(ranked["galaxy_id"].iloc[0])
    return {column: chosen[column] for column in COLUMNS if column in chosen}


def portraits(galaxies: pd.DataFrame, packed: pd.DataFrame, images: Pixels) -> list[Portrait]:
    """Put galaxies' images beside what is known of them.

    Parameters
    ----------
    galaxies : DataFrame
        `galaxy_id`, the three vote fractions (NaN where unknown), `p_spiral` if a model is
        meant to speak, and Kaggle's 37 columns if all answers matter.
    packed : DataFrame
        `galaxy_id` and `row` of every packed image.
    images : ndarray of shape (M, side, side, 3), uint8
    """
    rows = packed.set_index("galaxy_id")["row"]
    return [
        Portrait(
            image=np.asarray(images[rows[galaxy["galaxy_id"]]]),
            galaxy_id=galaxy["galaxy_id"],
            votes=None
            if np.isnan(galaxy["p_smooth"])
            else (galaxy["p_smooth"], galaxy["p_features"], galaxy["p_artifact"]),
            p_spiral=galaxy.get("p_spiral"),
            answers=np.array([galaxy[column] for column in COLUMNS], dtype=np.float64)
            if COLUMNS[0] in galaxy
            else None,
        )
        for galaxy in galaxies.to_dict("records")
    ]


@STYLE
def draw_samples(galaxies: Mapping[str, Sequence[Portrait]]) -> Figure:
    """Draw galaxies of each class with their votes, and the answers that matter."""
    return _gallery({f"voted {label}": shown for label, shown in galaxies.items()})


@STYLE
def draw_answers(galaxies: Mapping[str, Portrait]) -> Figure:
    """Draw one galaxy for each answer of the tree.

    Parameters
    ----------
    galaxies : mapping
        By Kaggle's column, as `choose_answers` chooses them, each with its `answers`. Below stands
        how many of those who were asked the question gave the answer.
    """
    columns, gap, words = 5, 0.05, 14
    side = (WIDTH - (columns + 1) * gap) / columns
    row = side + 0.42
    figure, axes = canvas(row * max(1, ceil(len(galaxies) / columns)) + gap)
    for place, (column, galaxy) in enumerate(galaxies.items()):
        down, across = divmod(place, columns)
        x, y = gap + across * (side + gap), gap + down * row
        draw_picture(axes, galaxy.image, x, y, side)
        share = np.nan
        if galaxy.answers is not None:
            share = within_questions(galaxy.answers)[COLUMNS.index(column)]
        lines = [*wrap(ANSWERS[column].words, words), f"{share:.2f}"]
        for number, line in enumerate(lines, 1):
            axes.text(x + side / 2, y + side + 0.11 * number, line, size=SMALL, ha="center")
    return figure


def answers_that_matter(answers: Shares) -> str:
    """Say in words what most volunteers found worth saying of a galaxy, what is odd first.

    Examples
    --------
    >>> shares = np.zeros(37)
    >>> for column in ("Class1.1", "Class7.3", "Class6.2"):
    ...     shares[COLUMNS.index(column)] = 0.9
    >>> answers_that_matter(shares)
    'cigar-shaped'
    """
    said = [column for column in most_said(answers) if column not in _UNREMARKABLE]
    said.sort(key=lambda column: not column.startswith("Class8."))
    return ", ".join(ANSWERS[column].words for column in said)


@STYLE
def draw_mistakes(galaxies: Mapping[str, Sequence[Portrait]], title: str) -> Figure:
    """Draw galaxies of each class that a model takes for the other.

    Parameters
    ----------
    galaxies : mapping
        As `choose_mistakes` chooses them.
    title : str
        What figures call the model.
    """
    other = dict(zip(CLASSES, CLASSES[::-1], strict=True))
    return _gallery(
        {f"voted {label}, {title} says {other[label]}": shown for label, shown in galaxies.items()}
    )


@STYLE
def draw_input(galaxy: Portrait, title: str) -> Figure:
    """Draw one galaxy as a network is given it."""
    side = len(galaxy.image)
    figure, axes = canvas(2.98)
    draw_vote_legend(axes)
    axes.text(WIDTH / 2, 0.35, f"{title}: input, {side} × {side} × 3", ha="center")  # noqa: RUF001
    draw_portrait(axes, galaxy, (WIDTH - 2) / 2, 0.42, 2)
    return figure


def _gallery(blocks: Mapping[str, Sequence[Portrait]]) -> Figure:
    """Draw portraits, three a row, under the heading of their block."""
    columns, gap, top, heading = 3, 0.06, 0.22, 0.22
    side = (WIDTH - (columns + 1) * gap) / columns
    spoken = any(one.p_spiral is not None for block in blocks.values() for one in block)
    told = any(one.answers is not None for block in blocks.values() for one in block)
    row = side + (0.54 if spoken else 0.42) + (0.24 if told else 0.0)
    rows = [max(1, ceil(len(block) / columns)) for block in blocks.values()]
    figure, axes = canvas(top + heading * len(blocks) + row * sum(rows))
    draw_vote_legend(axes)
    y = top
    for (name, block), count in zip(blocks.items(), rows, strict=True):
        axes.text(gap, y + heading - 0.06, name, weight="bold")
        y += heading
        for place, galaxy in enumerate(block):
            down, across = divmod(place, columns)
            draw_portrait(axes, galaxy, gap + across * (side + gap), y + down * row, side)
        if not block:
            axes.text(WIDTH / 2, y + row / 2, "none", ha="center", color=GREY)
        y += count * row
    return figure


def draw_picture(
    axes: Axes,
    pixels: npt.NDArray[Any],
    x: float,
    y: float,
    side: float,
    **options: Any,  # noqa: ANN401
) -> None:
    """Draw pixels (height, width) or (height, width, 3) on a canvas; x, y and side in inches."""
    axes.imshow(pixels, extent=(x, x + side, y + side, y), aspect="auto", **options)


def draw_vote_legend(axes: Axes) -> None:
    """Say at the top of a canvas what the colours of the votes mean."""
    axes.legend(
        handles=[Patch(color=color, lw=0, label=name) for name, color in _VOTES.values()],
        loc="upper center",
        ncols=len(_VOTES),
        borderaxespad=0.2,
        handlelength=1,
        handleheight=0.6,
        handletextpad=0.5,
        columnspacing=1.2,
    )


def draw_portrait(axes: Axes, galaxy: Portrait, x: float, y: float, side: float) -> None:
    """Draw an image; below it a bar of the votes, the votes, the ID, and the model's word."""
    draw_picture(axes, galaxy.image, x, y, side)
    below = y + side + 0.02
    if galaxy.votes is None:
        lines = ["left out of the split"]
    else:
        left = x
        for votes, (_, color) in zip(galaxy.votes, _VOTES.values(), strict=True):
            width = side * votes / sum(galaxy.votes)
            axes.add_patch(Rectangle((left, below), width, 0.05, color=color, lw=0))
            left += width
        lines = [" / ".join(f"{votes:.2f}" for votes in galaxy.votes)]
    lines.append(str(galaxy.galaxy_id))
    if galaxy.answers is not None:
        lines[1:1] = wrap(answers_that_matter(galaxy.answers), 24, max_lines=2, placeholder=" …")
    if galaxy.p_spiral is not None:
        lines.append(f"$p$(spiral) {_rounded(galaxy.p_spiral)}")
    for number, line in enumerate(lines, 1):
        axes.text(x + side / 2, below + 0.04 + 0.12 * number, line, size=SMALL, ha="center")


def _rounded(p: float) -> str:
    """Give a probability three decimals, and never the look of certainty."""
    return "< 0.001" if p < 0.0005 else "> 0.999" if p >= 0.9995 else f"= {p:.3f}"
