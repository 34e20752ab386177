"""Show what the convolutional network makes of a galaxy of each class."""

from pathlib import Path

import numpy as np
import pandas as pd

from galaxies.base.arrays import open_array
from galaxies.base.outputs import written_beside
from galaxies.base.questions import CLASSES
from galaxies.errors import run_stage
from galaxies.figures.galleries import choose_galaxy, draw_input, portraits
from galaxies.figures.inside import draw_attention, draw_filters, draw_layer
from galaxies.figures.style import save_figure
from galaxies.inside.activations import first_filters, grad_cam, layer_activations, spatial_layers
from galaxies.models.networks import Network
from galaxies.models.predicting.predictor import Predictor
from galaxies.settings import load_settings


def main() -> None:
    """Run the stage."""
    settings = load_settings()
    split, packed = pd.read_parquet("data/split.parquet"), pd.read_parquet("data/images.parquet")
    predictions = pd.read_parquet("data/predictions/cnn.parquet")
    predictor = Predictor(Path("models/cnn"))
    network, title = Network.load(Path("models/cnn")).network, predictor.description.title

    wanted = dict(zip(CLASSES, (settings.explain.elliptical, settings.explain.spiral), strict=True))
    chosen = [
        choose_galaxy(galaxy_id, label, split, predictions, packed)
        for label, galaxy_id in wanted.items()
    ]
    galaxies = pd.DataFrame({"galaxy_id": chosen}).merge(split, how="left")
    shown = portraits(galaxies, packed, open_array(Path("data/images.npy")))
    prediction = predictor.predict(np.stack([one.image for one in shown]))
    shown = [
        galaxy._replace(p_spiral=float(p))
        for galaxy, p in zip(shown, prediction.p_spiral, strict=True)
    ]

    spiral = shown[CLASSES.index("spiral")]
    with written_beside(Path("figures/cnn")) as folder:
        save_figure(folder / "cnn_input.png", draw_input(spiral, title))
        for number, layer in enumerate(layer_activations(network, spiral.image)):
            save_figure(folder / f"cnn_layer_{number}.png", draw_layer(*layer, title))
        save_figure(folder / "cnn_filters.png", draw_filters(*first_filters(network), title))
        maps = {
            label: (galaxy, grad_cam(network, galaxy.image, place))
            for place, (label, galaxy) in enumerate(zip(CLASSES, shown, strict=True))
        }
        where = spatial_layers(network)[-1].name
        save_figure(folder / "cnn_attention.png", draw_attention(maps, where, title))


if __name__ == "__main__":
    run_stage(main)
