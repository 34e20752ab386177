"""What `pip install` brings: every wing, the pretrained networks, and no need for the extras."""

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterable
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from packaging.requirements import Requirement

from tests.conftest import ROOT, draw_galaxy, encode, write_tiny_survey

pytestmark = pytest.mark.slow

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def listed(*paths: str) -> set[str]:
    """Files of the project, also those that are new, as Git lists them."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *paths]
    names = subprocess.check_output(command, cwd=ROOT).decode().split("\0")[:-1]
    return {name for name in names if (ROOT / name).is_file()}


LIBRARY = listed("galaxies")


@pytest.fixture(scope="module")
def dist(tmp_path_factory) -> Path:
    """The sdist, and the wheel that is built from it, without the network."""
    folder = tmp_path_factory.mktemp("packaging")
    source = folder / "source"
    for name in listed():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist", source]
    done = subprocess.run(build, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "dist"


@pytest.fixture(scope="module")
def installed(dist, tmp_path_factory) -> Path:
    """A folder that the wheel alone is installed in."""
    folder = tmp_path_factory.mktemp("installed")
    (wheel,) = dist.glob("*.whl")
    install = ["install", "--quiet", "--no-deps", "--no-index", "--target", folder, wheel]
    subprocess.run([sys.executable, "-m", "pip", *install], check=True)
    return folder


def run(installed: Path, folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run Python elsewhere, with what was installed before everything else on its path."""
    first = f"import sys; sys.path.insert(0, {str(installed)!r})\n"
    return subprocess.run(
        [sys.executable, "-I", "-c", first + code], cwd=folder, capture_output=True, text=True
    )


def test_wheel_and_sdist_hold_the_library_and_nothing_else(dist):
    (wheel,) = dist.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == LIBRARY
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        held = {m.name.partition("/")[2] for m in archive.getmembers() if m.isfile()}
    made = {"PKG-INFO", "setup.cfg"}
    held = {name for name in held - made if not name.startswith("galaxy_morphology.egg-info/")}
    assert held == LIBRARY | {"LICENSE", "MANIFEST.in", "README.md", "pyproject.toml"}


def test_the_version_is_that_of_the_code(dist):
    code = (ROOT / "galaxies/__init__.py").read_text(encoding="utf-8")
    version = re.search(r'^__version__: Final = "(.+)"$', code, re.M)[1]
    assert {path.name for path in dist.iterdir()} == {
        f"galaxy_morphology-{version}.tar.gz",
        f"galaxy_morphology-{version}-py3-none-any.whl",
    }


def test_every_module_of_the_wheel_imports(installed, tmp_path):
    modules = sorted(
        name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for name in LIBRARY
        if name.endswith(".py")
    )
    done = run(
        installed,
        tmp_path,
        f"from importlib import import_module\n"
        f"for name in {modules!r}: print(name, import_module(name).__file__)",
    )
    assert done.returncode == 0, done.stderr
    found = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert set(found) == set(modules)
    assert all(Path(path).is_relative_to(installed) for path in found.values())


def names(requirements: Iterable[str]) -> set[str]:
    return {Requirement(item).name.lower() for item in requirements}


def needed(asked: set[str]) -> set[str]:
    """Packages, and what those that are installed need in turn."""
    found: set[str] = set()
    while waiting := asked - found:
        for name in waiting:
            found.add(name)
            for item in map(Requirement, requires(name) or ()):
                if item.marker is None or item.marker.evaluate({"extra": ""}):
                    asked = asked | {item.name.lower()}
    return found


def without_extras() -> str:
    """Code that makes Python find no package that an extra brings and the plain one does not."""
    extras = PROJECT["optional-dependencies"]
    optional = names(item for name in extras if name != "dev" for item in extras[name])
    brought = optional - needed(names(PROJECT["dependencies"]))
    modules = [
        module
        for module, homes in packages_distributions().items()
        if {home.lower().replace("_", "-") for home in homes} & brought
    ]
    assert {"dvc", "galsim", "kagglehub", "keras", "sklearn", "tensorflow"} <= set(modules)
    return f"""
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {modules!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
"""


CLI = "sys.argv = {!r}; from galaxies.cli import main; main()"


def test_the_plain_installation_classifies(installed, tmp_path):
    random = np.random.default_rng(5)
    for number in range(4):
        picture = encode(draw_galaxy(random, spiral=number % 2 == 1))
        (tmp_path / f"{number}.jpg").write_bytes(picture)
    command = ["galaxies", "classify", ".", "-o", "classes.parquet"]
    done = run(installed, tmp_path, without_extras() + CLI.format(command))
    assert done.returncode == 0, done.stderr
    table = pd.read_parquet(tmp_path / "classes.parquet")
    assert sorted(table["galaxy_id"]) == ["0", "1", "2", "3"]
    assert table["p_spiral"].between(0, 1).all()


def test_the_plain_installation_explains(installed, tmp_path):
    code = """
import numpy as np, galaxies
image = np.zeros((1, 64, 64, 3), np.uint8)
image[:, 24:40, 24:40] = 200
evidence = galaxies.load().explain(image)
assert evidence.shape == (1, 64, 64) and abs(evidence).max() > 1e-3
assert "onnx" not in sys.modules
"""
    done = run(installed, tmp_path, without_extras() + code)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (
            "download kaggle",
            "pooch is missing; in a clone of the repository, pip install '.[download]'",
        ),
        (
            "download gz2",
            "pooch is missing; in a clone of the repository, pip install '.[download]'",
        ),
        ("explore", "panel is missing; in a clone of the repository, pip install '.[explore]'"),
        (
            "label tiny -o mine",
            "panel is missing; in a clone of the repository, pip install '.[explore]'",
        ),
        ("export", "onnx is missing; in a clone of the repository, pip install '.[onnx]'"),
        (
            "calibrate tiny -o made",
            "sklearn is missing; in a clone of the repository, pip install '.[calibrate]'",
        ),
        (
            "export-folders tiny -o folders",
            "sklearn is missing; in a clone of the repository, pip install '.[calibrate]'",
        ),
        (
            "classify tiny/images_training_rev1.zip -o classes.csv --engine ray",
            "ray is missing; in a clone of the repository, pip install '.[ray]'",
        ),
    ],
)
def test_a_missing_extra_ends_in_one_line(installed, tmp_path, command, said):
    write_tiny_survey(tmp_path / "tiny", galaxies=40)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    done = run(installed, tmp_path, without_extras() + CLI.format(["galaxies", *command.split()]))
    assert done.returncode == 1
    assert done.stderr == f"error: {said}\n"  # before any work, so without a progress bar
