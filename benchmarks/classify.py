"""Speed and memory of `galaxies classify`, as ratios within one run.

Each measurement has a process of its own, and the machine for itself. The images are a survey's
own, repeated under new names as often as needed.

    python -m benchmarks.classify --survey data/gz1 --model galaxies/pretrained/real
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from PIL import Image

from galaxies.base.arrays import Pixels
from galaxies.base.outputs import write_json
from galaxies.base.pool import batched
from galaxies.classifying.classifier import BATCH, COLUMNS, Classifier, decode
from galaxies.classifying.engines import BundleUse, Progress, classify_chunks
from galaxies.classifying.inputs.chunks import Chunk
from galaxies.classifying.inputs.opening import open_inputs
from galaxies.classifying.job import SHARD, run_job
from galaxies.classifying.shards import Shards
from galaxies.dataset.layout import IMAGES
from galaxies.images.decode import reduce_image
from galaxies.learning.bundle import PRETRAINED

Measured = dict[str, float]

CORES = len(os.sched_getaffinity(0))
_REPEATS = 3


def best(work: Callable[[], int], repeats: int = _REPEATS) -> float:
    """Galaxies per second, the best of some repeats: what disturbs only ever slows down."""
    rates = []
    for _ in range(repeats):
        start = time.perf_counter()
        count = work()
        rates.append(count / (time.perf_counter() - start))
    return max(rates)


def in_threads(work: Callable[[Any], int], batches: Iterable[Any]) -> int:
    with ThreadPoolExecutor(CORES) as pool:
        return sum(pool.map(work, batches))


def loaded(options: argparse.Namespace, views: int, *, bfloat16: bool = False) -> Classifier:
    """Load the model, and warm it up."""
    use = BundleUse(options.model, views=views, bfloat16=bfloat16)  # type: ignore[arg-type]
    classifier = use.load()
    side = classifier.description.size
    classifier.predictor.predict(np.zeros((BATCH, side, side, 3), np.uint8))
    return classifier


def prepared(options: argparse.Namespace, classifier: Classifier, count: int) -> Pixels:
    """Images as the model takes them."""
    size, crop = classifier.description.size, classifier.description.crop
    return np.stack([reduce_image(decode(data), size, crop) for data in first(options, count)])


def first(options: argparse.Namespace, count: int) -> list[bytes]:
    """Read the bytes of some images."""
    [archive] = open_inputs([str(options.scratch / "some.zip")])
    items = (item for chunk in archive.chunks(BATCH) for item in chunk.items())
    return [item.load() for item in islice(items, count)]  # type: ignore[misc]


# --- measurements, each in its own process --------------------------------------------------------


def measure_read(options: argparse.Namespace) -> Measured:
    """Take the bytes out of the archive."""
    return {"read": best(lambda: len(first(options, options.few)))}


def measure_decode(options: argparse.Namespace) -> Measured:
    """Read, decode, crop and reduce, in all threads: nothing else."""
    classifier = Classifier(options.model)
    size, crop = classifier.description.size, classifier.description.crop
    batches = list(batched(first(options, options.few), BATCH))

    def reduced(data: Iterable[bytes]) -> int:
        return len([reduce_image(decode(one), size, crop) for one in data])

    def drafted(data: Iterable[bytes]) -> int:
        return len([reduce_image(draft(one, size, crop), size, crop) for one in data])

    one = best(lambda: sum(map(reduced, batches[: max(1, len(batches) // 4)])))
    return {
        "decode": best(lambda: in_threads(reduced, batches)),
        "decode, one thread": one,
        "decode at a reduced scale": best(lambda: in_threads(drafted, batches)),
    }


def measure_write(options: argparse.Namespace) -> Measured:
    """Write shards."""
    classifier = loaded(options, 1)
    size = classifier.description.size
    noise = np.random.default_rng(0).integers(0, 60, (SHARD, size, size, 3), dtype=np.uint8)
    table = pa.Table.from_pandas(classifier.classify(list(noise)), COLUMNS)
    folder = options.scratch / "shards"
    folder.mkdir(exist_ok=True)
    shards = Shards(str(folder))

    def work() -> int:
        for number in range(10):
            shards.write(number, table)
        return 10 * len(table)

    return {"write": best(work)}


def draft(data: bytes, size: int, crop: float) -> Image.Image:
    """Decode a JPEG at the least scale that still has enough pixels."""
    image = Image.open(io.BytesIO(data))
    image.draft("RGB", (int(size / crop), int(size / crop)))
    return image.convert("RGB")


def measure_forward(options: argparse.Namespace) -> Measured:
    """Run the model alone, a batch for each thread."""
    measured = {}
    for views in (1, 8):
        classifier = loaded(options, views)
        images = prepared(options, classifier, options.few // views)
        batches = np.split(images, range(BATCH, len(images), BATCH))
        work = partial(count_predictions, classifier)
        measured[f"forward, {views} views"] = best(partial(in_threads, work, batches))
        measured[f"forward, {views} views, one thread"] = best(partial(work, batches[0]))
    return measured


def count_predictions(classifier: Classifier, images: Pixels) -> int:
    return len(classifier.predictor.predict(images).p_spiral)


def measure_forward_shared(options: argparse.Namespace) -> Measured:
    """Do so with TensorFlow's own threads, one batch after the other."""
    classifier = Classifier(options.model, 1)
    images = prepared(options, classifier, options.few)
    classifier.predictor.predict(images[:BATCH])
    rate = best(partial(count_predictions, classifier, images))
    return {"forward, 1 views, TensorFlow's threads": rate}


