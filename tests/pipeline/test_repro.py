"""The whole pipeline on a tiny survey, through DVC, in a clone of its own."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from clones import Surroundings, compare, lock, results, run, set_params
from galaxies.bundle.registry import MODELS
from galaxies.judgement.scores import MAIN_SCORES
from tests.conftest import ROOT, cannot_change_an_output
from tests.pipeline.conftest import TINY

pytestmark = pytest.mark.pipeline

PREDICTS = {f"predict@{model}" for model in MODELS}
EVALUATES = {f"evaluate@{model}" for model in MODELS}
SHOWN = {"plot", "page"}
TRAINS = {f"train_{model}" for model in MODELS}
JUDGES = {*EVALUATES, "evaluate_answers"}
AFTER_CNN = {"predict@cnn", "explain", "evaluate@cnn", "evaluate_answers", *SHOWN}


def stages_run(output: str) -> set[str]:
    words = [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")]
    assert len(words) == len(set(words))
    return set(words)


def downstream(clone: Path, stages: set[str]) -> set[str]:
    """The stages and all that read what they make, from the paths in `dvc.lock`."""
    reached = set(stages)
    while True:
        made = {out["path"] for name in reached for out in lock(clone)[name].get("outs", [])}
        more = {
            name
            for name, stage in lock(clone).items()
            if any(f"{out}/".startswith(f"{dep['path']}/") for dep in stage["deps"] for out in made)
        }
        if more <= reached:
            return reached
        reached |= more


def test_every_output_is_made_and_nothing_is_left_over(clone):
    outputs = {out["path"] for stage in lock(clone).values() for out in stage.get("outs", [])}
    assert [path for path in sorted(outputs) if not (clone / path).exists()] == []
    made = {
        path.relative_to(clone).as_posix()
        for folder in ("data", "models", "metrics", "figures")
        for path in (clone / folder).rglob("*")
        if path.is_file() and path.name not in (".gitignore", "README.md")
    }
    undeclared = {path for path in made if not any(f"{path}/".startswith(f"{o}/") for o in outputs)}
    undeclared = {path for path in undeclared if not path.startswith("data/tiny/")}
    assert undeclared == set()
    assert {path for path in made if Path(path).name.startswith(".")} == set()


def test_nothing_changed_reruns_nothing(clone):
    assert "Data and pipelines are up to date." in run(clone, "dvc", "repro")


def test_the_metrics_fit_a_terminal(clone):
    header, *rows = run(clone, "dvc", "metrics", "show").rstrip().splitlines()
    assert header.split() == ["Path", *MAIN_SCORES]
    assert sorted(row.split()[0] for row in rows) == sorted(
        f"metrics/summary/{model}.json" for model in MODELS
    )
    assert max(map(len, (header, *rows))) <= 80


def test_the_metrics_name_the_weights_and_every_score(clone):
    def measured(name: str) -> dict:
        return json.loads((clone / f"metrics/{name}.json").read_text(encoding="utf-8"))

    assert measured("inception")["model"] == "InceptionV3 (random)"
    for model in MODELS:
        scores = measured(model)
        assert {"accuracy", "roc_auc_low", "ece", "vote_rmse", "f1_spiral"} <= scores.keys()
        assert scores["galaxies"] == 30
        assert measured(f"summary/{model}") == {name: scores[name] for name in MAIN_SCORES}
    counts = measured("split")
    assert counts["train_artifacts_dropped"] + counts["test_artifacts_dropped"] == 1


def test_the_plots_page_holds_every_plot(clone):
    run(clone, "dvc", "plots", "show", "--out", "page")
    page = (clone / "page/index.html").read_text(encoding="utf-8")
    for name in (
        "ROC curves, test galaxies",
        "Reliability",
        "Confusion matrices, test galaxies",
        "Learning curves, one hidden layer",
        "negative log-likelihood of the votes",
    ):
        assert name in page
    for name in ("roc_all", "samples", "cnn_layer_0"):
        assert f"{name}.png" in page
    shutil.rmtree(clone / "page")


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("simulate.faintest", 16.5, {"simulate"}),  # not the survey in use
        (
            "pack.crop",
            0.6,
            {"pack", "split", *TRAINS, *PREDICTS, "explain", *JUDGES, *SHOWN},
        ),
        ("split.seed", 1, {"split", *TRAINS, *PREDICTS, "explain", *JUDGES, *SHOWN}),
        ("tree.max_depth", [3], {"train_tree", "predict@tree", "evaluate@tree", *SHOWN}),
        ("mlp.hidden", 9, {"train_mlp", "predict@mlp", "evaluate@mlp", *SHOWN}),
        ("cnn.residual.epochs", 4, {"train_cnn", *AFTER_CNN}),
        (
            "inception.seed",
            7,
            {
                "backbone",
                "features",
                "train_inception",
                "predict@inception",
                "evaluate@inception",
                *SHOWN,
            },
        ),
        (
            "inception.size",
            96,
            {"features", "train_inception", "predict@inception", "evaluate@inception", *SHOWN},
        ),
        (
            "inception.regularisation",
            [2.0],
            {"train_inception", "predict@inception", "evaluate@inception", *SHOWN},
        ),
        ("evaluate.bootstrap", 101, {*EVALUATES, *SHOWN}),
        ("explain.spiral", 587722952767439457, {"explain", *SHOWN}),
        ("plot.samples", 3, {"plot", "page"}),
    ],
)
def test_a_changed_setting_touches_only_its_branch(clone, key, value, expected):
    original = (clone / "params.yaml").read_text(encoding="utf-8")
    try:
        set_params(clone, {key: value})
        changed = json.loads(run(clone, "dvc", "status", "--json"))
    finally:
        (clone / "params.yaml").write_text(original, encoding="utf-8")
    direct = {
        stage
        for stage, reasons in changed.items()
        if any("params.yaml" in reason.get("changed deps", {}) for reason in reasons)
    }
    assert downstream(clone, direct) == expected


def test_every_stage_repeats_itself_from_its_declared_inputs_alone(clone, tmp_path):
    """The dependencies are complete, and the same bytes come out in other surroundings."""
    within = Surroundings(hash_seed=7, threads=3, processors=1)
    code = [path.relative_to(clone).as_posix() for path in clone.glob("[gs]*/**/*.py")]
    unlisted = [path for path in code if cannot_change_an_output(path)]
    for name, stage in lock(clone).items():
        folder = tmp_path / name
        for path in (*(dep["path"] for dep in stage["deps"]), "params.yaml", *unlisted):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            if (clone / path).is_dir():
                shutil.copytree(clone / path, folder / path, dirs_exist_ok=True)
            else:
                shutil.copy(clone / path, folder / path)
        run(folder, *stage["cmd"].split(), within=within)
        for out in stage.get("outs", []):
            original = clone / out["path"]
            files = original.rglob("*") if original.is_dir() else [original]
            for path in files:
                again = folder / path.relative_to(clone)
                assert again.read_bytes() == path.read_bytes(), f"{name}: {out['path']}"
        shutil.rmtree(folder)


def test_what_differs_between_two_runs_is_named(clone):
    found = results(clone)
    same = compare(found, dict(found))
    assert (same["compared"] == same["identical"]).all()
    assert same["compared"].tolist()[1:] == [
        sum(path.is_file() for path in (clone / folder).rglob("[!.]*"))
        for folder in ("metrics", "figures")
    ]
    changed = found | {"figures/results/samples.png": "other", "pack: data/images.npy": "other"}
    changed.pop("metrics/pack.json")
    assert compare(found, changed)["different"].tolist() == [
        ["pack: data/images.npy"],
        ["metrics/pack.json"],
        ["figures/results/samples.png"],
    ]


def test_a_changed_depth_reruns_the_trees_branch_alone(clone):
    set_params(clone, {"tree.max_depth": [2, 3]})
    output = run(clone, "dvc", "repro")
    # What a rerun leaves as it was stops the change there.
    assert stages_run(output) <= {"train_tree", "predict@tree", "evaluate@tree", *SHOWN}
    assert "train_tree" in stages_run(output)
    changed = run(clone, "dvc", "metrics", "diff").splitlines()
    assert all("metrics/summary/tree.json" in row for row in changed[1:])
    run(clone, "dvc", "plots", "diff", "--out", "page")
    shutil.rmtree(clone / "page")
    set_params(clone, {"tree.max_depth": TINY["tree.max_depth"]})
    assert stages_run(run(clone, "dvc", "repro")) == set()  # all from the run cache


def test_a_run_can_be_taken_back(clone):
    """By the commands of the page on experiments; DVC stages `dvc.lock`."""
    set_params(clone, {"plot.samples": 3})
    run(clone, "dvc", "repro")
    page = (ROOT / "docs/experiments.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^(git restore .*?) +# back to the last commit$", page, re.M)
    run(clone, "bash", "-c", command)
    assert run(clone, "git", "status", "--porcelain") == ""
    assert "up to date" in run(clone, "dvc", "status")


def test_a_bad_survey_ends_in_one_line_and_changes_nothing(clone):
    path = clone / "data/tiny/training_solutions_rev1.csv"
    good, before = path.read_text(encoding="utf-8"), (clone / "data/split.parquet").read_bytes()
    lines = good.splitlines()
    lines[4] = lines[4].replace(",0.", ",7.")
    try:
        path.write_text("\n".join(lines), encoding="utf-8")
        said = run(clone, sys.executable, "-m", "stages.split", status=1)
        assert (clone / "data/split.parquet").read_bytes() == before
        assert said in run(clone, "dvc", "repro", "split", status=255)
    finally:
        path.write_text(good, encoding="utf-8")
    assert said.startswith("error: data/tiny/training_solutions_rev1.csv: line 5: Class1.1 of")
    assert said.count("\n") == 1
    # DVC clears a stage's outputs before it runs; its cache keeps them.
    run(clone, "dvc", "checkout", "data/split.parquet")
    assert (clone / "data/split.parquet").read_bytes() == before
    assert stages_run(run(clone, "dvc", "repro")) == set()


def test_an_absent_survey_says_what_to_do(clone):
    said = run(clone, "dvc", "exp", "run", "-S", "survey=missing", "pack", status=255)
    assert "data/missing" in said
    run(clone, "git", "checkout", "--", "params.yaml")
