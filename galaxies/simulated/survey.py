"""A simulated survey in the layout of Kaggle's Galaxy Zoo challenge.

Each galaxy has its own random stream, derived from the survey's seed and its place in the survey:
the files are the same byte for byte however many processes draw them.
"""

import multiprocessing
import os
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from tqdm import tqdm

from galaxies.base.arrays import Floats
from galaxies.base.outputs import write_table, written_beside
from galaxies.dataset.layout import IMAGES, VOTE_COLUMNS, VOTES
from galaxies.images.colour import colour_image
from galaxies.settings import SimulateSettings
from galaxies.simulated.camera import (
    FRAME,
    PIXEL,
    Band,
    colours,
    cut_out,
    draw_bands,
    expose,
    plane,
)
from galaxies.simulated.field import field_light, star_wings, stray_light
from galaxies.simulated.population import Galaxy, draw_target
from galaxies.simulated.rendering import dust_lane, smooth_light, structure_light
from galaxies.simulated.volunteers import Appearance, cast_votes, chance_of_features, look

Artifact = Literal["none", "star", "trail", "frame"]

_FOLDER = "images_training_rev1"
# arcsec per pixel of the cut-out and arcsec of Petrosian 90% radius, as in Galaxy Zoo
CUT_OUT_SCALE = 0.02
CHUNK = 16  # galaxies per task: small enough for a lively progress bar


@dataclass(frozen=True)
class Cutout:
    """One member of the survey: the encoded image, the votes and the truth."""

    jpeg: bytes
    votes: npt.NDArray[np.int64]
    truth: dict[str, object]


def draw_scene(
    galaxy: Galaxy, bands: tuple[Band, ...], rng: np.random.Generator
) -> tuple[Floats, Appearance]:
    """Draw a galaxy and its surroundings on survey pixels.

    Parameters
    ----------
    galaxy : Galaxy
    bands : tuple of Band
        Observing conditions in g, r, i.
    rng : numpy.random.Generator

    Returns
    -------
    light : ndarray, shape (3, n, n), float64
        Nanomaggies per pixel in g, r, i, without noise; n follows the galaxy's Petrosian radius.
    appearance : Appearance
        What people can see of the galaxy.
    """
    seeing = bands[1].fwhm
    size = int(np.ceil(FRAME * CUT_OUT_SCALE * galaxy.petrosian_r90 / PIXEL))
    smooth = smooth_light(galaxy, bands, size)
    structure = structure_light(galaxy, bands, size, rng)
    full = np.clip(smooth + structure, 0.0, None) * dust_lane(galaxy, size, seeing)
    appearance = look(galaxy, smooth[1], full[1], seeing / PIXEL)
    return full + field_light(galaxy, bands, size, rng) + stray_light(size, rng), appearance


def spoil(light: Floats, artifact: Artifact, rng: np.random.Generator) -> Floats:
    """Spoil a frame (3, n, n) as some real ones are: by a star, a satellite's trail or bad data."""
    size = light.shape[-1]
    if artifact == "star":
        brightness = colours(rng.uniform(9.5, 12.5), rng.uniform(0.3, 1.3), rng.uniform(0.1, 0.6))
        place = size / 2 + rng.normal(0.0, 0.04 * size, 2)
        return light + star_wings(brightness, size, place, rng)
    if artifact == "trail":
        x, y = plane(size)
        angle = rng.uniform(0, np.pi)
        off_axis = x * np.sin(angle) - y * np.cos(angle) - rng.normal(0, 0.06 * size * PIXEL)
        trail = rng.uniform(0.1, 1.0) * np.exp(-((off_axis / rng.uniform(0.6, 1.5)) ** 2) / 2)
        # A moving object crosses each filter at another time: the trail has one colour.
        tint = np.roll([0.1, 0.4, 1.0], rng.integers(3))[:, None, None]
        return np.asarray(light + tint * trail, dtype=np.float64)
    if artifact == "frame":
        ruined = np.roll([1.0, 0.1, 0.1], rng.integers(3))[:, None, None]
        return np.asarray(ruined * (light + rng.uniform(0.1, 0.6)), dtype=np.float64)
    return light


