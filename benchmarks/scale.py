"""What a wrong scale costs: frames of real galaxies resized, and classified again.

A frame at twice the scale shows a sky twice as wide, so the galaxy is half as large. Smaller scales
are cut out of the middle; for larger ones the frame shrinks and its surroundings are filled with
sky from its own corners. Accuracy, calibration and familiarity are drawn against the scale, 1 being
that of Galaxy Zoo 2. Two surveys are judged: `gz1`, with Galaxy Zoo 1's types, and
`challenge_sample`, with Kaggle's votes.

    python -m benchmarks.scale --model galaxies/pretrained/real
"""

import argparse
import io
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from PIL import Image

from galaxies.base.outputs import write_json
from galaxies.classifying.classifier import Classifier
from galaxies.classifying.options import Options

SCALES = (0.4, 0.5, 0.63, 0.8, 0.9, 1.0, 1.12, 1.25, 1.6, 2.0, 2.5, 4.0)
SURVEYS = {"gz1": "Galaxy Zoo 1", "challenge_sample": "Kaggle's challenge"}
_CAMPAIGNS = {"gz1": "gz1", "challenge_sample": "gz2"}
_CORNER = 0.15  # of the side of a frame


def at_scale(frame: Image.Image, scale: float, random: np.random.Generator) -> Image.Image:
    """Show a frame as if it had been asked for at another scale.

    Parameters
    ----------
    frame : Image
        At the right scale.
    scale : float
        Factor: 2 shows the galaxy half as large.
    random : Generator
        Draws the sky around a frame that shrinks.
    """
    side = min(frame.size)
    if scale <= 1:
        half = scale * side / 2
        box = (frame.width / 2 - half, frame.height / 2 - half,
               frame.width / 2 + half, frame.height / 2 + half)  # fmt: skip
        return frame.resize((side, side), Image.Resampling.BICUBIC, box)
    small = np.asarray(frame.resize((round(side / scale),) * 2, Image.Resampling.BOX))
    corner = round(_CORNER * len(small))
    corners = [small[rows, columns] for rows in (slice(corner), slice(-corner, None))
               for columns in (slice(corner), slice(-corner, None))]  # fmt: skip
    # The faintest corner has no neighbour. Its own patches keep the grain of the noise.
    patch = min(corners, key=lambda one: float(one.mean()))
    times = -(-side // corner)
    rows = []
    for _ in range(times):
        row = [np.rot90(patch, int(random.integers(4))) for _ in range(times)]
        rows.append(np.concatenate(row, axis=1))
    sky = np.concatenate(rows)[:side, :side].copy()
    start = (side - len(small)) // 2
    sky[start : start + len(small), start : start + len(small)] = small
    return Image.fromarray(sky)


def read_survey(folder: Path, most: int) -> tuple[list[Image.Image], np.ndarray]:
    """Read frames, and the fraction of votes for features or disk among the two classes."""
    votes = pd.read_csv(folder / "training_solutions_rev1.csv").set_index("GalaxyID")
    share = votes["Class1.2"] / (votes["Class1.1"] + votes["Class1.2"])
    share = share[share.notna()].sample(frac=1, random_state=0)[:most]
    frames = []
    with zipfile.ZipFile(folder / "images_training_rev1.zip") as archive:
        members = {Path(name).stem: name for name in archive.namelist()}
        for galaxy_id in share.index:
            data = archive.read(members[str(galaxy_id)])
            frames.append(Image.open(io.BytesIO(data)).convert("RGB"))
    return frames, share.to_numpy()


def measure(model: Path, survey: Path, most: int) -> list[dict[str, Any]]:
    """Classify a survey at each scale."""
    campaign: Any = _CAMPAIGNS[survey.name]
    frames, share = read_survey(survey, most)
    classifier = Classifier(model, Options(campaign=campaign, agreement=0.9))
    spiral = share > 0.5
    rows = []
    for scale in SCALES:
        random = np.random.default_rng(0)
        table = classifier.classify([at_scale(frame, scale, random) for frame in frames])
        p = table["p_spiral"].to_numpy()
        decided = table["decision"] != "ask volunteers"
        bins = pd.Series(p - spiral).groupby(np.minimum((10 * p).astype(int), 9))
        rows.append(
            {
                "scale": scale,
                "accuracy": float(((p > 0.5) == spiral).mean()),
                "calibration_error": float((bins.mean().abs() * bins.size()).sum() / len(p)),
                "log_loss": float(-np.log(np.where(spiral, p, 1 - p).clip(1e-6)).mean()),
                "share_of_spirals": float((p > 0.5).mean()),
                "familiar": None if table["familiar"].isna().all() else bool(table["familiar"][0]),
                "decided": float(decided.mean()),
            }
        )
        print(survey.name, rows[-1], flush=True)
    return rows


def draw(found: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Draw accuracy and calibration against scale; open marks are scales that look unfamiliar."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for (name, rows), colour in zip(found.items(), ("C0", "C1"), strict=False):
        table = pd.DataFrame(rows)
        strange = table["familiar"].eq(False)
        for axis, column in zip(axes, ("accuracy", "calibration_error"), strict=True):
            axis.plot(table["scale"], table[column], color=colour, label=SURVEYS[name])
            for marks, face in ((~strange, colour), (strange, "white")):
                axis.plot(table["scale"][marks], table[column][marks], "o", color=colour,
                          markerfacecolor=face)  # fmt: skip
    for axis, title in zip(axes, ("Accuracy", "Calibration error"), strict=True):
        axis.set_xscale("log")
        axis.set_xticks([0.5, 1, 2, 4], ["1/2", "1", "2", "4"])
        axis.minorticks_off()
        axis.axvline(1, color="0.8", zorder=0)
        axis.set_xlabel("Scale of the frame, 1 as Galaxy Zoo 2")
        axis.set_title(title)
    axes[1].set_ylim(bottom=0)
    axes[0].legend(frameon=False)
    figure.savefig(path, dpi=160)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    data = Path(os.environ.get("GALAXY_DATA", "../shared/data"))
    parser.add_argument("--data", type=Path, default=data, help="folder with the surveys")
    parser.add_argument("--model", type=Path, default=Path("galaxies/pretrained/real"))
    parser.add_argument("--most", type=int, default=1000, help="galaxies of each survey")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/scale.json"))
    parser.add_argument("--figure", type=Path, default=Path("docs/scale_of_frames.png"))
    options = parser.parse_args()
    found = {
        name: measure(options.model, options.data / name, options.most)
        for name in SURVEYS
        if (options.data / name).is_dir()
    }
    write_json(options.output, found)
    draw(found, options.figure)


if __name__ == "__main__":
    main()
