"""Curves and matrices: learning, scores and promises of the models."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from galaxies.figures.style import GREY, LINES, STYLE, WIDTH, Line
from galaxies.figures.table import with_interval
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
        title_fontsize=8,
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
        title_fontsize=8,
        handlelength=2.6,
    )
    return figure


@STYLE
def draw_triage(results: Sequence[Result]) -> Figure:
    """Draw the agreement with the votes against the fraction of galaxies that the machine decides.

    Marks show the promises on the test galaxies.
    """
    figure = Figure(figsize=(WIDTH, 3.4 + 0.15 * len(results)), layout="constrained")
    axes = figure.add_subplot()
    # Among the first few galaxies one mistake is a large share.
    lowest = min(
        one.triage.loc[one.triage["decided"] >= _FEW, "agreement"].min() for one in results
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
        made = [one for one in result.scores["triage"].values() if "agreement" in one]
        for one in made:
            axes.plot(
                one["decided"],
                one["agreement"],
                color=line.color,
                marker="X" if one["verdict"] == "missed" else line.marker,
                mfc="white" if one["verdict"] == "undetermined" else line.color,
                ms=5,
                clip_on=False,
            )
    axes.set(xlim=(0, 1), ylim=(lowest - 0.02, 1))
    axes.set(
        xlabel="fraction of galaxies that the machine decides", ylabel="agreement with the votes"
    )
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    figure.legend(
        loc="outside lower center",
        title=f"target agreement: {', '.join(targets)}, each separately\n"
        "promises: kept (filled), missed (cross),\nundetermined (open)",
        title_fontsize=8,
        handlelength=2.6,
    )
    return figure


@STYLE
def draw_agreement(results: Sequence[Result]) -> Figure:
    """Draw the accuracy of models against the agreement of the volunteers."""
    figure = Figure(figsize=(WIDTH, 3.9 + 0.15 * len(results)), layout="constrained")
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
    strip.bar(bins["agreement"], bins["galaxies"], width=0.05, color=GREY)
    axes.set(xlim=(0.3, 1.03), ylim=(None, 1), ylabel="accuracy")
    strip.set(xlabel="largest vote fraction", ylabel="galaxies")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", handlelength=2.6)
    return figure


@STYLE
def draw_learning(results: Sequence[Result]) -> Figure:
    """Draw the learning curves of the networks, and the losses of the other models' candidates."""
    networks = [one for one in results if "epoch" in one.learning]
    others = [one for one in results if "epoch" not in one.learning]
    figure = Figure(figsize=(WIDTH, 4.6), layout="constrained")
    panels = figure.subplots(3, max(len(networks), len(others)))
    for axes in panels.flat:
        axes.set_visible(False)
    for result, (loss, accuracy) in zip(networks, panels[:2].T, strict=False):
        _draw_epochs(loss, accuracy, result)
    for result, axes in zip(others, panels[2], strict=False):
        _draw_candidates(axes, result)
    for axes in panels[:, 0]:
        axes.set_ylabel("loss")
    panels[1, 0].set_ylabel("accuracy")
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


def _draw_epochs(above: Axes, below: Axes, result: Result) -> None:
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
    above.set_title(result.title)
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


def _ring(axes: Axes, x: "pd.Series[float]", y: "pd.Series[float]") -> None:
    """Mark the best epoch or candidate."""
    axes.plot(x, y, clip_on=False, **_RING)
