"""Pictures of galaxies with their votes, and how the galaxies are chosen."""

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
from galaxies.errors import GalaxiesError
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


def choose_samples(split: pd.DataFrame, count: int) -> dict[str, pd.DataFrame]:
    """Choose galaxies of each class, evenly from low to high agreement.

    Parameters
    ----------
    split : DataFrame
        Output of `galaxies.dataset.splitting.split_galaxies`.
    count : int
        Number of galaxies of each class; fewer if there are fewer.

    Returns
    -------
    dict
        For each class its rows of the split, in order of agreement, then `galaxy_id`.

    Examples
    --------
    >>> import pandas as pd
    >>> split = pd.read_parquet("data/split.parquet")
    >>> {label: len(rows) for label, rows in choose_samples(split, count=3).items()}
    {'elliptical': 3, 'spiral': 3}
    """
    chosen = {}
    for label, votes in zip(CLASSES, ("p_smooth", "p_features"), strict=True):
        ranked = split[split["label"] == label].sort_values([votes, "galaxy_id"])
        shown = min(count, len(ranked))
        # The middle of each of `shown` equal parts, so that there are no extremes.
        chosen[label] = ranked.iloc[((np.arange(shown) + 0.5) * len(ranked) / shown).astype(int)]
    return chosen


def choose_mistakes(
    split: pd.DataFrame, predictions: pd.DataFrame, count: int
) -> dict[str, pd.DataFrame]:
    """Choose the most confident mistakes of a model for each class.

    Parameters
    ----------
    split : DataFrame
        Output of `galaxies.dataset.splitting.split_galaxies`.
    predictions : DataFrame
        Predictions of a model, with `galaxy_id` and `p_spiral`.
    count : int
        Number of galaxies of each class; fewer if there are fewer mistakes.

    Returns
    -------
    dict
        For each class its rows of the split with `p_spiral`, the most confident mistake first.

    Examples
    --------
    >>> import pandas as pd
    >>> split = pd.read_parquet("data/split.parquet")
    >>> predictions = pd.read_parquet("data/predictions/cnn.parquet")
    >>> mistakes = choose_mistakes(split, predictions, count=3)
    >>> list(mistakes), bool((mistakes["elliptical"]["p_spiral"] > 0.5).all())
    (['elliptical', 'spiral'], True)
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
    """Choose the galaxy of a class for the figures of the network.

    Parameters
    ----------
    wanted : int, optional
        The setting `explain.<label>`: any galaxy with an image, or `None` for the test galaxy of
        this class with the most certain correct prediction; in a tie, the smallest ID.
    label : str
        One of `CLASSES`.
    split, predictions : DataFrame
        As in `choose_mistakes`.
    images : DataFrame
        `galaxy_id` of every packed image.

    Returns
    -------
    int
        A `galaxy_id`.

    Raises
    ------
    GalaxiesError
        If the galaxy has no image.

    Examples
    --------
    >>> import pandas as pd
    >>> split = pd.read_parquet("data/split.parquet")
    >>> predictions = pd.read_parquet("data/predictions/cnn.parquet")
    >>> images = pd.read_parquet("data/images.parquet")
    >>> chosen = choose_galaxy(None, "spiral", split, predictions, images)
    >>> split.set_index("galaxy_id").loc[chosen, "label"]
    'spiral'
    """
    if wanted is None:
        return int(_by_surety(split, predictions, label)["galaxy_id"].iloc[0])
    if not (images["galaxy_id"] == wanted).any():
        raise GalaxiesError(
            f"explain.{label}: the survey has no image of GalaxyID {wanted}; use another, or null"
        )
    return wanted


def _by_surety(split: pd.DataFrame, predictions: pd.DataFrame, label: str) -> pd.DataFrame:
    """Sort the test galaxies of a class, from certain and correct to certain and wrong."""
    test = split[(split["split"] == "test") & (split["label"] == label)]
    table = test.merge(predictions[["galaxy_id", "p_spiral"]], on="galaxy_id")
    surety = table["p_spiral"].astype(np.float64) - 0.5
    table["surety"] = surety if label == "spiral" else -surety
    return table.sort_values(["surety", "galaxy_id"], ascending=[False, True])


def answers_of(table: pd.DataFrame, campaign: Campaign) -> pd.DataFrame:
    """Select the answers of one campaign from a table with columns such as `gz2.bar_yes`.

    Examples
    --------
    >>> import pandas as pd
    >>> from galaxies.questions.registry import campaign_named
    >>> list(answers_of(pd.read_parquet("data/votes.parquet"), campaign_named("gz2")))[:3]
    ['galaxy_id', 'smooth', 'features_or_disk']
    """
    names = {f"{campaign.name}.{name}": name for name in campaign.names}
    return table.reindex(columns=["galaxy_id", *names]).rename(columns=names)


def choose_answers(answers: pd.DataFrame, campaign: Campaign) -> dict[str, int]:
    """Choose for each answer of a campaign the galaxy with the largest vote fraction.

    Parameters
    ----------
    answers : DataFrame
        Output of `answers_of` for galaxies that have an image.
    campaign : Campaign
        The campaign.

    Returns
    -------
    dict
        `galaxy_id` by answer, in the order of the campaign. No galaxy is used for two answers
        if there are others; the rarest answers choose first. Artifacts are used only for
        "artifact". Answers without votes are left out.

    Examples
    --------
    >>> import pandas as pd
    >>> from galaxies.questions.registry import campaign_named
    >>> gz2 = campaign_named("gz2")
    >>> chosen = choose_answers(answers_of(pd.read_parquet("data/votes.parquet"), gz2), gz2)
    >>> list(chosen)[:3], len(set(chosen.values())) > 20
    (['smooth', 'features_or_disk', 'star_or_artifact'], True)
    """
    chosen: dict[str, int] = {}
    artifact = campaign.first.names[2]
    spoilt = answers[artifact] > 0.5
    means = answers[list(campaign.names)].mean()
    for column in means[means > 0].sort_values(kind="stable").index:
        known = answers if column == artifact else answers[~spoilt]
        free = known[~known["galaxy_id"].isin(chosen.values())]
        free = free if (free[column] > 0).any() else answers
        ranked = free.sort_values([column, "galaxy_id"], ascending=[False, True])
        chosen[column] = int(ranked["galaxy_id"].iloc[0])
    return {column: chosen[column] for column in campaign.names if column in chosen}


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
        Galaxies by answer, from `choose_answers`, each with its `answers`. The number
        below each is the fraction among those who were asked the question.

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
    path = [one for one in campaign.most_voted_path(answers) if one.name not in _UNREMARKABLE]
    path.sort(key=lambda answer: not answer.name.startswith("odd_"))
    return ", ".join(answer.words for answer in path)


@STYLE
def draw_mistakes(galaxies: Mapping[str, Sequence[Portrait]], title: str) -> Figure:
    """Draw galaxies that a model puts into the wrong class.

    Parameters
    ----------
    galaxies : mapping
        Galaxies by class, from `choose_mistakes`.
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
