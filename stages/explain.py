"""Show what the CNN sees in one galaxy of each class, and test the evidence."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from galaxies.base.arrays import Pixels, open_array
from galaxies.base.outputs import write_json, written_beside
from galaxies.bundle.predictor import Predictor
from galaxies.errors import run_stage
from galaxies.figures.choosing import Example, answers_of, choose_examples, choose_galaxy
from galaxies.figures.galleries import Portrait, draw_input, portraits, rounded
from galaxies.figures.inside import (
    draw_evidence,
    draw_faithfulness,
    draw_layer,
)
from galaxies.figures.strip import draw_strip
from galaxies.figures.style import save_figure
from galaxies.inside.channels import Exciting
from galaxies.inside.faithfulness import (
    RANDOMISED,
    SHARES,
    compare_with_random,
    measure_all,
    report,
)
from galaxies.inside.gradient import Gradient
from galaxies.inside.images import turned
from galaxies.inside.masks import Masks, feature_masks
from galaxies.inside.methods import evidence
from galaxies.inside.score import Score, answers_that_count
from galaxies.inside.strip import look_inside
from galaxies.models.backward import randomised_gradient
from galaxies.questions.campaign import CLASSES, Campaign
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
    score = Score(Gradient(bundle), places)

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
        name: Score(Gradient(randomised_gradient(bundle, layers, SEED)), places)
        for layers, name in ((1, "last_layer"), (4, "last_block"))
    }
    like_random = compare_with_random(score, random, seen[:RANDOMISED], answers[:RANDOMISED])
    counts = {"galaxies": len(test), "spirals": int(features.any(axis=(1, 2)).sum())}
    content = {"model": description.title, **counts, **report(measured, like_random)}
    write_json(Path("metrics/explain.json"), content)

    campaign = description.answers_of
    votes = answers_of(pd.read_parquet("data/votes.parquet"), campaign)
    with written_beside(Path("figures/cnn")) as folder:
        where = f"{settings.survey} survey, galaxy {shown[1].galaxy_id}"
        drawn = draw_input(shown[1], description.title)
        save_figure(folder / "cnn_input.png", drawn, where)
        _draw_evidence(folder, score, predictor, shown, settings.survey)
        examples = choose_examples(votes, answers_of(predictions, campaign), campaign)
        strips = _strips(shown, examples, packed, images)
        exciting = Exciting(score.gradient, seen)
        for name, (galaxy_id, image, *asked) in strips.items():
            inside = look_inside(bundle, predictor, image, *asked)
            name_shown = f"{settings.survey} galaxy {galaxy_id}"
            among = f"{len(seen)} test galaxies"
            voted = _voted(votes, campaign, galaxy_id)
            drawn = draw_strip(inside, description.title, name_shown, exciting, among, voted)
            save_figure(folder / f"cnn_strip_{name}.png", drawn, dpi=140)
            if name == "spiral":
                for number, layer in enumerate(inside.layers.values()):
                    drawn = draw_layer(image, layer, number, description.title)
                    save_figure(folder / f"cnn_layer_{number}.png", drawn, where)
        fall, rise = (
            {name: each[which].mean(axis=0) for name, each in measured.items()}
            for which in ("deletion", "insertion")
        )
        figure = draw_faithfulness(SHARES, fall, rise, f"{len(test)} {settings.survey} galaxies")
        save_figure(folder / "cnn_faithfulness.png", figure)


def _strips(
    shown: list[Portrait], examples: dict[str, Example], packed: pd.DataFrame, images: Pixels
) -> dict[str, tuple[Any, ...]]:
    """List the galaxies with a strip: ID, image, and the question and answer to explain."""
    strips: dict[str, tuple[Any, ...]] = {
        name: (galaxy.galaxy_id, galaxy.image) for name, galaxy in zip(CLASSES, shown, strict=True)
    }
    rows = packed.set_index("galaxy_id")["row"]
    for name, (galaxy_id, *asked) in examples.items():
        strips[name] = (galaxy_id, np.asarray(images[rows[galaxy_id]]), *asked)
    return strips


def _voted(votes: pd.DataFrame, campaign: Campaign, galaxy_id: int) -> dict[str, float]:
    """Return the observed vote fractions of those who were asked, by the name of the answer."""
    row = votes.loc[votes["galaxy_id"] == galaxy_id, list(campaign.names)].to_numpy(np.float64)
    within = campaign.within_questions(row[:1])
    return dict(zip(campaign.names, within[0].tolist(), strict=True)) if len(row) else {}


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


def _draw_evidence(
    folder: Path, score: Score, predictor: Predictor, shown: list[Portrait], survey: str
) -> None:
    """Draw the evidence for both classes, and for a spiral that is turned."""
    title = predictor.description.title
    both = np.stack([galaxy.image for galaxy in shown])
    maps = evidence(score, both, np.arange(len(CLASSES)))
    rows = [(f"for {name}", *one) for name, *one in zip(CLASSES, both, maps, strict=True)]
    where = [f"galaxy {galaxy.galaxy_id}" for galaxy in shown]
    both_shown = f"{survey} survey, {' and '.join(where)}"
    save_figure(folder / "cnn_evidence.png", draw_evidence(rows, title), both_shown)
    angles = (0, 45, 90)
    turns = np.stack([turned(both[1], angle) for angle in angles])
    maps = evidence(score, turns, np.ones(len(turns), np.int64))
    rows = [
        (f"turned by {angle}°: $p$(spiral) {rounded(p)}", image, one)
        for angle, p, image, one in zip(
            angles, predictor.predict(turns).p_spiral, turns, maps, strict=True
        )
    ]
    turned_shown = f"{survey} survey, {where[1]}"
    save_figure(folder / "cnn_turned.png", draw_evidence(rows, title), turned_shown)


if __name__ == "__main__":
    run_stage(main)
