"""Choose the galaxies that show what a network sees."""

from typing import Final

import pandas as pd

from galaxies.questions.tree import ALL_QUESTIONS, ANSWERS

EXAMPLES: Final = {"bar": "Class3.1", "edge_on": "Class2.1", "merger": "Class8.6"}
"""Answers with an example of their own, by the name of the picture."""

_CLEAR: Final = 0.25
"""Smallest vote fraction of an example."""


def choose_examples(votes: pd.DataFrame, predictions: pd.DataFrame) -> dict[str, int]:
    """Choose a galaxy for each of `EXAMPLES`: one that volunteers and network see alike.

    Parameters
    ----------
    votes : DataFrame
        `galaxy_id` and Kaggle's columns.
    predictions : DataFrame
        Predictions of a model for test galaxies, with the same columns, or without them if it
        predicts only the class.

    Returns
    -------
    dict
        `galaxy_id` by the name of the picture: the galaxy with the largest sum of observed and
        predicted vote fraction; in a tie, the smallest ID. An answer that fewer than a quarter of
        the volunteers give for every galaxy is left out.

    Examples
    --------
    >>> import pandas as pd
    >>> votes = pd.read_parquet("data/votes.parquet")
    >>> predictions = pd.read_parquet("data/predictions/cnn.parquet")
    >>> chosen = choose_examples(votes, predictions)
    >>> set(chosen) <= set(EXAMPLES)
    True
    """
    chosen: dict[str, int] = {}
    for name, column in EXAMPLES.items():
        if column not in predictions or column not in votes:
            continue
        both = votes[["galaxy_id", column]].merge(
            predictions[["galaxy_id", column]], on="galaxy_id", suffixes=("", "_predicted")
        )
        both = both[(both[column] >= _CLEAR) & ~both["galaxy_id"].isin(chosen.values())]
        both = both.assign(sum=both[column] + both[f"{column}_predicted"]).dropna()
        if len(both):
            ranked = both.sort_values(["sum", "galaxy_id"], ascending=[False, True])
            chosen[name] = int(ranked["galaxy_id"].iloc[0])
    return chosen


def explained(name: str) -> tuple[str, str]:
    """Return the question and the answer that the picture of an example explains.

    Examples
    --------
    >>> explained("edge_on"), explained("merger")
    (('edge_on', 'edge_on_yes'), ('odd_feature', 'odd_merger'))
    """
    answer = ANSWERS[EXAMPLES[name]]
    question = next(each.name for each in ALL_QUESTIONS if answer in each.answers)
    return question, answer.name
