"""Speed and memory of `galaxies classify`, compared with what users would otherwise run.

Every measurement runs in its own process, one at a time. They are repeated in rounds and the best
is kept, because disturbances only slow things down. The images are those of a survey, repeated
under new names as often as needed.

    python -m benchmarks.classify --survey data/gz1 --model galaxies/pretrained/real
"""

import argparse
import json
import os
import shutil
import statistics
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
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import simplejpeg

from galaxies.base.arrays import Decoding, Pixels
from galaxies.base.outputs import write_json
from galaxies.base.pool import batched
from galaxies.bundle.pretrained import PRETRAINED
from galaxies.bundle.views import average_views
from galaxies.classifying.classifier import BATCH, COLUMNS, Classifier
from galaxies.classifying.engines import Progress, classify_chunks
from galaxies.classifying.inputs.chunks import Chunk, Item
from galaxies.classifying.inputs.opening import open_inputs
from galaxies.classifying.job import SHARD, run_job
from galaxies.classifying.options import Options
from galaxies.classifying.shards import Shards
from galaxies.dataset.layout import IMAGES
from galaxies.images.decode import decode_image, decode_reduced

Measured = dict[str, float]

CORES = len(os.sched_getaffinity(0))
_REPEATS = 2
_STARTS = 3
_TURNS = 7


def best(work: Callable[[], int], repeats: int = _REPEATS) -> float:
    """Galaxies per second: the best of some repeats."""
    rates = []
    for _ in range(repeats):
        start = time.perf_counter()
        count = work()
        rates.append(count / (time.perf_counter() - start))
    return max(rates)


def in_threads(work: Callable[[Any], int], batches: Iterable[Any]) -> int:
    with ThreadPoolExecutor(CORES) as pool:
        return sum(pool.map(work, batches))


def loaded(options: argparse.Namespace, views: int) -> Classifier:
    """Load the model and warm it up."""
    classifier = Classifier(options.model, Options(views=views))  # type: ignore[arg-type]
    side = classifier.description.size
    classifier.predictor.predict(np.zeros((BATCH, side, side, 3), np.uint8))
    return classifier


def prepared(options: argparse.Namespace, classifier: Classifier, count: int) -> list[Pixels]:
    """Batches of images, ready for the model."""
    images = np.stack([classifier.prepare(data) for data in first(options, count)])
    return np.split(images, range(BATCH, len(images), BATCH))


def first(options: argparse.Namespace, count: int) -> list[bytes]:
    """Read the bytes of some images."""
    [archive] = open_inputs([str(options.scratch / "some.zip")])
    items = (item for chunk in archive.chunks(BATCH) for item in chunk.items())
    return [item.load() for item in islice(items, count)]  # type: ignore[misc]


# --- measurements, each in its own process --------------------------------------------------------


def measure_read(options: argparse.Namespace) -> Measured:
    """Read the bytes from the archive."""
    return {"read": best(lambda: len(first(options, options.few)))}


