"""What share of odd images is not familiar, at 1% of real galaxies sent to people.

Galaxies of Galaxy Zoo 1 and 2 and of Kaggle's sample fit and calibrate the distance, half each.
Kaggle's own galaxies are new to it: 3,000 show how many are refused, 300 are spoiled. Three
distances are compared: Mahalanobis in the appearance of the images, which bundles use; the same in
the last features of the network `real`; and the mean distance to the five nearest galaxies there.
Last, what `real` itself does, which has learned most of these galaxies.

Then what a calibration on another survey does to the test (`--only surveys` runs this alone): the
known galaxies of a bundle are those of all other surveys, with or without half of this one. Some of
its galaxies calibrate, again and again. Before, these replaced what the bundle knew; now they do
only if they do not look familiar.

    python -m benchmarks.familiarity --data ../shared/data
"""

import argparse
import json
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pandas as pd
from PIL import Image, ImageDraw, ImageOps
from sklearn.neighbors import NearestNeighbors

from galaxies.base.arrays import Floats, Pixels
from galaxies.base.outputs import write_json
from galaxies.bundle.description import read_description
from galaxies.bundle.known_galaxies import read_known
from galaxies.bundle.pretrained import PRETRAINED
from galaxies.dataset.layout import IMAGES
from galaxies.images.decode import decode_reduced, reduce_image
from galaxies.judgement.appearance import appearance
from galaxies.judgement.familiarity import LEVEL, KnownGalaxies, Looks

SURVEYS = ("gz1", "gz1b", "gz2", "kaggle")
CALIBRATED = ("gz1", "gz1b", "gz2", "challenge_sample")
OTHERS = {"challenge": 3000, "challenge_sample": 280, "mergers": 683}
LABELLED = (99, 200)
"""Numbers of galaxies that calibrate."""
SPOILED = 300
DRAWN = 200
RANDOM = np.random.default_rng(0)
SEEN = read_description(PRETRAINED / "real")

Spoil = Callable[[Image.Image], Image.Image]


