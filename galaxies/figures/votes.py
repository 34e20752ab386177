"""Figures of observed and predicted vote fractions: for all galaxies, and for one."""

from math import ceil
from textwrap import wrap
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

from galaxies.figures.galleries import Portrait, draw_picture
from galaxies.figures.style import GREY, INK, LINES, SMALL, STYLE, WIDTH, canvas
from galaxies.questions.campaign import Campaign, Question

_PREDICTED: Final = LINES["cnn"].color
_ARMS: Final = ("arms_yes", "type_spiral", "has_spiral_arms_yes")
_ROW: Final = 0.115  # inches
_LEARNT: Final = 0.1
"""Skill below which an answer is one that the network does not know."""
_UNKNOWN: Final = "#B2182B"

Shares = npt.NDArray[np.float64]


@STYLE
def draw_votes(voted: Shares, predicted: Shares, campaign: Campaign, title: str) -> Figure:
    """Draw predicted against observed vote fractions, with a panel for each answer.

    Parameters
    ----------
    voted, predicted : ndarray of shape (N, answers), float64
        Fractions for the test galaxies; NaN if unknown.
    campaign : Campaign
        The campaign of the answers.
    title : str
        Name of the network.

    Returns
    -------
    Figure
        Each panel has Pearson's correlation, and the skill: 1 - mean squared error / variance of
        the votes (Murphy 1988), which is 0 for a constant.

    Examples
    --------
    >>> import pandas as pd
    >>> from galaxies.figures.choosing import answers_of
    >>> from galaxies.questions.registry import campaign_named
    >>> gz2 = campaign_named("gz2")
    >>> tables = (pd.read_parquet(f"data/{name}.parquet") for name in ("predictions/cnn", "votes"))
    >>> tables = [answers_of(table, gz2).set_index("galaxy_id") for table in tables]
    >>> predicted = tables[0].to_numpy(float)
    >>> voted = tables[1].loc[tables[0].index].to_numpy(float)
    >>> draw_votes(voted, predicted, gz2, "CNN").savefig("votes.png")
    """
    valid = ~np.isnan(voted + predicted)
    shown = [place for place in range(len(campaign.answers)) if valid[:, place].any()]
    columns, gap, left, head, top = 5, 0.1, 0.32, 0.4, 0.56
    side = (WIDTH - left - 0.1 - (columns - 1) * gap) / columns
    rows = max(1, ceil(len(shown) / columns))
    height = top + rows * (side + head) + 0.34
    figure, axes = canvas(height)
    if not shown:
        axes.text(WIDTH / 2, height / 2, f"{title} predicts only the class", ha="center")
        return figure
    axes.text(0.1, 0.15, f"Predicted vote fractions of the {title} against those observed")
    remarks = (
        "r: correlation; s: skill, the share of the variance that is predicted;",
        f"red: the {title} does not know this answer (s < {_LEARNT}). Darker: more galaxies.",
    )
    for line, remark in enumerate(remarks):
        axes.text(0.1, 0.32 + 0.12 * line, remark, size=SMALL, color=INK)
    for number, place in enumerate(shown):
        down, across = divmod(number, columns)
        x, y = left + across * (side + gap), top + head + down * (side + head)
        panel = figure.add_axes((x / WIDTH, 1 - (y + side) / height, side / WIDTH, side / height))
        both = valid[:, place]
        panel.hexbin(
            voted[both, place],
            predicted[both, place],
            gridsize=12,
            extent=(0, 1, 0, 1),
            bins="log",
            cmap="Blues",
            mincnt=1,
            linewidths=0.1,
        )
        panel.plot([0, 1], [0, 1], color=GREY, linewidth=0.6)
        panel.set(xlim=(0, 1), ylim=(0, 1), xticks=[0, 1], yticks=[0, 1])
        panel.tick_params(length=2, pad=1.5, labelsize=SMALL)
        lowest = number + columns >= len(shown)
        panel.tick_params(labelbottom=lowest, labelleft=across == 0)
        if lowest:
            panel.set_xlabel("observed", size=SMALL, labelpad=-4)
        if across == 0:
            panel.set_ylabel("predicted", size=SMALL, labelpad=-3)
        lines = wrap(campaign.answers[place].words, 13)
        for line, text in enumerate(reversed(lines)):
            axes.text(x + side / 2, y - 0.15 - 0.11 * line, text, size=SMALL, ha="center")
        r, skill = _scores(voted[both, place], predicted[both, place])
        shown_skill = f"s {skill:.2f}" if not skill < 0 else "s < 0"
        told = f"r {r:.2f}  {shown_skill}".replace("-", "−").replace("nan", "–")  # noqa: RUF001
        colour = INK if skill >= _LEARNT else _UNKNOWN
        axes.text(x + side / 2, y - 0.03, told, size=SMALL, ha="center", color=colour)
    return figure


