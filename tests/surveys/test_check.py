"""What `galaxies check` says of the questions."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from galaxies.cli import app
from galaxies.questions.gz1 import GZ1
from galaxies.questions.gz2 import GZ2
from galaxies.questions.kaggle import KAGGLE
from galaxies.surveys.check import Asked, check_survey, say_questions
from tests.conftest import encode, real_data, write_survey

PIXELS = np.zeros((16, 16, 3), np.uint8)


def survey(folder: Path, header: str, *rows: str) -> Path:
    members = {f"{row.partition(',')[0]}.jpg": encode(PIXELS) for row in rows}
    write_survey(folder, members, list(rows))
    path = folder / "training_solutions_rev1.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return folder


def test_a_survey_without_the_first_question_is_described(tmp_path: Path) -> None:
    folder = survey(tmp_path / "odd", "GalaxyID,Class6.1,Class6.2,Class8.6", "1,1,0,1", "2,,,")
    report = check_survey(folder)
    assert report.classes == {}
    assert report.common == 2
    assert [(asked.question.number, asked.answered) for asked in report.questions] == [
        (6, 1),
        (8, 1),
    ]
    done = CliRunner().invoke(app, ["check", str(folder)])
    assert done.exit_code == 0
    assert "answers 2 of its 11 questions" in done.output
    assert "without an answer to the first question" in done.output
    assert "The pipeline can use" not in done.output


def test_columns_that_break_the_tree_are_reported_and_not_refused(tmp_path: Path) -> None:
    header = "GalaxyID,Class1.1,Class1.2,Class1.3,Class2.1,Class2.2"
    folder = survey(tmp_path / "off", header, "1,0.5,0.5,0,0.25,0.25", "2,0.5,0.5,0,0.3,0.25")
    report = check_survey(folder)
    assert report.classes == {"elliptical": 2, "spiral": 0, "artifact": 0}
    assert report.questions[0] == Asked(KAGGLE, KAGGLE.first, 2, 0, 0.0)
    assert report.questions[1].broken == 1
    assert report.questions[1].worst == pytest.approx(0.05, abs=1e-6)
    assert "1 do not add up (by up to 0.050)" in "\n".join(say_questions(report))


def test_a_survey_that_answers_the_first_question_for_some_is_described(tmp_path: Path) -> None:
    header = "GalaxyID,Class1.1,Class1.2,Class1.3,Class6.1,Class6.2"
    folder = survey(tmp_path / "both", header, "1,0.2,0.8,0,,", "2,,,,1,0")
    report = check_survey(folder)
    assert report.classes == {"elliptical": 0, "spiral": 1, "artifact": 0}
    assert [asked.answered for asked in report.questions] == [1, 1]


def test_the_question_of_galaxy_zoo_1_is_described(tmp_path: Path) -> None:
    folder = survey(tmp_path / "gz1", "GalaxyID,Class1.1,Class1.2,Class1.3", "1,1,0,0", "2,0,1,0")
    (folder / "survey.yaml").write_text("campaign: gz1\n")
    report = check_survey(folder)
    assert report.questions == (Asked(GZ1, GZ1.first, 2, 0, 0.0),)
    assert report.classes == {"elliptical": 1, "spiral": 1, "artifact": 0}
    assert say_questions(report)[:2] == [
        "  campaign gz1: Galaxy Zoo 1 (votes raw, one type a galaxy)",
        "  answers its question:",
    ]


def test_each_campaign_of_a_merged_survey_is_described(tmp_path: Path) -> None:
    header = "GalaxyID,Class1.1,Class1.2,Class1.3,Class6.1,Class6.2,Campaign"
    rows = ("1,1,0,0,,,gz2", "2,0,1,0,,,kaggle", "3,0,1,0,.5,.25,kaggle", "4,1,0,0,,,kaggle")
    report = check_survey(survey(tmp_path / "both", header, *rows))
    assert report.campaigns == (KAGGLE, GZ2)
    assert [(one.campaign.name, one.question.name, one.answered) for one in report.questions] == [
        ("kaggle", "smooth", 3), ("kaggle", "odd", 1), ("gz2", "smooth", 1),
    ]  # fmt: skip
    # The classes are those of the first campaign.
    assert report.classes == {"elliptical": 1, "spiral": 2, "artifact": 0}
    said = say_questions(report)
    assert [line.split(":")[0] for line in said if "campaign" in line] == [
        "  campaign kaggle", "  campaign gz2",
    ]  # fmt: skip
    assert "1 do not add up (by up to 0.250)" in said[3]


def test_real_surveys_are_described() -> None:
    gz2 = check_survey(real_data() / "gz2")
    assert len(gz2.questions) == 11
    assert max(gz2.questions, key=lambda asked: asked.broken).question.number == 9
    assert max(asked.worst for asked in gz2.questions) == pytest.approx(0.022, abs=5e-4)
    mergers = check_survey(real_data() / "mergers")
    assert [asked.question.number for asked in mergers.questions] == [6, 8]
    assert mergers.classes == {}
