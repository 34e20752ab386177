"""The command `galaxies`, and what it finds in a survey."""

import os
import subprocess
import sys

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from galaxies import __version__
from galaxies.checking import KAGGLE, Report, check_survey
from galaxies.cli import app
from galaxies.errors import GalaxiesError
from tests.conftest import ROOT, encode, real_data, write_survey, write_tiny_survey


def test_check_says_what_is_in_a_survey(tiny_survey):
    done = CliRunner().invoke(app, ["check", str(tiny_survey)])
    assert done.exit_code == 0
    words = done.output.split()
    assert words[words.index("elliptical") + 1] == "29"
    assert words[words.index("spiral") + 1] == "30"
    assert words[words.index("artifact") + 1] == "1"
    assert "96x96 (60)" in done.output
    assert "not the whole training set" in done.output
    assert "dvc exp run" not in done.output


def test_check_says_how_to_run_on_a_survey_that_lies_where_the_pipeline_looks(
    tmp_path, monkeypatch
):
    write_tiny_survey(tmp_path / "data/mine", galaxies=6)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["check", "data/mine"])
    assert done.output.splitlines()[-1] == ("Run the pipeline on it: dvc exp run -S survey=mine")


def test_check_agrees_with_a_real_survey():
    report = check_survey(real_data() / "gz2")
    assert report.classes == {"elliptical": 365, "spiral": 120, "artifact": 1}
    assert report.frames == {"424x424": 100}
    assert not report.is_kaggle


def test_the_challenges_own_set_is_known_by_its_counts():
    total = sum(KAGGLE.values())
    assert total == 61_578
    assert Report(total, total, total, dict(KAGGLE), {}).is_kaggle
    assert not Report(total, total + 1, total, dict(KAGGLE), {}).is_kaggle


def test_check_refuses_what_the_pipeline_could_not_use(tmp_path):
    pixels = pd.Series(range(12), dtype="uint8").to_numpy().reshape(2, 2, 3)
    survey = write_survey(tmp_path / "apart", {"1.jpg": encode(pixels)}, ["2,1,0,0"])
    with pytest.raises(GalaxiesError, match="no GalaxyID in common"):
        check_survey(survey)
    survey = write_survey(tmp_path / "bad", {"1.jpg": b"text"}, ["1,1,0,0"])
    with pytest.raises(GalaxiesError, match=r"member .1\.jpg. is no JPEG or PNG"):
        check_survey(survey)


def test_version():
    assert CliRunner().invoke(app, ["--version"]).output == f"galaxies {__version__}\n"


COMMANDS = [
    "check",
    "merge",
    "export-folders",
    "classify",
    "export",
    "download kaggle",
    "download gz2",
]


def test_every_command_is_listed_here():
    root = typer.main.get_command(app)
    names = []
    for name, command in root.commands.items():
        inner = getattr(command, "commands", None)
        names += [f"{name} {child}" for child in inner] if inner else [name]
    assert names == COMMANDS


@pytest.mark.parametrize("command", ["", "download", *COMMANDS])
def test_every_help_has_an_example_that_can_be_run(command):
    done = CliRunner().invoke(app, f"{command} --help", env={"COLUMNS": "200"})
    assert done.exit_code == 0
    example = done.output[done.output.index("Example: ") :]
    assert f"galaxies {command}".strip() in example


def test_the_shell_completes_commands():
    script = "import sys; sys.argv[0] = 'galaxies'; from galaxies.cli import main; main()"
    asked = {"_GALAXIES_COMPLETE": "complete_bash", "COMP_CWORD": "2"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | asked | {"COMP_WORDS": "galaxies download "},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["kaggle", "gz2"]


def test_a_mistyped_command_gets_a_suggestion():
    assert "Did you mean 'merge'?" in CliRunner().invoke(app, ["merg"]).output
