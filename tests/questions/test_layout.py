"""Places of the answers of campaigns in outputs and tables."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from galaxies.questions.campaign import Campaign
from galaxies.questions.gz1 import GZ1
from galaxies.questions.gz2 import GZ2
from galaxies.questions.kaggle import KAGGLE
from galaxies.questions.layout import Layout, layout_of
from galaxies.questions.registry import CAMPAIGNS
from tests.questions.test_campaign import campaigns

ORDERS = [order for count in (1, 2, 3) for order in permutations(CAMPAIGNS.values(), count)]
LAYOUTS = st.sampled_from([Layout(order) for order in ORDERS]) | st.builds(
    lambda drawn, order: Layout((*order, drawn)), campaigns(), st.sampled_from(ORDERS)
)


@given(LAYOUTS)
def test_every_output_has_one_place(layout: Layout) -> None:
    each = range(layout.outputs)
    answers = [place for one in layout.campaigns for place in each[layout.places(one)]]
    numbers = [p for one in layout.campaigns for p in each[layout.concentration_places(one)]]
    assert answers == list(range(layout.answers))
    assert numbers == list(range(layout.answers, layout.outputs))
    assert (
        len(layout.columns) == layout.answers == sum(len(one.answers) for one in layout.campaigns)
    )
    assert len(layout.concentrations) == len(layout.questions) == layout.outputs - layout.answers
    names = layout.columns + layout.concentrations
    assert len(set(names)) == len(names)


@given(LAYOUTS)
def test_the_places_of_a_question_are_those_of_its_answers(layout: Layout) -> None:
    for (campaign, question), places in zip(layout.questions, layout.question_places, strict=True):
        assert layout.columns[places] == tuple(f"{campaign.name}.{name}" for name in question.names)
        mine = layout.columns[layout.places(campaign)]
        assert mine[question.places] == layout.columns[places]
    for row, places in zip(layout.asks, layout.question_places, strict=True):
        assert row[places].tolist() == [1] * (places.stop - places.start)
    assert layout.asks.sum(axis=0).tolist() == [1] * layout.answers


@given(LAYOUTS)
def test_the_class_is_in_the_first_question_of_each_campaign(layout: Layout) -> None:
    for campaign in layout.campaigns:
        classes = layout.class_places(campaign)
        elliptical, spiral, _ = (
            campaign.first.names
            if len(campaign.first.names) == 3
            else (*campaign.first.names[:2], None)
        )
        assert layout.columns[classes.elliptical] == f"{campaign.name}.{elliptical}"
        assert layout.columns[classes.spiral] == f"{campaign.name}.{spiral}"
        assert (
            layout.concentrations[classes.concentration - layout.answers]
            == f"{campaign.name}.{campaign.first.name}.concentration"
        )


def test_a_campaign_that_is_not_in_it_has_no_places() -> None:
    with pytest.raises(KeyError, match="gz1"):
        Layout((KAGGLE, GZ2)).places(GZ1)


@given(st.sampled_from(ORDERS))
def test_the_layout_of_a_table_is_found_from_its_columns(order: tuple[Campaign, ...]) -> None:
    layout = Layout(order)
    columns = ["galaxy_id", *layout.columns, *layout.concentrations, "survey"]
    assert set(layout_of(columns, CAMPAIGNS.values()).campaigns) == set(order)
    assert layout_of(columns, order) == layout
    # With one column gone, its campaign is not in the table.
    gone = layout_of([c for c in columns if c != layout.columns[0]], order)
    assert gone.campaigns == order[1:]
    assert layout_of(["Class1.1"], CAMPAIGNS.values()).campaigns == ()


@given(LAYOUTS, st.data())
def test_only_hard_votes_that_all_agree_were_chosen(layout: Layout, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(layout.questions) - 1))
    count = data.draw(st.sampled_from([19, 20, 30]))
    mixed = data.draw(st.booleans())
    hard = data.draw(st.booleans())
    shares = np.full((count, layout.answers), np.nan)
    places = layout.question_places[place]
    shares[:, places] = 0
    shares[:, places.start] = 1
    if mixed:
        shares[0, places] = np.roll(shares[0, places], 1)
    chosen = layout.chosen_by_answer(shares, np.full(count, hard))
    assert chosen.shape == (count, len(layout.questions))
    assert chosen[:, place].all() == (hard and not mixed and count >= 20)
    assert not np.delete(chosen, place, axis=1).any()


def test_each_kind_of_galaxy_is_looked_at_by_itself() -> None:
    layout = Layout((GZ2, GZ1))
    shares = np.full((60, layout.answers), np.nan)
    odd = GZ2.question("odd").places
    types = layout.places(GZ1)
    shares[:30, odd] = [1, 0]
    shares[30:, types] = np.eye(3)[np.arange(30) % 2]
    chosen = layout.chosen_by_answer(shares, np.ones(60, bool))
    assert chosen[:30, 5].all()
    assert chosen.sum() == 30
