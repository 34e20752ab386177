"""Pictures: which galaxies they show, and how everything is drawn.

Every figure is one column of a journal wide (3.4 inches), in the colours of Okabe & Ito (2008),
which colour-blind readers can tell apart.
"""

from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator, PercentFormatter

from galaxies.errors import GalaxiesError
from galaxies.images import Pixels
from galaxies.morphology import CLASSES
from galaxies.outputs import written_beside
from galaxies.summary import with_interval


class Line(NamedTuple):
    """How a model is drawn."""

    color: str
    dashes: str
    marker: str


LINES: Final = {
    "tree": Line("#E69F00", ":", "^"),
    "mlp": Line("#CC79A7", "-.", "s"),
    "cnn": Line("#0072B2", "-", "o"),
    "inception": Line("#009E73", "--", "D"),
}
"""The models in the order in which figures name them."""

_VOTES: Final = {
    "p_smooth": ("votes: smooth", "#D55E00"),
    "p_features": ("features or disk", "#56B4E9"),
    "p_artifact": ("star or artifact", "#000000"),
}
_WIDTH = 3.4  # inches
_GREY = "#7F7F7F"
_RING: dict[str, Any] = {
    "marker": "o",
    "mfc": "none",
    "mec": "black",
    "ms": 6,
    "mew": 0.9,
    "ls": "none",
}
_SMALL = 7.5  # points; the least that is still read with ease in print

# One of matplotlib's own fonts, so that figures are the same bytes on every machine; narrow
# enough for three 18-digit GalaxyIDs side by side.
_STYLE = style.context(
    {
        "font.family": "STIXGeneral",
        "mathtext.fontset": "stix",
        "font.size": 9,
        "axes.titlesize": 9,
        "axes.labelsize": 9,
        "xtick.labelsize": 8,
        "ytick.labelsize": 8,
        "legend.fontsize": 8,
        "legend.frameon": False,
        "axes.linewidth": 0.6,
        "lines.linewidth": 1.3,
        "lines.markersize": 3,
        "hatch.linewidth": 0.4,
        "image.interpolation": "nearest",
    },
    after_reset=True,
)


class Portrait(NamedTuple):
    """A galaxy to show."""

    image: Pixels
    """(side, side, 3)."""
    galaxy_id: int
    votes: tuple[float, float, float] | None
    """Smooth, features or disk, star or artifact; `None` for a galaxy outside the split."""
    p_spiral: float | None
    """What the model in question says; `None` where there is none."""


class Result(NamedTuple):
    """How one model did."""

    model: str
    """A key of `LINES`."""
    scores: Mapping[str, Any]
    """As `galaxies.scores.score` returns them, and `model`, what figures call it."""
    p_spiral: npt.NDArray[np.float32]
    """(N,) of the test galaxies."""
    confusion: pd.DataFrame
    """`actual` and `predicted` class of each test galaxy."""
    roc: pd.DataFrame
    """`false_positive_rate` and `true_positive_rate`."""
    reliability: pd.DataFrame
    """`predicted`, `observed` and `galaxies` of each bin."""
    triage: pd.DataFrame
    """`decided` share and `agreement` on these, the surest galaxies first."""
    agreement: pd.DataFrame
    """`agreement` of the volunteers, and the model's `accuracy` on those `galaxies`."""
    learning: pd.DataFrame
    """Loss and accuracy of every epoch, by part, or of every candidate."""

    @property
    def title(self) -> str:
        """What figures call the model."""
        return str(self.scores["model"])

    @property
    def line(self) -> Line:
        """How the model is drawn."""
        return LINES[self.model]


def choose_samples(split: pd.DataFrame, count: int) -> dict[str, pd.DataFrame]:
    """Choose galaxies of each class evenly from the least to the most agreed on.

    Parameters
    ----------
    split
        As `galaxies.splitting.split_galaxies` makes it.
    count
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
    split
        As `galaxies.splitting.split_galaxies` makes it.
    predictions
        One model's, with `galaxy_id` and `p_spiral`.
    count
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
    wanted
        The setting `explain.<label>`: any galaxy with an image, or `None` for the test galaxy of
        this class that the network is surest of; of equals the one with the smallest ID.
    label
        One of `CLASSES`.
    split, predictions
        As in `choose_mistakes`.
    images
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


def portraits(galaxies: pd.DataFrame, packed: pd.DataFrame, images: Pixels) -> list[Portrait]:
    """Put galaxies' images beside what is known of them.

    Parameters
    ----------
    galaxies
        `galaxy_id`, the three vote fractions (NaN where unknown), and `p_spiral` if a model is
        meant to speak.
    packed
        `galaxy_id` and `row` of every packed image.
    images
        uint8 (M, side, side, 3).
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
        )
        for galaxy in galaxies.to_dict("records")
    ]