def measure_forward_bfloat16(options: argparse.Namespace) -> Measured:
    """Do so in bfloat16."""
    classifier = loaded(options, 1, bfloat16=True)
    images = prepared(options, classifier, options.few)
    batches = np.split(images, range(BATCH, len(images), BATCH))
    work = partial(count_predictions, classifier)
    return {"forward, 1 views, bfloat16": best(partial(in_threads, work, batches))}


def measure_answers(options: argparse.Namespace, *, bfloat16: bool) -> Measured:
    """Probabilities, to compare what is exact with what is faster."""
    classifier = loaded(options, 8, bfloat16=bfloat16)
    size, crop = classifier.description.size, classifier.description.crop
    data = first(options, 1000)
    exact = np.stack([reduce_image(decode(one), size, crop) for one in data])
    p = {"exact": classifier.predictor.predict(exact).p_spiral}
    if not bfloat16:
        small = np.stack([reduce_image(draft(one, size, crop), size, crop) for one in data])
        p["reduced scale"] = classifier.predictor.predict(small).p_spiral
    np.savez(options.scratch / f"answers_{'bfloat16' if bfloat16 else 'float32'}.npz", **p)
    return {}


def measure_whole(options: argparse.Namespace, *, views: int, bfloat16: bool = False) -> Measured:
    """From the archive to the table, the model being loaded."""
    classifier = loaded(options, views, bfloat16=bfloat16)
    use = BundleUse(options.model, views=views, bfloat16=bfloat16)  # type: ignore[arg-type]

    def engine(
        use: BundleUse, chunks: Iterable[tuple[int, Chunk]], shards: Shards, progress: Progress
    ) -> None:
        for number, table in classify_chunks(classifier, chunks, progress, workers=CORES):
            shards.write(number, table)

    def work() -> int:
        archive, output = options.scratch / "some.zip", options.scratch / "whole.parquet"
        return run_job([str(archive)], output, use, engine, overwrite=True).total()

    name = f"end to end, {views} views" + (", bfloat16" if bfloat16 else "")
    return {name: best(work, 2)}


def measure_efficientnet(options: argparse.Namespace) -> Measured:
    """EfficientNetB0 at 224 pixels, bare forward pass, the better of both ways to use threads."""
    import keras

    network = keras.applications.EfficientNetB0(weights=None, include_top=False, pooling="avg")
    images = np.random.default_rng(0).integers(0, 256, (512, 224, 224, 3)).astype(np.float32)
    network.predict_on_batch(images[:64])
    batches = np.split(images, 8)
    alone = best(lambda: sum(len(network.predict_on_batch(batch)) for batch in batches))
    beside = best(lambda: in_threads(lambda b: len(network.predict_on_batch(b)), batches))
    return {"EfficientNetB0 at 224 pixels": max(alone, beside)}