def measure_decode(options: argparse.Namespace) -> Measured:
    """Decode in one thread, with and without reducing."""
    description = Classifier(options.model).description
    size, crop = description.size, description.crop
    batches = list(batched(first(options, options.few), BATCH))
    quarter = batches[: max(1, len(batches) // 4)]

    def decode(data: Iterable[bytes]) -> int:
        return len([decode_reduced(one, size, crop, "scaled") for one in data])

    return {
        "decode scaled, one thread": best(lambda: sum(map(decode, quarter))),
        "decode scaled, nothing else": best(partial(in_threads, decode_alone, batches)),
    }


def decode_alone(data: Iterable[bytes]) -> int:
    count = 0
    for one in data:
        height, width, _, _ = simplejpeg.decode_jpeg_header(one)
        half = {"min_height": height // 2, "min_width": width // 2}
        count += len(simplejpeg.decode_jpeg(one, "RGB", min_factor=1, **half)) > 0
    return count


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


def measure_forward(options: argparse.Namespace) -> Measured:
    """Run the model alone, one batch per thread."""
    measured = {}
    for views in (1, 8):
        classifier = loaded(options, views)
        batches = prepared(options, classifier, options.few // views)
        work = partial(count_predictions, classifier)
        measured[f"forward, {views} views"] = best(partial(in_threads, work, batches))
        measured[f"forward, {views} views, one thread"] = best(partial(work, batches[0]))
    return measured


def count_predictions(classifier: Classifier, images: Pixels) -> int:
    return len(classifier.predictor.predict(images).p_spiral)


def measure_side_by_side(options: argparse.Namespace) -> Measured:
    """Run each step in the present and the former way, in turn, batch by batch in all threads.

    Formerly `classify` decoded whole frames and ran eight views of each through Keras on
    TensorFlow. The ratios are medians over the turns, so that disturbances affect both ways; the
    CPU time hardly depends on other work on the machine.
    """
    import tensorflow as tf

    from galaxies.models.networks import Network

    # Batches side by side are faster than one that is cut up.
    tf.config.threading.set_intra_op_parallelism_threads(1)
    keras = Network.load(options.model)
    one, eight = loaded(options, 1), loaded(options, 8)
    size, crop = one.description.size, one.description.crop
    data = list(batched(first(options, options.few // 2), BATCH))
    images = prepared(options, one, options.few // 2)
    onnx, classes = one.predictor.model, one.description.class_places

    def decode(decoding: Decoding, batch: Iterable[bytes]) -> Pixels:
        return np.stack([decode_reduced(image, size, crop, decoding) for image in batch])

    def items(batch: Iterable[bytes]) -> list[Item]:
        return [Item("", partial(bytes, image)) for image in batch]

    ways: dict[str, tuple[Callable[[Any], Any], list[Any]]] = {
        "as it was": (
            lambda b: average_views(keras.predict, decode("whole", b), 8, classes),
            data,
        ),
        "classified, 1 views": (lambda b: one.classify_batch(items(b)), data),
        "classified, 8 views": (lambda b: eight.classify_batch(items(b)), data),
        "decode whole frames": (partial(decode, "whole"), data),
        "decode scaled": (partial(decode, "scaled"), data),
        "forward, Keras on TensorFlow": (keras.predict, images),
        "forward, ONNX Runtime": (onnx.predict, images),
    }
    count = sum(map(len, data))
    rates: dict[str, list[float]] = {name: [] for name in ways}
    processor: dict[str, list[float]] = {name: [] for name in ways}
    with ThreadPoolExecutor(CORES) as pool:
        for way, batches in ways.values():  # warm up
            way(batches[0])
        for _ in range(_TURNS):
            for name, (way, batches) in ways.items():
                start, used = time.perf_counter(), time.process_time()
                list(pool.map(way, batches))
                rates[name].append(count / (time.perf_counter() - start))
                processor[name].append((time.process_time() - used) / count)
    apart = [float(np.abs(keras.predict(batch) - onnx.predict(batch)).max()) for batch in images]
    return (
        {name: max(found) for name, found in rates.items()}
        | {f"{name}: microseconds": 1e6 * min(found) for name, found in processor.items()}
        | side_by_side_ratios({name: np.array(found) for name, found in rates.items()})
        | {"largest difference from Keras": max(apart)}
    )


def side_by_side_ratios(rates: dict[str, npt.NDArray[np.float64]]) -> Measured:
    one_after_the_other = 1 / (1 / rates["decode scaled"] + 1 / rates["forward, ONNX Runtime"])
    pairs = {
        "1 views / as it was": rates["classified, 1 views"] / rates["as it was"],
        "8 views / as it was": rates["classified, 8 views"] / rates["as it was"],
        "1 views / decoding, then forward": rates["classified, 1 views"] / one_after_the_other,
        "decode scaled / whole frames": rates["decode scaled"] / rates["decode whole frames"],
        "ONNX Runtime / Keras on TensorFlow": rates["forward, ONNX Runtime"]
        / rates["forward, Keras on TensorFlow"],
    }
    return {f"by turns: {name}": float(np.median(found)) for name, found in pairs.items()}


def measure_whole(options: argparse.Namespace, *, views: int) -> Measured:
    """From the archive to the table, with the model already loaded."""
    classifier = loaded(options, views)
    how = Options(views=views)  # type: ignore[arg-type]

    def engine(
        bundle: Path,
        how: Options,
        chunks: Iterable[tuple[int, Chunk]],
        shards: Shards,
        progress: Progress,
    ) -> None:
        for number, table in classify_chunks(classifier, chunks, progress, workers=CORES):
            shards.write(number, table)

    def work() -> int:
        archive, output = options.scratch / "some.zip", options.scratch / "whole.parquet"
        return run_job(
            [str(archive)], output, options.model, engine, how, overwrite=True
        ).decisions.total()

    return {f"end to end, {views} views": best(work, 2)}


def measure_efficientnet(options: argparse.Namespace) -> Measured:
    """EfficientNetB0 at 224 pixels: the forward pass alone, with the better use of threads."""
    import keras

    network = keras.applications.EfficientNetB0(weights=None, include_top=False, pooling="avg")
    shape = (min(512, options.few), 224, 224, 3)
    images = np.random.default_rng(0).integers(0, 256, shape).astype(np.float32)
    batches = np.split(images, 8)
    network.predict_on_batch(batches[0])
    alone = best(lambda: sum(len(network.predict_on_batch(batch)) for batch in batches))
    beside = best(lambda: in_threads(lambda b: len(network.predict_on_batch(b)), batches))
    return {"EfficientNetB0 at 224 pixels": max(alone, beside)}


def measure_folder_reader(options: argparse.Namespace) -> Measured:
    """`image_dataset_from_directory` at full frame, then `predict`, with the same network."""
    import keras
    import tensorflow as tf

    from galaxies.models.networks import Network

    folder = options.scratch / "folder/all"
    folder.mkdir(parents=True, exist_ok=True)
    data = first(options, min(options.few, 2000))
    for number, one in enumerate(data):
        (folder / f"{number}.jpg").write_bytes(one)
    frame = decode_image(data[0])
    network = Network.load(options.model).network
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
        "folder reader, cropped and reduced": best(lambda: len(network.predict(prepare, verbose=0)))
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
    except (ValueError, KeyError):  # a network for one size only
        return measured
    few = dataset().take(8)
    whole = few.map(lambda images: tf.cast(images, tf.uint8))
    measured["folder reader, whole frames"] = best(lambda: len(large.predict(whole, verbose=0)), 2)
    return measured


def measure_command(
    options: argparse.Namespace, archive: str, arguments: list[str], name: str
) -> Measured:
    """Run the command itself: images per second including its start, and peak memory."""
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


def measure_start(options: argparse.Namespace) -> Measured:
    """Median start-up time of three commands, in seconds."""
    folder = options.scratch / "ten"
    folder.mkdir(exist_ok=True)
    for number, data in enumerate(first(options, 10)):
        (folder / f"{number}.jpg").write_bytes(data)
    output = str(options.scratch / "ten.parquet")
    classify = ["classify", str(folder), "-o", output, "--model", str(options.model)]
    commands = {
        "import galaxies": ["-c", "import galaxies"],
        "galaxies --help": ["-m", "galaxies.cli", "--help"],
        "ten images to their table": ["-m", "galaxies.cli", *classify, "--overwrite"],
    }
    measured = {}
    for name, arguments in commands.items():
        seconds = []
        for _ in range(_STARTS):
            start = time.perf_counter()
            subprocess.run(
                [sys.executable, *arguments],
                check=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            seconds.append(time.perf_counter() - start)
        measured[f"seconds, {name}"] = statistics.median(seconds)
    return measured


def measurements(options: argparse.Namespace) -> dict[str, Callable[[], Measured]]:
    """List all measurements, those to be compared next to each other."""
    one, eight = ["--views", "1"], ["--views", "8"]
    return {
        "side_by_side": partial(measure_side_by_side, options),
        "whole_1": partial(measure_whole, options, views=1),
        "whole_8": partial(measure_whole, options, views=8),
        "decode": partial(measure_decode, options),
        "forward": partial(measure_forward, options),
        "read": partial(measure_read, options),
        "write": partial(measure_write, options),
        "efficientnet": partial(measure_efficientnet, options),
        "folder_reader": partial(measure_folder_reader, options),
        "start": partial(measure_start, options),
        "small": partial(measure_command, options, "small.zip", one, "small"),
        "large": partial(measure_command, options, "large.zip", one, "large"),
        "local": partial(measure_command, options, "some.zip", eight, "local"),
        "ray": partial(measure_command, options, "some.zip", [*eight, "--engine", "ray"], "ray"),
    }


def ratios(m: Measured) -> Measured:
    """Compute the ratios of the rates."""
    found = {name: value for name, value in m.items() if name.startswith("by turns: ")}
    for views in (1, 8):
        whole = m[f"end to end, {views} views"]
        peers = ("EfficientNetB0 at 224 pixels", "folder reader, cropped and reduced")
        found |= {f"end to end, {views} views / {peer}": whole / m[peer] for peer in peers}
        used = m[f"classified, {views} views: microseconds"]
        found[f"core-hours for a billion, {views} views"] = 1e9 * 1e-6 * used / 3600
    decoding = m["decode scaled: microseconds"]
    found |= {
        "core-hours for a billion, decoding": 1e9 * 1e-6 * decoding / 3600,
        "memory, large / small": m["memory in MB, large"] / m["memory in MB, small"],
        "Ray / local, the whole command": m["command, ray"] / m["command, local"],
    }
    if "folder reader, whole frames" in m:
        peer = m["folder reader, whole frames"]
        found["end to end, 1 views / folder reader, whole frames"] = m["end to end, 1 views"] / peer
    return found


def best_of(what: str, values: list[float]) -> float:
    """Take the best of several rounds; of memory and differences, the largest."""
    if what.startswith("by turns"):
        return statistics.median(values)
    return min(values) if "seconds" in what else max(values)


def scaled_copy(bundle: Path, folder: Path) -> Path:
    """Copy a bundle and let it decode scaled JPEGs, whatever it was trained on."""
    shutil.copytree(bundle, folder)
    path = folder / "bundle.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"decoding": "scaled"}))
    return folder


def repeated(survey: Path, archive: Path, count: int) -> None:
    """Write an archive with the images of a survey, repeated as often as needed."""
    with zipfile.ZipFile(survey / IMAGES) as source, zipfile.ZipFile(archive, "w") as target:
        names = [name for name in source.namelist() if name.endswith(".jpg")]
        for number, name in enumerate(islice(cycle(names), count)):
            target.writestr(f"{number:08d}.jpg", source.read(name))


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--survey", type=Path, default=Path("data/simulated"))
    parser.add_argument("--model", type=Path, default=PRETRAINED / "real")
    parser.add_argument("--few", type=int, default=4096, help="images for the steps")
    parser.add_argument("--some", type=int, default=20_000, help="images for the whole")
    parser.add_argument("--small", type=int, default=6_000, help="images for memory, at the least")
    parser.add_argument("--large", type=int, default=60_000, help="and at the most")
    parser.add_argument("--rounds", type=int, default=3, help="of all measurements")
    parser.add_argument("--only", help="measurements, with commas between")
    parser.add_argument("--scratch", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/classify.json"))
    options = parser.parse_args()
    if options.measure:
        options.model = options.scratch / "bundle"
        found = measurements(options)[options.measure]()
        (options.scratch / f"{options.measure}.json").write_text(json.dumps(found))
        return
    rounds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        scaled_copy(options.model, scratch / "bundle")
        for name in ("some", "small", "large"):
            repeated(options.survey, scratch / f"{name}.zip", getattr(options, name))
        for turn in range(1, options.rounds + 1):
            for name in options.only.split(",") if options.only else measurements(options):
                command = [sys.executable, "-m", "benchmarks.classify", *sys.argv[1:]]
                command += ["--measure", name, "--scratch", folder]
                subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
                found = json.loads((scratch / f"{name}.json").read_text())
                for what, value in found.items():
                    print(f"{turn}  {what:<50} {value:>12,.7g}", flush=True)
                    rounds.setdefault(what, []).append(value)
    measured = {what: best_of(what, values) for what, values in rounds.items()}
    if options.only:
        return
    for what, value in measured.items():
        print(f"{what:<50} {value:>12,.7g}")
    found = ratios(measured)
    for what, value in found.items():
        print(f"{what:<70} {value:>8.2f}")
    content = {
        "cores": CORES,
        "survey": options.survey.name,
        "measured": measured,
        "ratios": found,
    }
    write_json(options.output, content)


if __name__ == "__main__":
    main()