def _scores(voted: Shares, predicted: Shares) -> tuple[float, float]:
    """Compute the correlation and the skill; NaN where all galaxies have the same votes."""
    variance = float(voted.var())
    if variance == 0:
        return np.nan, np.nan
    skill = 1 - float(((predicted - voted) ** 2).mean()) / variance
    constant = float(predicted.std()) == 0
    return (np.nan if constant else float(np.corrcoef(voted, predicted)[0, 1])), skill


def choose_tree(votes: pd.DataFrame) -> int:
    """Choose the galaxy for `draw_tree`: the one with the largest vote fraction for spiral arms.

    Parameters
    ----------
    votes : DataFrame
        Test galaxies with `galaxy_id` and the answers of a campaign.

    Returns
    -------
    int
        A `galaxy_id`; the first one if there are no votes on spiral arms.

    Examples
    --------
    >>> import pandas as pd
    >>> choose_tree(pd.DataFrame({"galaxy_id": [7, 8], "arms_yes": [0.1, 0.6]}))
    8
    """
    arms = next((name for name in _ARMS if name in votes.columns), "galaxy_id")
    ranked = votes.sort_values([arms, "galaxy_id"], ascending=[False, True], na_position="last")
    return int(ranked["galaxy_id"].iloc[0])


@STYLE
def draw_tree(
    galaxy: Portrait, voted: Shares, predicted: Shares, campaign: Campaign, title: str
) -> Figure:
    """Draw all answers for one galaxy, observed and predicted.

    Parameters
    ----------
    galaxy : Portrait
        The galaxy.
    voted, predicted : ndarray of shape (answers,), float64
        Observed and predicted vote fractions; NaN if unknown.
    campaign : Campaign
        The campaign of the answers.
    title : str
        Name of the network.

    Returns
    -------
    Figure

    Examples
    --------
    >>> import pandas as pd
    >>> from galaxies.figures.choosing import answers_of
    >>> from galaxies.questions.registry import campaign_named
    >>> gz2 = campaign_named("gz2")
    >>> tables = (pd.read_parquet(f"data/{name}.parquet") for name in ("predictions/cnn", "votes"))
    >>> tables = [answers_of(table, gz2).set_index("galaxy_id") for table in tables]
    >>> predicted = tables[0].to_numpy(float)
    >>> voted = tables[1].loc[tables[0].index].to_numpy(float)
    >>> from galaxies.figures.galleries import Portrait
    >>> import numpy as np
    >>> galaxy = Portrait(np.load("data/images.npy")[0], 100008, None, None)
    >>> draw_tree(galaxy, voted[0], predicted[0], gz2, "CNN").savefig("tree.png")
    """
    valid = ~np.isnan(voted + predicted)
    asked = [question for question in campaign.in_order_of_asking if valid[question.places].all()]
    rows = [len(question.answers) + 1.8 for question in asked]
    half = sum(rows) / 2
    columns: tuple[list[Question], list[Question]] = ([], [])
    filled = 0.0
    for question, needed in zip(asked, rows, strict=True):
        columns[int(filled + needed / 2 > half)].append(question)
        filled += needed
    longest = max(
        (sum(len(question.answers) + 1.8 for question in questions) for questions in columns),
        default=0,
    )
    top = 1.25
    figure, axes = canvas(top + 0.15 + _ROW * max(longest, 1))
    draw_picture(axes, galaxy.image, 0.1, 0.1, 1.1)
    axes.text(1.35, 0.25, f"galaxy {galaxy.galaxy_id}")
    for line, (colour, words) in enumerate(
        ((GREY, "observed"), (_PREDICTED, f"predicted by {title}"))
    ):
        y = 0.5 + 0.16 * line
        axes.barh(y, 0.25, height=0.07, left=1.35, color=colour)
        axes.text(1.68, y + 0.045, words, size=SMALL)
    axes.text(1.35, 0.95, "bars: fractions of those asked;", size=SMALL)
    axes.text(1.35, 1.07, "numbers: fraction asked", size=SMALL)
    within = np.stack([campaign.within_questions(shares) for shares in (voted, predicted)])
    for column, questions in enumerate(columns):
        x, y = 0.1 + 1.68 * column, top
        for question in questions:
            y += 1.4 * _ROW
            number = question.number - 1
            came = [campaign.shares_asked(shares)[number] for shares in (voted, predicted)]
            heading = f"{question.name.replace('_', ' ')}?"
            axes.text(x, y, heading, size=SMALL, weight="bold")
            axes.text(x + 1.52, y, f"{came[0]:.2f}, {came[1]:.2f}", size=SMALL, ha="right")
            for place, answer in enumerate(question.answers, question.places.start):
                y += _ROW
                axes.text(x, y, answer.words, size=6.5)
                for number, colour in enumerate((GREY, _PREDICTED)):
                    axes.barh(
                        y - 0.055 + 0.04 * number,
                        0.55 * np.nan_to_num(within[number, place]),
                        height=0.036,
                        left=x + 0.97,
                        color=colour,
                    )
            y += 0.4 * _ROW
    return figure