def measure_naive(options: argparse.Namespace) -> Measured:
    """`image_dataset_from_directory` at full frame, then `predict`, with the same network."""
    import keras
    import tensorflow as tf

    from galaxies.models.networks import load_network

    folder = options.scratch / "folder/all"
    folder.mkdir(parents=True, exist_ok=True)
    data = first(options, min(options.few, 2000))
    for number, one in enumerate(data):
        (folder / f"{number}.jpg").write_bytes(one)
    frame = decode(data[0])
    network = load_network(options.model)
    description = Classifier(options.model).description
    side = round(min(frame.size) * description.crop)

    def dataset() -> Any:  # noqa: ANN401
        return keras.utils.image_dataset_from_directory(
            folder.parent, labels=None, image_size=(frame.height, frame.width), verbose=False
        )

    def reduced(images: tf.Tensor) -> tf.Tensor:
        top, left = (frame.height - side) // 2, (frame.width - side) // 2
        middle = images[:, top : top + side, left : left + side]
        small = tf.image.resize(middle, (description.size, description.size), "area")
        return tf.cast(tf.round(small), tf.uint8)

    prepare = dataset().map(reduced)
    measured = {
        "naive, cropped and reduced": best(lambda: len(network.predict(prepare, verbose=0)))
    }
    try:
        config = json.loads((options.model / "network.json").read_text())
        config["config"]["layers"][0]["config"]["batch_shape"] = [
            None,
            frame.height,
            frame.width,
            3,
        ]
        large = keras.models.model_from_json(json.dumps(config))
        large.set_weights(network.get_weights())
    except (ValueError, KeyError):  # a network that knows one size alone
        return measured
    few = dataset().take(8)
    whole = few.map(lambda images: tf.cast(images, tf.uint8))
    measured["naive, whole frames"] = best(lambda: len(large.predict(whole, verbose=0)), 2)
    return measured


def measure_command(
    options: argparse.Namespace, archive: str, arguments: list[str], name: str
) -> Measured:
    """Run the command itself: its rate, start included, and the peak of its memory."""
    output = options.scratch / "command.parquet"
    command = [sys.executable, "-m", "galaxies.cli", "classify", str(options.scratch / archive)]
    command += ["-o", str(output), "--overwrite", "--model", str(options.model), *arguments]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        raise SystemExit(f"{' '.join(command)}: status {status}")
    table = pd.read_parquet(output, columns=["p_spiral"])
    return {
        f"command, {name}": len(table) / seconds,
        f"memory in MB, {name}": usage.ru_maxrss / 1000,
        f"bytes a row, {name}": output.stat().st_size / len(table),
    }


def measurements(options: argparse.Namespace) -> dict[str, Callable[[], Measured]]:
    eight = ["--views", "8"]
    one = ["--views", "1"]
    return {
        "read": partial(measure_read, options),
        "decode": partial(measure_decode, options),
        "write": partial(measure_write, options),
        "forward": partial(measure_forward, options),
        "forward_shared": partial(measure_forward_shared, options),
        "forward_bfloat16": partial(measure_forward_bfloat16, options),
        "answers": partial(measure_answers, options, bfloat16=False),
        "answers_bfloat16": partial(measure_answers, options, bfloat16=True),
        "whole_1": partial(measure_whole, options, views=1),
        "whole_8": partial(measure_whole, options, views=8),
        "whole_8_bfloat16": partial(measure_whole, options, views=8, bfloat16=True),
        "efficientnet": partial(measure_efficientnet, options),
        "naive": partial(measure_naive, options),
        "small": partial(measure_command, options, "small.zip", one, "small"),
        "large": partial(measure_command, options, "large.zip", one, "large"),
        "local": partial(measure_command, options, "some.zip", eight, "local"),
        "ray": partial(measure_command, options, "some.zip", [*eight, "--engine", "ray"], "ray"),
    }


