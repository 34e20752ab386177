"""The command `galaxies`, and what it finds in a survey."""

import pandas as pd
import pytest
from typer.testing import CliRunner

from galaxies import __version__
from galaxies.checking import KAGGLE, Report, check_survey
from galaxies.cli import app, main
from galaxies.errors import GalaxiesError
from tests.conftest import encode, real_data, write_survey


def test_check_says_what_is_in_a_survey(tiny_survey):
    done = CliRunner().invoke(app, ["check", str(tiny_survey)])
    assert done.exit_code == 0
    words = done.output.split()
    assert words[words.index("elliptical") + 1] == "29"
    assert words[words.index("spiral") + 1] == "30"
    assert words[words.index("artifact") + 1] == "1"
    assert "96x96 (60)" in done.output
    assert "not the whole training set" in done.output


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


def test_a_mistake_ends_in_one_line_and_status_one(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.argv", ["galaxies", "check", str(tmp_path / "none")])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code.startswith(f"error: {tmp_path}/none: no such folder; put")


def test_check_refuses_what_the_pipeline_could_not_use(tmp_path):
    pixels = pd.Series(range(12), dtype="uint8").to_numpy().reshape(2, 2, 3)
    survey = write_survey(tmp_path / "apart", {"1.jpg": encode(pixels)}, ["2,1,0,0"])
    with pytest.raises(GalaxiesError, match="no GalaxyID in common"):
        check_survey(survey)
    survey = write_survey(tmp_path / "bad", {"1.jpg": b"text"}, ["1,1,0,0"])
    with pytest.raises(GalaxiesError, match=r"member .1\.jpg. is no JPEG or PNG"):
        check_survey(survey)


def test_version_and_help_with_an_example():
    assert CliRunner().invoke(app, ["--version"]).output == f"galaxies {__version__}\n"
    assert "galaxies check data/kaggle" in CliRunner().invoke(app, ["check", "--help"]).output
