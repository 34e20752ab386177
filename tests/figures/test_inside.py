import numpy as np
import pytest
from matplotlib.patches import Rectangle

from galaxies.figures.inside import draw_layer
from galaxies.figures.style import save_figure
from tests.figures.conftest import texts


@pytest.mark.parametrize("channels", [1, 9, 100])
def test_mosaic_has_one_panel_for_every_channel_and_hatches_silent_ones(channels):
    values = np.random.default_rng(4).random((4, 4, channels), dtype=np.float32)
    values[:, :, -1] = 0
    figure = draw_layer("conv_0", "Conv2D", values, "CNN")
    panels = figure.axes[0]
    hatched = [patch for patch in panels.patches if isinstance(patch, Rectangle)]
    assert len(panels.images) == channels - 1
    assert len(hatched) == 1
    assert hatched[0].get_hatch()
    assert {str(channel) for channel in range(channels)} <= set(texts(figure))
    assert f"CNN, conv_0 (Conv2D): 4 × 4 × {channels}, 1 constant" in texts(figure)  # noqa: RUF001
    assert len({image.norm for image in panels.images}) == min(1, channels - 1)


@pytest.mark.parametrize("low", [-1.0, 0.0])
def test_mosaic_of_a_layer_that_is_the_same_everywhere_is_drawn(low, tmp_path):
    figure = draw_layer("add", "Add", np.full((4, 4, 3), low, np.float32), "CNN")
    save_figure(tmp_path / "a.png", figure)
    panels = figure.axes[0]
    # A channel that says the same everywhere is silent, whatever its value.
    hatched = [patch for patch in panels.patches if patch.get_hatch()]
    assert (len(panels.images), len(hatched)) == (0, 3)


def test_mosaic_of_signed_values_shows_both_signs():
    values = np.linspace(-3, 2, 4 * 4 * 2, dtype=np.float32).reshape(4, 4, 2)
    norm = draw_layer("norm", "BatchNormalization", values, "CNN").axes[0].images[0].norm
    assert norm.vmin == pytest.approx(-3, abs=0.1)
    assert norm.vmax == pytest.approx(2, abs=0.1)