def ratios(m: Measured) -> Measured:
    """Compare the rates with each other."""
    slower = {v: min(m["decode"], m[f"forward, {v} views"]) for v in (1, 8)}
    peer = m["EfficientNetB0 at 224 pixels"]
    found = {
        "end to end, 8 views / the slower of decoding and forward": m["end to end, 8 views"]
        / slower[8],
        "end to end, 1 views / the slower of decoding and forward": m["end to end, 1 views"]
        / slower[1],
        "end to end, 1 views / EfficientNetB0": m["end to end, 1 views"] / peer,
        "end to end, 8 views / EfficientNetB0": m["end to end, 8 views"] / peer,
        "end to end, 1 views / naive, cropped and reduced": m["end to end, 1 views"]
        / m["naive, cropped and reduced"],
        "memory, large / small": m["memory in MB, large"] / m["memory in MB, small"],
        "Ray / local, the whole command": m["command, ray"] / m["command, local"],
        "one thread a batch / TensorFlow's threads": m["forward, 1 views"]
        / m["forward, 1 views, TensorFlow's threads"],
        "bfloat16 / float32, end to end": m["end to end, 8 views, bfloat16"]
        / m["end to end, 8 views"],
        "reduced scale / full, decoding": m["decode at a reduced scale"] / m["decode"],
    }
    if "naive, whole frames" in m:
        whole = m["naive, whole frames"]
        found["end to end, 1 views / naive, whole frames"] = m["end to end, 1 views"] / whole
    return found


def differences(scratch: Path) -> dict[str, Measured]:
    """How far the faster answers are from the exact ones."""
    with np.load(scratch / "answers_float32.npz") as exact:
        reference, small = exact["exact"], exact["reduced scale"]
    with np.load(scratch / "answers_bfloat16.npz") as other:
        rounded = other["exact"]
    return {
        name: {
            "mean": float(np.abs(p - reference).mean()),
            "largest": float(np.abs(p - reference).max()),
            "labels changed": float(((p > 0.5) != (reference > 0.5)).mean()),
        }
        for name, p in (("reduced scale", small), ("bfloat16", rounded))
    }


def repeated(survey: Path, archive: Path, count: int) -> None:
    """Write an archive of a survey's images, repeated as often as needed."""
    with zipfile.ZipFile(survey / IMAGES) as source, zipfile.ZipFile(archive, "w") as target:
        names = [name for name in source.namelist() if name.endswith(".jpg")]
        for number, name in enumerate(islice(cycle(names), count)):
            target.writestr(f"{number:08d}.jpg", source.read(name))


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--survey", type=Path, default=Path("data/simulated"))
    parser.add_argument("--model", type=Path, default=PRETRAINED / "real")
    parser.add_argument("--few", type=int, default=4096, help="images for the parts")
    parser.add_argument("--some", type=int, default=20_000, help="images for the whole")
    parser.add_argument("--small", type=int, default=6_000, help="images for memory, at the least")
    parser.add_argument("--large", type=int, default=60_000, help="and at the most")
    parser.add_argument("--scratch", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/classify.json"))
    options = parser.parse_args()
    options.model = options.model.absolute()
    if options.measure:
        found = measurements(options)[options.measure]()
        (options.scratch / f"{options.measure}.json").write_text(json.dumps(found))
        return
    measured: Measured = {}
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        for name in ("some", "small", "large"):
            repeated(options.survey, scratch / f"{name}.zip", getattr(options, name))
        for name in measurements(options):
            command = [sys.executable, "-m", "benchmarks.classify", *sys.argv[1:]]
            command += ["--measure", name, "--scratch", folder]
            subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
            found = json.loads((scratch / f"{name}.json").read_text())
            for what, value in found.items():
                print(f"{what:<50} {value:>12,.1f}", flush=True)
            measured |= found
        changed = differences(scratch)
    found = ratios(measured)
    for what, value in found.items():
        print(f"{what:<70} {value:>8.2f}")
    print(pd.DataFrame(changed).T.to_string())
    write_json(
        options.output,
        {
            "cores": CORES,
            "survey": options.survey.name,
            "galaxies per second": measured,
            "ratios": found,
            "differences": changed,
        },
    )


if __name__ == "__main__":
    main()
