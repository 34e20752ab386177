"""Choose the galaxies that show what a network sees."""

from typing import Final, NamedTuple

import pandas as pd

from galaxies.questions.campaign import Campaign

EXAMPLES: Final = {
    "bar": ("bar_yes", "bar_strong"),
    "edge_on": ("edge_on_yes", "disk_edge_on_yes"),
    "merger": ("odd_merger", "merging_merger"),
}
"""Answers with an example of their own: their names in the campaigns, by that of the picture."""

_CLEAR: Final = 0.25
"""Smallest vote fraction of an example."""


class Example(NamedTuple):
    """A galaxy that shows an answer."""

    galaxy_id: int
    question: str
    answer: str


def choose_examples(
    votes: pd.DataFrame, predictions: pd.DataFrame, campaign: Campaign
) -> dict[str, Example]:
    """Choose a galaxy for each of `EXAMPLES`: one that volunteers and network see alike.

    Parameters
    ----------
    votes : DataFrame
        `galaxy_id` and the vote fractions of all galaxies, from
        `galaxies.figures.galleries.answers_of`.
    predictions : DataFrame
        The same, as predicted for test galaxies.
    campaign : Campaign
        The campaign of these answers.

    Returns
    -------
    dict
        By the name of the picture, the galaxy with the largest sum of observed and predicted vote
        fraction; in a tie, the smallest ID. Left out are answers that the campaign does not have,
        and those that fewer than a quarter of the volunteers give for every galaxy.

    Examples
    --------
    >>> import pandas as pd
    >>> from galaxies.figures.galleries import answers_of
    >>> from galaxies.questions.registry import campaign_named
    >>> gz2 = campaign_named("gz2")
    >>> tables = (pd.read_parquet(f"data/{name}.parquet") for name in ("votes", "predictions/cnn"))
    >>> votes, predictions = (answers_of(table, gz2) for table in tables)
    >>> set(choose_examples(votes, predictions, gz2)) <= {"bar", "edge_on", "merger"}
    True
    """
    chosen: dict[str, Example] = {}
    for picture, names in EXAMPLES.items():
        name = next((name for name in names if name in campaign.names), None)
        if name is None:
            continue
        both = votes[["galaxy_id", name]].merge(
            predictions[["galaxy_id", name]], on="galaxy_id", suffixes=("", "_predicted")
        )
        taken = [example.galaxy_id for example in chosen.values()]
        both = both[(both[name] >= _CLEAR) & ~both["galaxy_id"].isin(taken)]
        both = both.assign(sum=both[name] + both[f"{name}_predicted"]).dropna()
        if len(both):
            ranked = both.sort_values(["sum", "galaxy_id"], ascending=[False, True])
            question = next(each.name for each in campaign.questions if name in each.names)
            chosen[picture] = Example(int(ranked["galaxy_id"].iloc[0]), question, name)
    return chosen
