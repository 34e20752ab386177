"""`dvc.yaml` names for every stage the code that it reaches and the settings that it reads."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from galaxies import settings as all_settings
from galaxies.bundle.registry import MODELS
from galaxies.figures.style import LINES
from tests.conftest import ROOT, cannot_change_an_output

PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
VARS = PIPELINE["vars"][0]


def filled(text: str, values: dict) -> str:
    """Put values in place of `${a.b}`; what is not among them stays."""

    def value(match: re.Match[str]) -> str:
        found = values
        for key in match[1].split("."):
            found = found.get(key, match[0]) if isinstance(found, dict) else match[0]
        return str(found)

    return re.sub(r"\$\{([\w.]+)\}", value, text)


def all_stages() -> dict[str, dict]:
    """Every stage as DVC resolves it; those of a `foreach` by their full names."""
    stages = {}
    for name, stage in PIPELINE["stages"].items():
        if "foreach" not in stage:
            stages[name] = yaml.safe_load(filled(yaml.safe_dump(stage), VARS))
            continue
        for key, item in VARS["models"].items():
            values = VARS | {"key": key, "item": item}
            stages[f"{name}@{key}"] = yaml.safe_load(filled(yaml.safe_dump(stage["do"]), values))
    return stages


STAGES = all_stages()


def modules_reached(*roots: Path) -> set[str]:
    """Files of the package that some files import, directly or not, lazily or not."""
    reached: set[str] = set()
    waiting = list(roots)
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
    # A section says all of its keys.
    return {key for key in read if not any(key.startswith(f"{other}.") for other in read)}


def script_of(stage: str) -> str:
    words = STAGES[stage]["cmd"].split()
    assert words[:2] == ["python", "-m"]
    return words[2].replace(".", "/") + ".py"


def code_of(stage: str) -> set[str]:
    """What a stage runs: its script, what that imports, and a model that it loads by name."""
    script = script_of(stage)
    reached = modules_reached(ROOT / script) | {script}
    if "galaxies/bundle/predictor.py" in reached:
        loads = MODELS[stage.partition("@")[2] or "cnn"]
        module = loads.partition(":")[0].replace(".", "/") + ".py"
        reached |= modules_reached(ROOT / module) | {module}
    return reached


def files_of(dep: str) -> set[str]:
    """Python files that a dependency on a file or a folder stands for."""
    path = ROOT / dep
    found = path.rglob("*.py") if path.is_dir() else [path]
    return {one.relative_to(ROOT).as_posix() for one in found}


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_lists_the_code_that_it_reaches(stage):
    reached = code_of(stage)
    deps = [dep for dep in STAGES[stage]["deps"] if dep.startswith(("galaxies/", "stages/"))]
    deps = [dep for dep in deps if not dep.startswith("galaxies/pretrained/")]  # no code
    code = [dep for dep in deps if (ROOT / dep).is_dir() or dep.endswith(".py")]
    listed = {file for dep in code for file in files_of(dep)}
    assert {path for path in reached - listed if not cannot_change_an_output(path)} == set()
    in_vain = [dep for dep in code if not files_of(dep) & reached]
    assert in_vain == []


def test_no_setting_has_a_default_or_converts_what_is_written():
    sections = [
        one
        for one in vars(all_settings).values()
        if isinstance(one, type) and issubclass(one, BaseModel) and one is not BaseModel
    ]
    assert len(sections) > 10
    for section in sections:
        assert section.model_config["strict"], section
        assert all(field.is_required() for field in section.model_fields.values()), section


def test_an_init_holds_a_docstring_and_no_stage_reaches_the_version():
    # The package has the version, and the command is what it starts with; no stage runs either.
    doors = {"galaxies", "cli"}
    inits = [path for path in ROOT.glob("galaxies/**/__init__.py") if path.parent.name not in doors]
    assert len(inits) > 10
    for path in inits:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert ast.get_docstring(tree), path
        assert len(tree.body) == 1, path
    for stage in STAGES:
        for path in code_of(stage):
            assert "__version__" not in (ROOT / path).read_text(encoding="utf-8"), path


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
    printed = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True)
    assert printed.strip() == "[]"


def test_the_models_are_the_same_everywhere():
    assert tuple(VARS["models"]) == tuple(MODELS) == tuple(LINES)
    made = {name: artifact["path"] for name, artifact in PIPELINE["artifacts"].items()}
    assert made == {model: f"models/{model}" for model in MODELS}
    scores = {name: artifact["meta"]["scores"] for name, artifact in PIPELINE["artifacts"].items()}
    assert scores == {model: f"metrics/{model}.json" for model in MODELS}
    assert all(artifact["labels"] for artifact in PIPELINE["artifacts"].values())


def test_models_have_their_colour_on_the_page_of_plots():
    drawn = json.loads((ROOT / ".dvc/plots/models.json").read_text(encoding="utf-8"))
    scale = drawn["encoding"]["color"]["scale"]
    colours = dict(zip(scale["domain"], scale["range"], strict=True))
    assert colours == {model: line.color for model, line in LINES.items()}
    counted = json.loads((ROOT / ".dvc/plots/confusion_counts.json").read_text(encoding="utf-8"))
    assert tuple(counted["facet"]["column"]["sort"]) == tuple(MODELS)


def test_metrics_are_a_line_for_each_model():
    """What `dvc metrics show` prints; all else that is measured is a plain output."""
    metrics = [
        path for stage in STAGES.values() for one in stage.get("metrics", []) for path in one
    ]
    assert metrics == [f"metrics/summary/{model}.json" for model in MODELS]


def outputs(stage: str) -> set[str]:
    """Paths that a stage makes."""
    made = [one for kind in ("outs", "metrics", "plots") for one in STAGES[stage].get(kind, [])]
    return {path for one in made for path in ([one] if isinstance(one, str) else one)}


def picture() -> str:
    """The pipeline as Mermaid draws it: what each stage reads from which, without detours."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    reads: dict[str, set[str]] = {}
    for name, stage in STAGES.items():
        deps = [dep.replace("${survey}", params["survey"]) for dep in stage["deps"]]
        reads.setdefault(name.partition("@")[0], set()).update(
            other.partition("@")[0]
            for other in STAGES
            for out in outputs(other)
            for dep in deps
            if f"{out}/".startswith(f"{dep}/") or f"{dep}/".startswith(f"{out}/")
        )
    before: dict[str, set[str]] = {}  # directly or not; stages stand in the order in which they run
    lines = []
    for name, direct in reads.items():
        before[name] = direct.union(*(before[one] for one in direct))
        detours = set().union(*(before[one] for one in direct))
        lines += [f"    {one} --> {name}" for one in reads if one in direct - detours]
    return "\n".join(["flowchart LR", *lines]) + "\n"


def test_the_picture_of_the_pipeline_is_that_of_dvc_yaml():
    page = (ROOT / "docs/get_started.md").read_text(encoding="utf-8")
    (drawn,) = re.findall(r"^```mermaid\n(.*?)^```$", page, re.M | re.S)
    assert drawn == picture()


def test_the_page_comes_after_all_others_and_in_a_fresh_clone():
    page = STAGES["page"]
    assert page["outs"] == ["figures/page.html"]  # not in Git, unlike all other pictures
    for stage in ("evaluate@cnn", "explain", "plot"):
        made = STAGES[stage].get("metrics", []) + STAGES[stage].get("plots", [])
        paths = {path for one in made for path in one}
        assert any(f"{path}/".startswith(f"{dep}/") for path in paths for dep in page["deps"])
