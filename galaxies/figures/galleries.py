"""Pictures of galaxies with their votes."""

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
from galaxies.figures.style import GREY, SMALL, STYLE, WIDTH, canvas
from galaxies.questions.campaign import CLASSES, Campaign, Shares

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
    """Smooth, features or disk, star or artifact; `None` for a galaxy that is not in the split."""
    p_spiral: float | None
    """Prediction of a model, or `None`."""
    answers: Shares | None = None
    """Vote fractions (answers,) of `campaign`, NaN where unknown; `None` if only the first question
    matters."""
    campaign: Campaign | None = None


# Answers that are not worth mentioning: most galaxies have no bar, and nothing odd.
_UNREMARKABLE: Final = (
    "smooth",
    "features_or_disk",
    "edge_on_no",
    "bar_no",
    "arms_yes",
    "odd_yes",
    "odd_no",
    "arms_unclear",
)


def portraits(
    galaxies: pd.DataFrame,
    packed: pd.DataFrame,
    images: Pixels,
    campaign: Campaign | None = None,
) -> list[Portrait]:
    """Join the images of galaxies with their votes and predictions.

    Parameters
    ----------
    galaxies : DataFrame
        `galaxy_id`, three vote fractions (NaN where unknown), optionally `p_spiral`, and the
        answers of `campaign`, if there is one.
    packed : DataFrame
        `galaxy_id` and `row` of every packed image.
    images : ndarray of shape (M, side, side, 3), uint8
        Packed images.
    campaign : Campaign, optional
        The campaign of the answers.

    Returns
    -------
    list of Portrait

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> split = pd.read_parquet("data/split.parquet")
    >>> packed, images = pd.read_parquet("data/images.parquet"), np.load("data/images.npy")
    >>> first, second = portraits(split.head(2), packed, images)
    >>> first.image.shape, len(first.votes)
    ((64, 64, 3), 3)
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
            answers=None
            if campaign is None
            else np.array([galaxy[name] for name in campaign.names], dtype=np.float64),
            campaign=campaign,
        )
        for galaxy in galaxies.to_dict("records")
    ]


@STYLE
def draw_samples(galaxies: Mapping[str, Sequence[Portrait]]) -> Figure:
    """Draw galaxies of each class with their votes and remarkable answers."""
    return _gallery({f"voted {label}": shown for label, shown in galaxies.items()})


@STYLE
def draw_answers(galaxies: Mapping[str, Portrait]) -> Figure:
    """Draw one galaxy for each answer of a campaign.

    Parameters
    ----------
    galaxies : mapping
        Galaxies by answer, from `galaxies.figures.choosing.choose_answers`, each with its
        `answers`. The number below each is the fraction among those who were asked the question.

    Returns
    -------
    Figure

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> split = pd.read_parquet("data/split.parquet")
    >>> packed, images = pd.read_parquet("data/images.parquet"), np.load("data/images.npy")
    >>> votes = pd.read_parquet("data/votes.parquet")
    >>> from galaxies.figures.choosing import answers_of
    >>> from galaxies.questions.registry import campaign_named
    >>> gz2 = campaign_named("gz2")
    >>> table = answers_of(votes, gz2).assign(p_smooth=0.5, p_features=0.5, p_artifact=0.0)
    >>> [galaxy] = portraits(table.head(1), packed, images, gz2)
    >>> draw_answers({"smooth": galaxy}).savefig("answers.png")
    """
    columns, gap, words = 5, 0.05, 14
    side = (WIDTH - (columns + 1) * gap) / columns
    row = side + 0.42
    figure, axes = canvas(row * max(1, ceil(len(galaxies) / columns)) + gap)
    for place, (column, galaxy) in enumerate(galaxies.items()):
        down, across = divmod(place, columns)
        x, y = gap + across * (side + gap), gap + down * row
        draw_picture(axes, galaxy.image, x, y, side)
        share, text = np.nan, column
        if galaxy.answers is not None and galaxy.campaign is not None:
            number = galaxy.campaign.place(column)
            share = galaxy.campaign.within_questions(galaxy.answers)[number]
            text = galaxy.campaign.answers[number].words
        lines = [*wrap(text, words), f"{share:.2f}"]
        for number, line in enumerate(lines, 1):
            axes.text(x + side / 2, y + side + 0.11 * number, line, size=SMALL, ha="center")
    return figure


def answers_that_matter(answers: Shares, campaign: Campaign) -> str:
    """List the remarkable majority answers in words, odd features first.

    Examples
    --------
    >>> import numpy as np
    >>> from galaxies.questions.registry import campaign_named
    >>> gz2 = campaign_named("gz2")
    >>> shares = np.zeros(37)
    >>> for name in ("smooth", "round_cigar", "odd_no"):
    ...     shares[gz2.place(name)] = 0.9
    >>> answers_that_matter(shares, gz2)
    'cigar-shaped'
    """
    path = [
        answer for answer in campaign.most_voted_path(answers) if answer.name not in _UNREMARKABLE
    ]
    path.sort(key=lambda answer: not answer.name.startswith("odd_"))
    return ", ".join(answer.words for answer in path)


@STYLE
def draw_mistakes(galaxies: Mapping[str, Sequence[Portrait]], title: str) -> Figure:
    """Draw galaxies that a model puts into the wrong class.

    Parameters
    ----------
    galaxies : mapping
        Galaxies by class, from `galaxies.figures.choosing.choose_mistakes`.
    title : str
        Name of the model.

    Returns
    -------
    Figure

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> split = pd.read_parquet("data/split.parquet")
    >>> packed, images = pd.read_parquet("data/images.parquet"), np.load("data/images.npy")
    >>> mistakes = portraits(split.head(2).assign(p_spiral=0.9), packed, images)
    >>> draw_mistakes({"elliptical": mistakes, "spiral": []}, "CNN").savefig("mistakes.png")
    """
    other = dict(zip(CLASSES, CLASSES[::-1], strict=True))
    return _gallery(
        {f"voted {label}, {title}: {other[label]}": shown for label, shown in galaxies.items()}
    )


@STYLE
def draw_input(galaxy: Portrait, title: str) -> Figure:
    """Draw one galaxy as the network sees it."""
    side = len(galaxy.image)
    figure, axes = canvas(2.98)
    draw_vote_legend(axes)
    axes.text(WIDTH / 2, 0.35, f"{title}: input, {side} × {side} × 3", ha="center")  # noqa: RUF001
    draw_portrait(axes, galaxy, (WIDTH - 2) / 2, 0.42, 2)
    return figure


def _gallery(blocks: Mapping[str, Sequence[Portrait]]) -> Figure:
    """Draw portraits, three per row, below the heading of their block."""
    columns, gap, top, heading = 3, 0.06, 0.22, 0.22
    side = (WIDTH - (columns + 1) * gap) / columns
    spoken = any(galaxy.p_spiral is not None for block in blocks.values() for galaxy in block)
    told = any(galaxy.answers is not None for block in blocks.values() for galaxy in block)
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
    """Draw a legend for the colours of the votes at the top of a canvas."""
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
    """Draw an image, and below it a bar of the votes, the votes, the ID and the prediction."""
    draw_picture(axes, galaxy.image, x, y, side)
    below = y + side + 0.02
    if galaxy.votes is None:
        lines = ["not in the split"]
    else:
        left = x
        for votes, (_, color) in zip(galaxy.votes, _VOTES.values(), strict=True):
            width = side * votes / sum(galaxy.votes)
            axes.add_patch(Rectangle((left, below), width, 0.05, color=color, lw=0))
            left += width
        lines = [" / ".join(f"{votes:.2f}" for votes in galaxy.votes)]
    lines.append(str(galaxy.galaxy_id))
    if galaxy.answers is not None and galaxy.campaign is not None:
        words = answers_that_matter(galaxy.answers, galaxy.campaign)
        lines[1:1] = wrap(words, 24, max_lines=2, placeholder=" …")
    if galaxy.p_spiral is not None:
        lines.append(f"$p$(spiral) {rounded(galaxy.p_spiral)}")
    for number, line in enumerate(lines, 1):
        axes.text(x + side / 2, below + 0.04 + 0.12 * number, line, size=SMALL, ha="center")


def rounded(p: float) -> str:
    """Format a probability with three decimals, but never as 0 or 1.

    Examples
    --------
    >>> rounded(0.25), rounded(0.9999)
    ('= 0.250', '> 0.999')
    """
    return "< 0.001" if p < 0.0005 else "> 0.999" if p >= 0.9995 else f"= {p:.3f}"
