"""Pictures of what happens inside a network."""

from collections.abc import Mapping
from math import ceil

import numpy as np
import numpy.typing as npt
from matplotlib.colors import Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from galaxies.figures.galleries import Portrait, draw_picture, draw_portrait, draw_vote_legend
from galaxies.figures.style import GREY, SMALL, STYLE, WIDTH, canvas, draw_colour_bar


@STYLE
def draw_layer(name: str, kind: str, values: npt.NDArray[np.float32], title: str) -> Figure:
    """Draw what every channel of a layer makes of one galaxy, all on one scale.

    Parameters
    ----------
    name, kind : str
        Of the layer.
    values : ndarray of shape (height, width, channels), float32
        . A channel that says the same everywhere is hatched.
    title : str
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
    side = (WIDTH - (columns + 1) * gap) / columns
    row = side + 0.14
    figure, axes = canvas(top + row * ceil(channels / columns) + foot)
    silence = f", {silent.sum()} silent" if silent.any() else ""
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
    label = "activation (hatched: the same everywhere)" if silent.any() else "activation"
    draw_colour_bar(figure, scale, label, "viridis", beyond)
    return figure


@STYLE
def draw_filters(name: str, weights: npt.NDArray[np.float32], title: str) -> Figure:
    """Draw the filters of the first convolution as small images, those they answer to most.

    Parameters
    ----------
    name : str
        Of the layer.
    weights : ndarray of shape (height, width, 3, filters), float32
        The third axis red, green and blue.
    title : str
        What figures call the network.
    """
    height, width, inputs, filters = weights.shape
    largest = float(np.abs(weights).max())
    colours = 0.5 + weights / (2 * largest)
    columns, gap, top, foot = 8, 0.04, 0.24, 0.3
    side = (WIDTH - (columns + 1) * gap) / columns
    row = side + 0.14
    figure, axes = canvas(top + row * ceil(filters / columns) + foot)
    shape = f"{filters} filters of {height} × {width} × {inputs}"  # noqa: RUF001
    axes.text(WIDTH / 2, 0.15, f"{title}, {name}: {shape}", ha="center")
    for number in range(filters):
        down, across = divmod(number, columns)
        x, y = gap + across * (side + gap), top + down * row
        axes.text(x + side / 2, y + 0.1, str(number), size=7, ha="center")
        draw_picture(axes, colours[..., number], x, y + 0.12, side)
    axes.text(
        WIDTH / 2,
        figure.get_figheight() - 0.1,
        f"weights in red, green and blue: −{largest:.2f} dark, 0 grey, +{largest:.2f} bright",  # noqa: RUF001
        size=SMALL,
        ha="center",
    )
    return figure


@STYLE
def draw_attention(
    galaxies: Mapping[str, tuple[Portrait, npt.NDArray[np.float32]]], layer: str, title: str
) -> Figure:
    """Draw where a network sees evidence for a class, beside the bare image.

    Parameters
    ----------
    galaxies : mapping
        For each class a galaxy and the map (height, width) from 0 to 1.
    layer : str
        Where the maps were made.
    title : str
        What figures call the network.
    """
    side, gap, top, row = 1.45, 0.1, 0.43, 2.05
    left = (WIDTH - 2 * side - gap) / 2
    figure, axes = canvas(top + row * len(galaxies) + 0.5)
    draw_vote_legend(axes)
    scale = Normalize(0, 1)
    for place, (label, (galaxy, evidence)) in enumerate(galaxies.items()):
        y = top + place * row
        right = left + side + gap
        axes.text(right + side / 2, y - 0.05, f"evidence for {label}", ha="center")
        draw_portrait(axes, galaxy, left, y, side)
        # Brightened, so that the galaxy shows through.
        grey = np.sqrt(galaxy.image.mean(axis=2) / 255)
        draw_picture(axes, grey, right, y, side, cmap="gray", vmin=0, vmax=1)
        draw_picture(
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
    draw_colour_bar(figure, scale, f"Grad-CAM of {title} at {layer}", "inferno", "neither")
    return figure
