"""The galaxies of the parts of a split, and where their inputs lie."""

import hashlib
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from galaxies.base.questions import spiral_fraction

Labels = npt.NDArray[np.int64]
"""(N,) places in `galaxies.base.questions.CLASSES`."""


def fingerprint(split: pd.DataFrame) -> str:
    """Hash the IDs that a model may learn from: SHA-256 of the training and validation parts'."""
    known = split.loc[split["split"] != "test", ["galaxy_id", "split"]].sort_values("galaxy_id")
    rows = [f"{galaxy_id} {part}" for galaxy_id, part in known.itertuples(index=False)]
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


class Part(NamedTuple):
    """The galaxies of one or more parts, and where their inputs lie."""

    galaxies: pd.DataFrame
    """Rows of the split table, in order of `galaxy_id`."""
    rows: npt.NDArray[np.int64]
    """(N,) rows of the packed images or their features, rising."""
    labels: Labels

    @property
    def vote_fractions(self) -> npt.NDArray[np.float64]:
        """(N,) share of "features or disk" among the votes for a galaxy; 0 or 1 for hard votes."""
        return spiral_fraction(
            self.galaxies["p_smooth"].to_numpy(), self.galaxies["p_features"].to_numpy()
        )


def galaxies_of(split: pd.DataFrame, images: pd.DataFrame, *parts: str) -> Part:
    """Select parts of the split and find their rows in the arrays.

    Parameters
    ----------
    split : DataFrame
        As `galaxies.dataset.splitting.split_galaxies` makes it.
    images : DataFrame
        `galaxy_id` and `row` of every packed image.
    parts
        Names from `galaxies.dataset.splitting.PARTS`.
    """
    galaxies = split[split["split"].isin(parts)].merge(images[["galaxy_id", "row"]], on="galaxy_id")
    galaxies = galaxies.sort_values("row", ignore_index=True)
    return Part(
        galaxies.drop(columns="row"),
        galaxies["row"].to_numpy(np.int64),
        np.asarray(galaxies["label"].cat.codes, dtype=np.int64),
    )
