"""The page on adding a model keeps up with the code that it shows."""

import ast
import importlib
import re

from tests.conftest import ROOT

PAGE = (ROOT / "docs/new_model.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(\S.*?)```", PAGE, re.DOTALL)
NODES = [node for block in BLOCKS for node in ast.walk(ast.parse(block))]


def said_of_the_bundle(nodes):
    (call,) = (
        node
        for node in nodes
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Description"
    )
    return {keyword.arg for keyword in call.keywords}


def test_its_stage_says_of_the_bundle_what_the_trees_does():
    tree = (ROOT / "stages/train_tree.py").read_text(encoding="utf-8")
    assert said_of_the_bundle(NODES) == said_of_the_bundle(ast.walk(ast.parse(tree)))


def test_all_that_it_imports_is_there():
    imports = [
        (node.module, alias.name)
        for node in NODES
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    assert ("galaxies.learning.bundle", "describe") in imports
    own = {"fit_linear", "LinearSettings"}
    missing = [
        f"{module}.{name}"
        for module, name in imports
        if name not in own and not hasattr(importlib.import_module(module), name)
    ]
    assert missing == []
