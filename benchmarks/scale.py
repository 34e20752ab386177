"""What a wrong scale costs: frames of real galaxies resized, and classified again.

At scale 2 a frame shows a sky twice as wide, so the galaxy is half as large; 1 is the scale of
Galaxy Zoo 2. The classifier looks at the middle of a frame only, so that up to scale 2 everything
that it sees is real sky. Two questions are judged, Galaxy Zoo 1's (survey `gz1`) and that of
Kaggle's challenge (`challenge_sample`, and the clear cases of `kaggle`), each on galaxies that the
bundle has not learned.

    python -m benchmarks.scale --model galaxies/pretrained/real
"""

import argparse
import io
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from galaxies.base.fingerprints import fingerprints
from galaxies.base.outputs import write_json
from galaxies.bundle.learned import Learned, read_learned
from galaxies.classifying.classifier import Classifier
from galaxies.classifying.options import Options
from galaxies.figures.style import STYLE, save_figure
from galaxies.judgement.intervals import wilson
from galaxies.judgement.miscalibration import error_by_chance, expected_calibration_error

SCALES = (0.4, 0.5, 0.63, 0.8, 0.9, 1.0, 1.12, 1.25, 1.6, 2.0)
CAMPAIGNS = {"gz1": ("gz1",), "kaggle": ("challenge_sample", "kaggle")}
"""Whose question is asked, and the surveys with its answers."""
TITLES = {"gz1": "Galaxy Zoo 1", "kaggle": "Kaggle's challenge"}
COLOURS = {"gz1": "#0072B2", "kaggle": "#D55E00"}
MEASURES = {
    "accuracy": "Accuracy",
    "calibration_error": "Calibration error",
    "familiar": "Familiar galaxies",
}
_BINS = 10
_DRAWS = 500


def at_scale(frame: Image.Image, scale: float) -> Image.Image:
    """Show a frame as if it had been asked for at another scale.

    Parameters
    ----------
    frame : Image
        At the right scale.
    scale : float
        Factor: 2 shows the galaxy half as large.

    Returns
    -------
    Image
        Of the same size. Above scale 1 its edges are repeated around it; only the middle counts.
    """
    side = min(frame.size)
    if scale <= 1:
        half = scale * side / 2
        box = (frame.width / 2 - half, frame.height / 2 - half,
               frame.width / 2 + half, frame.height / 2 + half)  # fmt: skip
        return frame.resize((side, side), Image.Resampling.BICUBIC, box)
    # An even number of pixels is missing, so that the galaxy stays in the middle.
    small = side - 2 * round((side - side / scale) / 2)
    pixels = np.asarray(frame.resize((small, small), Image.Resampling.BICUBIC))
    edge = (side - small) // 2
    return Image.fromarray(np.pad(pixels, ((edge, edge), (edge, edge), (0, 0)), mode="edge"))


def read_galaxies(
    folder: Path, classifier: Classifier, learned: Learned, most: int
) -> tuple[list[Image.Image], list[bool]]:
    """Read frames that a bundle has not learned, and whether most volunteers saw a spiral."""
    votes = pd.read_csv(folder / "training_solutions_rev1.csv").set_index("GalaxyID")
    share = votes["Class1.2"] / (votes["Class1.1"] + votes["Class1.2"])
    share = share[share.notna() & (share != 0.5) & ~share.index.isin(learned.galaxy_ids)]
    frames: list[Image.Image] = []
    spiral: list[bool] = []
    with zipfile.ZipFile(folder / "images_training_rev1.zip") as archive:
        members = {Path(name).stem: name for name in archive.namelist()}
        for galaxy_id, fraction in share.sample(frac=1, random_state=0).items():
            if len(frames) == most:
                break
            frame = Image.open(io.BytesIO(archive.read(members[str(galaxy_id)]))).convert("RGB")
            # The same picture may have been learned under another number.
            if not learned.shown(fingerprints(classifier.prepare(frame)[None]))[0]:
                frames.append(frame)
                spiral.append(bool(fraction > 0.5))
    return frames, spiral


