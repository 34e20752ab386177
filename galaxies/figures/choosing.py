"""Choose the galaxies that figures show."""

from typing import Final, NamedTuple

import numpy as np
import pandas as pd

from galaxies.errors import GalaxiesError
from galaxies.questions.campaign import CLASSES, Campaign

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
        `answers_of`.
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


def choose_samples(split: pd.DataFrame, count: int) -> dict[str, pd.DataFrame]:
    """Choose galaxies of each class, evenly from low to high agreement.

    Parameters
    ----------
    split : DataFrame
        Output of `galaxies.dataset.splitting.split_galaxies`.
    count : int
        Number of galaxies of each class; fewer if there are fewer.

    Returns
    -------
    dict
        For each class its rows of the split, in order of agreement, then `galaxy_id`.

    Examples
    --------
    >>> import pandas as pd
    >>> split = pd.read_parquet("data/split.parquet")
    >>> {label: len(rows) for label, rows in choose_samples(split, count=3).items()}
    {'elliptical': 3, 'spiral': 3}
    """
    chosen = {}
    for label, votes in zip(CLASSES, ("p_smooth", "p_features"), strict=True):
        ranked = split[split["label"] == label].sort_values([votes, "galaxy_id"])
        shown = min(count, len(ranked))
        # The middle of each of `shown` equal parts, so that there are no extremes.
        chosen[label] = ranked.iloc[((np.arange(shown) + 0.5) * len(ranked) / shown).astype(int)]
    return chosen


def choose_mistakes(
    split: pd.DataFrame, predictions: pd.DataFrame, count: int
) -> dict[str, pd.DataFrame]:
    """Choose the most confident mistakes of a model for each class.

    Parameters
    ----------
    split : DataFrame
        Output of `galaxies.dataset.splitting.split_galaxies`.
    predictions : DataFrame
        Predictions of a model, with `galaxy_id` and `p_spiral`.
    count : int
        Number of galaxies of each class; fewer if there are fewer mistakes.

    Returns
    -------
    dict
        For each class its rows of the split with `p_spiral`, the most confident mistake first.

    Examples
    --------
    >>> import pandas as pd
    >>> split = pd.read_parquet("data/split.parquet")
    >>> predictions = pd.read_parquet("data/predictions/cnn.parquet")
    >>> mistakes = choose_mistakes(split, predictions, count=3)
    >>> list(mistakes), bool((mistakes["elliptical"]["p_spiral"] > 0.5).all())
    (['elliptical', 'spiral'], True)
    """
    chosen = {}
    for label in CLASSES:
        test = _by_surety(split, predictions, label)
        mistakes = test[(test["p_spiral"] > 0.5) != (label == "spiral")]
        chosen[label] = mistakes.sort_values(["surety", "galaxy_id"]).head(count)
    return chosen


def choose_galaxy(
    wanted: int | None,
    label: str,
    split: pd.DataFrame,
    predictions: pd.DataFrame,
    images: pd.DataFrame,
) -> int:
    """Choose the galaxy of a class for the figures of the network.

    Parameters
    ----------
    wanted : int, optional
        The setting `explain.<label>`: any galaxy with an image, or `None` for the test galaxy of
        this class with the most certain correct prediction; in a tie, the smallest ID.
    label : str
        One of `CLASSES`.
    split, predictions : DataFrame
        As in `choose_mistakes`.
    images : DataFrame
        `galaxy_id` of every packed image.

    Returns
    -------
    int
        A `galaxy_id`.

    Raises
    ------
    GalaxiesError
        If the galaxy has no image.

    Examples
    --------
    >>> import pandas as pd
    >>> split = pd.read_parquet("data/split.parquet")
    >>> predictions = pd.read_parquet("data/predictions/cnn.parquet")
    >>> images = pd.read_parquet("data/images.parquet")
    >>> chosen = choose_galaxy(None, "spiral", split, predictions, images)
    >>> split.set_index("galaxy_id").loc[chosen, "label"]
    'spiral'
    """
    if wanted is None:
        return int(_by_surety(split, predictions, label)["galaxy_id"].iloc[0])
    if not (images["galaxy_id"] == wanted).any():
        raise GalaxiesError(
            f"explain.{label}: the survey has no image of GalaxyID {wanted}; use another, or null"
        )
    return wanted


def _by_surety(split: pd.DataFrame, predictions: pd.DataFrame, label: str) -> pd.DataFrame:
    """Sort the test galaxies of a class, from certain and correct to certain and wrong."""
    test = split[(split["split"] == "test") & (split["label"] == label)]
    table = test.merge(predictions[["galaxy_id", "p_spiral"]], on="galaxy_id")
    surety = table["p_spiral"].astype(np.float64) - 0.5
    table["surety"] = surety if label == "spiral" else -surety
    return table.sort_values(["surety", "galaxy_id"], ascending=[False, True])


def answers_of(table: pd.DataFrame, campaign: Campaign) -> pd.DataFrame:
    """Select the answers of one campaign from a table with columns such as `gz2.bar_yes`.

    Examples
    --------
    >>> import pandas as pd
    >>> from galaxies.questions.registry import campaign_named
    >>> list(answers_of(pd.read_parquet("data/votes.parquet"), campaign_named("gz2")))[:3]
    ['galaxy_id', 'smooth', 'features_or_disk']
    """
    names = {f"{campaign.name}.{name}": name for name in campaign.names}
    return table.reindex(columns=["galaxy_id", *names]).rename(columns=names)


def choose_answers(answers: pd.DataFrame, campaign: Campaign) -> dict[str, int]:
    """Choose for each answer of a campaign the galaxy with the largest vote fraction.

    Parameters
    ----------
    answers : DataFrame
        Output of `answers_of` for galaxies that have an image.
    campaign : Campaign
        The campaign.

    Returns
    -------
    dict
        `galaxy_id` by answer, in the order of the campaign. No galaxy is used for two answers
        if there are others; the rarest answers choose first. Artifacts are used only for
        "artifact". Answers without votes are left out.

    Examples
    --------
    >>> import pandas as pd
    >>> from galaxies.questions.registry import campaign_named
    >>> gz2 = campaign_named("gz2")
    >>> chosen = choose_answers(answers_of(pd.read_parquet("data/votes.parquet"), gz2), gz2)
    >>> list(chosen)[:3], len(set(chosen.values())) > 20
    (['smooth', 'features_or_disk', 'star_or_artifact'], True)
    """
    chosen: dict[str, int] = {}
    artifact = campaign.first.names[2]
    spoilt = answers[artifact] > 0.5
    means = answers[list(campaign.names)].mean()
    for column in means[means > 0].sort_values(kind="stable").index:
        candidates = answers if column == artifact else answers[~spoilt]
        free = candidates[~candidates["galaxy_id"].isin(chosen.values())]
        free = free if (free[column] > 0).any() else answers
        ranked = free.sort_values([column, "galaxy_id"], ascending=[False, True])
        chosen[column] = int(ranked["galaxy_id"].iloc[0])
    return {column: chosen[column] for column in campaign.names if column in chosen}
