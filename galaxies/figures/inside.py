"""Figures of what happens inside a network."""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Final

import numpy as np
import numpy.typing as npt
from matplotlib.colors import Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter

from galaxies.figures.galleries import draw_picture
from galaxies.figures.style import GREY, SMALL, STYLE, WIDTH, canvas, draw_colour_bar
from galaxies.inside.channels import Channel

_METHODS: Final = {
    "grad_cam": "Grad-CAM",
    "smooth_gradients": "SmoothGrad",
    "from_sky": "from the sky alone",
    "from_blur": "from the blur alone",
}


@STYLE
def draw_layer(name: str, kind: str, values: npt.NDArray[np.float32], title: str) -> Figure:
    """Draw the activations of all channels of a layer for one galaxy, on one scale.

    Parameters
    ----------
    name, kind : str
        Name and kind of the layer.
    values : ndarray of shape (height, width, channels), float32
        Activations. Constant channels are hatched.
    title : str
        Name of the network.

    Returns
    -------
    Figure

    Examples
    --------
    >>> import numpy as np
    >>> values = np.random.default_rng(0).random((16, 16, 8), np.float32)
    >>> draw_layer("relu_0", "Relu", values, "CNN").savefig("layer.png")
    """
    height, width, channels = values.shape
    silent = np.ptp(values, axis=(0, 1)) == 0
    # The brightest and darkest half per cent would use up most of the scale.
    low, high = (float(end) for end in np.percentile(values, (0.5, 99.5)))
    if values.min() < 0:
        scale, beyond = Normalize(low, high), "both"
    else:
        # Most activations behind a ReLU are small.
        scale, beyond = PowerNorm(0.5, 0, high or 1), "max"

    columns, gap, top, foot = (8 if channels <= 96 else 12), 0.04, 0.24, 0.46
    side = (WIDTH - (columns + 1) * gap) / columns
    row = side + 0.14
    figure, axes = canvas(top + row * ceil(channels / columns) + foot)
    silence = f", {silent.sum()} constant" if silent.any() else ""
    axes.text(
        WIDTH / 2,
        0.15,
        f"{title}, {name} ({kind}): {height} × {width} × {channels}{silence}",  # noqa: RUF001
        ha="center",
    )
    for channel in range(channels):
        down, across = divmod(channel, columns)
        x, y = gap + across * (side + gap), top + down * row
        axes.text(x + side / 2, y + 0.1, str(channel), size=7, ha="center")
        y += 0.12
        if silent[channel]:
            axes.add_patch(
                Rectangle((x, y), side, side, fc="white", ec=GREY, lw=0.5, hatch="//////")
            )
        else:
            draw_picture(axes, values[:, :, channel], x, y, side, cmap="viridis", norm=scale)
    label = "activation (hatched: constant)" if silent.any() else "activation"
    draw_colour_bar(figure, scale, label, "viridis", beyond)
    return figure


