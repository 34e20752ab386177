"""The galaxies of the parts of a split, and their rows in the arrays."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from galaxies.base.arrays import Labels
from galaxies.base.fingerprints import Fingerprints, from_text
from galaxies.questions.campaign import Campaign, spiral_fraction
from galaxies.questions.layout import Layout, layout_of
from galaxies.questions.registry import CAMPAIGNS


class Votes(NamedTuple):
    """The votes on N galaxies."""

    layout: Layout
    """Campaigns of the votes, and order of their answers."""
    shares: npt.NDArray[np.float32]
    """(N, answers) vote fractions; NaN where a survey has no answer."""
    volunteers: npt.NDArray[np.float32]
    """(N,) number of volunteers; 0 for hard votes."""

    def arranged(self, layout: Layout) -> npt.NDArray[np.float32]:
        """Arrange the fractions in another layout; NaN for campaigns without votes."""
        arranged = np.full((len(self.shares), layout.answers), np.nan, np.float32)
        for campaign in self.layout.campaigns:
            arranged[:, layout.places(campaign)] = self.shares[:, self.layout.places(campaign)]
        return arranged

    def first(self, campaign: Campaign) -> npt.NDArray[np.float32]:
        """Return the fractions (N, 3) for the first question of a campaign."""
        return self.shares[:, self.layout.places(campaign)][:, campaign.first.places]

    def labels(self, campaign: Campaign) -> Labels:
        """Find the classes (N,) for the first question of a campaign; -1 if there is none."""
        first = self.first(campaign)
        most = np.nan_to_num(first, nan=-1.0).argmax(axis=1)
        return np.where(np.isnan(first).any(axis=1) | (most > 1), -1, most).astype(np.int64)


def fingerprint(split: pd.DataFrame) -> str:
    """Compute the SHA-256 of the IDs of the training and validation galaxies."""
    learned = split.loc[split["split"] != "test", ["galaxy_id", "split"]].sort_values("galaxy_id")
    rows = [f"{galaxy_id} {part}" for galaxy_id, part in learned.itertuples(index=False)]
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


class Part(NamedTuple):
    """The galaxies of one or more parts, and their rows in the arrays."""

    galaxies: pd.DataFrame
    """Rows of the split table, in order of `galaxy_id`."""
    rows: npt.NDArray[np.int64]
    """(N,) rows of the packed images or features, increasing."""
    labels: Labels
    fingerprints: Fingerprints
    """(N, 3) of the packed images."""
    votes: Votes | None = None
    """Votes on all questions, for a model that is trained on them."""

    @property
    def labelled(self) -> Self:
        """The galaxies that have a label."""
        return self.where(self.labels >= 0)

    def where(self, kept: npt.NDArray[np.bool_]) -> Self:
        """Select galaxies by a mask (N,)."""
        votes = self.votes and self.votes._replace(
            shares=self.votes.shares[kept], volunteers=self.votes.volunteers[kept]
        )
        galaxies = self.galaxies[kept].reset_index(drop=True)
        return type(self)(
            galaxies, self.rows[kept], self.labels[kept], self.fingerprints[kept], votes
        )

    @property
    def weights(self) -> npt.NDArray[np.float32]:
        """(N,) what each galaxy counts for: the column `weight`, or 1 where there is none."""
        if "weight" not in self.galaxies:
            return np.ones(len(self.rows), np.float32)
        return self.galaxies["weight"].to_numpy(np.float32)

    @property
    def vote_fractions(self) -> npt.NDArray[np.float64]:
        """(N,) fraction of "features or disk" among a galaxy's votes; 0 or 1 for hard votes."""
        return spiral_fraction(
            self.galaxies["p_smooth"].to_numpy(), self.galaxies["p_features"].to_numpy()
        )


def joined(parts: Sequence[Part]) -> Part:
    """Put parts of one split together, in their order."""
    votes = None
    if all(part.votes is not None for part in parts):
        each = [part.votes for part in parts if part.votes is not None]
        votes = Votes(
            each[0].layout,
            np.concatenate([votes.shares for votes in each]),
            np.concatenate([votes.volunteers for votes in each]),
        )
    return Part(
        pd.concat([part.galaxies for part in parts], ignore_index=True),
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.fingerprints for part in parts]),
        votes,
    )


def galaxies_of(
    split: pd.DataFrame, images: pd.DataFrame, *parts: str, votes: pd.DataFrame | None = None
) -> Part:
    """Select parts of the split and find their rows in the arrays.

    Parameters
    ----------
    split : DataFrame
        Output of `galaxies.dataset.splitting.split_galaxies`.
    images : DataFrame
        `galaxy_id`, `row` and `fingerprint` of every packed image.
    parts : str
        Names from `galaxies.dataset.splitting.PARTS`.
    votes : DataFrame, optional
        Output of `galaxies.dataset.votes.read_survey_votes`.

    Returns
    -------
    Part

    Examples
    --------
    >>> import pandas as pd
    >>> split = pd.read_parquet("data/split.parquet")
    >>> images = pd.read_parquet("data/images.parquet")
    >>> part = galaxies_of(split, images, "train", "validation")
    >>> len(part.galaxies), part.rows.dtype, sorted(set(part.labels.tolist()))
    (20, dtype('int64'), [0, 1])
    """
    galaxies = split[split["split"].isin(parts)].merge(
        images[["galaxy_id", "row", "fingerprint"]], on="galaxy_id"
    )
    galaxies = galaxies.sort_values("row", ignore_index=True)
    asked = None
    if votes is not None:
        layout = layout_of(votes.columns, CAMPAIGNS.values())
        rows = votes.set_index("galaxy_id").loc[galaxies["galaxy_id"]]
        shares = rows[list(layout.columns)].to_numpy(np.float32)
        asked = Votes(layout, shares, rows["volunteers"].to_numpy())
    return Part(
        galaxies.drop(columns=["row", "fingerprint"]),
        galaxies["row"].to_numpy(np.int64),
        np.asarray(galaxies["label"].cat.codes, dtype=np.int64),
        from_text(galaxies["fingerprint"]),
        asked,
    )
