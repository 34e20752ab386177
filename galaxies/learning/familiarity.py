"""Whether galaxies look to a model like those that it was calibrated on."""

from typing import Final

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from galaxies.learning.outputs import Outputs

FEWEST: Final = 100
"""Galaxies below which nothing can be said."""

_LEAST: Final = 0.01
"""Distance that hardly matters, however many galaxies tell it."""

_CHANCE: Final = 0.115
"""Standard deviation of the distance between two samples of one survey, for one galaxy in each: as
measured on halves of real surveys."""

_BINS: Final = 10

# Mean absolute deviation of a normal distribution, over its standard deviation.
_MEAN_DEVIATION: Final = float(np.sqrt(2 / np.pi))

Places = npt.NDArray[np.uint8]
"""(N, K) in which tenth of the known galaxies' each of a galaxy's numbers lies, from 0."""


class KnownOutputs(BaseModel):
    """How a model's numbers lie for the galaxies that it was calibrated on."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    galaxies: int
    deciles: tuple[tuple[float, ...], ...]
    """Of each number the nine values that part ten bins of equally many galaxies."""

    def places(self, outputs: Outputs) -> Places:
        """Find the bins of a model's numbers (N,) or (N, K)."""
        numbers = outputs.reshape(len(outputs), -1)
        found = [
            np.searchsorted(np.array(deciles, np.float32), numbers[:, place], side="right")
            for place, deciles in enumerate(self.deciles)
        ]
        return np.stack(found, axis=1).astype(np.uint8)

    def distance(self, counts: npt.NDArray[np.int64]) -> float:
        """Measure how far a survey's numbers lie from the known ones.

        Parameters
        ----------
        counts : ndarray of shape (K, 10), int64
            The survey's galaxies in each bin of each number, as `count` makes it.

        Returns
        -------
        float
            Mean over the numbers of the total variation distance between the two histograms, less
            what chance alone would make of it, so that 0 means no difference; at most 1.

        Examples
        --------
        >>> random = np.random.default_rng(0)
        >>> known = summarise(random.normal(size=(1000, 3)).astype(np.float32))
        >>> alike, other = random.normal(size=(2, 1000, 3)).astype(np.float32)
        >>> round(known.distance(count(known.places(alike))), 2)
        0.01
        >>> round(known.distance(count(known.places(other + 1))), 2)
        0.35
        """
        kept = [place for place, one in enumerate(self.deciles) if len(set(one)) == len(one)]
        galaxies = counts[0].sum()
        shares = counts[kept] / galaxies
        apart = np.abs(shares - 1 / _BINS).sum(axis=1).mean() / 2
        variance = (1 / _BINS) * (1 - 1 / _BINS) * (1 / galaxies + 1 / self.galaxies)
        return float(apart - _BINS / 2 * _MEAN_DEVIATION * np.sqrt(variance))

    def familiar(self, counts: npt.NDArray[np.int64]) -> bool | None:
        """Say whether a survey may be the known one; `None` for fewer than 100 galaxies.

        It is another one where the distance exceeds 0.01 by more than two standard deviations of
        what chance makes of it.

        Parameters
        ----------
        counts : ndarray of shape (K, 10), int64
            As in `distance`.
        """
        galaxies = int(counts[0].sum())
        if min(galaxies, self.galaxies) < FEWEST:
            return None
        chance = 2 * _CHANCE * np.sqrt(1 / galaxies + 1 / self.galaxies)
        return bool(self.distance(counts) <= _LEAST + chance)


def summarise(outputs: Outputs) -> KnownOutputs:
    """Find the deciles of a model's numbers (N,) or (N, K)."""
    numbers = outputs.reshape(len(outputs), -1).astype(np.float64)
    inner = np.quantile(numbers, np.linspace(0, 1, _BINS + 1)[1:-1], axis=0)
    deciles = tuple(tuple(one) for one in np.round(inner.T, 6).tolist())
    return KnownOutputs(galaxies=len(numbers), deciles=deciles)


def count(places: Places) -> npt.NDArray[np.int64]:
    """Count galaxies in the bins of each number: (K, 10)."""
    return np.stack([np.bincount(one, minlength=_BINS) for one in places.T]).astype(np.int64)
