"""A small project folder in which the examples of docstrings run."""

import shutil
import sys
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
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


def write_examples(folder: Path) -> None:
    """Write what `examples` in `conftest.py` says."""
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