@_STYLE
def save_figure(path: Path, figure: Figure) -> None:
    """Write a PNG, whole or not at all, the same bytes for the same picture."""
    with written_beside(path) as beside:
        figure.savefig(beside, dpi=200, metadata={"Software": None})


@_STYLE
def draw_samples(galaxies: Mapping[str, Sequence[Portrait]]) -> Figure:
    """Draw galaxies of each class with their votes."""
    return _gallery({f"voted {label}": shown for label, shown in galaxies.items()})


@_STYLE
def draw_mistakes(galaxies: Mapping[str, Sequence[Portrait]], title: str) -> Figure:
    """Draw galaxies of each class that a model takes for the other.

    Parameters
    ----------
    galaxies
        As `choose_mistakes` chooses them.
    title
        What figures call the model.
    """
    said = dict(zip(CLASSES, CLASSES[::-1], strict=True))
    return _gallery(
        {f"voted {label}, {title} says {said[label]}": shown for label, shown in galaxies.items()}
    )


@_STYLE
def draw_input(galaxy: Portrait, title: str) -> Figure:
    """Draw one galaxy as a network is given it."""
    side = len(galaxy.image)
    figure, axes = _canvas(2.98)
    _vote_legend(axes)
    axes.text(_WIDTH / 2, 0.35, f"{title}: input, {side} × {side} × 3", ha="center")  # noqa: RUF001
    _portrait(axes, galaxy, (_WIDTH - 2) / 2, 0.42, 2)
    return figure


def _gallery(blocks: Mapping[str, Sequence[Portrait]]) -> Figure:
    """Draw portraits, three a row, under the heading of their block."""
    columns, gap, top, heading = 3, 0.06, 0.22, 0.22
    side = (_WIDTH - (columns + 1) * gap) / columns
    spoken = any(one.p_spiral is not None for block in blocks.values() for one in block)
    row = side + (0.54 if spoken else 0.42)
    rows = [max(1, ceil(len(block) / columns)) for block in blocks.values()]
    figure, axes = _canvas(top + heading * len(blocks) + row * sum(rows))
    _vote_legend(axes)
    y = top
    for (name, block), count in zip(blocks.items(), rows, strict=True):
        axes.text(gap, y + heading - 0.06, name, weight="bold")
        y += heading
        for place, galaxy in enumerate(block):
            down, across = divmod(place, columns)
            _portrait(axes, galaxy, gap + across * (side + gap), y + down * row, side)
        if not block:
            axes.text(_WIDTH / 2, y + row / 2, "none", ha="center", color=_GREY)
        y += count * row
    return figure


def _canvas(height: float) -> tuple[Figure, Axes]:
    """Make an empty figure, measured in inches from its upper left corner."""
    figure = Figure(figsize=(_WIDTH, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, _WIDTH), ylim=(height, 0))
    axes.set_axis_off()
    return figure, axes


def _picture(
    axes: Axes,
    pixels: npt.NDArray[Any],
    x: float,
    y: float,
    side: float,
    **options: Any,  # noqa: ANN401
) -> None:
    axes.imshow(pixels, extent=(x, x + side, y + side, y), aspect="auto", **options)


def _vote_legend(axes: Axes) -> None:
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


def _portrait(axes: Axes, galaxy: Portrait, x: float, y: float, side: float) -> None:
    """Draw an image; below it a bar of the votes, the votes, the ID, and the model's word."""
    _picture(axes, galaxy.image, x, y, side)
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
    if galaxy.p_spiral is not None:
        lines.append(f"$p$(spiral) {_said(galaxy.p_spiral)}")
    for number, line in enumerate(lines, 1):
        axes.text(x + side / 2, below + 0.04 + 0.12 * number, line, size=_SMALL, ha="center")


def _said(p: float) -> str:
    """Give a probability three decimals, and never the look of certainty."""
    return "< 0.001" if p < 0.0005 else "> 0.999" if p >= 0.9995 else f"= {p:.3f}"


