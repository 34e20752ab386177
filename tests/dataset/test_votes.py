"""The reading of all answers."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from galaxies.dataset.layout import ABOUT, COUNTS, VOTES
from galaxies.dataset.votes import (
    campaign_of,
    first_votes,
    read_answers,
    read_survey_votes,
    read_votes,
)
from galaxies.errors import GalaxiesError
from galaxies.questions.gz1 import GZ1
from galaxies.questions.gz2 import GZ2
from galaxies.questions.kaggle import KAGGLE
from galaxies.questions.layout import Layout
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
    columns = [f"kaggle.{name}" for name in KAGGLE.names]
    assert list(answers.columns) == ["galaxy_id", *columns]
    assert (answers[columns].dtypes == np.float32).all()
    np.testing.assert_array_equal(answers["kaggle.odd_merger"], [np.nan, 0.5])
    np.testing.assert_array_equal(answers["kaggle.odd_yes"], [0.25, 1.0])
    assert answers["kaggle.smooth"].isna().all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a CSV table"),
        ("GalaxyID\n1\n", "no column of answers of kaggle, such as 'Class1.1'; found 'GalaxyID'"),
        ("Class6.1\n1\n", "no column 'GalaxyID'"),
        ("GalaxyID,Class6.1\n", "no rows"),
        ("GalaxyID,Class12.1\n1,1\n", "no column of answers"),
        ("GalaxyID,Class6.1,Class6.1\n1,1,0\n", "column 'Class6.1' twice"),
        ("GalaxyID,Class6.1\n1,0.5\n1,0.5\n", "line 3: GalaxyID 1 occurs twice"),
        ("GalaxyID,Class6.1\nx,0.5\n", "line 2: GalaxyID 'x' is not a whole number"),
        (
            "GalaxyID,Class6.1\n1,0.5\n2,1.5\n3,nan\n",
            "line 3: Class6.1 of GalaxyID 2 is '1.5', not between 0 and 1 .and 1 more",
        ),
        (
            "GalaxyID,Class6.1,Class6.2\n1,0.5,0.5\n\n2,0.5",
            "line 4: has 2 of 3 fields; the file is cut off or damaged",
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
    np.testing.assert_array_equal(votes["p_smooth"], answers["kaggle.smooth"])
    np.testing.assert_array_equal(votes["p_artifact"], answers["kaggle.star_or_artifact"])


def test_galaxies_without_a_first_answer_have_no_votes(tmp_path: Path) -> None:
    path = table(tmp_path, f"{HEADER}\n1,, ,\n2,1,0,0\n")
    assert read_answers(path)["kaggle.smooth"].isna().tolist() == [True, False]
    assert read_votes(path)["galaxy_id"].tolist() == [2]


def test_a_first_question_answered_in_part_or_for_no_galaxy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GalaxiesError, match=r"line 3: Class1\.1 of GalaxyID 1 is ''"):
        read_votes(table(tmp_path, f"{HEADER}\n2,1,0,0\n1,,1,0\n"))
    with pytest.raises(GalaxiesError, match=r"votes\.csv: no galaxy has an answer to the first"):
        read_votes(table(tmp_path, f"{HEADER}\n1,,,\n"))


def gz1(folder: Path, text: str) -> Path:
    (folder / ABOUT).write_text("campaign: gz1\n")
    (folder / VOTES).write_text(text)
    return folder


def test_the_answers_of_galaxy_zoo_1_have_columns_of_their_own(tmp_path: Path) -> None:
    folder = gz1(tmp_path, f"{HEADER},Class6.1\n1,0.5,0.25,0.25,1\n")
    answers = read_answers(folder / VOTES)
    # Galaxy Zoo 1 did not ask for anything odd.
    assert list(answers.columns) == ["galaxy_id", *(f"gz1.{name}" for name in GZ1.names)]
    assert answers.iloc[:, 1:].to_numpy().tolist() == [[0.5, 0.25, 0.25]]
    assert campaign_of(answers) == GZ1
    assert read_votes(folder / VOTES)["p_features"].tolist() == [0.25]


def test_a_survey_merged_by_the_first_version_is_refused(tmp_path: Path) -> None:
    path = table(tmp_path, f"{HEADER},Type1.1,Type1.2,Type1.3\n1,,,,1,0,0\n")
    for read in (read_answers, read_votes):
        with pytest.raises(GalaxiesError, match=r"column 'Type1\.1' is of .*; merge the surveys"):
            read(path)


def test_each_row_of_a_merged_survey_is_of_its_campaign(tmp_path: Path) -> None:
    text = f"{HEADER},Campaign\n1,1,0,0,gz1\n2,0.25,0.75,0,gz2\n3,0.5,0.5,0, \n"
    path = table(tmp_path, text)
    answers = read_answers(path).set_index("galaxy_id")
    layout = Layout((KAGGLE, GZ2, GZ1))
    assert list(answers.columns) == list(layout.columns)
    given = {
        (number, column): share
        for number, row in answers.to_dict("index").items()
        for column, share in row.items()
        if share > 0
    }
    assert given == {
        (1, "gz1.type_elliptical"): 1,
        (2, "gz2.smooth"): 0.25, (2, "gz2.features_or_disk"): 0.75,
        (3, "kaggle.smooth"): 0.5, (3, "kaggle.features_or_disk"): 0.5,
    }  # fmt: skip
    # The first campaign with classes, or the one that is asked for.
    assert read_votes(path)["galaxy_id"].tolist() == [3]
    assert read_votes(path, GZ2)["galaxy_id"].tolist() == [2]
    assert read_votes(path, GZ1)["galaxy_id"].tolist() == [1]


def test_a_blank_campaign_is_that_of_the_survey(tmp_path: Path) -> None:
    folder = gz1(tmp_path, f"{HEADER},Campaign\n1,1,0,0,\n2,0,1,0,gz2\n")
    answers = read_answers(folder / VOTES)
    assert answers["gz1.type_elliptical"].notna().tolist() == [True, False]
    assert answers["gz2.smooth"].notna().tolist() == [False, True]


def test_an_unknown_campaign_is_refused(tmp_path: Path) -> None:
    path = table(tmp_path, f"{HEADER},Campaign\n1,1,0,0,gz1\n2,1,0,0,gz9\n3,1,0,0,x\n")
    for read in (read_answers, read_votes):
        with pytest.raises(
            GalaxiesError, match=r"line 3: Campaign 'gz9' must be kaggle or .* \(and 1 more such"
        ):
            read(path)


def test_a_campaign_without_votes_on_its_first_question_defines_no_class(tmp_path: Path) -> None:
    path = table(tmp_path, f"{HEADER},Class6.1,Campaign\n1,,,,1,kaggle\n2,1,0,0,,gz2\n")
    assert campaign_of(read_answers(path)) == GZ2
    assert read_votes(path)["galaxy_id"].tolist() == [2]


def test_hard_votes_are_told_from_counted_ones_by_the_questions_answered(tmp_path: Path) -> None:
    # The second and third answer another question, and agree on all.
    text = f"{HEADER},Class6.1,Class6.2\n1,0.5,0.5,0,,\n2,,,,1,0\n3,,,,0,1\n4,1,0,0,,\n"
    (tmp_path / VOTES).write_text(text)
    votes = read_survey_votes(tmp_path, 45)
    assert votes["volunteers"].tolist() == [45, 0, 0, 45]
    assert campaign_of(votes) == KAGGLE
    counts = pd.DataFrame({"galaxy_id": [4, 2], "Class1.1": [30, 0], "Class1.2": [2, 7]})
    counts["Class1.3"] = np.int32(1)
    counts.to_parquet(tmp_path / COUNTS)
    assert read_survey_votes(tmp_path, 45)["volunteers"].tolist() == [45, 8, 0, 33]


@pytest.mark.parametrize("content", [b"no table", b""])
def test_damaged_counts_are_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / VOTES).write_text(f"{HEADER}\n1,1,0,0\n")
    (tmp_path / COUNTS).write_bytes(content)
    with pytest.raises(GalaxiesError, match=r"answers\.parquet: ") as refused:
        read_survey_votes(tmp_path, 45)
    assert "\n" not in str(refused.value)


def test_counts_of_other_questions_alone_tell_no_number_of_volunteers(tmp_path: Path) -> None:
    (tmp_path / VOTES).write_text(f"{HEADER}\n1,0.5,0.5,0\n")
    pd.DataFrame({"galaxy_id": [1], "Class6.1": [9]}).to_parquet(tmp_path / COUNTS)
    with pytest.raises(GalaxiesError, match=r"answers\.parquet: .*Class1\.1"):
        read_survey_votes(tmp_path, 45)


def test_galaxies_chosen_by_their_class_are_without_one(tmp_path: Path) -> None:
    chosen = "".join(f"{number},0,1,0,\n" for number in range(1, 21))
    (tmp_path / VOTES).write_text(f"{HEADER},Class6.1\n{chosen}50,0.2,0.8,0,0\n51,,,,1\n")
    votes = read_survey_votes(tmp_path, 45)
    first = first_votes(votes, read_votes(tmp_path / VOTES)).set_index("galaxy_id")
    assert len(first) == len(votes) == 22
    assert first["p_smooth"].notna().to_numpy().nonzero()[0].tolist() == [20]


def test_real_tables_are_read() -> None:
    gz2 = read_answers(real_data() / "gz2/training_solutions_rev1.csv")
    assert gz2.shape == (486, 38)
    assert not gz2.isna().any(axis=None)
    mergers = read_answers(real_data() / "mergers/training_solutions_rev1.csv")
    assert (mergers["kaggle.odd_merger"] == 1).all()
    assert mergers["kaggle.smooth"].isna().all()


def test_votes_are_read_exactly_and_sorted(tmp_path: Path) -> None:
    text = f"{HEADER},Class2.1\n587722952767439451,0.25,0.75,0,1\n587722952767439450,1,0,0,0\n"
    votes = read_votes(table(tmp_path, text))
    assert votes["galaxy_id"].tolist() == [587722952767439450, 587722952767439451]
    assert votes["p_features"].tolist() == [0, 0.75]
    assert votes.dtypes.astype(str).tolist() == ["int64", "float32", "float32", "float32"]


@pytest.mark.parametrize("read", [read_votes, read_answers])
@pytest.mark.parametrize(
    ("row", "total"),
    [("0.01,0,0", "0.01"), ("0.8,0.8,0.8", "2.4"), ("0.2,0.2,0", "0.4"), ("1,0.2,0", "1.2")],
)
def test_fractions_that_are_none_of_all_volunteers_are_refused(tmp_path, read, row, total):
    path = table(tmp_path, f"{HEADER}\n1,0.5,0.5,0\n2,{row}\n")
    said = rf"line 3: the votes of GalaxyID 2 on the first question .* sum to {total}, not to 1"
    with pytest.raises(GalaxiesError, match=said):
        read(path)


@pytest.mark.parametrize("row", ["0.4,0.35,0", "0.3333,0.3333,0.3333", "0.55,0.5,0.01"])
def test_rounded_corrected_and_incomplete_fractions_are_read(tmp_path, row):
    assert len(read_votes(table(tmp_path, f"{HEADER}\n1,{row}\n"))) == 1


def test_the_sums_of_every_campaign_are_checked(tmp_path):
    rows = "1,0.5,0.5,0,kaggle\n2,0.8,0.8,0.8,gz2\n"
    with pytest.raises(GalaxiesError, match=r"line 3: the votes of GalaxyID 2 .* sum to 2\.4"):
        read_answers(table(tmp_path, f"{HEADER},Campaign\n{rows}"))


def counted(folder: Path, votes: str, ids: list[int] | None) -> dict[int, float]:
    """Volunteers by GalaxyID, of a survey with counts of some galaxies."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / VOTES).write_text(votes, encoding="utf-8")
    if ids:
        rows = [{"galaxy_id": one, "Class1.1": 7, "Class1.2": 3, "Class1.3": 0} for one in ids]
        pd.DataFrame(rows).to_parquet(folder / COUNTS)
    read = read_survey_votes(folder, 45)
    return dict(zip(read["galaxy_id"], read["volunteers"], strict=True))


def test_hard_votes_stay_hard_among_counted_ones_on_the_same_questions(tmp_path):
    soft, hard = "1,0.7,0.3,0,mine\n2,1,0,0,mine\n", "3,1,0,0,labels\n4,0,1,0,labels\n"
    merged = f"{HEADER},Survey\n{soft}{hard}"
    assert counted(tmp_path / "without", merged, None) == {1: 45, 2: 45, 3: 0, 4: 0}
    assert counted(tmp_path / "with", merged, [1, 2]) == {1: 10, 2: 10, 3: 0, 4: 0}
    # Rows that were added by hand, without a name of their survey.
    added = f"{HEADER}\n1,0.7,0.3,0\n2,1,0,0\n3,1,0,0\n5,0.5,0.5,0\n"
    assert counted(tmp_path / "added", added, [1, 2]) == {1: 10, 2: 10, 3: 0, 5: 45}
