"""All campaigns, in the order of outputs and tables."""

from types import MappingProxyType
from typing import Final

from galaxies.errors import GalaxiesError
from galaxies.questions.campaign import Campaign
from galaxies.questions.decals import DECALS
from galaxies.questions.gz1 import GZ1
from galaxies.questions.gz2 import GZ2
from galaxies.questions.kaggle import KAGGLE

CAMPAIGNS: Final = MappingProxyType(
    {campaign.name: campaign for campaign in (KAGGLE, GZ2, GZ1, DECALS)}
)
"""Each campaign by its name."""

DEFAULT: Final = KAGGLE
"""The campaign of a survey in Kaggle's layout that names none."""


ASKED: Final = GZ2
"""The campaign of votes that are collected with this library: the questions of Galaxy Zoo 2, and
votes that nothing corrects for distance."""


def campaign_named(name: str) -> Campaign:
    """Look up a campaign.

    Raises
    ------
    GalaxiesError
        If there is no such campaign.

    Examples
    --------
    >>> campaign_named("gz1").first.words
    'Is the galaxy elliptical or spiral, or is it a star?'
    """
    if name not in CAMPAIGNS:
        raise GalaxiesError(f"no campaign {name!r}; there are {', '.join(CAMPAIGNS)}")
    return CAMPAIGNS[name]


def in_order(campaigns: set[Campaign]) -> tuple[Campaign, ...]:
    """Sort campaigns in the order of outputs and tables; unknown ones come last, by name."""
    places = {campaign: place for place, campaign in enumerate(CAMPAIGNS.values())}
    return tuple(
        sorted(campaigns, key=lambda campaign: (places.get(campaign, len(places)), campaign.name))
    )
