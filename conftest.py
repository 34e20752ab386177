"""Docstring examples run in a folder that holds what they name, and import what they use."""

import os
import shutil
import sys
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from _pytest.doctest import DoctestItem
from astropy.io import fits
from astropy.wcs import WCS

import stages.evaluate
import stages.pack
import stages.predict
import stages.simulate
import stages.split
from galaxies.bundle.description import read_description
from galaxies.bundle.folder import describe
from galaxies.classifying.engines import local_engine
from galaxies.classifying.job import run_job
from galaxies.classifying.options import Options
from galaxies.training.parts import fingerprint
from galaxies.volunteers.manifest import read_manifest
from galaxies.volunteers.subjects import ask
from tests.conftest import ROOT, write_tiny_survey
from tests.volunteers.zooniverse import ANSWERS, simulated_rows, write_export

# Examples print arrays as numpy and pandas do; bars and colours would be in the way.
os.environ.setdefault("TQDM_DISABLE", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what runs the pipeline, as the examples do, or opens a browser."""
    # The site takes longest, so that it is begun first where two processes share the work.
    items.sort(key=lambda item: item.path.name != "test_site.py")
    for item in items:
        if (
            isinstance(item, DoctestItem)
            or item.get_closest_marker("pipeline")
            or "browser" in getattr(item, "fixturenames", ())
        ):
            item.add_marker("slow")


@pytest.fixture(scope="session")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a project folder with 40 simulated galaxies, and run the pipeline with one model.

    `data/simulated` and `data/gz2` are surveys, the second with votes on the first question only;
    `models/cnn` is the pretrained network, with predictions and scores; `survey.zip`, `cutouts/`
    and `catalogue.csv` hold images, `classes.parquet` the classes from `models/cnn`; `subjects/`,
    `answers.yaml` and `export.csv` are what `galaxies votes` reads. `night1/` holds a mosaic, in
    which lies the first of the two galaxies of `positions.csv`.
    """
    folder = tmp_path_factory.mktemp("examples")
    params = (ROOT / "params.yaml").read_text(encoding="utf-8")
    params = params.replace("galaxies: 5000", "galaxies: 40").replace(
        "bootstrap: 1000", "bootstrap: 100"
    )
    (folder / "params.yaml").write_text(params, encoding="utf-8")
    shutil.copytree(ROOT / "galaxies/pretrained/simulated", folder / "models/cnn")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for stage in (stages.simulate, stages.pack, stages.split):
            stage.main()
        cnn = Path("models/cnn")
        learned_from = fingerprint(pd.read_parquet("data/split.parquet"))
        describe(cnn, read_description(cnn).model_copy(update={"learned_from": learned_from}))
        for stage, words in (
            (stages.predict, ["cnn", "data/images.npy"]),
            (stages.evaluate, ["cnn"]),
        ):
            patch.setattr(sys, "argv", [stage.__name__, *words])
            stage.main()
        write_tiny_survey(Path("data/gz2"), 20)
        shutil.copy("data/simulated/images_training_rev1.zip", "survey.zip")
        Path("cutouts").mkdir()
        rows = ["id,path,redshift"]
        with zipfile.ZipFile("survey.zip") as archive:
            for place, name in enumerate(archive.namelist()[:6]):
                path = Path("cutouts") / Path(name).name
                path.write_bytes(archive.read(name))
                rows.append(f"{path.stem},{path},{0.02 + 0.01 * place:.2f}")
        Path("catalogue.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
        engine = partial(local_engine, workers=1)
        classes = Path("classes.parquet")
        run_job(["survey.zip"], classes, cnn, engine, Options(agreement=0.9))
        _ask_volunteers(classes)
        _write_mosaic()
    return folder


def _ask_volunteers(classes: Path) -> None:
    """Make a subject set, and the export of what the simulated volunteers answer about it."""
    subjects, random = Path("subjects"), np.random.default_rng(0)
    ask(classes, ["survey.zip"], subjects, number=10, choose="uncertain", audit_share=0.5, seed=0)
    counts = pd.read_parquet("data/simulated/answers.parquet").set_index("galaxy_id")
    ids = [subject.galaxy_id for subject in read_manifest(subjects)]
    rows = simulated_rows({one: counts.loc[int(one)].to_dict() for one in ids}, random)
    write_export(Path("export.csv"), rows)
    Path("answers.yaml").write_text(ANSWERS, encoding="utf-8")


def _write_mosaic() -> None:
    """Write a FITS image of a galaxy on the sky, 72 arcsec wide, and a list of two positions."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], [150, 2]
    wcs.wcs.crpix, wcs.wcs.cdelt = [100.5, 100.5], [-0.0001, 0.0001]
    light = np.exp(-np.hypot(*(np.mgrid[:200, :200] - 99.5)) / 8).astype(np.float32)
    Path("night1").mkdir()
    fits.PrimaryHDU(light, wcs.to_header()).writeto("night1/field_r.fits")
    Path("positions.csv").write_text("id,ra,dec\n7,150,2\n8,10,41\n", encoding="utf-8")


@pytest.fixture(autouse=True)
def _workplace(request: pytest.FixtureRequest) -> None:
    """Run a docstring's examples in a copy of the folder, with only the names of its module."""
    if not isinstance(request.node, DoctestItem):
        return
    here = request.getfixturevalue("tmp_path") / "project"
    shutil.copytree(request.getfixturevalue("examples"), here)
    request.getfixturevalue("monkeypatch").chdir(here)
    names = request.node.dtest.globs
    for name, value in list(names.items()):
        if not name.startswith("__") and getattr(value, "__module__", None) != names["__name__"]:
            del names[name]
