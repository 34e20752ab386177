"""Campaigns: their trees of questions, and the sums down the tree."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from galaxies.questions.campaign import (
    Campaign,
    Question,
    ask,
    most_voted,
    numbered,
    spiral_fraction,
)
from galaxies.questions.gz1 import GZ1
from galaxies.questions.gz2 import GZ2
from galaxies.questions.kaggle import KAGGLE
from galaxies.questions.registry import CAMPAIGNS
from tests.conftest import real_data

WEIGHTS = arrays(np.float64, (3, 37), elements=st.floats(0.01, 1.0))
EACH = pytest.mark.parametrize("campaign", CAMPAIGNS.values(), ids=CAMPAIGNS)


def normalised(weights: np.ndarray, campaign: Campaign = GZ2) -> np.ndarray:
    within = np.empty_like(weights)
    for question in campaign.questions:
        part = weights[:, question.places]
        within[:, question.places] = part / part.sum(axis=1, keepdims=True)
    return within


@st.composite
def campaigns(draw: st.DrawFn) -> Campaign:
    """Any tree: each question is asked after some answer to an earlier one, or of everybody."""
    sizes = draw(st.lists(st.integers(2, 5), min_size=1, max_size=6))
    leads_to: dict[str, str] = {}
    after: list[str | None] = [None]
    for number in range(1, len(sizes)):
        free = [
            f"a{earlier}_{place}"
            for earlier in range(number)
            for place in range(sizes[earlier])
            if f"a{earlier}_{place}" not in leads_to
        ]
        asked_after = draw(st.none() | st.sampled_from(free))
        after.append(asked_after)
        if asked_after is not None:
            leads_to[asked_after] = f"q{number}"
    questions = [
        ask(
            f"q{number}",
            f"question {number}?",
            after[number],
            *(
                (f"C{number}.{place}", name, f"answer {number}.{place}", leads_to.get(name))
                for place in range(size)
                for name in [f"a{number}_{place}"]
            ),
        )
        for number, size in enumerate(sizes)
    ]
    order = draw(st.permutations(questions[1:]))
    return Campaign("drawn", "Drawn", "raw", "none", numbered(questions[0], *order))


def weights_for(campaign: Campaign) -> st.SearchStrategy[np.ndarray]:
    shape = (3, len(campaign.answers))
    return arrays(np.float64, shape, elements=st.floats(0.01, 1.0))


def test_galaxy_zoo_2_has_eleven_questions_with_kaggles_37_columns() -> None:
    assert [question.number for question in GZ2.questions] == list(range(1, 12))
    assert [len(question.answers) for question in GZ2.questions] == [
        3, 2, 2, 2, 4, 2, 3, 7, 3, 3, 6,
    ]  # fmt: skip
    assert (GZ2.columns[0], GZ2.columns[-1]) == ("Class1.1", "Class11.6")
    assert len(GZ2.columns) == 37
    assert len({answer.words for answer in (*GZ2.answers, *GZ1.answers)}) == 40
    assert len({answer.name for answer in (*GZ2.answers, *GZ1.answers)}) == 40


@EACH
def test_each_campaign_is_whole(campaign: Campaign) -> None:
    assert len(set(campaign.columns)) == len(campaign.columns)
    assert len(set(campaign.names)) == len(campaign.names)
    assert len(campaign.first.answers) == 3
    assert campaign.first.asked_after is None
    assert campaign.votes
    assert campaign.reference
    questions = {question.name for question in campaign.questions}
    assert len(questions) == len(campaign.questions)
    for number, question in enumerate(campaign.questions, 1):
        assert question.number == number
        assert campaign.names[question.places] == question.names
        assert campaign.columns[question.places] == question.columns
        assert campaign.question(question.name) is question
        assert question.asked_after is None or question.asked_after in campaign.names
        assert {answer.leads_to for answer in question.answers} - {None} <= questions
    assert [campaign.place(name) for name in campaign.names] == list(range(len(campaign.names)))


def test_a_question_that_is_not_asked_is_not_there() -> None:
    with pytest.raises(KeyError, match="bar"):
        GZ1.question("bar")


def test_kaggle_asks_the_questions_of_galaxy_zoo_2_but_is_another_campaign() -> None:
    assert KAGGLE.has_tree_of(GZ2)
    assert GZ2.has_tree_of(KAGGLE)
    assert not GZ1.has_tree_of(GZ2)
    assert KAGGLE != GZ2
    assert len({KAGGLE, GZ2, GZ1}) == 3


def test_the_columns_are_those_of_a_real_table() -> None:
    table = pd.read_csv(real_data() / "gz2/training_solutions_rev1.csv", nrows=1)
    assert tuple(table.columns[1:]) == KAGGLE.columns


@EACH
def test_everybody_who_is_asked_has_given_the_answer_before(campaign: Campaign) -> None:
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(2000):
        answers_given: set[str] = set()
        asked: str | None = campaign.first.name
        while asked is not None:
            question = campaign.question(asked)
            seen.add(asked)
            if question.asked_after is not None:
                assert question.asked_after in answers_given
            answer = question.answers[rng.integers(len(question.answers))]
            answers_given.add(answer.name)
            asked = answer.leads_to
    assert seen == {question.name for question in campaign.questions}


@EACH
def test_each_question_stands_behind_those_that_lead_to_it(campaign: Campaign) -> None:
    stands_behind(campaign)


@given(campaigns())
def test_each_question_of_any_tree_stands_behind_those_that_lead_to_it(campaign: Campaign) -> None:
    stands_behind(campaign)


def stands_behind(campaign: Campaign) -> None:
    place = {question.name: k for k, question in enumerate(campaign.in_order_of_asking)}
    assert sorted(place) == sorted(question.name for question in campaign.questions)
    for question in campaign.questions:
        for answer in question.answers:
            if answer.leads_to is not None:
                assert place[question.name] < place[answer.leads_to]


@given(st.data())
def test_answers_add_up_to_the_share_that_was_asked(data: st.DataObject) -> None:
    campaign = data.draw(st.sampled_from(list(CAMPAIGNS.values())) | campaigns())
    shares = campaign.down_the_tree(normalised(data.draw(weights_for(campaign)), campaign))
    assert campaign.tree_errors(shares).max() < 1e-12
    assert ((shares > 0) & (shares <= 1)).all()


@given(st.data())
def test_the_way_down_the_tree_and_back_changes_nothing(data: st.DataObject) -> None:
    campaign = data.draw(st.sampled_from(list(CAMPAIGNS.values())) | campaigns())
    within = normalised(data.draw(weights_for(campaign)), campaign)
    back = campaign.within_questions(campaign.down_the_tree(within))
    np.testing.assert_allclose(back, within, rtol=1e-9)


@given(st.data())
def test_the_products_are_sums_of_logarithms(data: st.DataObject) -> None:
    campaign = data.draw(st.sampled_from(list(CAMPAIGNS.values())) | campaigns())
    within = normalised(data.draw(weights_for(campaign)), campaign)
    logarithms = np.log(within) @ campaign.answers_behind.T
    np.testing.assert_allclose(np.exp(logarithms), campaign.down_the_tree(within), rtol=1e-9)


@given(WEIGHTS, st.sampled_from(GZ2.names))
def test_more_of_an_answer_is_more_of_all_that_follows_from_it(
    weights: np.ndarray, name: str
) -> None:
    place = GZ2.place(name)
    more = weights.copy()
    more[:, place] *= 2
    before, after = (GZ2.down_the_tree(normalised(shares)) for shares in (weights, more))
    follows = GZ2.answers_behind[:, place]
    assert (after[:, follows] >= before[:, follows] - 1e-15).all()


def test_the_answers_behind_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        GZ2.answers_behind[0, 0] = False


def places(name: str) -> slice:
    return GZ2.question(name).places


def test_where_nobody_came_the_shares_are_zero_and_unknown_within() -> None:
    within = normalised(np.ones((1, 37)))
    within[0, :3] = [1, 0, 0]
    within[0, places("edge_on")] = np.nan
    shares = GZ2.down_the_tree(within)
    assert (shares[0, places("edge_on")] == 0).all()
    assert (shares[0, places("winding")] == 0).all()
    assert np.isnan(GZ2.within_questions(shares)[0, places("arm_number")]).all()


def test_a_question_asked_of_all_and_put_to_nobody_stays_unknown() -> None:
    within = normalised(np.ones((1, 37)))
    within[0, places("odd")] = np.nan
    shares = GZ2.down_the_tree(within)
    assert np.isnan(shares[0, places("odd")]).all()
    assert np.isnan(shares[0, places("odd_feature")]).all()
    assert np.isnan(GZ2.tree_errors(shares)[0, [5, 7]]).all()
    assert not np.isnan(GZ2.tree_errors(shares)[0, :5]).any()


def test_errors_are_found_where_the_columns_break_the_tree() -> None:
    shares = GZ2.down_the_tree(normalised(np.ones((2, 37))))
    shares[1, GZ2.place("edge_on_bulge_rounded")] += 0.02
    np.testing.assert_allclose(GZ2.tree_errors(shares)[1, 8], 0.02)
    assert GZ2.tree_errors(shares)[0].max() < 1e-12


def test_a_real_table_breaks_the_tree_by_up_to_two_hundredths() -> None:
    table = pd.read_csv(real_data() / "gz2/training_solutions_rev1.csv")
    errors = KAGGLE.tree_errors(table[list(KAGGLE.columns)].to_numpy())
    assert errors.max() == pytest.approx(0.022, abs=5e-4)
    assert (errors > 0.001).sum(axis=0).argmax() == 8


def test_the_most_voted_path_follows_the_tree() -> None:
    shares = np.zeros(37)
    for name in (
        "features_or_disk", "edge_on_no", "bar_yes", "arms_yes", "winding_medium", "arms_2",
    ):  # fmt: skip
        shares[GZ2.place(name)] = 0.9
    for name in ("bulge_obvious", "odd_no", "round_completely"):
        shares[GZ2.place(name)] = 0.1
    path = tuple(answer.name for answer in GZ2.most_voted_path(shares))
    assert path == (
        "features_or_disk", "edge_on_no", "bar_yes", "arms_yes", "winding_medium", "arms_2",
        "bulge_obvious", "odd_no",
    )  # fmt: skip
    assert GZ2.most_voted_path(np.full(37, np.nan)) == ()
    assert GZ2.shares_asked(shares)[[0, 5, 1]].tolist() == [1, 1, 0.9]


@given(st.lists(st.integers(2, 6), min_size=1, max_size=8))
def test_numbers_and_places_leave_no_gap(sizes: list[int]) -> None:
    def question(name: str, size: int) -> Question:
        return ask(
            name, name, None, *((f"{name}.{k}", f"{name}_{k}", "", None) for k in range(size))
        )

    questions = numbered(*(question(f"q{k}", size) for k, size in enumerate(sizes)))
    assert [one.number for one in questions] == list(range(1, len(sizes) + 1))
    covered = [place for one in questions for place in range(99)[one.places]]
    assert covered == list(range(sum(sizes)))


@given(arrays(np.float32, (5, 3), elements=st.floats(0, 1, width=32)))
def test_the_most_voted_answer_has_the_most_votes(votes: np.ndarray) -> None:
    places_of_most = most_voted(votes)
    assert (votes[np.arange(5), places_of_most] == votes.max(axis=1)).all()
    for row, place in zip(votes, places_of_most, strict=True):
        assert (row[:place] < row[place]).all()  # the earlier answer in a tie


@given(st.floats(0, 1, width=32), st.floats(2**-10, 1, width=32))
def test_artifacts_are_left_out_of_the_fraction_of_spirals(smooth: float, features: float) -> None:
    fraction = spiral_fraction(np.float32([smooth]), np.float32([features]))
    assert fraction == [pytest.approx(features / (smooth + features), rel=1e-6)]
