"""How faithful the evidence of the pretrained bundle is on real held-out galaxies.

Measures, other methods and controls are those of the stage `explain`. The pretrained bundle has
learned most galaxies of these surveys; with `--others` each survey is explained by a network that
was trained without it, by `benchmarks.leave_one_out`.

    python -m benchmarks.leave_one_out --data ../shared/data --bundles /tmp/others
    python -m benchmarks.evidence --data ../shared/data --others /tmp/others
"""

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from benchmarks.leave_one_out import judged_as, read_survey, take
from galaxies.base.fingerprints import from_text
from galaxies.base.outputs import write_json
from galaxies.bundle.description import read_description
from galaxies.bundle.learned import read_learned
from galaxies.bundle.pretrained import PRETRAINED
from galaxies.dataset.layout import read_campaign
from galaxies.figures.style import FOR, GREY, STYLE, save_figure
from galaxies.inside.faithfulness import (
    RANDOMISED,
    compare_with_random,
    measure_all,
    report,
)
from galaxies.inside.gradient import Gradient
from galaxies.inside.score import Score, answers_that_count
from galaxies.models.backward import randomised_gradient
from galaxies.settings import load_settings

SURVEYS = ("gz1", "gz2", "kaggle")
MOST = 300
"""Galaxies of a survey, by default."""
SEED = 0


def judge(bundle: Path, folder: Path, scratch: Path, most: int) -> dict[str, Any]:
    """Score the evidence for the predicted class, for the survey's own question."""
    survey = read_survey(folder, scratch, load_settings())
    learned = read_learned(bundle)
    assert learned is not None
    campaign = read_campaign(folder)
    seen = learned.shown(from_text(survey.table["fingerprint"]))
    unseen = ~seen & (survey.votes.labels(campaign) >= 0)
    rows = np.flatnonzero(unseen)
    rows = np.sort(np.random.default_rng(SEED).permutation(rows)[:most])
    images = take(survey, rows).images
    description = judged_as(read_description(bundle), campaign)
    places, _ = answers_that_count(description, None)
    score = Score(Gradient(bundle), places)
    answers = score.predicted(images)
    measured = measure_all(score, images, answers, np.zeros(images.shape[:3], bool))
    random = {"last_layer": Score(Gradient(randomised_gradient(bundle, 1, SEED)), places)}
    like = compare_with_random(score, random, images[:RANDOMISED], answers[:RANDOMISED])
    return {"galaxies": len(images), "campaign": campaign.name, **report(measured, like)}


SCORES = {
    "deletion": "fall of the logit\nthe most important half replaced",
    "insertion": "rise of the logit\nthe same half sharpened",
    "inside": "share of the positive\nevidence in the galaxy",
}
METHODS = {
    "evidence": "evidence",
    "from_blur": "from the blurred image alone",
    "from_sky": "from the sky alone",
    "smooth_gradients": "SmoothGrad",
    "occlusion": "occlusion",
    "contributions": "contributions",
    "grad_cam": "Grad-CAM",
    "centre": "centre",
    "brightness": "brightness",
    "edges": "edges",
    "random": "random",
}


@STYLE
def draw_surveys(found: dict[str, Any]) -> Figure:
    """Draw the scores of the evidence and of the best control, with intervals, by survey."""
    figure = Figure(figsize=(6.8, 2.3), layout="constrained")
    for axes, (score, words) in zip(
        figure.subplots(1, 3, sharey=True), SCORES.items(), strict=True
    ):
        for row, each in enumerate(found.values()):
            best = max(each["controls"].values(), key=lambda control: control[score])
            for scores, color, marker, shift in (
                (each["methods"]["evidence"], FOR, "o", -0.12),
                (best, GREY, "s", 0.12),
            ):
                sides = [[scores[score] - scores[f"{score}_low"]]]
                sides += [[scores[f"{score}_high"] - scores[score]]]
                axes.errorbar(
                    scores[score], row + shift, xerr=sides, color=color, marker=marker, ls="none"
                )
        axes.set(title=words, xlim=(min(0.0, axes.get_xlim()[0]), None))
        axes.axvline(0, color=GREY, lw=0.6)
    names = [f"{name} ({each['galaxies']} galaxies)" for name, each in found.items()]
    first = figure.axes[0]
    first.set_yticks(range(len(names)), names)
    first.invert_yaxis()
    first.errorbar([], [], xerr=[], color=FOR, marker="o", ls="none", label="evidence")
    label = "best control, without the network"
    first.errorbar([], [], xerr=[], color=GREY, marker="s", ls="none", label=label)
    figure.legend(loc="outside lower center", ncols=2)
    return figure


@STYLE
def draw_methods(found: dict[str, Any]) -> Figure:
    """Draw two scores of all methods and controls, for two surveys."""
    figure = Figure(figsize=(6.8, 2.9), layout="constrained")
    panels = figure.subplots(1, 2 * len(found), sharey=True)
    for number, (name, each) in enumerate(found.items()):
        both = {**each["methods"], **each["controls"]}
        rows = [method for method in METHODS if method in both]
        for axes, score in zip(panels[2 * number :], ("deletion", "insertion"), strict=False):
            colours = [
                FOR if row == "evidence" else GREY if row in each["methods"] else "#C9C9C9"
                for row in rows
            ]
            axes.barh(range(len(rows)), [both[row][score] for row in rows], color=colours)
            axes.axvline(0, color="black", lw=0.6)
            axes.set_title(f"{name}\n{score}")
        panels[0].set_yticks(range(len(rows)), [METHODS[row] for row in rows])
    panels[0].invert_yaxis()
    return figure


def draw(found: dict[str, Any], simulated: Path, figures: Path) -> None:
    """Draw the pictures of the page on the evidence."""
    everything = {"simulated": json.loads(simulated.read_text(encoding="utf-8")), **found}
    remark = "lines: 95% intervals; the control is the best of four for each score"
    save_figure(figures / "evidence_surveys.png", draw_surveys(everything), remark)
    two = {name: everything[name] for name in ("simulated", "gz1")}
    remark = "red: evidence; dark: other methods; light: controls, which do not use the network"
    save_figure(figures / "evidence_methods.png", draw_methods(two), remark)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("GALAXY_DATA"))
    parser.add_argument("--others", type=Path, help="bundles that leave_one_out has kept")
    parser.add_argument("--most", type=int, default=MOST, help="galaxies of a survey")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/evidence.json"))
    parser.add_argument("--figures", type=Path, default=Path("docs/results"))
    options = parser.parse_args()
    if options.data is None:
        parser.error("give the folder of surveys with --data or $GALAXY_DATA")
    found = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name in (name for name in SURVEYS if (options.data / name).is_dir()):
            folder = options.data / name
            bundle = options.others / name if options.others else PRETRAINED / "real"
            scores = judge(bundle, folder, Path(scratch), options.most)
            both = {**scores["methods"], **scores["controls"]}
            names = ["pointing", "inside", "deletion", "insertion", "deletion_tenth"]
            names += ["insertion_tenth", "last_layer"]
            print(name, scores["galaxies"])
            print(pd.DataFrame(both).T[names].round(2).to_string(), flush=True)
            found[name] = scores
    write_json(options.output, found)
    draw(found, Path("metrics/explain.json"), options.figures)


if __name__ == "__main__":
    main()
