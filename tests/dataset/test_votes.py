"""The reading of all answers."""

from pathlib import Path

import numpy as np
import pytest

from galaxies.base.questions import COLUMNS
from galaxies.dataset.votes import read_answers, read_votes
from galaxies.errors import GalaxiesError
from tests.conftest import HEADER, real_data


def table(folder: Path, text: str) -> Path:
    path = folder / "votes.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_columns_that_a_survey_lacks_and_blank_cells_are_unknown(tmp_path: Path) -> None:
    answers = read_answers(
        table(tmp_path, "Class8.6,GalaxyID,Class6.1,dr7objid\n0.5,9,1,x\n , 3 ,0.25,\n")
    )
    assert answers["galaxy_id"].tolist() == [3, 9]
    assert list(answers.columns) == ["galaxy_id", *COLUMNS]
    assert (answers[list(COLUMNS)].dtypes == np.float32).all()
    np.testing.assert_array_equal(answers["Class8.6"], [np.nan, 0.5])
    np.testing.assert_array_equal(answers["Class6.1"], [0.25, 1.0])
    assert answers["Class1.1"].isna().all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a CSV table"),
        ("GalaxyID\n1\n", "no column of answers such as 'Class1.1'; found 'GalaxyID'"),
        ("Class6.1\n1\n", "no column 'GalaxyID'"),
        ("GalaxyID,Class6.1\n", "no rows"),
        ("GalaxyID,Class12.1\n1,1\n", "no column of answers"),
        ("GalaxyID,Class6.1,Class6.1\n1,1,0\n", "column 'Class6.1' twice"),
        ("GalaxyID,Class6.1\n1,0.5\n1,0.5\n", "line 3: GalaxyID 1 stands twice"),
        ("GalaxyID,Class6.1\nx,0.5\n", "line 2: GalaxyID 'x' is not a whole number"),
        (
            "GalaxyID,Class6.1\n1,0.5\n2,1.5\n3,nan\n",
            "line 3: Class6.1 of GalaxyID 2 is '1.5', not from 0 to 1 .and 1 more",
        ),
        ("GalaxyID,Class11.6\n1,much\n", "line 2: Class11.6 of GalaxyID 1 is 'much'"),
    ],
)
def test_bad_tables_are_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(GalaxiesError, match=message) as refused:
        read_answers(table(tmp_path, text))
    assert "\n" not in str(refused.value)


def test_the_first_question_is_read_as_before(tmp_path: Path) -> None:
    path = table(tmp_path, "GalaxyID,Class1.1,Class1.2,Class1.3,Class7.1\n1,0.5,0.25,0.25,\n")
    votes, answers = read_votes(path), read_answers(path)
    np.testing.assert_array_equal(votes["p_smooth"], answers["Class1.1"])
    np.testing.assert_array_equal(votes["p_artifact"], answers["Class1.3"])


def test_a_blank_first_answer_is_refused_where_it_is_needed(tmp_path: Path) -> None:
    path = table(tmp_path, "GalaxyID,Class1.1,Class1.2,Class1.3\n1,,,\n")
    assert read_answers(path)["Class1.1"].isna().all()
    with pytest.raises(GalaxiesError, match=r"line 2: Class1\.1 of GalaxyID 1 is ''"):
        read_votes(path)


def test_real_tables_are_read() -> None:
    gz2 = read_answers(real_data() / "gz2/training_solutions_rev1.csv")
    assert gz2.shape == (486, 38)
    assert not gz2.isna().any(axis=None)
    mergers = read_answers(real_data() / "mergers/training_solutions_rev1.csv")
    assert (mergers["Class8.6"] == 1).all()
    assert mergers["Class1.1"].isna().all()


def test_votes_are_read_exactly_and_sorted(tmp_path: Path) -> None:
    text = f"{HEADER},Class2.1\n587722952767439451,0.25,0.75,0,1\n587722952767439450,1,0,0,0\n"
    votes = read_votes(table(tmp_path, text))
    assert votes["galaxy_id"].tolist() == [587722952767439450, 587722952767439451]
    assert votes["p_features"].tolist() == [0, 0.75]
    assert votes.dtypes.astype(str).tolist() == ["int64", "float32", "float32", "float32"]
