"""Which galaxies the volunteers are asked about."""

from collections.abc import Collection, Iterable
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from galaxies.learning.promises import UNDECIDED, certainty

Choice = Literal["uncertain", "diverse", "random"]

AUDIT: Final = "audit"
"""Said of a galaxy that was drawn among the machine's own decisions."""

_CANDIDATES: Final = 20
"""Galaxies that are looked at for each one that is chosen for being different."""


class _First:
    """Of all new galaxies that come by, those with the smallest keys, then the smallest lots."""

    def __init__(self, number: int, asked: frozenset[str]) -> None:
        self._number = number
        self._asked = asked
        self.rows = pd.DataFrame()

    def add(self, rows: pd.DataFrame) -> None:
        if self._number:
            if len(self.rows) == self._number:
                rows = rows[rows["key"] <= self.rows["key"].max()]
            # Only of those that are left: it is the slowest step.
            new = [galaxy not in self._asked for galaxy in rows["galaxy_id"].tolist()]
            rows = rows[np.array(new, dtype=bool)]
            both = pd.concat([self.rows, rows]) if len(self.rows) else rows
            self.rows = both.nsmallest(self._number, ["key", "lot"])


def choose_galaxies(
    pieces: Iterable[pd.DataFrame],
    number: int,
    *,
    choose: Choice,
    audit_share: float,
    seed: int,
    asked: Collection[str],
) -> pd.DataFrame:
    """Choose galaxies that the machine leaves to people, and some of its own decisions.

    Each row draws a lot, from the seed and its place in the table. So the same seed always chooses
    the same galaxies, and with those of earlier batches named as `asked` it goes on where they
    ended. No more than some multiple of `number` rows are held at a time.

    Parameters
    ----------
    pieces : iterable of DataFrame
        The table, as `galaxies.volunteers.classes.read_classes` gives it.
    number : int
        How many galaxies; fewer are chosen where there are no more.
    choose : {"uncertain", "diverse", "random"}
        Of the galaxies with the decision *ask volunteers*: those whose certainty is least; those
        that differ most from each other (`most_different`); or any.
    audit_share : float
        Share of `number` that is drawn at random among the galaxies that the machine decided.
    seed : int
        Of the lots.
    asked : collection of str
        IDs of galaxies that were asked about before.

    Returns
    -------
    DataFrame
        `row` int64, the place in the table, by which it is sorted; `galaxy_id`, `p_spiral`,
        `spread`; `chosen`, how it was chosen: the value of `choose`, or *audit*.

    Examples
    --------
    >>> table = pd.DataFrame(
    ...     {
    ...         "galaxy_id": ["7", "8", "9"],
    ...         "p_spiral": np.float32([0.5, 0.6, 0.99]),
    ...         "spread": np.float32([0.1, 0.1, 0.0]),
    ...         "decision": ["ask volunteers", "ask volunteers", "spiral"],
    ...     }
    ... )
    >>> choose_galaxies(
    ...     [table], 2, choose="uncertain", audit_share=0.5, seed=0, asked=()
    ... )[["galaxy_id", "chosen"]].to_numpy().tolist()
    [['7', 'uncertain'], ['9', 'audit']]
    """
    audited = round(number * audit_share)
    wanted = number - audited
    before = frozenset(asked)
    people = _First(_CANDIDATES * wanted if choose == "diverse" else wanted, before)
    machine = _First(audited, before)
    lots = np.random.default_rng(seed)
    start = 0
    for piece in pieces:
        rows = piece.assign(
            row=np.arange(start, start + len(piece), dtype=np.int64), lot=lots.random(len(piece))
        )
        start += len(piece)
        rows = rows[rows["p_spiral"].notna()]
        rows = rows.assign(key=rows["lot"])
        undecided = rows["decision"] == UNDECIDED
        machine.add(rows[~undecided])
        rows = rows[undecided]
        if choose == "uncertain":
            rows = rows.assign(key=certainty(rows["p_spiral"].to_numpy()))
        people.add(rows)
    if choose == "diverse" and len(people.rows) > wanted:
        people.rows = people.rows.iloc[_different(people.rows, wanted)]
    found = [people.rows.assign(chosen=choose), machine.rows.assign(chosen=AUDIT)]
    columns = ["row", "galaxy_id", "p_spiral", "spread", "chosen"]
    both = pd.concat([one.reindex(columns=columns) for one in found if len(one)] or [
        pd.DataFrame(columns=columns)
    ])  # fmt: skip
    return both.sort_values("row", ignore_index=True)


def _different(rows: pd.DataFrame, number: int) -> npt.NDArray[np.int64]:
    points = rows[["p_spiral", "spread"]].to_numpy(np.float64)
    scale = points.std(axis=0)
    first = int(np.argmin(certainty(rows["p_spiral"].to_numpy())))
    return most_different(points / np.where(scale > 0, scale, 1), number, first)


def most_different(
    points: npt.NDArray[np.float64], number: int, first: int
) -> npt.NDArray[np.int64]:
    """Choose points that cover all: each next one is the farthest from those chosen before.

    Gonzalez (1985), "Clustering to minimize the maximum intercluster distance", Theoretical
    Computer Science 38, 293: no other choice can bring every point more than twice as near to a
    chosen one. Sener & Savarese (2018, ICLR) choose what to label in this way.

    Parameters
    ----------
    points : ndarray of shape (N, D), float64
    number : int
        How many, at most N.
    first : int
        Where to start.

    Returns
    -------
    ndarray of shape (number,), int64
        Places in `points`, in the order chosen; of points equally far the first.

    Examples
    --------
    >>> most_different(np.array([[0.0], [1.0], [9.0], [5.0]]), 3, first=0).tolist()
    [0, 2, 3]
    """
    chosen = np.empty(number, np.int64)
    distance = np.full(len(points), np.inf)
    place = first
    for turn in range(number):
        chosen[turn] = place
        np.minimum(distance, ((points - points[place]) ** 2).sum(axis=1), out=distance)
        distance[place] = -1.0  # not again, even where all others are equal to chosen ones
        place = int(np.argmax(distance))
    return chosen
