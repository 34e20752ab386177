"""`dvc.yaml` names for every stage exactly the code it reaches and the settings it reads."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

from galaxies.models.registry import LINES, MODELS

ROOT = Path(__file__).parents[2]
PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
STAGES = {name: stage.get("do", stage) for name, stage in PIPELINE["stages"].items()}


def modules_reached(script: Path) -> set[str]:
    """Files of the package that a script imports, directly or not, lazily or not."""
    reached = {"galaxies/__init__.py"}
    waiting = [script]
    while waiting:
        for node in ast.walk(ast.parse(waiting.pop().read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                path = f"{name.replace('.', '/')}.py"
                if name.startswith("galaxies.") and (ROOT / path).is_file() and path not in reached:
                    reached.add(path)
                    waiting.append(ROOT / path)
    return reached


def settings_read(script: Path) -> set[str]:
    """The longest attribute chains that start at the name `settings`, such as `split.seed`."""
    tree = ast.parse(script.read_text(encoding="utf-8"))
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    read = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and id(node) not in inner:
            chain = ast.unparse(node).split(".")
            if chain[0] == "settings":
                read.add(".".join(chain[1:]))
    return read


def script_of(stage: str) -> str:
    words = STAGES[stage]["cmd"].split()
    assert words[:2] == ["python", "-m"]
    return words[2].replace(".", "/") + ".py"


@pytest.mark.parametrize("stage", STAGES)
def test_code_dependencies_are_those_of_the_imports(stage):
    script = script_of(stage)
    listed = {dep for dep in STAGES[stage]["deps"] if dep.endswith(".py")}
    assert listed == modules_reached(ROOT / script) | {script}


@pytest.mark.parametrize("stage", STAGES)
def test_params_are_the_settings_that_the_script_reads(stage):
    assert set(STAGES[stage].get("params", [])) == settings_read(ROOT / script_of(stage))


def test_every_stage_script_is_in_the_pipeline():
    scripts = {path.name for path in (ROOT / "stages").glob("[!_]*.py")}
    assert scripts == {Path(script_of(stage)).name for stage in STAGES}


@pytest.mark.parametrize("stage", ["split", "evaluate", "plot", "page"])
def test_light_stages_start_without_the_packages_that_take_seconds(stage):
    heavy = ["keras", "scipy", "sklearn", "tensorflow"]
    code = f"import sys, stages.{stage}; print(sorted(set({heavy}) & set(sys.modules)))"
    said = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True)
    assert said.strip() == "[]"


def test_the_models_are_the_same_everywhere():
    models = tuple(PIPELINE["stages"]["predict"]["foreach"])
    assert models == MODELS == tuple(LINES)
    made = {name: artifact["path"] for name, artifact in PIPELINE["artifacts"].items()}
    assert made == {model: f"models/{model}" for model in models}


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def package(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9-]", requirement, maxsplit=1)[0].lower()


def imported() -> set[str]:
    """Packages that the project's own code imports, lazily or not."""
    modules = set()
    for folder in ("galaxies", "stages"):
        for path in (ROOT / folder).glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    modules |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module:
                    modules.add(node.module.split(".")[0])
    found = packages_distributions()
    return {name.lower().replace("_", "-") for module in modules for name in found.get(module, [])}


def test_every_package_asked_for_is_used_and_every_one_used_is_asked_for():
    extras = PROJECT["optional-dependencies"]
    asked = {package(item) for item in PROJECT["dependencies"]}
    optional = {package(item) for name in extras if name != "dev" for item in extras[name]}
    used = imported() - {"galaxies"}
    assert asked - used == {"dvc"}  # the command that runs the pipeline
    assert used - asked <= optional | {package(item) for item in extras["dev"]}


def test_the_list_of_licences_names_every_package_asked_for():
    text = (ROOT / "docs/dependencies.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| ([a-z][a-z0-9-]*) \|", text, re.M)
    extras = PROJECT["optional-dependencies"].values()
    asked = [package(item) for group in (PROJECT["dependencies"], *extras) for item in group]
    assert sorted(set(listed) - {"package"}) == sorted(set(asked) - {"galaxies"})
