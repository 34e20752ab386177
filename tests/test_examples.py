"""Every function and class that a reader may use has an example, and every example runs.

`conftest.py` runs them: each in a folder with a small survey, knowing no name but its module's own.
"""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.test_project import CODE, text

NOT_RUN = {
    "galaxies/surveys/download": "needs the internet",
    "galaxies/pages/serving.py": "serves until it is stopped",
    "galaxies/pages/explore_page.py": "serves until it is stopped",
    "galaxies/pages/label_page.py": "serves until it is stopped",
    "galaxies/classifying/ray_engine.py": "starts a cluster",
    "galaxies/models/inception": "builds InceptionV3, which takes half a minute",
    "galaxies/models/cnn.py::fit": "trains a network",
    "galaxies/models/mlp.py::fit": "trains a network",
    "galaxies/models/networks.py::fit_network": "trains a network",
}
"""Modules and functions that may be without an example, and why."""


def documented(name: str) -> Iterator[tuple[str, str]]:
    """Yield a module's public functions and classes that say what they take, and their docs."""
    for node in ast.parse(text(name)).body:
        if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_"):
            continue
        said = ast.get_docstring(node) or ""
        if re.search(r"^(Parameters|Returns|Yields)\n-", said, re.M):
            if isinstance(node, ast.ClassDef):
                methods = [one for one in node.body if isinstance(one, ast.FunctionDef)]
                said += "".join(ast.get_docstring(one) or "" for one in methods)
            yield node.name, said


def without_example(name: str) -> list[str]:
    """Find the public functions and classes of a module that need an example and have none."""
    lacking = [f"{name}::{thing}" for thing, said in documented(name) if ">>>" not in said]
    return [one for one in lacking if not one.startswith(tuple(NOT_RUN))]


@pytest.mark.parametrize("name", CODE)
def test_everything_with_parameters_has_an_example(name):
    assert without_example(name) == []


def test_only_what_cannot_run_is_skipped():
    skipped = [name for name in CODE if "doctest: +SKIP" in text(name)]
    assert [name for name in skipped if not name.startswith(tuple(NOT_RUN))] == []


def test_every_exception_is_needed():
    named = [
        f"{name}::{thing}" for name in CODE for thing, said in documented(name) if ">>>" not in said
    ]
    assert [one for one in NOT_RUN if not any(thing.startswith(one) for thing in named)] == []
