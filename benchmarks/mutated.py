"""Read thousands of damaged files: every one must end in pixels or in one line that says why.

    python -m benchmarks.mutated [--inputs 10000] [--seed 1]

Small good files of every kind are damaged at random: bytes changed, inserted, removed and repeated,
numbers in headers replaced by extreme ones, files cut and joined. Images are read through
`galaxies.images.pixels.read_pixels`, archives and tables through
`galaxies.classifying.inputs.opening.open_inputs`. Counted are results, errors, other exceptions (a
bug), and inputs that take more than `SLOW` seconds; the peak memory is of all processes together.
"""

import argparse
import gzip
import io
import json
import os
import random
import resource
import tarfile
import tempfile
import time
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.io import fits
from PIL import Image

from galaxies.base.outputs import write_json
from galaxies.classifying.inputs.opening import open_inputs
from galaxies.errors import GalaxiesError
from galaxies.images import cage
from galaxies.images.decode import UnreadableImageError
from galaxies.images.pixels import read_pixels, refuse_blank

RESULTS: Final = Path("benchmarks/mutated.json")
SLOW: Final = 5.0
"""Seconds; on a busy machine."""
EXTREME: Final = (
    0, 1, -1, 255, 256, 65_535, 2**31 - 1, 2**31, 2**32, 2**63 - 1, 2**63, 2**64, -(2**31),
    -(2**63),
)  # fmt: skip
COMPRESSIONS: Final = ("RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1", "PLIO_1")


def galaxy() -> np.ndarray:
    """Draw a frame with a galaxy, (96, 96, 3) uint8."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:96, :96] - 48
    light = 200 * np.exp(-np.hypot(x, 1.5 * y) / 9)[:, :, None] * (0.7, 0.9, 1.0)
    frame: np.ndarray = np.clip(light + rng.normal(12, 4, (96, 96, 3)), 0, 255).astype(np.uint8)
    return frame


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    """Save an image as bytes."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def written(*hdus: fits.hdu.base._BaseHDU) -> bytes:
    """Write a FITS file as bytes."""
    file = io.BytesIO()
    fits.HDUList(list(hdus)).writeto(file)
    return file.getvalue()


def good_images() -> dict[str, list[bytes]]:
    """Make images of every kind, by the name of the kind."""
    frame = galaxy()
    image = Image.fromarray(frame)
    plane = frame[:, :, 1].astype(np.float32)
    others = [fits.ImageHDU(plane.astype(np.int32), name="MASK"), fits.ImageHDU(plane, name="VAR")]
    summed = fits.PrimaryHDU(np.moveaxis(frame, 2, 0).astype(np.int16))
    summed.add_checksum()
    packed = [
        written(
            fits.PrimaryHDU(), fits.CompImageHDU(plane.astype(kind), compression_type=compression)
        )
        for compression in COMPRESSIONS
        for kind in (np.int16, np.float32)
        if (compression, kind) != ("PLIO_1", np.float32)
    ]
    plain = [
        written(fits.PrimaryHDU(plane)),
        written(fits.PrimaryHDU(), fits.ImageHDU(plane, name="SCI"), *others),
        written(summed),
    ]
    return {
        "JPEG": [
            saved(image, "JPEG"),
            saved(image, "JPEG", progressive=True, quality=95),
            saved(image.convert("L"), "JPEG"),
            saved(image.convert("CMYK"), "JPEG"),
            saved(
                image, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"
            ),
        ],
        "PNG": [
            saved(image, "PNG"),
            saved(image.convert("P"), "PNG", transparency=3),
            saved(Image.fromarray(frame[:, :, 0].astype(np.uint16) * 257), "PNG"),
        ],
        "FITS": [*plain, *(gzip.compress(one, mtime=0) for one in plain[:1])],
        "compressed FITS": packed,
    }


def good_containers() -> dict[str, list[bytes]]:
    """Make archives and tables of images, by their suffix."""
    image = saved(Image.fromarray(galaxy()), "JPEG")
    names = [f"{number}.jpg" for number in range(3)]
    made: dict[str, list[bytes]] = {}
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method) as archive:
            for name in names:
                archive.writestr(name, image)
        made.setdefault(".zip", []).append(file.getvalue())
    for mode, style in (("w", tarfile.GNU_FORMAT), ("w", tarfile.PAX_FORMAT), ("w:gz", 1),
                        ("w:bz2", 1), ("w:xz", 1)):  # fmt: skip
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode=mode, format=style) as archive:  # type: ignore[call-overload]
            for name in (*names[:2], "a" * 120 + ".jpg"):
                info = tarfile.TarInfo(name)
                info.size = len(image)
                archive.addfile(info, io.BytesIO(image))
            link = tarfile.TarInfo("link.jpg")
            link.type, link.linkname = tarfile.LNKTYPE, names[0]
            archive.addfile(link)
        made.setdefault(".tar", []).append(file.getvalue())
    for compression in ("none", "snappy", "zstd"):
        file = io.BytesIO()
        table = pa.table({"id": names, "image": [image] * 3})
        pq.write_table(table, file, compression=compression)
        made.setdefault(".parquet", []).append(file.getvalue())
    return made


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Damage a file in one of many ways."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        place = rng.randrange(len(changed)) if rng.random() < 0.5 else rng.randrange(
            min(len(changed), 600)
        )  # fmt: skip
        way = rng.randrange(8)
        if way == 0:
            changed[place] ^= 1 << rng.randrange(8)
        elif way == 1:
            changed[place : place + rng.randrange(1, 9)] = rng.randbytes(rng.randrange(1, 9))
        elif way == 2:
            del changed[place : place + rng.choice((1, 2, 80, 512, 2880))]
        elif way == 3:
            piece = changed[place : place + rng.choice((1, 4, 80, 512, 2880))]
            changed[place:place] = piece * rng.choice((1, 2, 50))
        elif way == 4:
            del changed[max(20, place) :]
        elif way == 5:
            size = rng.choice((1, 2, 4, 8))
            number = rng.choice(EXTREME) % (1 << 8 * size)
            changed[place : place + size] = number.to_bytes(size, rng.choice(("big", "little")))
        else:
            _card(changed, rng)
        if len(changed) < 20:
            changed += data[:20]
    return bytes(changed)


