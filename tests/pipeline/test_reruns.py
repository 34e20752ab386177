"""What reruns after a change of the code, measured with `dvc status`."""

import json
from pathlib import Path

import pytest

from clones import run
from galaxies.bundle.registry import MODELS

pytestmark = pytest.mark.pipeline

EVERY_EVALUATE = {f"evaluate@{model}" for model in MODELS}


def reruns(clone: Path, file: str) -> set[str]:
    """Stages that rerun directly, because of the code, when a file is changed."""
    path = clone / file
    original = path.read_bytes()
    try:
        path.write_bytes(original + b"\n# changed\n")
        changed = json.loads(run(clone, "dvc", "status", "--json"))
    finally:
        path.write_bytes(original)
    code = ("galaxies/", "stages/")
    return {
        stage
        for stage, reasons in changed.items()
        if any(
            dep.startswith(code)
            for reason in reasons
            if isinstance(reason, dict)
            for dep in reason.get("changed deps", {})
        )
    }


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("galaxies/models/tree.py", {"train_tree", "predict@tree"}),
        ("galaxies/models/cnn.py", {"train_cnn"}),
        (
            "galaxies/models/saved_network.py",
            {"train_mlp", "train_cnn", "predict@mlp", "predict@cnn", "explain"},
        ),
        ("galaxies/models/inception/classifier.py", {"train_inception", "predict@inception"}),
        ("galaxies/judgement/kept_promises.py", EVERY_EVALUATE),
        ("galaxies/judgement/scores.py", EVERY_EVALUATE),
        ("galaxies/judgement/vote_scores.py", {"evaluate_answers"}),
        ("galaxies/figures/curves.py", {"plot"}),
        ("galaxies/images/decode.py", {"pack", "features"}),
        ("galaxies/dataset/votes.py", {"split"}),
        ("galaxies/models/likelihood.py", {"train_cnn"}),
        ("galaxies/simulated/population.py", {"simulate"}),
        ("stages/train_mlp.py", {"train_mlp"}),
        ("galaxies/images/fits.py", set()),
        ("galaxies/surveys/merge.py", set()),
        ("galaxies/classifying/job.py", set()),
        ("galaxies/cli/classify.py", set()),
        ("galaxies/errors.py", set()),
        ("galaxies/settings.py", set()),
        ("galaxies/__init__.py", set()),  # with the version
    ],
)
def test_a_changed_file_reruns_what_it_can_change(clone, file, expected):
    assert reruns(clone, file) == expected
