"""Figures of what happens inside a network."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from matplotlib.colors import LinearSegmentedColormap, Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter

from galaxies.base.arrays import Pixels
from galaxies.figures.galleries import draw_picture
from galaxies.figures.strip import ACTIVE, activation_over, evidence_over, signed
from galaxies.figures.style import (
    AGAINST,
    FOR,
    GREY,
    SMALL,
    STYLE,
    WIDTH,
    canvas,
    draw_colour_bar,
)
from galaxies.inside.strip import LayerInside

_MOST: Final = 24
"""Channels in the picture of a layer."""

_LINES: Final = {
    "evidence": ("evidence", FOR, "-"),
    "smooth_gradients": ("SmoothGrad", "#882255", "-."),
    "brightness": ("without the network: brightest first", GREY, "--"),
    "random": ("without the network: at random", GREY, ":"),
}
"""The methods and controls of `draw_faithfulness`: words, colour, dashes. Colours of models would
mean a model."""


@STYLE
def draw_layer(image: Pixels, inside: LayerInside, number: int, title: str) -> Figure:
    """Draw what a layer makes of a galaxy: its input, and the channels that matter most.

    Parameters
    ----------
    image : ndarray of shape (side, side, 3), uint8
        The galaxy.
    inside : LayerInside
        The layer. Constant channels are left out and counted.
    number : int
        Number of the layer, from 0.
    title : str
        Name of the network.

    Returns
    -------
    Figure

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from galaxies.bundle.predictor import Predictor
    >>> from galaxies.inside.strip import look_inside
    >>> folder, image = Path("models/cnn"), np.load("data/images.npy")[0]
    >>> layer = look_inside(folder, Predictor(folder), image).layers["relu_0"]
    >>> draw_layer(image, layer, 0, "CNN").savefig("layer.png")
    """
    rows, columns, channels = inside.activations.shape
    varying = np.ptp(inside.activations, axis=(0, 1)) > 0
    shown = [channel for channel in inside.important(channels) if varying[channel]]
    shown += [channel for channel in np.flatnonzero(varying).tolist() if channel not in shown]
    shown = shown[:_MOST]
    across, gap, top = 6, 0.05, 0.46
    side = (WIDTH - (across + 1) * gap) / across
    step = side + 0.15
    cells = [place for place in range(_MOST + 4) if place % across > 1 or place // across > 1]
    height = top + step * (cells[max(len(shown) - 1, 4)] // across + 1)
    figure, axes = canvas(height + 0.5)
    kind = f"{inside.layer.name}: {rows} × {columns} positions, {channels} channels"  # noqa: RUF001
    axes.text(WIDTH / 2, 0.14, f"{title}, layer {number}, {kind}", ha="center")
    counted = f"the {len(shown)} channels with the largest effect on the answer"
    if silent := int((~varying).sum()):
        counted += f"; {silent} are constant"
    axes.text(WIDTH / 2, 0.27, counted, size=SMALL, ha="center")
    shares = "below each: its number, and its share, for the answer (+) or against it (−)"  # noqa: RUF001
    axes.text(WIDTH / 2, 0.38, shares, size=SMALL, ha="center")
    draw_picture(axes, np.sqrt(image / 255), gap, top, 2 * side + gap)
    axes.text(gap + side, top + 2 * side + gap + 0.1, "input", size=SMALL, ha="center")
    largest = float(inside.activations.max()) or 1.0
    for place, channel in zip(cells, shown, strict=False):
        x, y = gap + place % across * (side + gap), top + place // across * step
        drawn = activation_over(image, inside.activations[..., channel], largest)
        draw_picture(axes, drawn, x, y, side)
        share = float(inside.shares[channel])
        axes.text(x, y + side + 0.1, str(channel), size=SMALL, color=GREY)
        axes.text(
            x + side, y + side + 0.1, signed(share), size=SMALL, ha="right",
            color=FOR if share > 0 else AGAINST,
        )  # fmt: skip
    colours = LinearSegmentedColormap.from_list("active", ["black", ACTIVE])
    draw_colour_bar(figure, PowerNorm(0.5, 0, largest), "activation", colours, "neither")
    return figure


@STYLE
def draw_evidence(
    galaxies: Sequence[tuple[str, npt.NDArray[np.uint8], npt.NDArray[np.float32]]], title: str
) -> Figure:
    """Draw galaxies, each with the evidence for an answer.

    Parameters
    ----------
    galaxies : sequence of tuple
        The heading, the image uint8 (side, side, 3), and the evidence float32 (side, side), which
        has a scale of its own.
    title : str
        Name of the network.

    Returns
    -------
    Figure

    Examples
    --------
    >>> import numpy as np
    >>> image, evidence = np.load("data/images.npy")[0], np.ones((64, 64), np.float32)
    >>> draw_evidence([("elliptical", image, evidence)], "CNN").savefig("evidence.png")
    """
    side, gap, top, row = 1.5, 0.1, 0.22, 1.74
    left = (WIDTH - 2 * side - gap) / 2
    figure, axes = canvas(top + row * len(galaxies) + 0.42)
    for place, (above, image, evidence) in enumerate(galaxies):
        y = top + place * row
        right = left + side + gap
        axes.text(right + side / 2, y - 0.05, above, ha="center")
        # Brightened, so that faint light is visible.
        draw_picture(axes, np.sqrt(image / 255), left, y, side)
        draw_picture(axes, evidence_over(image, evidence), right, y, side)
        axes.add_patch(Rectangle((right, y), side, side, fill=False, ec=GREY, lw=0.5))
    label = f"evidence of the {title}: against (−) and for (+)"  # noqa: RUF001
    colours = LinearSegmentedColormap.from_list("evidence", [AGAINST, "white", FOR])
    draw_colour_bar(figure, Normalize(-1, 1), label, colours, "both")
    return figure


@STYLE
def draw_faithfulness(
    shares: Sequence[float],
    deletion: Mapping[str, npt.NDArray[np.float32]],
    insertion: Mapping[str, npt.NDArray[np.float32]],
    galaxies: str,
) -> Figure:
    """Draw how a score changes while the most important pixels are replaced.

    Parameters
    ----------
    shares : sequence of float
        Shares of the pixels.
    deletion, insertion : mapping of ndarray of shape (len(shares),), float32
        Mean changes of the logit by method or control; only some are drawn.
    galaxies : str
        The galaxies, such as `200 simulated galaxies`.

    Returns
    -------
    Figure

    Examples
    --------
    >>> import numpy as np
    >>> shares = [0.0, 0.1, 0.5]
    >>> curves = {"evidence": np.float32([0, 3, 4]), "random": np.float32([0, 1, 2])}
    >>> draw_faithfulness(shares, curves, curves, "9 galaxies").savefig("faithfulness.png")
    """
    figure = Figure(figsize=(WIDTH, 4.7), layout="constrained")
    above, below = figure.subplots(2, sharex=True)
    for name, (label, color, dash) in _LINES.items():
        if name in deletion:
            above.plot(shares, deletion[name], label=label, color=color, ls=dash)
            below.plot(shares, insertion[name], color=color, ls=dash)
    above.set(title=f"mean of {galaxies}\npixels replaced by sky", ylabel="fall of the logit")
    below.set(title="blurred pixels sharpened", ylabel="rise of the logit")
    below.set_xlabel("share of the pixels, the most important first")
    below.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    figure.legend(
        loc="outside lower center",
        title="Evidence is built with the same replacements that score it.",
        title_fontsize=6.5,
        ncols=2,
        handlelength=2.6,
    )
    return figure
