"""The tree of Galaxy Zoo 2's questions and its sums."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from galaxies.questions.tree import (
    ANSWERS,
    COLUMNS,
    QUESTIONS,
    answers_behind,
    down_the_tree,
    in_order_of_asking,
    most_said,
    shares_asked,
    tree_errors,
    within_questions,
)
from tests.conftest import real_data

WEIGHTS = arrays(np.float64, (3, 37), elements=st.floats(0.01, 1.0))


def normalised(weights: np.ndarray) -> np.ndarray:
    within = np.empty_like(weights)
    for question in QUESTIONS:
        part = weights[:, question.places]
        within[:, question.places] = part / part.sum(axis=1, keepdims=True)
    return within


def test_there_are_eleven_questions_with_kaggles_37_columns() -> None:
    assert [question.number for question in QUESTIONS] == list(range(1, 12))
    assert [len(question.answers) for question in QUESTIONS] == [3, 2, 2, 2, 4, 2, 3, 7, 3, 3, 6]
    assert (COLUMNS[0], COLUMNS[-1], len(set(COLUMNS))) == ("Class1.1", "Class11.6", 37)
    assert len({answer.words for answer in ANSWERS.values()}) == 40
    assert len({answer.name for answer in ANSWERS.values()}) == 40
    assert all(COLUMNS[question.places] == question.columns for question in QUESTIONS)


def test_the_columns_are_those_of_a_real_table() -> None:
    table = pd.read_csv(real_data() / "gz2/training_solutions_rev1.csv", nrows=1)
    assert tuple(table.columns[1:]) == COLUMNS


def test_everybody_who_is_asked_has_given_the_answer_before() -> None:
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(2000):
        given_answers: set[str] = set()
        number: int | None = 1
        while number is not None:
            question = QUESTIONS[number - 1]
            seen.add(number)
            if question.asked_after is not None:
                assert question.asked_after in given_answers
            answer = question.answers[rng.integers(len(question.answers))]
            given_answers.add(answer.column)
            number = answer.leads_to
    assert seen == set(range(1, 12))


def test_each_question_stands_behind_those_that_lead_to_it() -> None:
    place = {question.number: k for k, question in enumerate(in_order_of_asking())}
    assert sorted(place) == list(range(1, 12))
    for question in QUESTIONS:
        for answer in question.answers:
            if answer.leads_to is not None:
                assert place[question.number] < place[answer.leads_to]


@given(WEIGHTS)
def test_answers_add_up_to_the_share_that_was_asked(weights: np.ndarray) -> None:
    columns = down_the_tree(normalised(weights))
    assert tree_errors(columns).max() < 1e-12
    assert ((columns > 0) & (columns <= 1)).all()


@given(WEIGHTS)
def test_the_way_down_the_tree_and_back_changes_nothing(weights: np.ndarray) -> None:
    within = normalised(weights)
    np.testing.assert_allclose(within_questions(down_the_tree(within)), within, rtol=1e-9)


@given(WEIGHTS)
def test_the_products_are_sums_of_logarithms(weights: np.ndarray) -> None:
    within = normalised(weights)
    logarithms = np.log(within) @ answers_behind().T
    np.testing.assert_allclose(np.exp(logarithms), down_the_tree(within), rtol=1e-9)


@given(WEIGHTS, st.sampled_from(COLUMNS))
def test_more_of_an_answer_is_more_of_all_that_follows_from_it(
    weights: np.ndarray, column: str
) -> None:
    place = COLUMNS.index(column)
    more = weights.copy()
    more[:, place] *= 2
    before, after = (down_the_tree(normalised(shares)) for shares in (weights, more))
    follows = answers_behind()[:, place]
    assert (after[:, follows] >= before[:, follows] - 1e-15).all()


def test_where_nobody_came_the_shares_are_zero_and_unknown_within() -> None:
    within = normalised(np.ones((1, 37)))
    within[0, :3] = [1, 0, 0]
    within[0, QUESTIONS[1].places] = np.nan
    columns = down_the_tree(within)
    assert (columns[0, QUESTIONS[1].places] == 0).all()
    assert (columns[0, QUESTIONS[9].places] == 0).all()
    assert np.isnan(within_questions(columns)[0, QUESTIONS[10].places]).all()


def test_a_question_asked_of_all_and_put_to_nobody_stays_unknown() -> None:
    within = normalised(np.ones((1, 37)))
    within[0, QUESTIONS[5].places] = np.nan
    columns = down_the_tree(within)
    assert np.isnan(columns[0, QUESTIONS[5].places]).all()
    assert np.isnan(columns[0, QUESTIONS[7].places]).all()
    assert np.isnan(tree_errors(columns)[0, [5, 7]]).all()
    assert not np.isnan(tree_errors(columns)[0, :5]).any()


def test_errors_are_found_where_the_columns_break_the_tree() -> None:
    columns = down_the_tree(normalised(np.ones((2, 37))))
    columns[1, COLUMNS.index("Class9.1")] += 0.02
    np.testing.assert_allclose(tree_errors(columns)[1, 8], 0.02)
    assert tree_errors(columns)[0].max() < 1e-12


def test_a_real_table_breaks_the_tree_by_up_to_two_hundredths() -> None:
    table = pd.read_csv(real_data() / "gz2/training_solutions_rev1.csv")
    errors = tree_errors(table[list(COLUMNS)].to_numpy())
    assert errors.max() == pytest.approx(0.022, abs=5e-4)
    assert (errors > 0.001).sum(axis=0).argmax() == 8


def test_what_most_said_follows_the_tree() -> None:
    columns = np.zeros(37)
    for column in ("Class1.2", "Class2.2", "Class3.1", "Class4.1", "Class10.2", "Class11.2"):
        columns[COLUMNS.index(column)] = 0.9
    for column in ("Class5.3", "Class6.2", "Class7.1"):
        columns[COLUMNS.index(column)] = 0.1
    said = most_said(columns)
    assert "Class7.1" not in said
    assert said == (
        "Class1.2", "Class2.2", "Class3.1", "Class4.1", "Class10.2", "Class11.2", "Class5.3",
        "Class6.2",
    )  # fmt: skip
    assert most_said(np.full(37, np.nan)) == ()
    assert shares_asked(columns)[[0, 5, 1]].tolist() == [1, 1, 0.9]
