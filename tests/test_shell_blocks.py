"""The commands that the pages show: those that are marked run, the others say why not.

<!-- runs -->
"""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tests.conftest import ROOT, write_tiny_survey
from tests.test_project import PAGES, text

pytestmark = pytest.mark.slow

BLOCK = re.compile(r"^(<!-- runs -->\n)?```(?:sh|bash)\n(.*?)^```$", re.M | re.S)
NOT_RUN = {
    "python3 -m venv": "installs everything; CI and every user run it",
    "galaxies download": "needs the internet",
    "export GALAXIES_CONTACT": "needs the internet; tests/sky runs it against a local server",
    "galaxies cutouts": "as above",
    "galaxies classify catalogue.parquet -o classes.parquet --images local": "needs mosaics; "
    "tests/sky cuts out of small ones",
    "npm ci": "needs the internet; tests/test_browser.py builds the page",
    "pip install --require-hashes": "installs everything",
    "pipx run": "needs the internet",
    "pip install '.[ray]'": "needs a cluster",
    "dvc exp": "trains for minutes; tests/pipeline runs experiments on a tiny survey",
    "for views in": "trains for minutes",
    "dvc metrics diff HEAD": "compares what the block before it has trained",
    "git restore": "as above",
    "git tag": "names a commit of the reader's own",
    "galaxies merge": "merges real surveys, then trains for minutes",
    "galaxies check data/kaggle": "then trains for minutes",
}
"""How blocks begin that no test runs, and why."""

BLOCKS = [
    (page, bool(found[1]), found[2]) for page in PAGES for found in BLOCK.finditer(text(page))
]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory, tree_bundle) -> Path:
    """A folder with all that the commands name."""
    folder = tmp_path_factory.mktemp("workplace")
    for name in ("gz2", "kaggle"):
        write_tiny_survey(folder / "data" / name)
    archive = folder / "data/gz2/images_training_rev1.zip"
    with zipfile.ZipFile(archive) as images:
        for name in images.namelist()[:3]:
            path = folder / "cutouts" / Path(name).name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(images.read(name))
    shutil.copy(path, folder / "galaxy.jpg")
    shutil.copy(archive, folder / "survey.zip")
    (folder / "night1").mkdir()
    light = np.exp(-np.hypot(*(np.mgrid[:80, :80] - 40)) / 5).astype(np.float32)
    fits.PrimaryHDU(light).writeto(folder / "night1/one.fits")
    paths = sorted((folder / "cutouts").iterdir())
    rows = [f"{path.stem},{path}" for path in paths]
    (folder / "catalogue.csv").write_text("\n".join(["id,path", *rows]) + "\n")
    shutil.copy(ROOT / "params.yaml", folder)
    (folder / "models").mkdir()
    (folder / "models/cnn").symlink_to(tree_bundle)
    return folder


@pytest.mark.parametrize(("page", "block"), [(page, block) for page, runs, block in BLOCKS if runs])
def test_a_block_that_is_marked_runs(workplace, page, block):
    for made in ("classes.parquet", "classes.csv", "classes.fits"):
        (workplace / made).unlink(missing_ok=True)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=workplace,
        env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_the_readmes_first_lines_print_what_it_shows(tmp_path):
    pattern = r"<!-- first lines -->\n```sh\n(.*?)```.*?```\n(.*?)```"
    shown = re.search(pattern, text("README.md"), re.S)
    install, block = shown[1].split("pip install .\n")
    assert install.startswith("python3 -m venv")
    shutil.copytree(ROOT / "galaxies/pages/examples", tmp_path / "galaxies/pages/examples")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=tmp_path,
        env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split(",") for line in done.stdout.splitlines()[1:]]
    wanted = [line.split(",") for line in shown[2].splitlines()]
    assert [(name, decision) for name, _, decision in lines] == [(a, c) for a, _, c in wanted]
    # Another processor rounds other last digits.
    found = [float(p) for _, p, _ in lines[1:]]
    assert found == pytest.approx([float(p) for _, p, _ in wanted[1:]], abs=1e-4)


def test_every_other_block_says_why_it_does_not_run():
    others = [(page, block) for page, runs, block in BLOCKS if not runs]
    untold = [one for one in others if not one[1].startswith(tuple(NOT_RUN))]
    assert untold == []
    unused = [name for name in NOT_RUN if not any(block.startswith(name) for _, block in others)]
    assert unused == []
