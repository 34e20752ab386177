"""Cut-outs from a service on this machine, and from mosaics: speed, manners, faults, kills.

A local server answers after 50 ms, as in `stand_ins.py`. Measured: how near the requests
come to the rate limit; whether memory grows with the number of positions; whether a killed run that
is resumed gives the same bytes; whether one of 500 faults becomes a classified galaxy; and how many
cut-outs one core makes from FITS tiles.

    python -m benchmarks.cutouts
"""

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from astropy.io import fits
from astropy.wcs import WCS
from PIL import Image

from galaxies.base.outputs import write_json
from galaxies.sky.looking import as_jpeg
from galaxies.sky.mosaics import Mosaics
from galaxies.sky.positions import read_positions
from stand_ins import serving

RATE = 50  # requests a second: ten times the usual limit
LATENCY = 0.05
FAULTS = (
    "missing", "html", "empty", "cut", "small", "blank", "outside", "fits", "truncated", "moved",
)  # fmt: skip
PASSING = ("html", "empty", "truncated", "cut", "small", "broken", "busy", "unavailable")
_TILE = 3600  # pixels along each side of a tile, as in the Legacy Surveys
_SCALE = 0.396127


def write_positions(path: Path, number: int) -> Path:
    """Positions all over the sky, each with a radius."""
    random = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "objID": 587_722_952_767_439_450 + np.arange(number),
            "ra": random.uniform(0, 360, number).round(6),
            "dec": np.degrees(np.arcsin(random.uniform(-1, 1, number))).round(6),
            "petroR90_r": random.uniform(4, 20, number).round(3),
        }
    )
    table.to_csv(path, index=False)
    return path


