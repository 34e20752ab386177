"""Surveys to test with: a tiny drawn one, and the real ones where they are."""

import contextlib
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Browser, sync_playwright

import stages.pack
import stages.split
from galaxies.bundle.description import Description, Judgement
from galaxies.bundle.folder import describe, new_bundle
from galaxies.bundle.known_galaxies import write_known
from galaxies.judgement.appearance import NUMBERS
from galaxies.judgement.calibration import Calibration
from galaxies.judgement.familiarity import KnownGalaxies
from galaxies.judgement.promises import Promise
from galaxies.models.tree import DecisionTree
from galaxies.questions.kaggle import KAGGLE
from galaxies.questions.layout import Layout
from galaxies.tables.writing import HATS_SUFFIX, TABLE_SUFFIXES
from galaxies.training.parts import Part, Votes
from stand_ins import draw_galaxy, encode

ROOT = Path(__file__).parents[1]
# CI tries the same examples each time, on machines of any speed; at home they vary.
hypothesis.settings.register_profile("home", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "home")
# Numba, which LSDB and hats-import use, would compile for seconds what tests call a few times.
os.environ.setdefault("NUMBA_DISABLE_JIT", "1")

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

# HATS has a place only for galaxies with positions: tests/tables/test_hats.py.
WITHOUT_POSITIONS = [suffix for suffix in TABLE_SUFFIXES if suffix != HATS_SUFFIX]

HEADER = "GalaxyID,Class1.1,Class1.2,Class1.3"


def cannot_change_an_output(path: str) -> bool:
    """Code that no stage lists.

    Errors are raised, never written. A setting has no default and no conversion, so what a stage
    reads is what stands in `params.yaml`, which DVC compares. An `__init__` holds a docstring; that
    of the package also the version, which no stage writes. `tests/test_dependencies.py` holds all
    three to it.
    """
    return path in ("galaxies/errors.py", "galaxies/settings.py") or path.endswith("__init__.py")


def write_survey(folder: Path, members: dict[str, bytes], rows: list[str]) -> Path:
    """Write a survey of given zip members and CSV rows."""
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / "images_training_rev1.zip", "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    text = "\n".join([HEADER, *rows]) + "\n"
    (folder / "training_solutions_rev1.csv").write_text(text, encoding="utf-8")
    return folder


def write_tiny_survey(folder: Path, galaxies: int = 60, seed: int = 7) -> Path:
    """A survey of drawn galaxies, every other one a spiral, with soft votes and one artifact."""
    random = np.random.default_rng(seed)
    members, rows = {}, []
    for number in range(galaxies):
        galaxy_id = 587722952767432450 + 1000 * seed + 7 * number
        spiral = number % 2 == 1
        members[f"images/{galaxy_id}.jpg"] = encode(draw_galaxy(random, spiral))
        features = random.uniform(0.55, 0.98) if spiral else random.uniform(0.02, 0.45)
        rows.append(f"{galaxy_id},{1 - features:.4f},{features:.4f},0")
    rows[0] = rows[0].partition(",")[0] + ",0.1,0.1,0.8"
    return write_survey(folder, members, rows)


def write_project(folder: Path, galaxies: int = 24) -> Path:
    """A project folder with a small survey, packed and split; IDs from 1."""
    random = np.random.default_rng(7)
    members, rows = {}, []
    for number in range(1, galaxies + 1):
        spiral = number % 2
        members[f"images/{number}.jpg"] = encode(draw_galaxy(random, bool(spiral), side=48))
        rows.append(f"{number},{1 - spiral},{spiral},0")
    write_survey(folder / "data/small", members, rows)
    params = (ROOT / "params.yaml").read_text(encoding="utf-8")
    params = params.replace("survey: simulated", "survey: small").replace("size: 64", "size: 32")
    (folder / "params.yaml").write_text(params, encoding="utf-8")
    with contextlib.chdir(folder):
        stages.pack.main()
        stages.split.main()
    return folder