def scaled(factor: float) -> Spoil:
    """Show a galaxy larger, or smaller in an empty frame."""

    def spoil(frame: Image.Image) -> Image.Image:
        side = frame.width
        if factor > 1:
            cut = side / factor
            box = ((side - cut) / 2, (side - cut) / 2, (side + cut) / 2, (side + cut) / 2)
            left, top, right, bottom = map(int, box)
            return frame.crop((left, top, right, bottom)).resize(
                (side, side), Image.Resampling.BICUBIC
            )
        small = frame.resize((int(side * factor),) * 2, Image.Resampling.LANCZOS)
        empty = Image.new("RGB", (side, side))
        empty.paste(small, ((side - small.width) // 2,) * 2)
        return empty

    return spoil


def half_blank(frame: Image.Image) -> Image.Image:
    """Blank the left half."""
    values = np.array(frame)
    values[:, : values.shape[1] // 2] = 0
    return Image.fromarray(values)


def noisy(frame: Image.Image) -> Image.Image:
    """Add noise to each pixel."""
    values = np.array(frame) + RANDOM.normal(0, 40, np.array(frame).shape)
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def trail(frame: Image.Image) -> Image.Image:
    """Draw the trail of a satellite past the centre."""
    angle, past, middle = RANDOM.uniform(0, np.pi), RANDOM.uniform(-40, 40), frame.width / 2
    right, down = np.cos(angle) * frame.width, np.sin(angle) * frame.width
    ends = (middle - right + past, middle - down, middle + right + past, middle + down)
    crossed = frame.copy()
    ImageDraw.Draw(crossed).line(ends, fill=(230, 230, 230), width=5)
    return crossed


KINDS: dict[str, Spoil] = {
    "inverted": ImageOps.invert,
    "grey": lambda frame: frame.convert("L").convert("RGB"),
    "one band, i, in all channels": lambda frame: Image.merge("RGB", [frame.split()[0]] * 3),
    "red and blue exchanged": lambda frame: Image.merge("RGB", frame.split()[::-1]),
    "half blank": half_blank,
    "noisy": noisy,
    "blurred": lambda frame: frame.resize((24, 24), Image.Resampling.BOX).resize(
        frame.size, Image.Resampling.BICUBIC
    ),
    "2.5 times brighter": lambda frame: frame.point(lambda value: min(255, int(value * 2.5))),
    "galaxy off the centre": lambda frame: Image.fromarray(
        np.roll(np.array(frame), (frame.width // 3,) * 2, (0, 1))
    ),
    "satellite trail": trail,
    "3 times larger": scaled(3),
    "2 times larger": scaled(2),
    "1.5 times larger": scaled(1.5),
    "1.5 times smaller": scaled(2 / 3),
    "2 times smaller": scaled(1 / 2),
    "3 times smaller": scaled(1 / 3),
}


def star() -> Pixels:
    """Draw a star with spikes."""
    y, x = np.mgrid[: SEEN.size, : SEEN.size] - (SEEN.size - 1) / 2
    width, light = RANDOM.uniform(1, 2.5), RANDOM.uniform(150, 1500)
    radius = np.hypot(y - RANDOM.normal(), x - RANDOM.normal())
    spikes = sum(np.exp(-np.abs(a) - np.abs(b) / 12) for a, b in ((x, y), (y, x)))
    shape = np.exp(-(radius**2) / 2 / width**2) + 0.02 / (1 + (radius / 4) ** 2) + 0.05 * spikes
    values = light * shape[..., None] * RANDOM.uniform(0.7, 1.1, 3)
    frame: Pixels = (values + RANDOM.normal(10, 4, values.shape)).clip(0, 255).astype(np.uint8)
    return frame


def drawn() -> dict[str, Pixels]:
    """Draw frames without a galaxy."""
    shape = (DRAWN, SEEN.size, SEEN.size, 3)
    return {
        "black": np.zeros((1, *shape[1:]), np.uint8),
        "white": np.full((1, *shape[1:]), 255, np.uint8),
        "evenly grey": np.full((1, *shape[1:]), 128, np.uint8),
        "noise alone": RANDOM.integers(0, 256, shape).astype(np.uint8),
        "empty sky": RANDOM.normal(8, 5, shape).clip(0, 255).astype(np.uint8),
        "stars": np.stack([star() for _ in range(DRAWN)]),
    }


def jpegs(folder: Path, most: int | None = None) -> list[bytes]:
    """Read the images of a survey, or some of them at random."""
    with zipfile.ZipFile(folder / IMAGES) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
        if most is not None and len(names) > most:
            names = [names[i] for i in np.random.default_rng(0).choice(len(names), most, False)]
        return [archive.read(name) for name in names]


def prepared(images: list[bytes]) -> Pixels:
    """Decode and reduce images as the bundle does."""
    return np.stack([decode_reduced(one, SEEN.size, SEEN.crop, SEEN.decoding) for one in images])


def features() -> Callable[[Pixels], Floats]:
    """Load the network `real` up to its last features."""
    model = onnx.load(str(PRETRAINED / "real/network.onnx"))
    model.graph.output.append(onnx.helper.make_tensor_value_info("mean", 1, ["images", None]))
    session = onnxruntime.InferenceSession(model.SerializeToString())

    def compute(images: Pixels) -> Floats:
        chunks = [images[at : at + 32] for at in range(0, len(images), 32)]
        found = [session.run(["mean"], {"image": chunk})[0] for chunk in chunks]
        return np.log(np.concatenate(found).astype(np.float64) + 0.02)

    return compute


def whitened(known: Floats) -> Callable[[Floats], Floats]:
    """Fit axes in which known galaxies vary equally."""
    mean, scale = known.mean(axis=0), known.std(axis=0)
    standard = (known - mean) / scale
    variances, axes = np.linalg.eigh(standard.T @ standard / len(known))
    return lambda numbers: (numbers - mean) / scale @ axes / np.sqrt(variances + 0.1)


def distances(known: Pixels) -> dict[str, Callable[[Pixels], npt.NDArray[Any]]]:
    """Fit the three distances on known galaxies."""
    looks = appearance(known)
    ours = KnownGalaxies.fit(looks, looks[:1])
    compute = features()
    numbers = compute(known)
    turn = whitened(numbers)
    near = NearestNeighbors(n_neighbors=5).fit(turn(numbers))
    return {
        "appearance": lambda images: ours.distance(appearance(images)),
        "features": lambda images: np.linalg.norm(turn(compute(images)), axis=1),
        "nearest_features": lambda images: near.kneighbors(turn(compute(images)))[0].mean(axis=1),
    }


def recalibrated(
    survey: Looks, others: Looks, spoiled: dict[str, Looks], labelled: int, draws: int = 200
) -> list[dict[str, Any]]:
    """Calibrate on some galaxies of a survey, and test the rest of it, many times."""
    random = np.random.default_rng(1)
    order = random.permutation(len(others))
    fitted, calibration = np.array_split(others[order], 2)
    known = KnownGalaxies.fit(fitted, calibration)
    rules: dict[str, Callable[[Looks], KnownGalaxies]] = {
        "replaced": known.calibrated,
        "kept if familiar": lambda looks: known.for_survey(looks).known,
    }
    rows = []
    for rule, choose in rules.items():
        sent, refused, kept = [], 0, 0
        caught: dict[str, list[float]] = {kind: [] for kind in spoiled}
        for _ in range(draws):
            drawn = random.permutation(len(survey))
            one = choose(survey[drawn[:labelled]])
            rest = survey[drawn[labelled:]]
            unfamiliar = int((one.p_values(rest) <= LEVEL).sum())
            sent.append(unfamiliar / len(rest))
            refused += one.survey_is_familiar(unfamiliar, len(rest)) is False
            kept += len(one.distances) == len(known.distances)
            for kind, looks in spoiled.items():
                caught[kind].append(float((one.p_values(looks) <= LEVEL).mean()))
        low, high = np.quantile(sent, (0.05, 0.95))
        rows.append(
            {
                "rule": rule,
                "kept": kept / draws,
                "sent": float(np.mean(sent)),
                "sent_low": float(low),
                "sent_high": float(high),
                "refused": refused / draws,
                "caught": {kind: float(np.mean(shares)) for kind, shares in caught.items()},
                "caught_low": {
                    kind: float(np.quantile(shares, 0.05)) for kind, shares in caught.items()
                },
            }
        )
    return rows


def surveys(data: Path) -> list[dict[str, Any]]:
    """Compare both rules on each survey, new to the bundle or like half of what it knows."""
    looks = {name: appearance(prepared(jpegs(data / name))) for name in CALIBRATED}
    frames = [
        Image.open(BytesIO(one)).convert("RGB")
        for one in jpegs(data / "challenge_sample", SPOILED // 2)
    ]
    spoiled = {
        name: appearance(
            np.stack([reduce_image(KINDS[name](one), SEEN.size, SEEN.crop) for one in frames])
        )
        for name in ("half blank", "noisy", "2.5 times brighter")
    }
    rows = []
    for name, mine in looks.items():
        others = np.concatenate([looks[other] for other in CALIBRATED if other != name])
        halves = np.array_split(mine[np.random.default_rng(0).permutation(len(mine))], 2)
        for kind, survey, known in (
            ("new", mine, others),
            ("half of it known", halves[0], np.concatenate([others, halves[1]])),
        ):
            rows += [
                {"survey": name, "kind": kind, "labelled": labelled} | row
                for labelled in LABELLED
                if labelled < 0.75 * len(survey)
                for row in recalibrated(survey, known, spoiled, labelled)
            ]
    return rows


def main() -> None:
    """Print the tables and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", choices=("kinds", "surveys"))
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/familiarity.json"))
    options = parser.parse_args()
    content = {}
    if options.output.is_file():
        content = json.loads(options.output.read_text(encoding="utf-8"))
    if options.only != "surveys":
        content |= kinds_caught(options.data)
    if options.only != "kinds":
        content["surveys"] = surveys(options.data)
        print(pd.DataFrame(content["surveys"]).round(3).to_string())
    write_json(options.output, content)


def kinds_caught(data: Path) -> dict[str, Any]:
    """Find what share of odd images each distance sends to people."""
    everything = np.concatenate([prepared(jpegs(data / name)) for name in SURVEYS])
    order = np.random.default_rng(1).permutation(len(everything))
    fitted, calibration = np.array_split(everything[order], 2)
    others = {name: jpegs(data / name, most) for name, most in OTHERS.items()}
    kinds = {name: prepared(images) for name, images in others.items()} | drawn()
    spoiled = [Image.open(BytesIO(one)).convert("RGB") for one in others["challenge"][:SPOILED]]
    for name, spoil in KINDS.items():
        reduced = [reduce_image(spoil(frame), SEEN.size, SEEN.crop) for frame in spoiled]
        kinds[name] = np.stack(reduced)
    caught: dict[str, dict[str, float]] = {name: {} for name in kinds}
    for name, distance in distances(fitted).items():
        far = np.sort(distance(calibration))
        for kind, images in kinds.items():
            as_far = len(far) - np.searchsorted(far, distance(images), side="left")
            caught[kind][name] = float(((1 + as_far) / (len(far) + 1) <= LEVEL).mean())
    shipped = read_known(PRETRAINED / "real")
    assert shipped is not None
    for kind, images in kinds.items():
        caught[kind]["real"] = float((shipped.p_values(appearance(images)) <= LEVEL).mean())
    print(pd.DataFrame(caught).T.round(3).to_string())
    return {"known": len(fitted), "calibration": len(calibration), "caught": caught}


if __name__ == "__main__":
    main()
