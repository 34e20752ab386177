"""Places of the answers of one or several campaigns in the outputs of a network and in tables."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from galaxies.questions.campaign import Campaign, Question

_FEWEST_CHOSEN: Final = 20


class ClassPlaces(NamedTuple):
    """Places in the outputs of what a first question says about the class."""

    elliptical: int
    spiral: int
    concentration: int


@dataclass(frozen=True)
class Layout:
    """The answers of campaigns in order: first all vote fractions, then a number per question.

    A network has an output for each vote fraction, and one for the concentration of each question.
    Campaigns that ask the same questions share the network, never their answers.

    Parameters
    ----------
    campaigns : tuple of Campaign
        In order.

    Examples
    --------
    >>> from galaxies.questions.registry import campaign_named
    >>> layout = Layout((campaign_named("gz2"), campaign_named("gz1")))
    >>> layout.answers, len(layout.questions), layout.outputs
    (40, 12, 52)
    >>> layout.columns[0], layout.columns[-1], layout.places(campaign_named("gz1"))
    ('gz2.smooth', 'gz1.type_star', slice(37, 40, None))
    """

    campaigns: tuple[Campaign, ...]

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Column of each answer in our tables, such as `gz2.bar_yes`."""
        return tuple(
            f"{campaign.name}.{answer}" for campaign in self.campaigns for answer in campaign.names
        )

    @cached_property
    def questions(self) -> tuple[tuple[Campaign, Question], ...]:
        """The questions in order, each with its campaign."""
        return tuple(
            (campaign, question) for campaign in self.campaigns for question in campaign.questions
        )

    @cached_property
    def concentrations(self) -> tuple[str, ...]:
        """Column of each question's concentration, such as `gz2.bar.concentration`."""
        return tuple(
            f"{campaign.name}.{question.name}.concentration"
            for campaign, question in self.questions
        )

    @property
    def answers(self) -> int:
        """Number of answers."""
        return len(self.columns)

    @property
    def outputs(self) -> int:
        """Number of outputs of a network."""
        return self.answers + len(self.questions)

    @cached_property
    def question_places(self) -> tuple[slice, ...]:
        """Places of the answers to each question."""
        return tuple(
            slice(start + question.places.start, start + question.places.stop)
            for campaign, question in self.questions
            for start in [self.places(campaign).start]
        )

    @cached_property
    def asks(self) -> npt.NDArray[np.float32]:
        """(questions, answers) 1 for the answers of each question, to compute all at once."""
        asks = np.zeros((len(self.questions), self.answers), np.float32)
        for row, places in zip(asks, self.question_places, strict=True):
            row[places] = 1
        return asks

    def places(self, campaign: Campaign) -> slice:
        """Places of the answers of a campaign."""
        start = 0
        for earlier in self.campaigns:
            if earlier == campaign:
                return slice(start, start + len(campaign.answers))
            start += len(earlier.answers)
        raise KeyError(campaign.name)

    def concentration_places(self, campaign: Campaign) -> slice:
        """Places of the concentrations of a campaign in the outputs."""
        numbers = [place for place, (owner, _) in enumerate(self.questions) if owner == campaign]
        return slice(self.answers + numbers[0], self.answers + numbers[-1] + 1)

    def class_places(self, campaign: Campaign) -> ClassPlaces:
        """Places in the outputs of what the first question of a campaign says about the class."""
        start = self.places(campaign).start
        return ClassPlaces(start, start + 1, self.concentration_places(campaign).start)

    def chosen_by_answer(
        self, shares: npt.NDArray[np.floating[Any]], hard: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.bool_]:
        """Find galaxies that were chosen by an answer, such as a collection of mergers.

        If all galaxies with hard votes on the same questions, at least 20 of them, have the same
        answer to a question, they were chosen by it. They show what the answer looks like, but not
        how common it is.

        Parameters
        ----------
        shares : ndarray of shape (N, answers), float
            Vote fractions; NaN where a survey has no answer.
        hard : ndarray of shape (N,), bool
            Whether the votes of a galaxy are hard.

        Returns
        -------
        ndarray of shape (N, questions), bool

        Examples
        --------
        >>> import numpy as np
        >>> from galaxies.questions.registry import campaign_named
        >>> gz2 = campaign_named("gz2")
        >>> shares = np.full((30, 37), np.nan)
        >>> shares[:, gz2.question("odd").places] = [1, 0]
        >>> Layout((gz2,)).chosen_by_answer(shares, np.ones(30, bool))[0].nonzero()[0].tolist()
        [5]
        """
        chosen = np.zeros((len(shares), len(self.questions)), dtype=bool)
        _, kinds = np.unique(np.isnan(shares), axis=0, return_inverse=True)
        for kind in np.unique(kinds):
            members = (kinds.ravel() == kind) & hard
            if members.sum() < _FEWEST_CHOSEN:
                continue
            given = np.nansum(shares[members], axis=0) > 0
            for place, places in enumerate(self.question_places):
                chosen[members, place] = given[places].sum() == 1
        return chosen


def layout_of(columns: Iterable[str], campaigns: Iterable[Campaign]) -> Layout:
    """Find the layout of a table from its columns, such as `gz2.bar_yes`.

    Parameters
    ----------
    columns : iterable of str
        Columns of the table; others are ignored.
    campaigns : iterable of Campaign
        All campaigns, in order.

    Returns
    -------
    Layout
        The campaigns whose columns are all there.

    Examples
    --------
    >>> from galaxies.questions.registry import CAMPAIGNS
    >>> columns = ["galaxy_id", *Layout((CAMPAIGNS["gz1"],)).columns]
    >>> [campaign.name for campaign in layout_of(columns, CAMPAIGNS.values()).campaigns]
    ['gz1']
    """
    present = set(columns)
    return Layout(
        tuple(campaign for campaign in campaigns if set(Layout((campaign,)).columns) <= present)
    )
