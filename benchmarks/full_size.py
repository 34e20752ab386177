"""Time and memory of every stage on a survey as large as Kaggle's: 61,578 images.

The survey is made from real ones: each image is rotated, mirrored and shifted by some pixels until
there are enough images, all different, each with a new GalaxyID. The networks train for one epoch,
the time that grows with the survey.

    python -m benchmarks.full_size --real data/gz1 data/gz2 data/kaggle
    python -m benchmarks.full_size --real data/gz2 --galaxies 1000
"""

import argparse
import io
import os
import tempfile
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import yaml
from dvc.repo import Repo
from PIL import Image
from tqdm import tqdm

from clones import make_clone, run, start
from galaxies.base.arrays import Pixels
from galaxies.base.outputs import write_json
from galaxies.bundle.views import view_of
from galaxies.dataset.archive import list_images, open_archive
from galaxies.dataset.layout import FIRST_VOTES, IMAGES, VOTES
from galaxies.dataset.votes import read_votes
from galaxies.images.decode import decode_image, decode_reduced
from galaxies.questions.kaggle import KAGGLE as KAGGLE_VOTES
from galaxies.settings import load_settings
from galaxies.surveys.check import KAGGLE

SETTINGS = {
    "simulate.galaxies": 30,
    "tree.max_depth": [3],
    "tree.pruning": [0.0],
    "mlp.epochs": 1,
    "cnn.reference.epochs": 1,
    "cnn.residual.epochs": 1,
    "inception.size": 75,
    "inception.weights": "random",
    "inception.regularisation": [0.1],
}
THREADS = len(os.sched_getaffinity(0))
DECODED = 6000
"""Images behind the bare decoding rate."""


class Source(NamedTuple):
    """An image of a real survey, and its votes."""

    survey: Path
    member: str
    votes: tuple[float, ...]


def sources(surveys: list[Path]) -> list[Source]:
    """List the images that have votes."""
    found = []
    for survey in surveys:
        votes = read_votes(survey / VOTES).set_index("galaxy_id")[list(FIRST_VOTES)]
        known = {int(galaxy_id): row for galaxy_id, *row in votes.itertuples()}
        found += [
            Source(survey, member.name, tuple(known[member.galaxy_id]))
            for member in list_images(survey / IMAGES)
            if member.galaxy_id in known
        ]
    return found


def variants(frame: Pixels, count: int) -> list[bytes]:
    """Encode a frame (height, width, 3) `count` times: in the eight views, then shifted."""
    encoded = []
    for number in range(count):
        shifted = np.roll(view_of(frame[None], number % 8)[0], 3 * (number // 8), axis=(0, 1))
        file = io.BytesIO()
        Image.fromarray(shifted).save(file, "JPEG", quality=90)
        encoded.append(file.getvalue())
    return encoded


def make_survey(folder: Path, surveys: list[Path], galaxies: int) -> None:
    """Write a survey with the given number of galaxies."""
    folder.mkdir(parents=True)
    found = sources(surveys)
    copies = -(-galaxies // len(found))
    archives = {survey: open_archive(survey / IMAGES) for survey in surveys}

    def views(source: Source) -> list[bytes]:
        frame = decode_image(archives[source.survey].read(source.member))
        return variants(np.asarray(frame), copies)

    def all_views() -> Iterator[tuple[Source, bytes]]:
        with ThreadPoolExecutor(THREADS) as pool:
            for start in range(0, len(found), 64):
                chunk = found[start : start + 64]
                for source, encoded in zip(chunk, pool.map(views, chunk), strict=True):
                    yield from ((source, data) for data in encoded)

    rows = []
    with zipfile.ZipFile(folder / IMAGES, "w") as archive:
        made = tqdm(islice(all_views(), galaxies), "survey", galaxies, unit=" galaxies")
        for galaxy_id, (source, data) in enumerate(made, start=100_000):
            archive.writestr(f"images_training_rev1/{galaxy_id}.jpg", data)
            rows.append((galaxy_id, *source.votes))
    for opened in archives.values():
        opened.close()
    table = pd.DataFrame(rows, columns=["GalaxyID", *KAGGLE_VOTES.first.columns])
    table.to_csv(folder / VOTES, index=False, float_format="%.6f")


def decoding_rate(archive: Path) -> float:
    """Images per second of decoding and reducing alone, with as many threads as `pack`."""
    pack = load_settings().pack
    members = list_images(archive)[:DECODED]
    with open_archive(archive) as opened, ThreadPoolExecutor(THREADS) as pool:

        def decode(chunk: list[str]) -> None:
            for name in chunk:
                decode_reduced(opened.read(name), pack.size, pack.crop, pack.decoding)

        names = [member.name for member in members]
        began = time.perf_counter()
        list(pool.map(decode, [names[place : place + 32] for place in range(0, len(names), 32)]))
        return len(names) / (time.perf_counter() - began)


def commands(clone: Path) -> dict[str, str]:
    """List the command of every stage, as DVC resolves it, in the order of `dvc.yaml`."""
    with Repo(str(clone)) as repo:
        return {stage.name: stage.cmd for stage in repo.index.stages}


def measure(clone: Path, command: str) -> dict[str, float]:
    """Run a stage; returns the seconds, and the peak memory of its largest process in MB."""
    began = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        process = start(clone, *command.split(), output=output.fileno())
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            raise RuntimeError(f"{command}: {output.read().decode()[-2000:]}")
    return {"seconds": seconds, "peak_mb": usage.ru_maxrss / 1024}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--real", type=Path, nargs="+", required=True, help="folders of surveys")
    parser.add_argument("--galaxies", type=int, default=sum(KAGGLE.values()))
    parser.add_argument("--stages", nargs="+", help="default: all")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/full_size.json"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        clone = make_clone(Path(scratch, "clone"), SETTINGS | {"survey": "full"})
        began = time.perf_counter()
        make_survey(clone / "data/full", options.real, options.galaxies)
        making = time.perf_counter() - began
        decoding = decoding_rate(clone / "data/full" / IMAGES)
        rows = []
        stages = {
            stage: command
            for stage, command in commands(clone).items()
            if options.stages is None or stage in options.stages
        }
        for stage, command in stages.items():
            rows.append({"stage": stage, **measure(clone, command)})
            print(rows[-1], flush=True)
        run(clone, "dvc", "commit", "--force", *stages)
        began = time.perf_counter()
        said = run(clone, "dvc", "status", *stages)
        status = time.perf_counter() - began
    if "up to date" not in said:
        raise RuntimeError(said)
    table = pd.DataFrame(rows).assign(galaxies_per_second=lambda t: options.galaxies / t["seconds"])
    packing = options.galaxies / next(row["seconds"] for row in rows if row["stage"] == "pack")
    report = {
        "galaxies": options.galaxies,
        "processors": THREADS,
        "seconds_to_make_the_survey": making,
        "decoded_per_second": decoding,
        "pack_share_of_decoding": packing / decoding,
        "most_memory_mb": float(table["peak_mb"].max()),
        "seconds_of_dvc_status": status,
        "stages": table.to_dict("records"),
    }
    write_json(options.output, report)
    print(table.round(1).to_string(index=False))
    print(yaml.safe_dump({key: report[key] for key in list(report)[:-1]}, sort_keys=False))


if __name__ == "__main__":
    main()