def _card(changed: bytearray, rng: random.Random) -> None:
    """Replace the value of a card of a FITS header, or a byte of another file."""
    cards = [place for place in range(0, min(len(changed), 60_000), 80)
             if changed[place + 8 : place + 10] == b"= "]  # fmt: skip
    if not cards:
        changed[rng.randrange(len(changed))] = rng.randrange(256)
        return
    place = rng.choice(cards)
    value = rng.choice((*map(str, EXTREME), "T", "'x'", "1E400", "NaN", "2.5", "", "-32"))
    changed[place + 10 : place + 30] = value.rjust(20).encode()[:20]


def read_image(data: bytes, _suffix: str, _folder: Path) -> str:
    """Read an image; returns what came of it."""
    try:
        refuse_blank(read_pixels(data, 64, 0.5, "scaled"))
    except UnreadableImageError:
        return "error"
    return "pixels"


def read_container(data: bytes, suffix: str, folder: Path) -> str:
    """Read all images of a container; returns what came of it."""
    path = folder / f"input{suffix}"
    path.write_bytes(data)
    errors = 0
    try:
        for one in open_inputs([str(path)]):
            for chunk in one.chunks(2):
                for item in chunk.items():
                    item.galaxy_id.encode()
                    try:
                        read_pixels(item.load(), 64, 0.5, "scaled")
                    except UnreadableImageError:
                        errors += 1
    except GalaxiesError:
        return "error"
    return "errors in rows" if errors else "pixels"


def run(task: tuple[str, list[bytes], int, int, str]) -> dict[str, object]:
    """Damage and read some files of a kind; in a process of its own."""
    kind, files, seed, count, folder = task
    warnings.simplefilter("ignore")
    rng = random.Random(f"{kind} {seed}")
    if kind == "compressed FITS":
        read_image(files[0], kind, Path(folder))  # starts the other process
    read: Callable[[bytes, str, Path], str] = read_container if kind.startswith(".") else read_image
    found: Counter[str] = Counter()
    slowest, bad = 0.0, []
    for number in range(count):
        data = mutated(rng.choice(files), rng)
        start = time.perf_counter()
        try:
            result = read(data, kind, Path(folder))
        except Exception as error:  # what this benchmark looks for
            result = "exception"
            reason = (str(error).strip() or "?").splitlines()[0]
            bad.append(f"{kind} {seed} {number}: {type(error).__name__}: {reason}")
        taken = time.perf_counter() - start
        if taken > SLOW:
            bad.append(f"{kind} {seed} {number}: {taken:.1f} s")
            found["slow"] += 1
        slowest = max(slowest, taken)
        found[result] += 1
    cage._close_all()
    peak = max(
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return {"kind": kind, "found": found, "slowest": slowest, "peak": peak * 1024, "bad": bad}


def main() -> None:
    """Read damaged files of every kind, and print and write what came of them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("-o", "--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    kinds = good_images() | good_containers()
    each = -(-options.inputs // len(kinds))
    table: dict[str, dict[str, object]] = {}
    with tempfile.TemporaryDirectory() as top:
        tasks = []
        for number, (kind, files) in enumerate(kinds.items()):
            folder = Path(top) / str(number)
            folder.mkdir()
            tasks.append((kind, files, options.seed, each, str(folder)))
        with ProcessPoolExecutor(options.workers, max_tasks_per_child=1) as pool:
            for one in pool.map(run, tasks):
                found = one["found"]
                assert isinstance(found, Counter)
                table[str(one["kind"])] = {
                    "inputs": each, "pixels": found["pixels"], "errors": found["error"],
                    "errors in rows": found["errors in rows"], "exceptions": found["exception"],
                    "slow": found["slow"], "slowest [s]": one["slowest"],
                    "peak memory [MB]": int(str(one["peak"])) / 1e6,
                }  # fmt: skip
                print(one["kind"], json.dumps(table[str(one["kind"])]), *one["bad"], sep="\n  ")  # type: ignore[misc]
    write_json(options.output, {"seed": options.seed, "kinds": table})


if __name__ == "__main__":
    main()