@_STYLE
def draw_layer(name: str, kind: str, values: npt.NDArray[np.float32], title: str) -> Figure:
    """Draw what every channel of a layer makes of one galaxy, all on one scale.

    Parameters
    ----------
    name, kind
        Of the layer.
    values
        (height, width, channels). A channel that says the same everywhere is hatched.
    title
        What figures call the network.
    """
    height, width, channels = values.shape
    silent = np.ptp(values, axis=(0, 1)) == 0
    # The brightest and darkest half per cent would leave little of the scale to the rest.
    low, high = (float(end) for end in np.percentile(values, (0.5, 99.5)))
    if values.min() < 0:
        scale, beyond = Normalize(low, high), "both"
    else:
        # Most of what comes out of a relu is faint.
        scale, beyond = PowerNorm(0.5, 0, high or 1), "max"

    columns, gap, top, foot = (8 if channels <= 96 else 12), 0.04, 0.24, 0.46
    side = (_WIDTH - (columns + 1) * gap) / columns
    row = side + 0.14
    figure, axes = _canvas(top + row * ceil(channels / columns) + foot)
    said = f", {silent.sum()} silent" if silent.any() else ""
    axes.text(
        _WIDTH / 2,
        0.15,
        f"{title}, {name} ({kind}): {height} × {width} × {channels}{said}",  # noqa: RUF001
        ha="center",
    )
    for channel in range(channels):
        down, across = divmod(channel, columns)
        x, y = gap + across * (side + gap), top + down * row
        axes.text(x + side / 2, y + 0.1, str(channel), size=7, ha="center")
        y += 0.12
        if silent[channel]:
            axes.add_patch(
                Rectangle((x, y), side, side, fc="white", ec=_GREY, lw=0.5, hatch="//////")
            )
        else:
            _picture(axes, values[:, :, channel], x, y, side, cmap="viridis", norm=scale)
    label = "activation (hatched: the same everywhere)" if silent.any() else "activation"
    _colour_bar(figure, scale, label, "viridis", beyond)
    return figure


def _colour_bar(figure: Figure, scale: Normalize, label: str, cmap: str, extend: str) -> None:
    """Draw a horizontal bar at the foot of a canvas."""
    height = figure.get_figheight()
    bar = figure.add_axes((0.2, 0.3 / height, 0.6, 0.08 / height))
    figure.colorbar(
        ScalarMappable(scale, cmap), bar, orientation="horizontal", extend=extend, label=label
    )
    bar.xaxis.labelpad = 0
    bar.tick_params(pad=1.5, length=2)
    bar.xaxis.set_major_locator(MaxNLocator(5))


@_STYLE
def draw_filters(name: str, weights: npt.NDArray[np.float32], title: str) -> Figure:
    """Draw the filters of the first convolution as small images, those they answer to most.

    Parameters
    ----------
    name
        Of the layer.
    weights
        (height, width, 3, filters), the third axis red, green and blue.
    title
        What figures call the network.
    """
    height, width, inputs, filters = weights.shape
    largest = float(np.abs(weights).max())
    colours = 0.5 + weights / (2 * largest)
    columns, gap, top, foot = 8, 0.04, 0.24, 0.3
    side = (_WIDTH - (columns + 1) * gap) / columns
    row = side + 0.14
    figure, axes = _canvas(top + row * ceil(filters / columns) + foot)
    shape = f"{filters} filters of {height} × {width} × {inputs}"  # noqa: RUF001
    axes.text(_WIDTH / 2, 0.15, f"{title}, {name}: {shape}", ha="center")
    for number in range(filters):
        down, across = divmod(number, columns)
        x, y = gap + across * (side + gap), top + down * row
        axes.text(x + side / 2, y + 0.1, str(number), size=7, ha="center")
        _picture(axes, colours[..., number], x, y + 0.12, side)
    axes.text(
        _WIDTH / 2,
        figure.get_figheight() - 0.1,
        f"weights in red, green and blue: −{largest:.2f} dark, 0 grey, +{largest:.2f} bright",  # noqa: RUF001
        size=_SMALL,
        ha="center",
    )
    return figure


@_STYLE
def draw_attention(
    galaxies: Mapping[str, tuple[Portrait, npt.NDArray[np.float32]]], layer: str, title: str
) -> Figure:
    """Draw where a network sees evidence for a class, beside the bare image.

    Parameters
    ----------
    galaxies
        For each class a galaxy and the map (height, width) from 0 to 1.
    layer
        Where the maps were made.
    title
        What figures call the network.
    """
    side, gap, top, row = 1.45, 0.1, 0.43, 2.05
    left = (_WIDTH - 2 * side - gap) / 2
    figure, axes = _canvas(top + row * len(galaxies) + 0.5)
    _vote_legend(axes)
    scale = Normalize(0, 1)
    for place, (label, (galaxy, evidence)) in enumerate(galaxies.items()):
        y = top + place * row
        right = left + side + gap
        axes.text(right + side / 2, y - 0.05, f"evidence for {label}", ha="center")
        _portrait(axes, galaxy, left, y, side)
        # Brightened, so that the galaxy shows through.
        grey = np.sqrt(galaxy.image.mean(axis=2) / 255)
        _picture(axes, grey, right, y, side, cmap="gray", vmin=0, vmax=1)
        _picture(
            axes,
            evidence,
            right,
            y,
            side,
            cmap="inferno",
            norm=scale,
            alpha=0.7 * evidence,
            interpolation="bilinear",
        )
    _colour_bar(figure, scale, f"Grad-CAM of {title} at {layer}", "inferno", "neither")
    return figure


