"""Each benchmark runs, for real, on a few dozen galaxies."""

import json
import shutil
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import sync_playwright

from benchmarks import browser as page_in_browser
from benchmarks import (
    challenge,
    classify,
    cutouts,
    evidence,
    explorer,
    familiarity,
    guarantees,
    leave_one_out,
    mutated,
    promises,
    scale,
    training_speed,
)
from browser import build
from galaxies.bundle.pretrained import PRETRAINED
from galaxies.questions.kaggle import KAGGLE
from galaxies.settings import Settings, load_settings
from tests.conftest import ROOT, write_tiny_survey

pytestmark = pytest.mark.slow

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


def small_network() -> Settings:
    """The settings of the project, with a convolutional network that trains in seconds."""
    settings = load_settings()
    small = {"start": None, "filters": [4, 8], "batch": 16}
    recipe = settings.cnn.residual.model_copy(update=small)
    cnn = settings.cnn.model_copy(update={"residual": recipe})
    pack = settings.pack.model_copy(update={"size": 32})
    return settings.model_copy(update={"cnn": cnn, "pack": pack})


def test_leave_one_out(surveys, tmp_path, monkeypatch):
    monkeypatch.setattr(leave_one_out, "load_settings", small_network)
    options = ("--data", surveys, "--only", "gz1b", "--epochs", 1, "--bundles", tmp_path / "kept")
    rows = run(leave_one_out, tmp_path / "rows.json", monkeypatch, *options)
    assert rows["gz1b"]["galaxies"] == 47
    assert (tmp_path / "kept/gz1b/bundle.json").is_file()


def test_promises(surveys, tmp_path, monkeypatch):
    for name in SURVEYS:
        shutil.copytree(PRETRAINED / "real", tmp_path / "others" / name)
    options = ("--data", surveys, "--others", tmp_path / "others", "--draws", 2)
    rows = run(promises, tmp_path / "rows.json", monkeypatch, *options)
    assert len(rows["shares"]) == 2 * len(SURVEYS)
    assert {row["promises"] <= 2 for row in rows["resplits"]} == {True}
    assert rows["audits"]
    assert rows["epochs"]


def test_evidence(surveys, tmp_path, monkeypatch):
    for name in SURVEYS:
        shutil.copytree(PRETRAINED / "real", tmp_path / "others" / name)
    options = ("--data", surveys, "--most", 2, "--others", tmp_path / "others")
    options += ("--figures", tmp_path)
    scores = run(evidence, tmp_path / "rows.json", monkeypatch, *options)
    assert scores["gz1"]["galaxies"] == 2
    assert (tmp_path / "evidence_surveys.png").is_file()


def test_training_speed(tmp_path, monkeypatch):
    monkeypatch.setattr(training_speed, "load_settings", small_network)
    options = ("--galaxies", 32, "--epochs", 1, "--rounds", 1, "--seconds", 0.1)
    report = run(training_speed, tmp_path / "speed.json", monkeypatch, *options)
    assert report["training_galaxies"] == 32
    assert report["images_per_second"][0]["bare step"] > 0


def test_challenge():
    random = np.random.default_rng(1)
    voted = KAGGLE.down_the_tree(random.dirichlet(np.full(37, 0.05), 400))
    voted /= voted[:, :3].sum(axis=1, keepdims=True)
    p = voted[:, 1] / voted[:, :2].sum(axis=1)
    perfect = challenge.scores(voted, p, voted)
    assert perfect["accuracy"] == perfect["roc_auc"] == 1
    assert perfect["rmse"] == 0 < perfect["rmse_of_the_means"]
    assert 0 < perfect["ece_by_chance"] < 0.1
    kinds = challenge.five_kinds(voted, voted)
    assert kinds["accuracy"] > 0.95
    assert challenge.five_kinds(voted, voted[::-1])["accuracy"] < 0.5


@pytest.fixture(scope="module")
def chromium() -> None:
    with sync_playwright() as playwright:
        if not Path(explorer.CHROMIUM or playwright.chromium.executable_path).is_file():
            pytest.skip("no Chromium")


@pytest.mark.usefixtures("chromium")
def test_explorer(surveys, tmp_path, monkeypatch):
    options = ("--survey", surveys / "gz2", "--times", 1, "--explained", 2)
    times = run(explorer, tmp_path / "times.json", monkeypatch, *options)
    assert all(value > 0 for value in times.values())