def draw_cutout(place: int, settings: SimulateSettings) -> Cutout:
    """Simulate one member of the survey: the galaxy, its image and its votes.

    Parameters
    ----------
    place : int
        The galaxy's place in the survey; with the seed it fixes everything.
    settings : SimulateSettings
    """
    rng = np.random.default_rng(np.random.SeedSequence(settings.seed, spawn_key=(place,)))
    bands = draw_bands(rng)
    galaxy = draw_target(rng, settings.faintest, bands[1].fwhm)
    artifact: Artifact = "none"
    if rng.random() < settings.artifacts:
        artifact = ("star", "trail", "frame")[rng.choice(3, p=[0.6, 0.2, 0.2])]
    light, appearance = draw_scene(galaxy, bands, rng)
    light = spoil(light, artifact, rng)
    noise_factor = float(np.exp(rng.normal(0.08, 0.2)))
    jpeg = cut_out(colour_image(expose(light, rng, noise_factor)))
    features = chance_of_features(appearance)
    # Few people call a galaxy an artifact; most do where the frame is spoilt.
    spoilt = float(rng.uniform(0.6, 0.9)) if artifact != "none" else 0.12 * float(rng.beta(1, 2))
    count = int(rng.integers(settings.votes_least, settings.votes_most + 1))
    truth = asdict(galaxy) | {
        "artifact": artifact,
        "seeing_fwhm": bands[1].fwhm,
        "contrast": appearance.contrast,
        "apparent_axis_ratio": appearance.axis_ratio,
        "chance_of_features": features,
        "votes": count,
    }
    return Cutout(jpeg, cast_votes(features, spoilt, count, rng), truth)


def draw_chunk(places: range, settings: SimulateSettings) -> list[Cutout]:
    """Simulate several members of the survey, in order."""
    return [draw_cutout(place, settings) for place in places]


def galaxy_ids(settings: SimulateSettings) -> npt.NDArray[np.int64]:
    """Draw unique six-digit identifiers, ascending, shape (galaxies,)."""
    rng = np.random.default_rng(np.random.SeedSequence(settings.seed))
    drawn = rng.choice(900_000, size=settings.galaxies, replace=False, shuffle=False)
    return np.sort(drawn.astype(np.int64)) + 100_000


def end_with_parent() -> None:
    """End this process as soon as the one that started it does, even if that one is killed."""
    parent = multiprocessing.parent_process()
    if parent is None:
        raise AssertionError("not a worker process")

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _cutouts(settings: SimulateSettings, workers: int) -> Iterator[Cutout]:
    """Yield all members in order, drawn by `workers` processes, few of them in memory at a time."""
    chunks = (
        range(start, min(start + CHUNK, settings.galaxies))
        for start in range(0, settings.galaxies, CHUNK)
    )
    if workers == 1:
        for chunk in chunks:
            yield from draw_chunk(chunk, settings)
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, spawn, initializer=end_with_parent) as pool:
        waiting: list[Future[list[Cutout]]] = [
            pool.submit(draw_chunk, chunk, settings) for chunk in islice(chunks, 2 * workers)
        ]
        while waiting:
            yield from waiting.pop(0).result()
            waiting += [pool.submit(draw_chunk, chunk, settings) for chunk in islice(chunks, 1)]


def simulate_survey(folder: Path, settings: SimulateSettings, workers: int) -> None:
    """Write a simulated survey.

    Beside the images and the votes stands, for the curious and never for training, the table
    `truth.parquet`.

    Parameters
    ----------
    folder : Path
        Made whole or not at all.
    settings : SimulateSettings
    workers : int
        Processes; the files do not depend on it. More than one are spawned, so a script that calls
        this needs the usual `if __name__ == "__main__"`.
    """
    ids = galaxy_ids(settings)
    votes, truths = [], []
    with written_beside(folder) as beside:
        beside.mkdir()
        with zipfile.ZipFile(beside / IMAGES, "w", zipfile.ZIP_STORED) as archive:
            progress = tqdm(_cutouts(settings, workers), "simulate", len(ids), unit=" galaxies")
            for galaxy_id, cutout in zip(ids, progress, strict=True):
                member = zipfile.ZipInfo(f"{_FOLDER}/{galaxy_id}.jpg", (2013, 12, 20, 0, 0, 0))
                member.external_attr = 0o644 << 16
                archive.writestr(member, cutout.jpeg)
                votes.append(cutout.votes / cutout.votes.sum())
                truths.append({"galaxy_id": galaxy_id, **cutout.truth})
        table = pd.DataFrame(votes, columns=list(VOTE_COLUMNS))
        table.insert(0, "GalaxyID", ids)
        table.to_csv(beside / VOTES, index=False, float_format="%.6f", lineterminator="\n")
        write_table(beside / "truth.parquet", pd.DataFrame(truths))