def every_other(rows: np.ndarray) -> Part:
    """A part of which every other galaxy, by its row, is a spiral."""
    spiral = (rows % 2).astype(np.float32)
    galaxies = pd.DataFrame({"galaxy_id": rows, "p_smooth": 1 - spiral, "p_features": spiral})
    layout = Layout((KAGGLE,))
    shares = np.full((len(rows), layout.answers), np.nan, np.float32)
    shares[:, :3] = np.stack([1 - spiral, spiral, 0 * spiral], axis=1)
    votes = Votes(layout, shares, np.zeros(len(rows), np.float32))
    return Part(galaxies, rows, rows % 2, np.zeros((len(rows), 3), np.uint64), votes)


@pytest.fixture(scope="session")
def tiny_survey(tmp_path_factory) -> Path:
    return write_tiny_survey(tmp_path_factory.mktemp("data") / "tiny")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, or a skip."""
    with sync_playwright() as playwright:
        on_path = filter(None, map(shutil.which, CHROMIUMS))
        found = next(on_path, playwright.chromium.executable_path)
        if not Path(found).is_file():
            pytest.skip(
                "no Chromium; put one on the PATH, or get one with `playwright install chromium`"
            )
        with playwright.chromium.launch(executable_path=found) as browser:
            yield browser


def real_data() -> Path:
    """Where the real surveys lie, or a skip."""
    folder = Path(os.environ.get("GALAXY_DATA", ROOT.parent / "shared/data"))
    if not (folder / "gz2").is_dir():
        pytest.skip(f"no real surveys in {folder}; set GALAXY_DATA to the folder that holds gz2/")
    return folder


PROMISES = (
    Promise(agreement=0.9, confidence=0.9, threshold=0.6, decided=0.9),
    Promise(agreement=0.99, confidence=0.9, threshold=0.9, decided=0.6),
)


def judgement(**changes) -> Judgement:
    """Calibration and promises for a campaign."""
    entries = {
        "calibration": Calibration(slope=1.5, intercept=0.25),
        "votes": Calibration(slope=1, intercept=0),
        "triage": PROMISES,
    }
    return Judgement(**entries | changes)


def known_galaxies(distance: float = 1e9, galaxies: int = 200) -> KnownGalaxies:
    """Known galaxies so far apart that every image is familiar, or so near that none is."""
    distances = np.full(galaxies, distance, np.float32)
    return KnownGalaxies(
        np.zeros(NUMBERS, np.float32), np.eye(NUMBERS, dtype=np.float32), distances
    )


def write_bundle(
    folder: Path,
    kind: str,
    save: Callable[[Path], object],
    known: KnownGalaxies | None = None,
    **changes,
) -> Path:
    """A bundle of any kind, which `save` puts the model into; some changes are of its judgement."""
    judged = {name: changes.pop(name) for name in Judgement.model_fields if name in changes}
    entries = {
        "model": kind,
        "title": kind,
        "size": 32,
        "crop": 0.5,
        "decoding": "whole",
        "views": 1,
        "campaign": KAGGLE.name,
        "campaigns": (KAGGLE,),
        "judgements": {KAGGLE.name: judgement(**judged)},
        "survey": "drawn",
        "galaxies": 80,
    }
    with new_bundle(folder) as beside:
        save(beside)
        write_known(beside, known or known_galaxies())
        describe(beside, Description(**entries | changes))
    return folder


@pytest.fixture(scope="session")
def tree_bundle(tmp_path_factory) -> Path:
    """A tree that asks about single pixels, at random: its answers differ from galaxy to galaxy."""
    random = np.random.default_rng(8)
    inner = 63
    nodes = np.arange(2 * inner + 1)
    asks = nodes < inner
    tree = DecisionTree(
        size=np.int64(16),
        feature=np.where(asks, random.integers(0, 16 * 16 * 3, len(nodes)), -2),
        threshold=np.where(asks, random.integers(9, 16, len(nodes)) + 0.5, -2.0),
        left=np.where(asks, 2 * nodes + 1, -1),
        right=np.where(asks, 2 * nodes + 2, -1),
        p_spiral=random.uniform(0.02, 0.98, len(nodes)).astype(np.float32),
    )
    folder = tmp_path_factory.mktemp("bundles") / "tree"
    return write_bundle(folder, "tree", tree.save)
