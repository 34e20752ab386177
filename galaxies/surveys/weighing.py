"""Weights that correct a survey for galaxies that were selected by their answers."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from galaxies.dataset.layout import VOTES, read_campaign, survey_file
from galaxies.dataset.votes import read_answers
from galaxies.errors import GalaxiesError
from galaxies.questions.campaign import Campaign
from galaxies.questions.gz2 import GZ2
from galaxies.questions.kinds import KINDS, kinds
from galaxies.questions.layout import Layout

_FEWEST: Final = 100
"""Smallest number of galaxies in a sample that says how common the kinds are."""


class Sample:
    """An unselected sample of a campaign: how common each kind of galaxy is.

    Parameters
    ----------
    folder : Path
        A survey whose galaxies were not selected by their answers.

    Raises
    ------
    GalaxiesError
        If it cannot be read, asks other questions than Galaxy Zoo 2, or has too few galaxies.

    Examples
    --------
    >>> from pathlib import Path
    >>> import pandas as pd
    >>> votes = pd.concat([pd.read_csv("data/simulated/training_solutions_rev1.csv")] * 3)
    >>> Path("sample").mkdir()
    >>> votes.assign(GalaxyID=range(120)).to_csv("sample/training_solutions_rev1.csv", index=False)
    >>> sample = Sample(Path("sample"))
    >>> sample.common.shape, float(sample.common.sum().round(6))
    ((7,), 1.0)
    """

    def __init__(self, folder: Path) -> None:
        self.campaign: Campaign = read_campaign(folder)
        if not self.campaign.has_tree_of(GZ2):
            raise GalaxiesError(
                f"{folder}: votes of {self.campaign.title}, which does not ask for the kinds of "
                "galaxies; weights need the questions of Galaxy Zoo 2"
            )
        shares = self.shares(read_answers(survey_file(folder, VOTES)))
        complete = shares[~np.isnan(shares).any(axis=1)]
        if len(complete) < _FEWEST:
            raise GalaxiesError(
                f"{folder}: {len(complete)} galaxies with all answers cannot say how common the "
                f"kinds are; give a sample of at least {_FEWEST}"
            )
        self.common = np.bincount(kinds(complete), minlength=len(KINDS)) / len(complete)
        """(kinds,) share of each kind."""

    def shares(self, answers: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Select the fractions (N, 37) of the campaign from a table of `read_answers`."""
        columns = list(Layout((self.campaign,)).columns)
        fractions: npt.NDArray[np.float64] = answers.reindex(columns=columns).to_numpy(np.float64)
        return fractions


def weigh(shares: npt.NDArray[np.floating[Any]], sample: Sample) -> npt.NDArray[np.float64]:
    """Compute the weights with which galaxies show the kinds as often as an unselected sample.

    Each weight is the share of the galaxy's kind in the sample, over its share here
    (post-stratification: Holt & Smith 1979, "Post stratification", J. R. Statist. Soc. A 142, 33).

    Parameters
    ----------
    shares : ndarray of shape (N, 37), float
        Vote fractions; NaN where a galaxy has no answer.
    sample : Sample
        The unselected sample.

    Returns
    -------
    ndarray of shape (N,), float64
        1 on average over the galaxies with all answers; NaN for the others.

    Examples
    --------
    The sample itself needs no correction:

    >>> from pathlib import Path
    >>> import numpy as np
    >>> import pandas as pd
    >>> from galaxies.dataset.votes import read_answers
    >>> votes = pd.concat([pd.read_csv("data/simulated/training_solutions_rev1.csv")] * 3)
    >>> Path("sample").mkdir()
    >>> votes.assign(GalaxyID=range(120)).to_csv("sample/training_solutions_rev1.csv", index=False)
    >>> sample = Sample(Path("sample"))
    >>> shares = sample.shares(read_answers(Path("sample/training_solutions_rev1.csv")))
    >>> np.unique(weigh(shares, sample).round(6)).tolist()
    [1.0]
    """
    weights = np.full(len(shares), np.nan)
    complete = ~np.isnan(shares).any(axis=1)
    if complete.any():
        kind = kinds(shares[complete])
        here = np.bincount(kind, minlength=len(KINDS)) / len(kind)
        weights[complete] = (sample.common / np.maximum(here, 1e-12))[kind]
        weights /= np.nanmean(weights)
    return weights