@_STYLE
def draw_confusion(result: Result) -> Figure:
    """Draw how many galaxies of each class a model takes for which."""
    counts = pd.crosstab(result.confusion["actual"], result.confusion["predicted"])
    galaxies = counts.reindex(index=CLASSES, columns=CLASSES, fill_value=0).to_numpy()
    shares = galaxies / galaxies.sum(axis=1, keepdims=True)
    figure = Figure(figsize=(_WIDTH, 2.9), layout="constrained")
    axes = figure.add_subplot()
    shown = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (actual, predicted), share in np.ndenumerate(shares):
        axes.text(
            predicted,
            actual,
            f"{galaxies[actual, predicted]:,}\n{share:.1%}",
            ha="center",
            va="center",
            size=11,
            color="white" if share > 0.6 else "black",
        )
    axes.set_xticks(range(len(CLASSES)), CLASSES)
    axes.set_yticks(range(len(CLASSES)), CLASSES, rotation=90, va="center")
    axes.tick_params(length=0)
    axes.set(xlabel="class by the model", ylabel="class by the votes")
    axes.set_title(f"{result.title}\naccuracy {with_interval(result.scores, 'accuracy')}")
    bar = figure.colorbar(shown, label="share of the voted class", format=PercentFormatter(1))
    bar.outline.set_linewidth(0.6)
    return figure


@_STYLE
def draw_roc(results: Sequence[Result]) -> Figure:
    """Draw ROC curves and give their areas with 95% intervals."""
    figure = Figure(figsize=(_WIDTH, 3.5 + 0.15 * len(results)), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color=_GREY, lw=0.6)
    for result in results:
        axes.plot(
            result.roc["false_positive_rate"],
            result.roc["true_positive_rate"],
            color=result.line.color,
            ls=result.line.dashes,
            label=f"{result.title}: {with_interval(result.scores, 'roc_auc')}",
        )
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.set(xlabel="share of ellipticals taken for spirals", ylabel="share of spirals found")
    figure.legend(
        loc="outside lower center",
        title="area under the curve (95% interval)",
        title_fontsize=8,
        handlelength=2.6,
    )
    return figure


@_STYLE
def draw_reliability(results: Sequence[Result]) -> Figure:
    """Draw what was promised against what happened, and how often what was promised."""
    figure = Figure(figsize=(_WIDTH, 4.1 + 0.15 * len(results)), layout="constrained")
    axes, strip = figure.subplots(2, sharex=True, height_ratios=(4, 1))
    axes.plot([0, 1], [0, 1], color=_GREY, lw=0.6)
    bins = float(np.median(np.concatenate([one.reliability["galaxies"] for one in results])))
    p = np.linspace(0, 1, 201)
    noise = 1.96 * np.sqrt(p * (1 - p) / bins)
    axes.fill_between(
        p, p - noise, p + noise, color="#DDDDDD", lw=0, label=f"95% by chance, bins of {bins:.0f}"
    )
    for result in results:
        axes.plot(
            result.reliability["predicted"],
            result.reliability["observed"],
            color=result.line.color,
            ls=result.line.dashes,
            marker=result.line.marker,
            label=f"{result.title}, ECE {result.scores['ece']:.3f}",
        )
        strip.hist(
            result.p_spiral,
            bins=np.linspace(0, 1, 21).tolist(),
            weights=np.full(len(result.p_spiral), 1 / len(result.p_spiral)),
            histtype="step",
            color=result.line.color,
            ls=result.line.dashes,
        )
    axes.set(xlim=(0, 1), ylim=(0, 1), ylabel="observed share of spirals")
    strip.set(xlabel="predicted probability of spiral", ylabel="galaxies")
    strip.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", handlelength=2.6)
    return figure


