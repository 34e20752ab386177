"""All campaigns by name."""

from dataclasses import replace

import pytest

from galaxies.errors import GalaxiesError
from galaxies.questions.gz1 import GZ1
from galaxies.questions.gz2 import GZ2
from galaxies.questions.kaggle import KAGGLE
from galaxies.questions.registry import ASKED, CAMPAIGNS, DEFAULT, campaign_named, in_order


def test_each_campaign_is_named_as_it_calls_itself() -> None:
    assert [campaign.name for campaign in CAMPAIGNS.values()] == list(CAMPAIGNS)
    for name, campaign in CAMPAIGNS.items():
        assert campaign_named(name) is campaign
        # Names stand before a point in columns, and in file names.
        assert name.isalnum()
        assert name.islower()


def test_a_survey_that_says_nothing_is_kaggles_and_our_volunteers_are_asked_galaxy_zoo_2() -> None:
    assert DEFAULT is KAGGLE
    assert ASKED is GZ2


def test_a_campaign_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(GalaxiesError, match=r"no campaign 'gz9'; there are kaggle, gz2, gz1"):
        campaign_named("gz9")


def test_campaigns_are_sorted_as_in_the_registry_and_unknown_ones_last() -> None:
    changed, other = replace(GZ2, title="changed"), replace(GZ1, name="a_new_one")
    assert in_order({GZ1, KAGGLE, GZ2}) == (KAGGLE, GZ2, GZ1)
    assert in_order({changed, GZ1, other}) == (GZ1, other, changed)
    assert in_order(set()) == ()
