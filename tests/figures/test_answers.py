"""The pictures of galaxies with their answers."""

import numpy as np
import pandas as pd
import pytest

from galaxies.figures.choosing import choose_answers
from galaxies.figures.galleries import (
    Portrait,
    answers_that_matter,
    draw_answers,
    draw_samples,
    portraits,
)
from galaxies.questions.gz2 import GZ2

IMAGE = np.zeros((16, 16, 3), np.uint8)


def shares(**given: float) -> np.ndarray:
    columns = np.zeros(37)
    for column, share in given.items():
        columns[GZ2.place(column)] = share
    return columns


@pytest.fixture
def answers() -> pd.DataFrame:
    """Galaxies 100 to 139: each answer has one of which it is the strongest."""
    table = np.full((40, 37), 0.1)
    table[np.arange(37), np.arange(37)] = 0.9
    frame = pd.DataFrame(table.astype(np.float32), columns=list(GZ2.names))
    frame.insert(0, "galaxy_id", np.arange(100, 140))
    return frame


def test_each_answer_has_the_galaxy_that_most_gave_it_to(answers: pd.DataFrame) -> None:
    chosen = choose_answers(answers, GZ2)
    assert tuple(chosen) == GZ2.names
    assert list(chosen.values()) == list(range(100, 137))


def test_no_galaxy_stands_for_two_answers_while_there_are_others(answers: pd.DataFrame) -> None:
    answers.loc[3, list(GZ2.names)] = np.float32(1.0)
    assert len(set(choose_answers(answers, GZ2).values())) == 37


def test_a_spoilt_frame_stands_for_artifacts_alone(answers: pd.DataFrame) -> None:
    answers.loc[2, ["odd_disturbed", "edge_on_bulge_rounded"]] = np.float32(1.0)
    chosen = choose_answers(answers, GZ2)
    assert (chosen["star_or_artifact"], chosen["odd_disturbed"]) == (
        102,
        100 + GZ2.place("odd_disturbed"),
    )


def test_few_galaxies_serve_more_than_once(answers: pd.DataFrame) -> None:
    assert set(choose_answers(answers.head(2), GZ2).values()) == {100, 101}


def test_an_answer_that_nobody_gave_or_the_survey_lacks_is_left_out(answers: pd.DataFrame) -> None:
    answers["arms_more"], answers["odd_dust_lane"] = np.float32(0.0), np.float32("nan")
    chosen = choose_answers(answers, GZ2)
    assert len(chosen) == 35
    assert not {"arms_more", "odd_dust_lane"} & set(chosen)


def test_the_answers_that_matter_are_those_worth_saying() -> None:
    barred = shares(features_or_disk=0.9, edge_on_no=0.9, bar_yes=0.8, arms_yes=0.7,
                    winding_tight=0.6, arms_2=0.6, bulge_noticeable=0.5, odd_no=1.0)  # fmt: skip
    assert answers_that_matter(barred, GZ2) == "bar, arms tight, 2 arms, bulge just noticeable"
    merger = shares(smooth=0.9, round_between=0.9, odd_yes=0.8, odd_merger=0.7)
    assert answers_that_matter(merger, GZ2) == "merger, in between"
    assert answers_that_matter(np.full(37, np.nan), GZ2) == ""


def test_portraits_carry_the_answers_where_the_table_has_them(answers: pd.DataFrame) -> None:
    packed = pd.DataFrame({"galaxy_id": answers["galaxy_id"], "row": np.arange(40)})
    images = np.zeros((40, 16, 16, 3), np.uint8)
    votes = answers.assign(p_smooth=0.2, p_features=0.7, p_artifact=0.1)
    with_answers, without = (
        portraits(table, packed, images, campaign)
        for table, campaign in ((votes, GZ2), (votes.drop(columns=list(GZ2.names)), None))
    )  # fmt: skip
    assert with_answers[3].answers is not None
    assert with_answers[3].answers[3] == pytest.approx(0.9)
    assert without[3].answers is None


def test_the_picture_of_the_answers_shows_each_with_its_share(answers: pd.DataFrame) -> None:
    answered = shares(smooth=0.8, features_or_disk=0.2, round_cigar=0.6, round_completely=0.2)
    portrait = Portrait(IMAGE, 1, None, None, answered, GZ2)
    shown = dict.fromkeys(("smooth", "round_cigar", "arms_more"), portrait)
    figure = draw_answers(shown)
    words = [text.get_text() for text in figure.axes[0].texts]
    assert words == ["smooth", "0.80", "cigar-shaped", "0.75", "more than 4", "arms", "nan"]
    assert len(figure.axes[0].images) == 3


def test_samples_say_what_matters_below_the_votes() -> None:
    answered = shares(features_or_disk=0.9, edge_on_yes=0.8, edge_on_bulge_rounded=0.8, odd_no=1.0)
    one = Portrait(IMAGE, 7, (0.1, 0.9, 0.0), None, answered, GZ2)
    figure = draw_samples({"spiral": [one], "elliptical": []})
    words = [text.get_text() for text in figure.axes[0].texts]
    assert "edge-on, bulge rounded" in words
    assert words.index("edge-on, bulge rounded") < words.index("7")
