"""The page on adding a model, followed to the end."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from clones import run
from tests.conftest import ROOT

pytestmark = pytest.mark.pipeline

PAGE = (ROOT / "docs/new_model.md").read_text(encoding="utf-8")
MODULE, LINES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def insert(path: Path, before: str, text: str) -> None:
    content = path.read_text(encoding="utf-8")
    assert content.count(before) == 1, before
    path.write_text(content.replace(before, text + before), encoding="utf-8")


def copied(text: str) -> str:
    return text.replace("decision tree", "logistic regression").replace("tree", "linear")


def write_the_code(clone: Path) -> None:
    """Parts 1 and 2 of the page."""
    (clone / "galaxies/models/linear.py").write_text(MODULE, encoding="utf-8")
    settings, line, colour, section = re.split(r"^# \S+ .*\n", LINES, flags=re.M)[1:]
    settings = settings.strip() + "\n\n\n"
    insert(clone / "galaxies/settings.py", "class TrainingSettings", settings)
    insert(clone / "galaxies/settings.py", "    mlp: MlpSettings\n", "    linear: LinearSettings\n")
    insert(clone / "galaxies/bundle/registry.py", '    "mlp": ', line)
    insert(clone / "galaxies/figures/style.py", '    "mlp": ', colour)
    params = yaml.safe_load((clone / "params.yaml").read_text(encoding="utf-8"))
    params |= yaml.safe_load(section)
    (clone / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")


def write_the_stage(clone: Path) -> None:
    """Part 3 of the page."""
    script = (clone / "stages/train_tree.py").read_text(encoding="utf-8")
    (clone / "stages/train_linear.py").write_text(copied(script), encoding="utf-8")
    path = clone / "dvc.yaml"
    pipeline = path.read_text(encoding="utf-8")
    (stage,) = re.findall(r"^  train_tree:.*?\n\n", pipeline, re.M | re.DOTALL)
    (entry,) = re.findall(r"^      tree: .*\n", pipeline, re.M)
    pipeline = pipeline.replace(stage, stage + copied(stage)).replace(entry, entry + copied(entry))
    start = pipeline.index("\nplots:")
    lines = [
        line + copied(line) if "tree" in line else line
        for line in pipeline[start:].splitlines(keepends=True)
    ]
    path.write_text(pipeline[:start] + "".join(lines), encoding="utf-8")


def test_the_page_is_short():
    assert len(PAGE.splitlines()) <= 90


def test_following_the_page_adds_a_model(clone, tmp_path):
    folder = tmp_path / "project"
    shutil.copytree(clone, folder, symlinks=True)
    write_the_code(folder)
    write_the_stage(folder)
    run(folder, "dvc", "repro")
    scores = json.loads((folder / "metrics/linear.json").read_text(encoding="utf-8"))
    assert scores["model"] == "logistic regression"
    assert scores["roc_auc"] > 0.9
    for name in ("roc_linear", "confusion_linear"):
        assert (folder / f"figures/results/{name}.png").is_file()
    frame = next((folder / "data/tiny").glob("*.zip"))
    command = ("galaxies.cli", "classify", str(frame), "-o", "classes.csv", "--agreement", "0.9")
    run(folder, "python", "-m", *command, "--model", "models/linear")
    assert len((folder / "classes.csv").read_text(encoding="utf-8").splitlines()) == 61
