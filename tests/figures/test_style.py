import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from galaxies.bundle.registry import MODELS
from galaxies.figures.curves import (
    draw_agreement,
    draw_confusion,
    draw_learning,
    draw_reliability,
    draw_roc,
    draw_triage,
)
from galaxies.figures.galleries import (
    draw_input,
    draw_mistakes,
    draw_samples,
)
from galaxies.figures.inside import (
    draw_evidence,
    draw_faithfulness,
    draw_layer,
)
from galaxies.figures.style import save_figure
from galaxies.questions.campaign import CLASSES
from tests.figures.conftest import portrait, result
from tests.figures.test_inside import layer

pytestmark = pytest.mark.slow


def every_figure():
    results = [result(model) for model in MODELS]
    shown = {label: [portrait(), portrait(votes=None)] for label in CLASSES}
    values = np.random.default_rng(5).random((4, 4, 5), dtype=np.float32)
    return {
        "samples": draw_samples(shown),
        "mistakes": draw_mistakes(shown, "CNN"),
        "input": draw_input(portrait(), "CNN"),
        "layer": draw_layer(portrait().image, layer(values), 0, "CNN"),
        "evidence": draw_evidence([("for spiral", portrait().image, values[:, :, 0])] * 2, "CNN"),
        "faithfulness": draw_faithfulness(
            (0, 0.1, 0.5),
            dict.fromkeys(("evidence", "random"), values[0, :3, 0]),
            dict.fromkeys(("evidence", "random"), values[0, :3, 1]),
            "9 galaxies",
        ),
        "confusion": draw_confusion(results[0]),
        "roc": draw_roc(results),
        "reliability": draw_reliability(results),
        "triage": draw_triage(results),
        "agreement": draw_agreement(results),
        "learning": draw_learning(results),
    }


def test_every_figure_is_one_column_wide_readable_and_the_same_bytes_again(tmp_path):
    for name, figure in every_figure().items():
        save_figure(tmp_path / "one" / f"{name}.png", figure)
    for name, figure in every_figure().items():
        save_figure(tmp_path / "two" / f"{name}.png", figure)
        first = (tmp_path / "one" / f"{name}.png").read_bytes()
        assert first == (tmp_path / "two" / f"{name}.png").read_bytes(), name
        assert b"matplotlib" not in first, name
        with Image.open(tmp_path / "one" / f"{name}.png") as image:
            assert image.width == 680, name
        sizes = [text.get_fontsize() for text in figure.findobj(match=is_text)]
        # Its small letters are as tall as those of Times at 7.3 points.
        assert min(sizes) >= 6, name


def test_a_line_below_says_what_is_shown(tmp_path):
    figure = Figure((3.4, 1))
    save_figure(tmp_path / "without.png", figure)
    save_figure(tmp_path / "with.png", figure, "simulated survey, 9 test galaxies")
    with Image.open(tmp_path / "without.png") as without, Image.open(tmp_path / "with.png") as told:
        assert told.size == (without.width, without.height + 40)
        below = np.asarray(told)[without.height :]
    assert below.min() < 128


def is_text(artist):
    return hasattr(artist, "get_fontsize") and bool(artist.get_text())


def test_figures_need_neither_keras_nor_global_state():
    code = (
        "import sys, galaxies.figures.curves, galaxies.figures.galleries, galaxies.figures.inside\n"
        "print([m for m in ('keras', 'tensorflow', 'matplotlib.pyplot') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_failed_save_leaves_the_earlier_figure(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"earlier")

    class Broken(Figure):
        def savefig(self, *_args, **_options):
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        save_figure(path, Broken())
    assert path.read_bytes() == b"earlier"
    assert [found.name for found in tmp_path.iterdir()] == ["a.png"]
