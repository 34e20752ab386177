import numpy as np
import pytest

from galaxies.figures.inside import draw_layer
from galaxies.figures.style import save_figure
from galaxies.inside.gradient import Layer
from galaxies.inside.strip import LayerInside
from tests.figures.conftest import texts

IMAGE = np.full((16, 16, 3), 40, np.uint8)


def layer(values):
    shares = np.linspace(-1, 1, values.shape[2], dtype=np.float32)
    return LayerInside(Layer("conv_0", "Relu", 3), values, shares / np.abs(shares).sum())


@pytest.mark.parametrize("channels", [2, 9, 100])
def test_a_layer_has_its_input_and_its_channels_and_counts_constant_ones(channels):
    values = np.random.default_rng(4).random((4, 4, channels), dtype=np.float32)
    values[:, :, -1] = 0
    figure = draw_layer(IMAGE, layer(values), 3, "CNN")
    shown = min(24, channels - 1)
    assert len(figure.axes[0].images) == 1 + shown
    said = texts(figure)
    assert f"CNN, layer 3, conv_0: 4 × 4 positions, {channels} channels" in said  # noqa: RUF001
    counted = f"the {shown} channels with the largest effect on the answer; 1 are constant"
    assert counted in said
    assert "input" in said
    assert str(channels - 1) not in said


def test_a_layer_that_is_the_same_everywhere_is_drawn(tmp_path):
    figure = draw_layer(IMAGE, layer(np.zeros((4, 4, 3), np.float32)), 0, "CNN")
    save_figure(tmp_path / "a.png", figure)
    assert len(figure.axes[0].images) == 1
