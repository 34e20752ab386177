"""Choose the galaxies that volunteers are asked about."""

from collections.abc import Collection, Iterable
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from galaxies.judgement.promises import UNDECIDED, certainty

Choice = Literal["uncertain", "diverse", "random"]

AUDIT: Final = "audit"
"""Value of `chosen` for a galaxy drawn from the machine's decisions."""

_CANDIDATES: Final = 20
"""Number of candidates for each galaxy that is chosen by `diverse`."""


class _First:
    """Keep the new galaxies with the smallest keys, then the smallest random numbers (`lot`)."""

    def __init__(self, number: int, asked: frozenset[str]) -> None:
        self._number = number
        self._asked = asked
        self.rows = pd.DataFrame()

    def add(self, rows: pd.DataFrame) -> None:
        if self._number:
            if len(self.rows) == self._number:
                rows = rows[rows["key"] <= self.rows["key"].max()]
            # Only for the remaining rows, because it is the slowest step.
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
    """Choose galaxies that the machine leaves to people, and some of its decisions.

    Each row has a random number, which depends only on the seed and the place in the table. The
    same seed therefore always chooses the same galaxies; with the galaxies of earlier batches in
    `asked`, it continues after them. Memory is a multiple of `number` rows.

    Parameters
    ----------
    pieces : iterable of DataFrame
        Output of `galaxies.volunteers.classes.read_classes`.
    number : int
        Number of galaxies; fewer if there are no more.
    choose : {"uncertain", "diverse", "random"}
        Among the galaxies with the decision *ask volunteers*: the least certain; those that differ
        most from each other (`most_different`); or a random sample.
    audit_share : float
        Share of `number` that is drawn at random from the galaxies that the machine decided.
    seed : int
        Seed of the random numbers.
    asked : collection of str
        IDs of galaxies that were asked about before.

    Returns
    -------
    DataFrame
        Sorted by `row` int64, the place in the table; `galaxy_id`, `p_spiral`, `spread`; and
        `chosen`, the value of `choose` or *audit*.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
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
    parts = [people.rows.assign(chosen=choose), machine.rows.assign(chosen=AUDIT)]
    columns = ["row", "galaxy_id", "p_spiral", "spread", "chosen"]
    both = pd.concat([part.reindex(columns=columns) for part in parts if len(part)] or [
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
    """Choose points one by one, each the farthest from those chosen so far.

    Gonzalez (1985), "Clustering to minimize the maximum intercluster distance", Theoretical
    Computer Science 38, 293: the largest distance to a chosen point is at most twice the optimum.
    Sener & Savarese (2018, ICLR) use it to choose what to label.

    Parameters
    ----------
    points : ndarray of shape (N, D), float64
        Coordinates.
    number : int
        Number of points to choose, at most N.
    first : int
        The first point.

    Returns
    -------
    ndarray of shape (number,), int64
        Places in `points`, in the order chosen; in a tie, the earlier point.

    Examples
    --------
    >>> import numpy as np
    >>> most_different(np.array([[0.0], [1.0], [9.0], [5.0]]), 3, first=0).tolist()
    [0, 2, 3]
    """
    chosen = np.empty(number, np.int64)
    distance = np.full(len(points), np.inf)
    place = first
    for turn in range(number):
        chosen[turn] = place
        np.minimum(distance, ((points - points[place]) ** 2).sum(axis=1), out=distance)
        distance[place] = -1.0  # never again, even if all others are equal to chosen ones
        place = int(np.argmax(distance))
    return chosen
