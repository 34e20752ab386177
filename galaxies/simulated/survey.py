"""Simulate a survey in the layout of Kaggle's Galaxy Zoo challenge.

Each galaxy has its own random numbers, derived from the seed of the survey and its place in it, so
the files are identical for any number of processes.
"""

import multiprocessing
import os
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from tqdm import tqdm

from galaxies.base.arrays import Floats, Pixels
from galaxies.base.outputs import write_table, written_beside, zip_member
from galaxies.base.pool import in_order
from galaxies.dataset.layout import COUNTS, IMAGES, VOTES, image_name, write_campaign
from galaxies.images.colour import colour_image
from galaxies.questions.gz2 import GZ2
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
from galaxies.simulated.components import (
    COMPONENTS_FILE,
    pack_components,
    write_components,
)
from galaxies.simulated.encounter import arc_light
from galaxies.simulated.field import field_light, star_wings, stray_light
from galaxies.simulated.population import Galaxy, draw_target
from galaxies.simulated.rendering import Light, dust_lane, galaxy_light
from galaxies.simulated.volunteers import Appearance, as_columns, cast_votes, look

Artifact = Literal["none", "star", "trail", "frame"]

# arcsec per pixel of the cut-out and arcsec of Petrosian 90% radius, as in Galaxy Zoo
CUT_OUT_SCALE = 0.02
CHUNK = 16  # galaxies per task: small enough for a lively progress bar


@dataclass(frozen=True)
class Cutout:
    """One galaxy of the survey: the encoded image, the votes and the truth."""

    jpeg: bytes
    votes: npt.NDArray[np.int64]
    components: Pixels
    truth: dict[str, object]


def draw_scene(
    galaxy: Galaxy, bands: tuple[Band, ...], noise_factor: float, rng: np.random.Generator
) -> tuple[Light, Appearance]:
    """Draw a galaxy and its surroundings on SDSS pixels.

    Parameters
    ----------
    galaxy : Galaxy
        The galaxy.
    bands : tuple of Band
        Observing conditions in g, r, i.
    noise_factor : float
        Sky noise of the night relative to the median of the survey.
    rng : numpy.random.Generator
        Random numbers.

    Returns
    -------
    light : Light
        Light without noise; the number of pixels depends on the Petrosian radius.
    appearance : Appearance
        What people can see of the galaxy.

    Examples
    --------
    >>> import numpy as np
    >>> from galaxies.simulated.camera import draw_bands
    >>> from galaxies.simulated.population import draw_target
    >>> rng = np.random.default_rng(0)
    >>> bands = draw_bands(rng)
    >>> galaxy = draw_target(rng, faintest=17.0, seeing_fwhm=bands[1].fwhm)
    >>> light, appearance = draw_scene(galaxy, bands, noise_factor=1.0, rng=rng)
    >>> light.bands.shape[0], 0 < appearance.axis_ratio <= 1
    (3, True)
    """
    seeing = bands[1].fwhm
    size = int(np.ceil(FRAME * CUT_OUT_SCALE * galaxy.petrosian_r90 / PIXEL))
    # For two nuclei that SDSS takes for one source, the centre of the frame is between them.
    away = galaxy.off_centre * galaxy.partner_distance * galaxy.half_light_radius / PIXEL
    direction = np.array([np.sin(galaxy.partner_direction), np.cos(galaxy.partner_direction)])
    down, right = np.round(away * direction).astype(int)
    margin = max(abs(down), abs(right))
    full = size + 2 * margin
    own = galaxy_light(galaxy, bands, full, rng)
    field = field_light(galaxy, bands, full, rng)
    dust = dust_lane(galaxy, full, seeing)
    layers = {name: layer * dust[1] for name, layer in own.layers.items()} | dict(field.layers)
    light = np.clip(own.bands, 0.0, None) * dust + field.bands + stray_light(full, rng)
    arc = np.zeros_like(light)
    if galaxy.arc > 0:
        arc = arc_light(galaxy, bands[1], full, rng)
    appearance = look(galaxy, layers, arc[1], dust[1], seeing / PIXEL, noise_factor)
    light += arc
    layers["neighbours"] = layers["neighbours"] + arc[1]
    frame = (
        slice(margin + down, margin + down + size),
        slice(margin + right, margin + right + size),
    )
    cut = {name: layer[frame] for name, layer in layers.items()}
    return Light(light[:, *frame], cut), appearance


def spoil(light: Floats, artifact: Artifact, rng: np.random.Generator) -> Floats:
    """Spoil a frame (3, n, n) like some real ones: with a star, a satellite trail or bad data."""
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
        # A moving object crosses the filters at different times, so the trail has one colour.
        tint = np.roll([0.1, 0.4, 1.0], rng.integers(3))[:, None, None]
        return np.asarray(light + tint * trail, dtype=np.float64)
    if artifact == "frame":
        ruined = np.roll([1.0, 0.1, 0.1], rng.integers(3))[:, None, None]
        return np.asarray(ruined * (light + rng.uniform(0.1, 0.6)), dtype=np.float64)
    return light


