import pytest
import yaml

from galaxies.settings import load_settings
from tests.conftest import ROOT

PARAMS = (ROOT / "params.yaml").read_text(encoding="utf-8")


def test_the_projects_own_settings_are_valid_and_frozen():
    settings = load_settings(ROOT / "params.yaml")
    assert settings.split.seed == 123
    with pytest.raises(ValueError, match="frozen"):
        settings.split.seed = 4


def test_every_key_has_a_comment():
    bare = [line for line in PARAMS.splitlines() if ":" in line and "#" not in line]
    assert bare == []


def test_both_yaml_versions_read_the_same_numbers():
    ruamel = pytest.importorskip("ruamel.yaml")  # what DVC reads it with
    assert ruamel.YAML(typ="safe").load(PARAMS) == yaml.safe_load(PARAMS)