@pytest.mark.usefixtures("chromium")
def test_browser(surveys, tmp_path, monkeypatch):
    if not build.has_runtime():
        pytest.skip("no ONNX Runtime; npm ci --ignore-scripts --prefix browser")
    (tmp_path / "kaggle").symlink_to(surveys / "gz1b")
    for name in ("gz1", "gz2"):
        (tmp_path / name).symlink_to(surveys / name)
    options = ("--data", tmp_path, "--galaxies", 6)
    measured = run(page_in_browser, tmp_path / "page.json", monkeypatch, *options)
    assert measured["read_alike"]
    assert measured["largest_difference_of_p"] < 0.01


def test_cutouts(tmp_path, monkeypatch):
    monkeypatch.setattr(cutouts, "_TILE", 600)
    monkeypatch.setattr(cutouts, "_SCALE", 1.6)
    options = ("--positions", 120, "--kills", 1)
    measured = run(cutouts, tmp_path / "cutouts.json", monkeypatch, *options)
    assert measured["service"]["requests_all"] == 120
    assert measured["killed"]["identical"]
    assert measured["faults"]["classified_from_a_fault"] == 0
    assert measured["faults"]["faults_that_stay"] == 15
    assert measured["mosaics"]["plain_a_second_and_core"] > 0


def test_scale(surveys, tmp_path, monkeypatch):
    for name, source in (("gz1", "gz1"), ("kaggle", "gz2"), ("challenge_sample", "gz2")):
        (tmp_path / name).symlink_to(surveys / source)
    monkeypatch.setattr(scale, "SCALES", (0.5, 1.0, 2.0))
    options = ("--data", tmp_path, "--most", 24, "--figure", tmp_path / "scale.png")
    groups = run(scale, tmp_path / "scale.json", monkeypatch, *options)
    assert {name: group["galaxies"] for name, group in groups.items()} == {"gz1": 24, "kaggle": 48}
    for group in groups.values():
        assert [row["scale"] for row in group["scales"]] == [0.5, 1.0, 2.0]
        for row in group["scales"]:
            for name in scale.MEASURES:
                low, high = row[f"{name}_interval"]
                assert 0 <= low <= row[name] + 1e-9
                assert row[name] - 1e-9 <= high
    assert (tmp_path / "scale.png").is_file()


def test_a_frame_at_another_scale():
    frame = np.full((424, 424, 3), 10, np.uint8)
    frame[202:222, 202:222] = 250
    sizes = {}
    for factor in (0.5, 1.0, 2.0):
        pixels = np.asarray(scale.at_scale(Image.fromarray(frame), factor))[:, :, 0]
        assert pixels.shape == (424, 424)
        bright = np.argwhere(pixels > 130)
        assert bright.mean(axis=0) == pytest.approx([211.5, 211.5])
        sizes[factor] = len(bright) ** 0.5
    assert sizes == pytest.approx({0.5: 40, 1.0: 20, 2.0: 10}, abs=1)


def test_mutated(tmp_path, monkeypatch):
    images = mutated.good_images()
    monkeypatch.setattr(mutated, "good_images", lambda: {"PNG": images["PNG"]})
    tables = mutated.good_containers()
    monkeypatch.setattr(mutated, "good_containers", lambda: {".zip": tables[".zip"]})
    options = ("--inputs", 60, "--workers", 2)
    kinds = run(mutated, tmp_path / "mutated.json", monkeypatch, *options)["kinds"]
    assert {kind["inputs"] for kind in kinds.values()} == {30}
    assert {kind["exceptions"] for kind in kinds.values()} == {0}


def test_guarantees(tmp_path, monkeypatch):
    report = run(guarantees, tmp_path / "rows.json", monkeypatch, "--trials", 10)
    statements = {row["guarantee"] for row in report["rows"]}
    assert statements >= {"promise", "audit", "audit, all statements", "familiarity"}
    assert "promise after a search, proven apart" in statements
    assert len(report["audit_power"]) == 5


def test_familiarity(surveys, tmp_path, monkeypatch):
    for name in {*familiarity.SURVEYS, *familiarity.OTHERS, *familiarity.CALIBRATED}:
        (tmp_path / name).symlink_to(surveys / "gz1")
    monkeypatch.setattr(familiarity, "SURVEYS", ("gz1", "kaggle"))
    monkeypatch.setattr(familiarity, "OTHERS", dict.fromkeys(familiarity.OTHERS, 6))
    monkeypatch.setattr(familiarity, "SPOILED", 2)
    monkeypatch.setattr(familiarity, "DRAWN", 2)
    monkeypatch.setattr(familiarity, "LABELLED", (12,))
    report = run(familiarity, tmp_path / "rows.json", monkeypatch, "--data", tmp_path)
    assert report["known"] == report["calibration"] == 48
    assert {"challenge", "stars", *familiarity.KINDS} < report["caught"].keys()
    assert {row["rule"] for row in report["surveys"]} == {"replaced", "kept if familiar"}


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
