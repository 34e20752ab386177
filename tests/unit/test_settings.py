import re
import tomllib

import pytest
import yaml

from galaxies import __version__
from galaxies.errors import GalaxiesError
from galaxies.settings import load_settings
from tests.conftest import ROOT

PARAMS = (ROOT / "params.yaml").read_text(encoding="utf-8")


def refusal(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(GalaxiesError) as caught:
        load_settings(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


def changed(key, value):
    """The project's params.yaml with one value replaced; the comment behind it stays."""
    section, _, name = key.rpartition(".")
    start = PARAMS.index(f"\n{section}:") if section else 0
    pattern = rf"^( *){re.escape(name)}: [^#\n]*"
    return PARAMS[:start] + re.sub(
        pattern, rf"\g<1>{name}: {value} ", PARAMS[start:], count=1, flags=re.M
    )


def test_the_projects_own_settings_are_valid_and_frozen():
    settings = load_settings(ROOT / "params.yaml")
    assert settings.split.seed == 123
    with pytest.raises(ValueError, match="frozen"):
        settings.split.seed = 4


def test_every_key_has_a_comment():
    bare = [line for line in PARAMS.splitlines() if ":" in line and "#" not in line]
    assert bare == []


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("mlp.learning_rate", "-1", "mlp.learning_rate: must be greater than 0, got -1"),
        (
            "mlp.learning_rate",
            "1e-3",
            "mlp.learning_rate: must be a valid number, got '1e-3' "
            "(a text to YAML; write 0.001, not 1e-3)",
        ),
        ("mlp.epochs", "2.5", "mlp.epochs: must be a valid integer, got 2.5"),
        ("mlp.epochs", "true", "mlp.epochs: must be a valid integer, got True"),
        ("mlp.momentum", ".nan", "mlp.momentum: must be a finite number, got nan"),
        ("cnn.views", "3", "cnn.views: must be 1 or 8, got 3"),
        ("split.test_share", "1.0", "split.test_share: must be less than 1, got 1.0"),
        ("survey", "../etc", "survey: String must match pattern"),
        ("tree.max_depth", "[]", "tree.max_depth: List must have at least 1 item"),
        ("tree.size", "24", "tree.size: must divide pack.size (64), got 24"),
        ("mlp.size", "20", "mlp.size: must divide pack.size (64), got 20"),
        (
            "cnn.filters",
            "[1,1,1,1,1,1,1]",
            "cnn.reference.filters: 7 layers halve 64 pixels to nothing",
        ),
    ],
)
def test_an_impossible_value_is_refused_by_its_full_name(tmp_path, key, value, expected):
    assert refusal(tmp_path, changed(key, value)).startswith(expected)


def test_unknown_missing_and_repeated_keys_are_refused(tmp_path):
    assert refusal(tmp_path, PARAMS.replace("    dense:", "    dens: 3\n    dense:")) == (
        "cnn.reference.dens: unknown key; remove it or mend its spelling"
    )
    assert refusal(tmp_path, PARAMS.replace("survey: ", "# survey: ")).startswith("survey: missing")
    twice = PARAMS.replace("    dense:", "    dense: 3\n    dense:")
    assert "dense: written twice" in refusal(tmp_path, twice)


@pytest.mark.parametrize("text", ["", "- 1\n", "a: [", "\x00"])
def test_what_is_no_settings_file_is_refused(tmp_path, text):
    assert refusal(tmp_path, text)


def test_an_absent_file_is_refused(tmp_path):
    with pytest.raises(GalaxiesError, match="cannot be read"):
        load_settings(tmp_path / "none.yaml")


def test_both_yaml_versions_read_the_same_numbers():
    ruamel = pytest.importorskip("ruamel.yaml")  # what DVC reads it with
    assert ruamel.YAML(typ="safe").load(PARAMS) == yaml.safe_load(PARAMS)


def test_the_version_is_written_alike_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert __version__ == project["project"]["version"] == citation["version"]
