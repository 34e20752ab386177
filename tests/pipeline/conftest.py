"""The whole pipeline, run once on the tiny survey."""

from pathlib import Path

import pytest

from clones import make_clone, run

TINY = {
    "simulate.galaxies": 30,
    "pack.size": 32,
    "tree.size": 8,
    "tree.max_depth": [1, 2],
    "tree.pruning": [0.0],
    "mlp.size": 16,
    "mlp.epochs": 3,
    "cnn.residual.filters": [4, 8],
    "cnn.residual.start": None,
    "cnn.residual.epochs": 3,
    "cnn.residual.batch": 10,
    "inception.weights": "random",
    "inception.size": 75,
    "inception.regularisation": [0.1, 1.0],
    "evaluate.bootstrap": 100,
    "plot.samples": 2,
    "plot.mistakes": 2,
}


@pytest.fixture(scope="session")
def clone(tmp_path_factory, tiny_survey) -> Path:
    folder = make_clone(tmp_path_factory.mktemp("clone") / "one", TINY, tiny_survey)
    run(folder, "dvc", "repro")
    run(folder, "git", "add", "--all")
    run(folder, "git", "commit", "--quiet", "--message", "results")
    return folder