@STYLE
def draw_channels(
    layer: str,
    channels: Sequence[Channel],
    activations: Mapping[str, npt.NDArray[np.float32]],
    title: str,
) -> Figure:
    """Draw the most important channels of a layer, and the patches that excite them.

    Parameters
    ----------
    layer : str
        Name of the layer.
    channels : sequence of Channel
        The most important first.
    activations : mapping of ndarray of shape (height, width, channels), float32
        Activations for a galaxy of each class; each channel has one scale.
    title : str
        Name of the network.

    Returns
    -------
    Figure

    Examples
    --------
    >>> import numpy as np
    >>> from galaxies.inside.channels import Channel
    >>> channel = Channel(3, 0.4, [np.full((9, 9, 3), 90, np.uint8)] * 9)
    >>> activations = {"elliptical": np.ones((8, 8, 24), np.float32)}
    >>> draw_channels("relu_0", [channel], activations, "CNN").savefig("channels.png")
    """
    gap, top, row = 0.07, 0.5, 1.22
    side = (WIDTH - 4 * gap) / 3
    figure, axes = canvas(top + row * len(channels))
    axes.text(WIDTH / 2, 0.14, f"{title}, {layer}: most important channels", ha="center")
    columns = [*activations, "patches that excite it most"]
    lefts = [gap + place * (side + gap) for place in range(len(columns))]
    for left, name in zip(lefts, columns, strict=True):
        axes.text(left + side / 2, 0.3, name, size=SMALL, ha="center")
    for place, channel in enumerate(channels):
        y = top + place * row
        share = f"{channel.number}: {100 * channel.weight:.0f}% of the effect of the layer"
        axes.text(gap, y - 0.04, share, size=SMALL)
        maps = [values[:, :, channel.number] for values in activations.values()]
        scale = Normalize(
            0, max(float(np.max(maps)), 1e-6)
        )  # there are no negative values behind a ReLU
        for left, drawn in zip(lefts[:-1], maps, strict=True):
            draw_picture(axes, drawn, left, y, side, cmap="viridis", norm=scale)
        step = (side + 0.03) / 3
        for number, patch in enumerate(channel.patches):
            down, across = divmod(number, 3)
            x = lefts[-1] + across * step
            draw_picture(axes, patch, x, y + down * step, step - 0.03)
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
        is drawn relative to its maximum.
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
    scale = Normalize(-1, 1)
    for place, (above, image, evidence) in enumerate(galaxies):
        y = top + place * row
        right = left + side + gap
        axes.text(right + side / 2, y - 0.05, above, ha="center")
        # Brightened, so that faint light is visible.
        draw_picture(axes, np.sqrt(image / 255), left, y, side)
        largest = float(np.abs(evidence).max()) or 1.0
        draw_picture(axes, evidence / largest, right, y, side, cmap="RdBu_r", norm=scale)
    label = f"evidence of the {title}: against (−) and for (+)"  # noqa: RUF001
    draw_colour_bar(figure, scale, label, "RdBu_r", "neither")
    return figure


@STYLE
def draw_faithfulness(
    shares: Sequence[float],
    deletion: Mapping[str, npt.NDArray[np.float32]],
    insertion: Mapping[str, npt.NDArray[np.float32]],
    controls: Sequence[str],
) -> Figure:
    """Draw how a score changes while the most important pixels are replaced.

    Parameters
    ----------
    shares : sequence of float
        Shares of the pixels.
    deletion, insertion : mapping of ndarray of shape (len(shares),), float32
        Changes of the logit by method or control.
    controls : sequence of str
        Names of the controls, which are drawn in grey.

    Returns
    -------
    Figure

    Examples
    --------
    >>> import numpy as np
    >>> shares = [0.0, 0.1, 0.5]
    >>> curves = {"evidence": np.float32([0, 3, 4]), "random": np.float32([0, 1, 2])}
    >>> draw_faithfulness(shares, curves, curves, controls=["random"]).savefig("faithfulness.png")
    """
    figure = Figure(figsize=(WIDTH, 4.9), layout="constrained")
    above, below = figure.subplots(2, sharex=True)
    colors = iter(("#CC79A7", "#E69F00", "#009E73", "#56B4E9", "#0072B2", "#D55E00", "black"))
    dashes = iter(("-", "--", ":", "-."))
    for name in deletion:
        control = name in controls
        color, dash = (GREY, next(dashes)) if control else (next(colors), "-")
        label = _METHODS.get(name, name)
        above.plot(shares, deletion[name], label=label, color=color, ls=dash)
        below.plot(shares, insertion[name], color=color, ls=dash)
    above.set(title="deletion: pixels replaced by sky", ylabel="drop of the logit")
    below.set(title="insertion: blurred pixels sharpened", ylabel="rise of the logit")
    below.set_xlabel("share of the pixels, most important first")
    below.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    figure.legend(loc="outside lower center", ncols=2, handlelength=2.4)
    return figure
