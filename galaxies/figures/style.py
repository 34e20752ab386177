"""The style of all figures.

Every figure is one journal column wide (3.4 inches), in the colours of Okabe & Ito (2008), which
colour-blind readers can distinguish.
"""

import io
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

from galaxies.base.outputs import written_beside

WIDTH: Final = 3.4  # inches

GREY: Final = "#7F7F7F"

INK: Final = "#4D4D4D"
"""Remarks beside a figure."""

SMALL: Final = 6  # points; the smallest size that is easy to read in print


class Line(NamedTuple):
    """How the curves of a model look."""

    color: str
    dashes: str
    marker: str


LINES: Final = {
    "tree": Line("#E69F00", ":", "^"),
    "mlp": Line("#CC79A7", "-.", "s"),
    "cnn": Line("#0072B2", "-", "o"),
    "inception": Line("#009E73", "--", "D"),
}
"""For each model in `galaxies.bundle.registry.MODELS`. They are not there, because a changed colour
must not train a model again."""


FOR, AGAINST = "#B2182B", "#2166AC"
"""Evidence for an answer and against it: the ends of the colour map `RdBu_r`."""


# A font that comes with matplotlib, so that figures are identical on every machine.
STYLE = style.context(
    {
        "font.family": "DejaVu Sans",
        "mathtext.fontset": "dejavusans",
        "font.size": 7.5,
        "axes.titlesize": 7.5,
        "axes.labelsize": 7.5,
        "xtick.labelsize": 6.5,
        "ytick.labelsize": 6.5,
        "legend.fontsize": 6.5,
        "legend.frameon": False,
        "axes.linewidth": 0.6,
        "lines.linewidth": 1.3,
        "lines.markersize": 3,
        "hatch.linewidth": 0.4,
        "image.interpolation": "nearest",
    },
    after_reset=True,
)


@STYLE
def save_figure(path: Path, figure: Figure, shows: str = "", dpi: int = 200) -> None:
    """Write a PNG; the same figure gives identical bytes.

    Parameters
    ----------
    path : Path
        The file.
    figure : Figure
        The figure.
    shows : str
        A line below the figure: which galaxies it shows, and how many.
    dpi : int
        Pixels an inch; fewer for a wide figure, which stands on a page at a smaller scale.

    Examples
    --------
    >>> from pathlib import Path
    >>> from matplotlib.figure import Figure
    >>> save_figure(Path("empty.png"), Figure((3.4, 2)), "simulated survey, 9 test galaxies")
    """
    pixels = _drawn(figure, dpi)
    if shows:
        remark = Figure((figure.get_figwidth(), 0.2))
        remark.text(0.5, 0.5, shows, size=SMALL, ha="center", va="center", color=INK)
        pixels = np.concatenate([pixels, _drawn(remark, dpi)])
    with written_beside(path) as beside:
        Image.fromarray(pixels).save(beside, "PNG", optimize=True, dpi=(dpi, dpi))


def _drawn(figure: Figure, dpi: int) -> npt.NDArray[np.uint8]:
    """Draw a figure as pixels (height, width, 3)."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=dpi)
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"))


def canvas(height: float, width: float = WIDTH) -> tuple[Figure, Axes]:
    """Make an empty figure with coordinates in inches from the upper left corner."""
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    return figure, axes


def draw_colour_bar(
    figure: Figure, scale: Normalize, label: str, cmap: str | Colormap, extend: str
) -> None:
    """Draw a horizontal bar at the foot of a canvas."""
    height = figure.get_figheight()
    bar = figure.add_axes((0.2, 0.3 / height, 0.6, 0.08 / height))
    figure.colorbar(
        ScalarMappable(scale, cmap), bar, orientation="horizontal", extend=extend, label=label
    )
    bar.xaxis.labelpad = 0
    bar.tick_params(pad=1.5, length=2)
    bar.xaxis.set_major_locator(MaxNLocator(5))
