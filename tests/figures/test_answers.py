"""The pictures of galaxies with their answers."""

import numpy as np
import pandas as pd
import pytest

from galaxies.figures.galleries import (
    Portrait,
    answers_that_matter,
    choose_answers,
    draw_answers,
    draw_samples,
    portraits,
)

IMAGE = np.zeros((16, 16, 3), np.uint8)


def shares(**given: float) -> np.ndarray:
    columns = np.zeros(37)
    for column, share in given.items():
        columns[COLUMNS.index(column.replace("_", "."))] = share
    return columns


@pytest.fixture
def answers() -> pd.DataFrame:
    """Galaxies 100 to 139: each answer has one of which it is the strongest."""
    table = np.full((40, 37), 0.1)
    table[np.arange(37), np.arange(37)] = 0.9
    frame = pd.DataFrame(table.astype(np.float32), columns=list(COLUMNS))
    frame.insert(0, "galaxy_id", np.arange(100, 140))
    return frame


def test_each_answer_has_the_galaxy_that_most_gave_it_to(answers: pd.DataFrame) -> None:
    chosen = choose_answers(answers)
    assert tuple(chosen) == COLUMNS
    assert list(chosen.values()) == list(range(100, 137))


def test_no_galaxy_stands_for_two_answers_while_there_are_others(answers: pd.DataFrame) -> None:
    answers.loc[3, list(COLUMNS)] = np.float32(1.0)
    assert len(set(choose_answers(answers).values())) == 37


def test_a_spoilt_frame_stands_for_artifacts_alone(answers: pd.DataFrame) -> None:
    answers.loc[2, ["Class8.3", "Class9.1"]] = np.float32(1.0)
    chosen = choose_answers(answers)
    assert (chosen["Class1.3"], chosen["Class8.3"]) == (102, 100 + COLUMNS.index("Class8.3"))


def test_few_galaxies_serve_more_than_once(answers: pd.DataFrame) -> None:
    assert set(choose_answers(answers.head(2)).values()) == {100, 101}


def test_an_answer_that_nobody_gave_or_the_survey_lacks_is_left_out(answers: pd.DataFrame) -> None:
    answers["Class11.5"], answers["Class8.7"] = np.float32(0.0), np.float32("nan")
    chosen = choose_answers(answers)
    assert len(chosen) == 35
    assert not {"Class11.5", "Class8.7"} & set(chosen)


def test_the_answers_that_matter_are_those_worth_saying() -> None:
    barred = shares(Class1_2=0.9, Class2_2=0.9, Class3_1=0.8, Class4_1=0.7, Class10_1=0.6,
                    Class11_2=0.6, Class5_2=0.5, Class6_2=1.0)  # fmt: skip
    assert answers_that_matter(barred) == "bar, arms tight, 2 arms, bulge just noticeable"
    merger = shares(Class1_1=0.9, Class7_2=0.9, Class6_1=0.8, Class8_6=0.7)
    assert answers_that_matter(merger) == "merger, in between"
    assert answers_that_matter(np.full(37, np.nan)) == ""


def test_portraits_carry_the_answers_where_the_table_has_them(answers: pd.DataFrame) -> None:
    packed = pd.DataFrame({"galaxy_id": answers["galaxy_id"], "row": np.arange(40)})
    images = np.zeros((40, 16, 16, 3), np.uint8)
    votes = answers.assign(p_smooth=0.2, p_features=0.7, p_artifact=0.1)
    with_answers, without = (
        portraits(table, packed, images)
        for table in (votes, votes.drop(columns=list(COLUMNS)))
    )  # fmt: skip
    assert with_answers[3].answers is not None
    assert with_answers[3].answers[3] == pytest.approx(0.9)
    assert without[3].answers is None


def test_the_picture_of_the_answers_shows_each_with_its_share(answers: pd.DataFrame) -> None:
    shown = {column: Portrait(IMAGE, 1, None, None, shares(Class1_1=0.8, Class1_2=0.2, Class7_3=0.6,
                                                           Class7_1=0.2))
             for column in ("Class1.1", "Class7.3", "Class11.5")}  # fmt: skip
    figure = draw_answers(shown)
    words = [text.get_text() for text in figure.axes[0].texts]
    assert words == ["smooth", "0.80", "cigar-shaped", "0.75", "more than 4", "arms", "nan"]
    assert len(figure.axes[0].images) == 3


def test_samples_say_what_matters_below_the_votes() -> None:
    one = Portrait(IMAGE, 7, (0.1, 0.9, 0.0), None, shares(Class1_2=0.9, Class2_1=0.8,
                                                           Class9_1=0.8, Class6_2=1.0))  # fmt: skip
    figure = draw_samples({"spiral": [one], "elliptical": []})
    words = [text.get_text() for text in figure.axes[0].texts]
    assert "edge-on, bulge rounded" in words
    assert words.index("edge-on, bulge rounded") < words.index("7")