@_STYLE
def draw_triage(results: Sequence[Result]) -> Figure:
    """Draw how often the machine agrees with people, the more galaxies it decides.

    A mark stands where a model decides as many galaxies as it promised to be able to.
    """
    figure = Figure(figsize=(_WIDTH, 3.4 + 0.15 * len(results)), layout="constrained")
    axes = figure.add_subplot()
    lowest = min(one.triage["agreement"].iloc[-1] for one in results)
    wished = results[0].scores["triage"]
    for agreement in wished:
        axes.axhline(float(agreement.rstrip("%")) / 100, color=_GREY, lw=0.6)
    for result in results:
        curve, line = result.triage, result.line
        axes.plot(
            curve["decided"],
            curve["agreement"],
            color=line.color,
            ls=line.dashes,
            label=result.title,
        )
        made = [one for one in result.scores["triage"].values() if "agreement" in one]
        for one in made:
            axes.plot(
                one["decided"],
                one["agreement"],
                color=line.color,
                marker=line.marker,
                ms=5,
                clip_on=False,
            )
    axes.set(xlim=(0, 1), ylim=(lowest - 0.02, 1))
    axes.set(xlabel="share of galaxies that the machine decides", ylabel="agreement with the votes")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    figure.legend(
        loc="outside lower center",
        title=f"wished agreement: {', '.join(wished)}\nmarks: thresholds found in validation",
        title_fontsize=8,
        handlelength=2.6,
    )
    return figure


@_STYLE
def draw_agreement(results: Sequence[Result]) -> Figure:
    """Draw how often models are right where the volunteers agree more and less."""
    figure = Figure(figsize=(_WIDTH, 3.9 + 0.15 * len(results)), layout="constrained")
    axes, strip = figure.subplots(2, sharex=True, height_ratios=(4, 1))
    for result in results:
        axes.plot(
            result.agreement["agreement"],
            result.agreement["accuracy"],
            color=result.line.color,
            ls=result.line.dashes,
            marker=result.line.marker,
            label=result.title,
            clip_on=False,
        )
    bins = results[0].agreement
    strip.bar(bins["agreement"], bins["galaxies"], width=0.05, color=_GREY)
    axes.set(xlim=(0.3, 1.03), ylim=(None, 1), ylabel="accuracy")
    strip.set(xlabel="largest vote fraction", ylabel="galaxies")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", handlelength=2.6)
    return figure


@_STYLE
def draw_learning(results: Sequence[Result]) -> Figure:
    """Draw how the networks learned, and how the other models' candidates did."""
    figure = Figure(figsize=(_WIDTH, 4.6), layout="constrained")
    panels = figure.subplots(3, 2)
    by_model = {result.model: result for result in results}
    for column, model in enumerate(("mlp", "cnn")):
        _draw_epochs(panels[0, column], panels[1, column], by_model[model])
    for column, (model, key, label) in enumerate(
        (("tree", "leaves", "leaves"), ("inception", "regularisation", "L2 penalty"))
    ):
        axes, result = panels[2, column], by_model[model]
        candidates = result.learning.sort_values([key, "loss"])
        best = candidates.nsmallest(1, "loss")
        line = result.line
        # Trees of two settings do not follow one curve.
        dashes = "none" if model == "tree" else line.dashes
        axes.plot(
            candidates[key], candidates["loss"], color=line.color, ls=dashes, marker=line.marker
        )
        _ring(axes, best[key], best["loss"])
        axes.set(xscale="log", xlabel=label, title=result.title)
    for axes in panels[:, 0]:
        axes.set_ylabel("loss")
    panels[1, 0].set_ylabel("accuracy")
    figure.legend(
        handles=[
            Line2D([], [], color=_GREY, lw=0.9, alpha=0.6, label="train"),
            Line2D([], [], color=_GREY, label="validation"),
            Line2D([], [], **_RING, label="kept"),
        ],
        loc="outside upper center",
        ncols=3,
    )
    return figure


def _draw_epochs(above: Axes, below: Axes, result: Result) -> None:
    line = result.line
    for axes, score in ((above, "loss"), (below, "accuracy")):
        for part, look in (
            ("train", {"lw": 0.9, "ls": "-", "alpha": 0.45}),
            ("validation", {"ls": line.dashes}),
        ):
            epochs = result.learning
            axes.plot(
                epochs["epoch"], epochs[f"{part}_{score}"], color=line.color, label=part, **look
            )
        best = result.learning.nsmallest(1, "validation_loss")
        _ring(axes, best["epoch"], best[f"validation_{score}"])
    above.set_title(result.title)
    below.set_xlabel("epoch")


def _ring(axes: Axes, x: "pd.Series[float]", y: "pd.Series[float]") -> None:
    """Mark what was kept."""
    axes.plot(x, y, clip_on=False, **_RING)
