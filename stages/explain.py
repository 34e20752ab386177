"""Show what the CNN sees in one galaxy of each class, and test the evidence."""

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from galaxies.base.arrays import Pixels, open_array
from galaxies.base.outputs import write_json, written_beside
from galaxies.bundle.predictor import Predictor
from galaxies.errors import run_stage
from galaxies.figures.galleries import Portrait, choose_galaxy, draw_input, portraits
from galaxies.figures.inside import (
    draw_channels,
    draw_evidence,
    draw_faithfulness,
    draw_filters,
    draw_layer,
)
from galaxies.figures.style import save_figure
from galaxies.inside.channels import channels_that_matter
from galaxies.inside.evidence import (
    Score,
    answers_that_count,
    evidence,
    turned,
)
from galaxies.inside.faithfulness import (
    CONTROLS,
    RANDOMISED,
    SHARES,
    Masks,
    compare_with_random,
    feature_masks,
    measure_all,
    report,
)
from galaxies.inside.gradient import Gradient
from galaxies.models.saved_network import NETWORK
from galaxies.questions.campaign import CLASSES
from galaxies.settings import load_settings
from galaxies.simulated.components import (
    COMPONENTS_FILE,
    CROP,
    SIDE,
    component_light,
    read_components,
)

MOST: Final = 200
"""Test galaxies on which the evidence is tested; a random sample if there are more."""

CHANNELS: Final = 4
"""Number of channels drawn for each layer."""

SEED: Final = 0


def main() -> None:
    """Run the stage."""
    settings = load_settings()
    split, packed = pd.read_parquet("data/split.parquet"), pd.read_parquet("data/images.parquet")
    predictions = pd.read_parquet("data/predictions/cnn.parquet")
    images = open_array(Path("data/images.npy"))
    bundle = Path("models/cnn")
    predictor = Predictor(bundle)
    description = predictor.description
    places, _ = answers_that_count(description, None)
    score = Score(Gradient(bundle / NETWORK), places)

    wanted = dict(zip(CLASSES, (settings.explain.elliptical, settings.explain.spiral), strict=True))
    chosen = [
        choose_galaxy(galaxy_id, label, split, predictions, packed)
        for label, galaxy_id in wanted.items()
    ]
    galaxies = pd.DataFrame({"galaxy_id": chosen}).merge(split, how="left")
    shown = portraits(galaxies, packed, images)
    prediction = predictor.predict(np.stack([one.image for one in shown]))
    shown = [
        galaxy._replace(p_spiral=float(p))
        for galaxy, p in zip(shown, prediction.p_spiral, strict=True)
    ]

    test = split[split["split"] == "test"].merge(packed, on="galaxy_id")
    test = test.sample(min(MOST, len(test)), random_state=SEED).sort_values("galaxy_id")
    seen = np.stack([np.asarray(images[row]) for row in test["row"]])
    answers = score.predicted(seen)
    spirals = test["label"].eq("spiral").to_numpy() & (answers == 1)
    survey = Path("data", settings.survey, COMPONENTS_FILE)
    on_grid = (description.size, description.crop) == (SIDE, CROP)
    known = survey if on_grid and survey.exists() else None
    features = _features(known, test["galaxy_id"].to_numpy(), spirals, seen)
    measured = measure_all(score, seen, answers, features)
    random = {
        name: Score(Gradient(bundle / NETWORK, layers, SEED), places)
        for layers, name in ((1, "last_layer"), (4, "last_block"))
    }
    like_random = compare_with_random(score, random, seen[:RANDOMISED], answers[:RANDOMISED])
    counts = {"galaxies": len(test), "spirals": int(features.any(axis=(1, 2)).sum())}
    content = {"model": description.title, **counts, **report(measured, like_random)}
    write_json(Path("metrics/explain.json"), content)

    with written_beside(Path("figures/cnn")) as folder:
        _draw(folder, score, shown, seen, answers, description.title)
        fall, rise = (
            {name: each[which].mean(axis=0) for name, each in measured.items()}
            for which in ("deletion", "insertion")
        )
        figure = draw_faithfulness(SHARES, fall, rise, CONTROLS)
        save_figure(folder / "cnn_faithfulness.png", figure)


def _features(
    path: Path | None,
    galaxy_ids: npt.NDArray[np.int64],
    spirals: npt.NDArray[np.bool_],
    images: Pixels,
) -> Masks:
    """Read the masks of arms, bars and rings of spirals; empty where these are not known."""
    masks = np.zeros(images.shape[:3], bool)
    if path is not None:
        for place in np.flatnonzero(spirals):
            levels = read_components(path, int(galaxy_ids[place]))
            light = {name: component_light(layer) for name, layer in levels.items()}
            light["sky"] = component_light(np.ones_like(levels["disk"]))
            masks[place] = feature_masks(light)
    return masks


def _draw(
    folder: Path,
    score: Score,
    shown: list[Portrait],
    seen: Pixels,
    answers: npt.NDArray[np.int64],
    title: str,
) -> None:
    """Draw the layers, the channels and the evidence."""
    both = np.stack([galaxy.image for galaxy in shown])
    labels = np.arange(len(CLASSES))
    spiral, image = shown[CLASSES.index("spiral")], both[CLASSES.index("spiral")]
    save_figure(folder / "cnn_input.png", draw_input(spiral, title))
    save_figure(folder / "cnn_filters.png", draw_filters("conv_0", score.gradient.filters, title))
    for number, (key, layer) in enumerate(score.gradient.layers.items()):
        activations = dict(zip(CLASSES, score.gradient.activations(both, key), strict=True))
        drawn = draw_layer(layer.name, layer.kind, activations["spiral"], title)
        save_figure(folder / f"cnn_layer_{number}.png", drawn)
        channels = channels_that_matter(score, seen, answers, key, CHANNELS)
        drawn = draw_channels(layer.name, channels, activations, title)
        save_figure(folder / f"cnn_channels_{number}.png", drawn)
    maps = evidence(score, both, labels)
    rows = [(f"for {name}", *one) for name, *one in zip(CLASSES, both, maps, strict=True)]
    save_figure(folder / "cnn_evidence.png", draw_evidence(rows, title))
    angles = (0, 45, 90)
    turns = np.stack([turned(image, angle) for angle in angles])
    maps = evidence(score, turns, np.ones(len(turns), np.int64))
    rows = [(f"rotated by {angle}°", *one) for angle, *one in zip(angles, turns, maps, strict=True)]
    save_figure(folder / "cnn_turned.png", draw_evidence(rows, title))


if __name__ == "__main__":
    run_stage(main)