def draw_cutout(place: int, settings: SimulateSettings) -> Cutout:
    """Simulate one galaxy of the survey with its image and votes.

    Parameters
    ----------
    place : int
        Place of the galaxy in the survey, which together with the seed determines everything.
    settings : SimulateSettings
        Settings of the survey.

    Returns
    -------
    Cutout

    Examples
    --------
    >>> from galaxies.settings import load_settings
    >>> settings = load_settings().simulate
    >>> cutout = draw_cutout(7, settings)
    >>> cutout.jpeg == draw_cutout(7, settings).jpeg, 40 <= cutout.votes[:3].sum() <= 50
    (True, np.True_)
    """
    rng = np.random.default_rng(np.random.SeedSequence(settings.seed, spawn_key=(place,)))
    bands = draw_bands(rng)
    galaxy = draw_target(rng, settings.faintest, bands[1].fwhm)
    artifact: Artifact = "none"
    if rng.random() < settings.artifacts:
        artifact = ("star", "trail", "frame")[rng.choice(3, p=[0.6, 0.2, 0.2])]
    noise_factor = float(np.exp(rng.normal(0.08, 0.2)))
    scene, appearance = draw_scene(galaxy, bands, noise_factor, rng)
    light = spoil(scene.bands, artifact, rng)
    jpeg = cut_out(colour_image(expose(light, rng, noise_factor)))
    # Few people call a galaxy an artifact; most do if the frame is spoilt.
    spoilt = float(rng.uniform(0.6, 0.9)) if artifact != "none" else 0.09 * float(rng.beta(1, 2))
    count = int(rng.integers(settings.votes_least, settings.votes_most + 1))
    truth = asdict(galaxy) | {
        "artifact": artifact,
        "seeing_fwhm": bands[1].fwhm,
        "noise_factor": noise_factor,
        **{f"seen_{name}": value for name, value in asdict(appearance).items()},
        "votes": count,
    }
    votes = cast_votes(appearance, spoilt, count, rng)
    return Cutout(jpeg, votes, pack_components(scene.layers), truth)


def draw_chunk(places: range, settings: SimulateSettings) -> list[Cutout]:
    """Simulate several galaxies of the survey, in order."""
    return [draw_cutout(place, settings) for place in places]


def galaxy_ids(settings: SimulateSettings) -> npt.NDArray[np.int64]:
    """Draw unique six-digit IDs in increasing order, shape (galaxies,)."""
    rng = np.random.default_rng(np.random.SeedSequence(settings.seed))
    drawn = rng.choice(900_000, size=settings.galaxies, replace=False, shuffle=False)
    return np.sort(drawn.astype(np.int64)) + 100_000


def end_with_parent() -> None:
    """End this process when its parent ends, even if the parent is killed."""
    parent = multiprocessing.parent_process()
    if parent is None:
        raise RuntimeError("not a worker process")

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _cutouts(settings: SimulateSettings, workers: int) -> Iterator[Cutout]:
    """Yield all galaxies in order, drawn by `workers` processes, with few in memory."""
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
        for cutouts in in_order(pool, partial(draw_chunk, settings=settings), chunks, 2 * workers):
            yield from cutouts


def simulate_survey(folder: Path, settings: SimulateSettings, workers: int) -> None:
    """Write a simulated survey.

    In addition to images and vote fractions, it has `answers.parquet`, the number of votes for each
    answer; and, for tests and never for training, `truth.parquet`, the true parameters of each
    galaxy, and `components.npz`, the light of each component.

    Parameters
    ----------
    folder : Path
        The folder to make.
    settings : SimulateSettings
        Settings of the survey.
    workers : int
        Number of processes; the files do not depend on it. With more than one, a script needs the
        usual `if __name__ == "__main__"`.

    Examples
    --------
    >>> from pathlib import Path
    >>> from galaxies.settings import load_settings
    >>> settings = load_settings().simulate.model_copy(update={"galaxies": 3})
    >>> simulate_survey(Path("data/small"), settings, workers=1)
    >>> sorted(path.name for path in Path("data/small").iterdir())[:3]
    ['answers.parquet', 'components.npz', 'images_training_rev1.zip']
    """
    ids = galaxy_ids(settings)
    votes, truths = [], []
    with written_beside(folder) as beside:
        beside.mkdir()
        with (
            zipfile.ZipFile(beside / IMAGES, "w", zipfile.ZIP_STORED) as archive,
            write_components(beside / COMPONENTS_FILE) as add_components,
        ):
            progress = tqdm(_cutouts(settings, workers), "simulate", len(ids), unit=" galaxies")
            for galaxy_id, cutout in zip(ids.tolist(), progress, strict=True):
                archive.writestr(zip_member(image_name(galaxy_id)), cutout.jpeg)
                add_components(galaxy_id, cutout.components)
                votes.append(cutout.votes)
                truths.append({"galaxy_id": galaxy_id, **cutout.truth})
        write_campaign(beside, GZ2)
        counted = np.stack(votes)
        fractions = pd.DataFrame(as_columns(counted), columns=list(GZ2.columns))
        fractions.insert(0, "GalaxyID", ids)
        # Nine digits, so that the answers to a question add up.
        fractions.to_csv(beside / VOTES, index=False, float_format="%.9g", lineterminator="\n")
        counts = pd.DataFrame(counted.astype(np.int32), columns=list(GZ2.columns))
        counts.insert(0, "galaxy_id", ids)
        write_table(beside / COUNTS, counts)
        write_table(beside / "truth.parquet", pd.DataFrame(truths))
