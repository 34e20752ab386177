"""Curves and matrices: learning, scores and promises of the models."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter, PercentFormatter

from galaxies.figures.style import GREY, LINES, SMALL, STYLE, WIDTH, Line
from galaxies.figures.table import with_interval
from galaxies.judgement.intervals import wilson
from galaxies.questions.campaign import CLASSES

_RING: dict[str, Any] = {
    "marker": "o",
    "mfc": "none",
    "mec": "black",
    "ms": 6,
    "mew": 0.9,
    "ls": "none",
}


_FEW: Final = 0.02
"""Share of the galaxies below which a curve of agreement is noise."""

_FEWEST: Final = 30
"""Galaxies of a bin; smaller ones are joined to their neighbour."""

_MARKS: Final = {
    "kept": ("o", GREY, "kept"),
    "missed": ("X", GREY, "missed"),
    "undetermined": ("o", "white", "too few galaxies to tell"),
}
"""How a promise is marked, by its verdict: marker, filling, words."""


class Result(NamedTuple):
    """Results of one model."""

    model: str
    """A key of `galaxies.bundle.registry.MODELS`."""
    scores: Mapping[str, Any]
    """Output of `galaxies.judgement.scores.score`, and `model`, the name in figures."""
    p_spiral: npt.NDArray[np.float32]
    """(N,) for the test galaxies."""
    confusion: pd.DataFrame
    """`actual` and `predicted` class of each test galaxy."""
    roc: pd.DataFrame
    """`false_positive_rate` and `true_positive_rate`."""
    reliability: pd.DataFrame
    """`predicted`, `observed`, `galaxies`, `low` and `high` of each bin."""
    triage: pd.DataFrame
    """The share `decided` and the `agreement` on these, the most certain galaxies first."""
    agreement: pd.DataFrame
    """`agreement` of the volunteers, and the `accuracy` of the model on these `galaxies`."""
    learning: pd.DataFrame
    """Loss and accuracy of every epoch in training and validation, or of every candidate."""

    @property
    def title(self) -> str:
        """Name in figures."""
        return str(self.scores["model"])

    @property
    def line(self) -> Line:
        """Style of the model in figures."""
        return LINES[self.model]


@STYLE
def draw_confusion(result: Result) -> Figure:
    """Draw the confusion matrix of a model."""
    counts = pd.crosstab(result.confusion["actual"], result.confusion["predicted"])
    galaxies = counts.reindex(index=CLASSES, columns=CLASSES, fill_value=0).to_numpy()
    shares = galaxies / galaxies.sum(axis=1, keepdims=True)
    figure = Figure(figsize=(WIDTH, 2.9), layout="constrained")
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
    axes.set(xlabel="predicted class", ylabel="class by the votes")
    axes.set_title(f"{result.title}\naccuracy {with_interval(result.scores, 'accuracy')}")
    bar = figure.colorbar(shown, label="fraction of each row", format=PercentFormatter(1))
    bar.outline.set_linewidth(0.6)
    return figure


@STYLE
def draw_roc(results: Sequence[Result]) -> Figure:
    """Draw ROC curves, with their areas and 95% intervals."""
    figure = Figure(figsize=(WIDTH, 3.5 + 0.15 * len(results)), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color=GREY, lw=0.6)
    for result in results:
        axes.plot(
            result.roc["false_positive_rate"],
            result.roc["true_positive_rate"],
            color=result.line.color,
            ls=result.line.dashes,
            label=f"{result.title}: {with_interval(result.scores, 'roc_auc')}",
        )
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.set(xlabel="false positive rate", ylabel="true positive rate (spirals)")
    figure.legend(
        loc="outside lower center",
        title="area under the curve (95% interval)",
        title_fontsize=7.5,
        handlelength=2.6,
    )
    return figure


@STYLE
def draw_reliability(results: Sequence[Result]) -> Figure:
    """Draw observed shares against predicted probabilities, and a histogram of the latter."""
    figure = Figure(figsize=(WIDTH, 4.1 + 0.15 * len(results)), layout="constrained")
    axes, strip = figure.subplots(2, sharex=True, height_ratios=(4, 1))
    axes.plot([0, 1], [0, 1], color=GREY, lw=0.6)
    for result in results:
        bins, scores = result.reliability, result.scores
        axes.fill_between(
            bins["predicted"], bins["low"], bins["high"], color=result.line.color, alpha=0.12, lw=0
        )
        axes.plot(
            bins["predicted"],
            bins["observed"],
            color=result.line.color,
            ls=result.line.dashes,
            marker=result.line.marker,
            label=f"{result.title}, ECE {scores['ece']:.3f}, "
            f"by chance {scores['ece_by_chance']:.3f}",
        )
        strip.hist(
            result.p_spiral,
            bins=np.linspace(0, 1, 21).tolist(),
            weights=np.full(len(result.p_spiral), 1 / len(result.p_spiral)),
            histtype="step",
            color=result.line.color,
            ls=result.line.dashes,
        )
    axes.set(xlim=(0, 1), ylim=(0, 1), ylabel="observed fraction of spirals")
    strip.set(xlabel="predicted probability of spiral", ylabel="galaxies")
    strip.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        title="bands: 95% if the probabilities are right",
        title_fontsize=7.5,
        handlelength=2.6,
    )
    return figure


@STYLE
def draw_triage(results: Sequence[Result]) -> Figure:
    """Draw the agreement with the votes against the fraction of galaxies that the machine decides.

    Marks show the promises on the test galaxies.
    """
    figure = Figure(figsize=(WIDTH, 3.4 + 0.15 * max(len(results), 4)), layout="constrained")
    axes = figure.add_subplot()
    # Among the first few galaxies one mistake is a large share.
    lowest = min(
        result.triage.loc[result.triage["decided"] >= _FEW, "agreement"].min() for result in results
    )
    targets = results[0].scores["triage"]
    for agreement in targets:
        axes.axhline(float(agreement.rstrip("%")) / 100, color=GREY, lw=0.6)
    for result in results:
        curve, line = result.triage, result.line
        axes.plot(
            curve["decided"],
            curve["agreement"],
            color=line.color,
            ls=line.dashes,
            label=result.title,
        )
        for target, promise in result.scores["triage"].items():
            if "agreement" not in promise:
                continue
            marker, filling, _ = _MARKS[promise["verdict"]]
            axes.plot(
                promise["decided"],
                promise["agreement"],
                color=line.color,
                marker=marker,
                mfc=line.color if filling == GREY else filling,
                ms=5,
                clip_on=False,
            )
            axes.annotate(
                target,
                (promise["decided"], promise["agreement"]),
                (3, 4),
                textcoords="offset points",
                size=SMALL,
                color=line.color,
            )
    axes.set(xlim=(0, 1), ylim=(lowest - 0.02, 1))
    axes.set(
        xlabel="fraction of galaxies that the machine decides", ylabel="agreement with the votes"
    )
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1))
    models, _ = axes.get_legend_handles_labels()
    marks = [
        Line2D([], [], color=GREY, marker=marker, mfc=filling, ls="none", ms=5, label=words)
        for marker, filling, words in _MARKS.values()
    ]
    title = Line2D([], [], ls="none", label="promise, beside its target:")
    figure.legend(
        handles=[*models, title, *marks], loc="outside lower center", ncols=2, handlelength=2.6
    )
    return figure


@STYLE
def draw_agreement(results: Sequence[Result]) -> Figure:
    """Draw the accuracy of models against the agreement of the volunteers, with intervals."""
    figure = Figure(figsize=(WIDTH, 4.1 + 0.15 * len(results)), layout="constrained")
    axes, strip = figure.subplots(2, sharex=True, height_ratios=(4, 1))
    for place, result in enumerate(results):
        bins = _enough(result.agreement)
        right = bins["accuracy"] * bins["galaxies"]
        low, high = np.transpose(list(map(wilson, right, bins["galaxies"])))
        # Side by side, because intervals on top of each other cannot be told apart.
        shift = 0.006 * (place - (len(results) - 1) / 2)
        axes.errorbar(
            bins["agreement"] + shift,
            bins["accuracy"],
            (bins["accuracy"] - low, high - bins["accuracy"]),
            color=result.line.color,
            ls=result.line.dashes,
            marker=result.line.marker,
            elinewidth=0.8,
            label=result.title,
        )
    bins = _enough(results[0].agreement)
    strip.bar(bins["agreement"], bins["galaxies"], width=0.05, color=GREY)
    for agreement, galaxies in zip(bins["agreement"], bins["galaxies"], strict=True):
        strip.annotate(
            f"{galaxies:,.0f}", (agreement, galaxies), (0, 1), textcoords="offset points",
            size=SMALL, ha="center",
        )  # fmt: skip
    strip.set_ylim(0, 1.3 * bins["galaxies"].max())
    least = np.floor(10 * bins["agreement"].min() - 0.3) / 10
    axes.set(xlim=(least, 1.02), ylim=(None, 1.005), ylabel="accuracy")
    strip.set(xlabel="largest vote fraction", ylabel="galaxies")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1))
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        title="vertical lines: 95% intervals",
        title_fontsize=7.5,
        handlelength=2.6,
    )
    return figure


def _enough(bins: pd.DataFrame) -> pd.DataFrame:
    """Join bins of few galaxies to the next ones."""
    rows: list[npt.NDArray[np.float64]] = []
    columns = ["agreement", "accuracy", "galaxies"]
    for row in bins.sort_values("agreement")[columns].to_numpy(np.float64):
        if rows and min(rows[-1][2], row[2]) < _FEWEST:
            galaxies = rows[-1][2] + row[2]
            means = (rows[-1][:2] * rows[-1][2] + row[:2] * row[2]) / galaxies
            rows[-1] = np.array([*means, galaxies])
        else:
            rows.append(row)
    return pd.DataFrame(rows, columns=columns)


@STYLE
def draw_learning(results: Sequence[Result], starts: Mapping[str, str] | None = None) -> Figure:
    """Draw the learning curves of the networks, and the losses of the other models' candidates.

    How the training of a network starts is said with it, if `starts` has it by the model's name.
    """
    networks = [result for result in results if "epoch" in result.learning]
    others = [result for result in results if "epoch" not in result.learning]
    figure = Figure(figsize=(WIDTH, 4.6), layout="constrained")
    panels = figure.subplots(3, max(len(networks), len(others)))
    for axes in panels.flat:
        axes.set_visible(False)
    for result, (loss, accuracy) in zip(networks, panels[:2].T, strict=False):
        _draw_epochs(loss, accuracy, result, (starts or {}).get(result.model, ""))
    for result, axes in zip(others, panels[2], strict=False):
        _draw_candidates(axes, result)
    panels[0, 0].set_ylabel("loss")
    panels[1, 0].set_ylabel("accuracy")
    panels[2, 0].set_ylabel("validation loss")
    figure.legend(
        handles=[
            Line2D([], [], color=GREY, lw=0.9, alpha=0.6, label="train"),
            Line2D([], [], color=GREY, label="validation"),
            Line2D([], [], **_RING, label="kept"),
        ],
        loc="outside upper center",
        ncols=3,
    )
    return figure


def _draw_epochs(above: Axes, below: Axes, result: Result, start: str) -> None:
    line = result.line
    above.set_visible(True)
    below.set_visible(True)
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
    above.set_title(result.title, pad=13)
    above.text(0.5, 1.04, start, transform=above.transAxes, size=SMALL, ha="center")
    below.set_xlabel("epoch")


def _draw_candidates(axes: Axes, result: Result) -> None:
    """Draw the loss against the last setting of the candidates."""
    line = result.line
    settings = [name for name in map(str, result.learning) if name not in ("accuracy", "loss")]
    key = settings[-1]
    candidates = result.learning.sort_values([key, "loss"])
    # With several settings, the candidates are not on one curve.
    dashes = line.dashes if len(settings) == 1 else "none"
    axes.set_visible(True)
    axes.plot(candidates[key], candidates["loss"], color=line.color, ls=dashes, marker=line.marker)
    best = candidates.nsmallest(1, "loss")
    _ring(axes, best[key], best["loss"])
    axes.set(xscale="log", xlabel=key, title=result.title)
    axes.xaxis.set_minor_formatter(NullFormatter())


def _ring(axes: Axes, x: "pd.Series[float]", y: "pd.Series[float]") -> None:
    """Mark the best epoch or candidate."""
    axes.plot(x, y, clip_on=False, **_RING)
