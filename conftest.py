"""Docstring examples run in a folder that holds what they name, and import what they use."""

import os
import shutil
import sys
import zipfile
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from _pytest.doctest import DoctestItem

import stages.evaluate
import stages.pack
import stages.predict
import stages.simulate
import stages.split
from galaxies.classifying.engines import BundleUse, local_engine
from galaxies.classifying.job import run_job
from galaxies.learning.bundle import describe, read_description
from galaxies.learning.parts import fingerprint
from tests.conftest import ROOT, write_tiny_survey

# Examples print arrays as numpy and pandas do; bars and colours would be in the way.
os.environ.setdefault("TQDM_DISABLE", "1")


@pytest.fixture(scope="session")
def examples(tmp_path_factory) -> Path:
    """A project folder with 40 simulated galaxies, and the pipeline run on them with one model.

    `data/simulated` and `data/gz2` are surveys, the second with votes on the first question alone;
    `models/cnn` is the pretrained network, with predictions and scores; `survey.zip`, `cutouts/` and `catalogue.csv` hold
    images, and `classes.parquet` what `models/cnn` says of `survey.zip`.
    """
    folder = tmp_path_factory.mktemp("examples")
    params = (ROOT / "params.yaml").read_text(encoding="utf-8")
    params = params.replace("galaxies: 5000", "galaxies: 40").replace("bootstrap: 1000", "bootstrap: 100")
    (folder / "params.yaml").write_text(params, encoding="utf-8")
    shutil.copytree(ROOT / "galaxies/pretrained/simulated", folder / "models/cnn")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for stage in (stages.simulate, stages.pack, stages.split):
            stage.main()
        cnn = Path("models/cnn")
        learned_from = fingerprint(pd.read_parquet("data/split.parquet"))
        describe(cnn, read_description(cnn).model_copy(update={"learned_from": learned_from}))
        for stage, words in ((stages.predict, ["cnn", "data/images.npy"]), (stages.evaluate, ["cnn"])):
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
        run_job(["survey.zip"], Path("classes.parquet"), BundleUse(Path("models/cnn")), engine)
    return folder


@pytest.fixture(autouse=True)
def _workplace(request: pytest.FixtureRequest) -> None:
    """Run a docstring's examples in a copy of the folder, knowing its own module's names alone."""
    if not isinstance(request.node, DoctestItem):
        return
    here = request.getfixturevalue("tmp_path") / "project"
    shutil.copytree(request.getfixturevalue("examples"), here)
    request.getfixturevalue("monkeypatch").chdir(here)
    names = request.node.dtest.globs
    for name, value in list(names.items()):
        if not name.startswith("__") and getattr(value, "__module__", None) != names["__name__"]:
            del names[name]
