"""Each benchmark runs, for real, on a few dozen galaxies."""

import json
import shutil
import sys
from argparse import Namespace
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from benchmarks import (
    classify,
    evidence,
    explorer,
    leave_one_out,
    promises,
    sim_to_real,
    training_speed,
)
from galaxies.bundle.pretrained import PRETRAINED
from tests.conftest import ROOT, write_tiny_survey

IN_PROCESS = ["whole_1", "decode", "forward", "read", "write", "efficientnet", "folder_reader"]
"""Measurements of `classify` that here need no process of their own."""


SURVEYS = {"gz1": "gz1", "gz1b": "gz1", "gz2": "gz2"}
"""Names and campaigns."""


@pytest.fixture(scope="module")
def surveys(tmp_path_factory) -> Path:
    """Three small surveys, of two campaigns and different galaxies."""
    folder = tmp_path_factory.mktemp("surveys")
    for seed, (name, campaign) in enumerate(SURVEYS.items(), start=1):
        write_tiny_survey(folder / name, 48, seed=seed)
        (folder / name / "survey.yaml").write_text(f"campaign: {campaign}\n", encoding="utf-8")
    return folder


def run(benchmark, output: Path, monkeypatch, *options: object) -> dict:
    """Run a benchmark as its command does; returns its JSON."""
    command = [benchmark.__name__, *map(str, options), "-o", str(output)]
    monkeypatch.setattr(sys, "argv", command)
    monkeypatch.chdir(ROOT)
    benchmark.main()
    return json.loads(output.read_text(encoding="utf-8"))


def test_leave_one_out(surveys, tmp_path, monkeypatch):
    options = ("--data", surveys, "--only", "gz1b", "--epochs", 1, "--bundles", tmp_path / "kept")
    rows = run(leave_one_out, tmp_path / "rows.json", monkeypatch, *options)
    assert rows["left_out"]["gz1b"]["galaxies"] == 47
    assert (tmp_path / "kept/gz1b/bundle.json").is_file()


def test_promises(surveys, tmp_path, monkeypatch):
    for name in SURVEYS:
        shutil.copytree(PRETRAINED / "real", tmp_path / "others" / name)
    options = ("--data", surveys, "--others", tmp_path / "others", "--draws", 2)
    rows = run(promises, tmp_path / "rows.json", monkeypatch, *options)
    assert len(rows["shares"]) == 2 * len(SURVEYS)
    assert {row["promises"] <= 2 for row in rows["resplits"]} == {True}
    assert rows["audits"]


def test_evidence(surveys, tmp_path, monkeypatch):
    options = ("--data", surveys, "--most", 4)
    scores = run(evidence, tmp_path / "rows.json", monkeypatch, *options)
    assert scores["gz1"]["galaxies"] == 4


def test_sim_to_real(surveys, examples, tmp_path, monkeypatch):
    simulated = examples / "data/simulated"
    shutil.copytree(surveys / "gz1", tmp_path / "real/gz1")
    shutil.copytree(simulated, tmp_path / "real/gz2")  # it answers all questions
    options = ("--simulated", simulated, "--real", tmp_path / "real", "--epochs", 1)
    content = run(sim_to_real, tmp_path / "rows.json", monkeypatch, *options)
    assert set(content["scores"]) == {"simulated, held out", "gz1", "gz2"}
    assert len(content["columns"]) == 37


def test_training_speed(tmp_path, monkeypatch):
    options = ("--galaxies", 32, "--epochs", 1, "--rounds", 1, "--seconds", 0.1)
    report = run(training_speed, tmp_path / "speed.json", monkeypatch, *options)
    assert report["training_galaxies"] == 32
    assert report["images_per_second"][0]["bare step"] > 0


def test_explorer(surveys, tmp_path, monkeypatch):
    with sync_playwright() as playwright:
        if not Path(explorer.CHROMIUM or playwright.chromium.executable_path).is_file():
            pytest.skip("no Chromium")
    options = ("--survey", surveys / "gz2", "--times", 1, "--explained", 2)
    times = run(explorer, tmp_path / "times.json", monkeypatch, *options)
    assert all(value > 0 for value in times.values())


@pytest.fixture(scope="module")
def classifying(surveys, tmp_path_factory) -> Namespace:
    scratch = tmp_path_factory.mktemp("scratch")
    model = classify.scaled_copy(PRETRAINED / "real", scratch / "bundle")
    classify.repeated(surveys / "gz2", scratch / "some.zip", 60)
    return Namespace(model=model, scratch=scratch, few=32)


@pytest.mark.parametrize("name", IN_PROCESS)
def test_a_measurement_of_classify(classifying, name, monkeypatch):
    monkeypatch.setattr(classify, "SHARD", 8)
    measured = classify.measurements(classifying)[name]()
    assert measured
    assert all(value >= 0 for value in measured.values())


def test_classify_in_processes_of_its_own(surveys, monkeypatch, capsys):
    few = [word for name in ("few", "some", "small", "large") for word in (f"--{name}", "24")]
    options = ("--survey", surveys / "gz2", *few, "--rounds", 1, "--only", "side_by_side,small")
    monkeypatch.setattr(sys, "argv", ["classify", *map(str, options)])
    monkeypatch.chdir(ROOT)
    classify.main()
    said = capsys.readouterr().out
    assert "by turns: 8 views / as it was" in said
    assert "memory in MB, small" in said
