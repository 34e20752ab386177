"""The benchmarks that run the pipeline in clones."""

import json
import shutil
import sys

import numpy as np
import pandas as pd
import pytest

from benchmarks import challenge, full_size, real, repeat
from galaxies.questions.kaggle import KAGGLE
from galaxies.questions.kinds import CLEAR, kinds
from galaxies.questions.layout import Layout
from tests.conftest import ROOT
from tests.pipeline.conftest import TINY

pytestmark = pytest.mark.pipeline


@pytest.fixture(autouse=True)
def _in_the_project(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_real_collects_finished_runs(clone, tmp_path, monkeypatch):
    for survey in real.SURVEYS:
        for folder in ("metrics", "figures"):
            shutil.copytree(clone / folder, tmp_path / survey / folder)
    output = tmp_path / "real.json"
    options = ["--from", str(tmp_path), "--figures", str(tmp_path), "-o", str(output)]
    monkeypatch.setattr(sys, "argv", ["real", *options])
    real.main()
    scores = json.loads(output.read_text(encoding="utf-8"))
    assert scores["gz2"]["cnn"]["galaxies"] == 30
    assert (tmp_path / "gz1_triage.png").is_file()


def test_repeat_compares_two_runs(tiny_survey, tmp_path, monkeypatch):
    output = tmp_path / "repeat.json"
    settings = [f"{key}={json.dumps(value)}" for key, value in TINY.items()]
    options = ["--survey", str(tiny_survey), "--stages", "split", "-o", str(output)]
    monkeypatch.setattr(sys, "argv", ["repeat", *options, "--set", *settings])
    with pytest.raises(SystemExit, match="0"):
        repeat.main()
    rows = json.loads(output.read_text(encoding="utf-8"))["results"]
    assert rows[0]["compared"] > 10
    assert rows[0]["different"] == []


def test_full_size_makes_a_survey_and_measures_stages(tiny_survey, tmp_path, monkeypatch):
    output = tmp_path / "full.json"
    options = ["--real", str(tiny_survey), "--galaxies", "130", "--stages", "pack", "split"]
    monkeypatch.setattr(sys, "argv", ["full_size", *options, "-o", str(output)])
    full_size.main()
    report = json.loads(output.read_text(encoding="utf-8"))
    assert [stage["stage"] for stage in report["stages"]] == ["pack", "split"]
    assert report["galaxies"] == 130


def test_challenge_scores_a_finished_clone(clone, tiny_survey, tmp_path, monkeypatch):
    """The tiny survey with answers to all questions stands in for Kaggle's challenge."""
    done, sample = tmp_path / "clone", tmp_path / "data" / challenge.SAMPLE
    for folder in ("metrics", "models", "data/predictions"):
        shutil.copytree(clone / folder, done / folder)
    shutil.copytree(tiny_survey, sample)
    galaxies = pd.read_csv(sample / "training_solutions_rev1.csv")["GalaxyID"]
    random = np.random.default_rng(1)
    answers = KAGGLE.down_the_tree(random.dirichlet(np.full(37, 0.05), 400 * len(galaxies)))
    answers /= answers[:, :3].sum(axis=1, keepdims=True)
    clear = answers[kinds(answers) < len(CLEAR)].clip(0, 1)[: len(galaxies)]
    voted = pd.DataFrame(clear, index=galaxies, columns=KAGGLE.columns)
    voted.to_csv(sample / "training_solutions_rev1.csv")
    voted.columns = list(Layout((KAGGLE,)).columns)
    voted.rename_axis("galaxy_id").reset_index().to_parquet(done / "data/votes.parquet")
    output = tmp_path / "challenge.json"
    options = ["--data", str(tmp_path / "data"), "--from", str(done), "-o", str(output)]
    monkeypatch.setattr(sys, "argv", ["challenge", *options])
    challenge.main()
    models = json.loads(output.read_text(encoding="utf-8"))["models"]
    assert models.keys() == set(challenge.MODELS)
    assert models["cnn"]["sample"]["galaxies"] > 30
    assert "accuracy" in models["cnn"]["five_kinds"]
