"""Docstring examples run in a folder that holds what they name, and import what they use."""

import os
import shutil
from pathlib import Path

import pytest
from _pytest.doctest import DoctestItem

from tests.conftest import ROOT

# Examples print arrays as numpy and pandas do; bars and colours would be in the way.
os.environ.setdefault("TQDM_DISABLE", "1")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the examples, without importing all modules, where slow tests are left out."""
    left_out = config.option.markexpr == "not slow"
    return True if left_out and collection_path == ROOT / "galaxies" else None


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
    # Not at the top: each process of the tests would wait for what most have no use for.
    from tests.example_project import write_examples

    folder = tmp_path_factory.mktemp("examples")
    write_examples(folder)
    return folder


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