def interval(labels: npt.NDArray[np.int64], p: npt.NDArray[np.float64]) -> list[float]:
    """Compute the 95% interval of the calibration error, by the basic bootstrap.

    A resample has a larger error than its galaxies, because it adds noise of its own. So the
    differences between resamples and galaxies are taken, and not the resamples themselves.
    """
    random = np.random.default_rng(0)
    error = expected_calibration_error(labels, p, _BINS)
    errors = []
    for _ in range(_DRAWS):
        drawn = random.integers(0, len(p), len(p))
        errors.append(expected_calibration_error(labels[drawn], p[drawn], _BINS))
    return [max(0.0, float(2 * error - end)) for end in np.quantile(errors, [0.975, 0.025])]


def measure(model: Path, data: Path, campaign: str, most: int) -> dict[str, Any]:
    """Classify galaxies with the votes of a campaign at each scale."""
    learned = read_learned(model)
    assert learned is not None
    classifier = Classifier(model, Options(campaign=campaign, agreement=0.9))
    frames: list[Image.Image] = []
    spiral: list[bool] = []
    for survey in CAMPAIGNS[campaign]:
        more, classes = read_galaxies(data / survey, classifier, learned, most)
        frames, spiral = frames + more, spiral + classes
    labels = np.array(spiral).astype(np.int64)
    rows = []
    for scale in SCALES:
        table = classifier.classify([at_scale(frame, scale) for frame in frames])
        p = table["p_spiral"].to_numpy(np.float64)
        right = int(((p > 0.5) == (labels == 1)).sum())
        familiar = int(table["familiar"].astype(bool).sum())
        rows.append(
            {
                "scale": scale,
                "accuracy": right / len(p),
                "accuracy_interval": list(wilson(right, len(p))),
                "calibration_error": expected_calibration_error(labels, p, _BINS),
                "calibration_error_interval": interval(labels, p),
                "calibration_error_by_chance": error_by_chance(labels, p, _BINS, seed=0).mean,
                "familiar": familiar / len(p),
                "familiar_interval": list(wilson(familiar, len(p))),
                "called_spiral": float((p > 0.5).mean()),
                "survey_decided": float((table["decision"] != "ask volunteers").mean()),
            }
        )
        print(campaign, rows[-1], flush=True)
    return {"galaxies": len(frames), "spirals": sum(spiral), "scales": rows}


@STYLE
def draw(groups: dict[str, dict[str, Any]], path: Path) -> None:
    """Draw each measure against scale; bands are 95% intervals."""
    figure = Figure(figsize=(7.0, 2.4), layout="constrained")
    axes = figure.subplots(1, 3)
    for campaign, group in groups.items():
        table, colour = pd.DataFrame(group["scales"]), COLOURS[campaign]
        label = f"{TITLES[campaign]}: {group['galaxies']} galaxies"
        for axis, name in zip(axes, MEASURES, strict=True):
            axis.plot(table["scale"], table[name], "-o", color=colour, label=label)
            low, high = np.array(table[f"{name}_interval"].tolist()).T
            axis.fill_between(table["scale"], low, high, color=colour, alpha=0.15, lw=0)
    for axis, title in zip(axes, MEASURES.values(), strict=True):
        axis.set_xscale("log")
        axis.set_xticks([0.5, 0.7, 1, 1.4, 2], ["0.5", "0.7", "1", "1.4", "2"])
        axis.minorticks_off()
        axis.axvline(1, color="0.8", linewidth=0.6, zorder=0)
        axis.set_xlabel("Scale (2: the galaxy is half as large)")
        axis.set_title(title)
    axes[0].set_ylim(top=1)
    axes[1].set_ylim(bottom=0)
    axes[2].set_ylim(0, 1.02)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    save_figure(path, figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    data = Path(os.environ.get("GALAXY_DATA", "../shared/data"))
    parser.add_argument("--data", type=Path, default=data, help="folder with the surveys")
    parser.add_argument("--model", type=Path, default=Path("galaxies/pretrained/real"))
    parser.add_argument("--most", type=int, default=300, help="galaxies of each survey")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/scale.json"))
    parser.add_argument("--figure", type=Path, default=Path("docs/results/scale.png"))
    options = parser.parse_args()
    groups = {
        campaign: measure(options.model, options.data, campaign, options.most)
        for campaign in CAMPAIGNS
    }
    write_json(options.output, groups)
    draw(groups, options.figure)


if __name__ == "__main__":
    main()