def command(*words: object, cache: Path) -> subprocess.Popen[bytes]:
    """Start `galaxies` with a cache of its own."""
    settings = {"XDG_CACHE_HOME": str(cache), "GALAXIES_CONTACT": "nobody@localhost"}
    return subprocess.Popen(
        [sys.executable, "-m", "galaxies.cli", *map(str, words)],
        env=os.environ | settings | {"TQDM_DISABLE": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def finish(process: subprocess.Popen[bytes]) -> float:
    """Wait for a command; returns the largest memory it used, in MB."""
    _, status, used = os.wait4(process.pid, 0)
    assert process.stderr is not None
    errors = process.stderr.read().decode()
    process.stderr.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 3):
        raise SystemExit(errors)
    return used.ru_maxrss / 1024


def digest(output: Path) -> str:
    """Hash an archive and its table."""
    both = output.read_bytes() + output.with_suffix(".parquet").read_bytes()
    return hashlib.sha256(both).hexdigest()


def rate_and_memory(folder: Path, number: int) -> dict[str, Any]:
    """Fetch positions at the limit, some and all of them."""
    found: dict[str, Any] = {"positions": number, "rate_limit": RATE, "latency_s": LATENCY}
    for name, count in (("tenth", number // 10), ("all", number)):
        positions = write_positions(folder / f"{name}.csv", count)
        with serving(latency=LATENCY) as service:
            process = command("cutouts", positions, "-o", folder / f"{name}.zip", "--images",
                              f"sdss@{service.address}", "--rate", RATE, "--parallel", 16,
                              cache=folder / name)  # fmt: skip
            found[f"memory_mb_{name}"] = round(finish(process))
            times = np.array(service.times)
            found[f"requests_{name}"] = len(times)
            found[f"rate_{name}"] = round((len(times) - 1) / (times[-1] - times[0]), 1)
            found["most_at_a_time"] = service.most
    found["share_of_rate_limit"] = round(found["rate_all"] / RATE, 3)
    return found


def killed(folder: Path, number: int, kills: int) -> dict[str, Any]:
    """Kill a run several times, and compare what it makes with that of a run of its own."""
    positions = write_positions(folder / "killed.csv", number)
    words: list[object] = ["cutouts", positions, "--rate", RATE, "--parallel", 16]
    with serving(latency=LATENCY) as service:
        address = ["--images", f"sdss@{service.address}"]
        for kill in range(1, kills + 1):
            process = command(*words, *address, "-o", folder / "killed.zip", cache=folder / "kill")
            while len(service.times) < kill * number // (kills + 1) and process.poll() is None:
                time.sleep(0.02)
            process.send_signal(signal.SIGKILL)
            process.wait()
            assert process.stderr is not None
            process.stderr.close()
        finish(command(*words, *address, "-o", folder / "killed.zip", cache=folder / "kill"))
        asked = len(service.times)
        finish(command(*words, *address, "-o", folder / "whole.zip", cache=folder / "whole"))
    return {
        "positions": number,
        "kills": kills,
        "requests": asked,
        "identical": digest(folder / "killed.zip") == digest(folder / "whole.zip"),
    }


def faults(folder: Path, number: int, bad: int) -> dict[str, Any]:
    """Inject faults that stay and faults that pass; count the galaxies that they become."""
    positions = write_positions(folder / "faults.csv", number)
    table = pd.read_csv(positions)
    random = np.random.default_rng(1)
    drawn = random.permutation(number)[: 2 * bad]
    stay = {round(table.ra[n], 6): FAULTS[k % len(FAULTS)] for k, n in enumerate(drawn[:bad])}
    passing = {round(table.ra[n], 6): PASSING[k % len(PASSING)] for k, n in enumerate(drawn[bad:])}
    # Some of the pictures that are no galaxies come for several positions.
    stay |= dict.fromkeys(list(stay)[::12], "placeholder")

    def fault(ra: float, turn: int) -> str | None:
        if np.isnan(ra):
            return "html"  # where `moved` leads to
        return stay.get(ra) or (passing.get(ra) if turn == 1 else None)

    with serving(fault, LATENCY) as service:
        service.retry_after = "0"
        done = command("classify", positions, "-o", folder / "faults.parquet", "--images",
                       f"sdss@{service.address}", "--rate", 4 * RATE,
                       cache=folder / "faults")  # fmt: skip
        finish(done)
    rows = pd.read_parquet(folder / "faults.parquet").set_index("ra")
    bad_rows = rows.loc[list(stay)]
    reasons = bad_rows["error"].value_counts()
    return {
        "positions": number,
        "faults_that_stay": len(stay),
        "classified_from_a_fault": int(bad_rows["p_spiral"].notna().sum()),
        "faults_that_pass": len(passing),
        "classified_after_a_fault": int(rows.loc[list(passing), "p_spiral"].notna().sum()),
        "other_galaxies_without_a_class": int(
            rows.drop([*stay, *passing])["p_spiral"].isna().sum()
        ),
        "reasons": {str(reason): int(count) for reason, count in reasons.items()},
    }


def write_tiles(folder: Path, tiles: int, compressed: bool) -> Path:
    """Write tiles in three bands, with noise: what a tile shows does not matter for the speed."""
    random = np.random.default_rng(0)
    folder.mkdir()
    light = random.normal(0, 0.02, (_TILE, _TILE)).astype(np.float32)
    for tile in range(tiles):
        wcs = WCS(naxis=2)
        wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
        wcs.wcs.crval = [150 + 0.4 * tile, 0.0]
        wcs.wcs.crpix = [_TILE / 2 + 0.5] * 2
        wcs.wcs.cdelt = [-_SCALE / 3600, _SCALE / 3600]
        for band in "gri":
            header = wcs.to_header()
            header["FILTER"], header["BUNIT"] = band, "nanomaggy"
            hdu = fits.CompImageHDU if compressed else fits.ImageHDU
            fits.HDUList([fits.PrimaryHDU(), hdu(light, header)]).writeto(
                folder / f"{tile}-{band}.fits"
            )
    return folder


def mosaics(folder: Path, number: int) -> dict[str, Any]:
    """Cut frames out of tiles with one core; seconds of the processor are counted."""
    random = np.random.default_rng(2)
    found: dict[str, Any] = {"cutouts": number, "tiles": 4, "bands": 3}
    path = folder / "local.csv"
    half = 0.9 * _TILE / 2 * _SCALE / 3600
    tile = random.integers(0, 4, number)
    pd.DataFrame(
        {
            "id": np.arange(number),
            "ra": 150 + 0.4 * tile + random.uniform(-half, half, number),
            "dec": random.uniform(-half, half, number),
            "petroR90_r": random.uniform(4, 8, number),
        }
    ).to_csv(path, index=False)
    positions = read_positions(path)
    for name, compressed in (("plain", False), ("compressed", True)):
        source = Mosaics(write_tiles(folder / name, 4, compressed))
        rates, count = [], number // 10 if compressed else number
        for _ in range(1 if compressed else 3):
            start = time.process_time()
            source.fetch(positions)
            reasons = {source.cut(positions, place).reason for place in range(count)}
            rates.append(count / (time.process_time() - start))
        assert reasons == {None}, reasons
        found[f"{name}_a_second_and_core"] = round(max(rates))
        if not compressed:
            frame = source.cut(positions, 0).image
            assert isinstance(frame, Image.Image)
            start = time.process_time()
            for _ in range(100):
                as_jpeg(frame)
            seconds = 1 / max(rates) + (time.process_time() - start) / 100
            found["with_jpeg_a_second_and_core"] = round(1 / seconds)
        source.close()
    return found


@contextlib.contextmanager
def workplace() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp())
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--positions", type=int, default=10_000)
    parser.add_argument("--faults", type=int, default=500)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/cutouts.json"))
    options = parser.parse_args()
    number = options.positions
    with workplace() as folder:
        found = {
            "service": rate_and_memory(folder, number),
            "killed": killed(folder, number // 5, options.kills),
            "faults": faults(folder, number // 2, min(options.faults, number // 8)),
            # Last: on Linux a process counts the memory of the one that started it as its own.
            "mosaics": mosaics(folder, min(1000, number)),
        }
    write_json(options.output, found)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
