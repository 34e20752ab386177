"""docs/reference/files.md names every column, key and file that the project writes."""

import re
from pathlib import Path

import pandas as pd
import pytest

from galaxies.bundle.description import Description
from galaxies.classifying.classifier import COLUMNS
from galaxies.classifying.provenance import BUNDLE
from galaxies.pages.vote_file import HEADER
from galaxies.questions.layout import Layout
from galaxies.questions.registry import CAMPAIGNS
from galaxies.volunteers.manifest import MANIFEST_COLUMNS
from tests.conftest import ROOT, write_project
from tests.test_project import FILES, text

PAGE = text("docs/reference/files.md")


def section(title: str) -> set[str]:
    """All that a section has in code type."""
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)
    assert found, title
    return set(re.findall(r"`([^`]+)`", found[1]))


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    return write_project(tmp_path_factory.mktemp("project"))


@pytest.mark.parametrize("name", ["images", "split", "votes"])
def test_every_column_of_the_pipelines_tables_is_named(project, name):
    answers = set(Layout(tuple(CAMPAIGNS.values())).columns)
    columns = set(pd.read_parquet(project / f"data/{name}.parquet")) - answers
    assert columns <= section("The pipeline's tables and arrays")


def test_every_key_and_file_of_a_bundle_is_named():
    named = section("A bundle")
    assert set(Description.model_fields) <= named
    files = {path.name for path in (ROOT / "galaxies/pretrained/real").iterdir()}
    assert files <= named


def test_every_column_of_the_table_of_classes_is_named():
    assert {*COLUMNS.names, BUNDLE} <= section("The table of `galaxies classify`")


def test_every_column_of_the_files_for_people_is_named():
    assert {*HEADER, *MANIFEST_COLUMNS} <= section("Files for people")


def test_every_figure_and_metric_is_named():
    made = [
        name for name in FILES if re.match(r"(figures/results|metrics)/[^/]+\.(png|json)$", name)
    ]
    assert len(made) > 15
    models = ("tree", "mlp", "cnn", "inception")
    names = {
        re.sub(rf"(?<=(?:ain|roc|ion)_)({'|'.join(models)})(?=\.(json|png))", "<model>", name)
        for name in made
    }
    named = section("Metrics and figures")
    left = [name for name in names if name not in named and name.rpartition("/")[2] not in named]
    assert set(left) <= {f"metrics/{model}.json" for model in models}
    assert "metrics/<model>.json" in named
