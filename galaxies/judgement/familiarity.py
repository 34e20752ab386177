"""Whether a survey looks to a model like the galaxies that it was calibrated on."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from galaxies.base.arrays import Outputs

FEWEST: Final = 80
"""Smallest number of galaxies, in the survey and among the known ones, for a statement."""

_LEAST: Final = 0.01
"""Distance that does not matter, however significant it is."""

_CHANCE: Final = 0.115
"""Standard deviation of the distance between two samples of one survey, for one galaxy in each:
measured on halves of real surveys, for all outputs of a network together."""

_CHANCE_OF_ONE: Final = 0.29
"""The same for a single output, from theory: half the standard deviation of the sum of the absolute
values of ten normal variables."""

_EVEN: Final = 0.002
"""Allowed difference of the shares in the bins from a tenth."""

_BINS: Final = 10

# Mean absolute deviation of a normal distribution, over its standard deviation.
_MEAN_DEVIATION: Final = float(np.sqrt(2 / np.pi))

Places = npt.NDArray[np.uint8]
"""(N, K) the bin of each output of each galaxy, from 0, by the deciles of the known galaxies."""


class KnownOutputs(BaseModel):
    """Distribution of the outputs of a model for the galaxies that it was calibrated on."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    galaxies: int
    deciles: tuple[tuple[float, ...], ...]
    """For each output, nine values between ten bins with equally many galaxies; nine equal values
    if there are no such bins, as for a decision tree with few leaves."""

    @property
    def _telling(self) -> list[int]:
        """Outputs that have bins."""
        return [place for place, one in enumerate(self.deciles) if len(set(one)) == len(one)]

    def places(self, outputs: Outputs) -> Places:
        """Find the bins of outputs (N,) or (N, K)."""
        numbers = outputs.reshape(len(outputs), -1)
        found = [
            np.searchsorted(np.array(deciles, np.float32), numbers[:, place], side="right")
            for place, deciles in enumerate(self.deciles)
        ]
        return np.stack(found, axis=1).astype(np.uint8)

    def distance(self, counts: npt.NDArray[np.int64]) -> float:
        """Measure the distance between the outputs of a survey and the known ones.

        Parameters
        ----------
        counts : ndarray of shape (K, 10), int64
            Number of galaxies of the survey in each bin of each output, from `count`.

        Returns
        -------
        float
            The total variation distance between the two histograms, averaged over the outputs,
            minus its expectation for equal distributions. 0 means no difference; at most 1.

        Examples
        --------
        >>> import numpy as np
        >>> random = np.random.default_rng(0)
        >>> known = summarise(random.normal(size=(1000, 3)).astype(np.float32))
        >>> alike, other = random.normal(size=(2, 1000, 3)).astype(np.float32)
        >>> round(known.distance(count(known.places(alike))), 2)
        0.01
        >>> round(known.distance(count(known.places(other + 1))), 2)
        0.35
        """
        even = np.full((len(self._telling), _BINS), 1 / _BINS)
        return _distance(counts[self._telling], even, self.galaxies)

    def familiar(self, counts: npt.NDArray[np.int64]) -> bool | None:
        """Decide whether a survey looks like the known galaxies.

        It does not if the distance exceeds 0.01 by more than two standard deviations.

        Parameters
        ----------
        counts : ndarray of shape (K, 10), int64
            As in `distance`.

        Returns
        -------
        bool or None
            `None` for fewer than 80 galaxies, or if no output has bins.
        """
        return self._near(counts, self.distance(counts), self.galaxies)

    def resembles(
        self,
        counts: npt.NDArray[np.int64],
        surveys: Mapping[str, npt.NDArray[np.int64]],
    ) -> tuple[bool | None, str | None]:
        """Decide whether a survey looks like the known galaxies, or like one of their surveys.

        Parameters
        ----------
        counts : ndarray of shape (K, 10), int64
            As in `distance`.
        surveys : mapping of str to ndarray of shape (K, 10), int64
            The same for the surveys of the known galaxies.

        Returns
        -------
        familiar : bool or None
            Whether it looks like all of them, or like one survey.
        survey : str or None
            The survey, if it is nearer than all together.
        """
        familiar, nearest, found = self.familiar(counts), None, self.distance(counts)
        if familiar is None:
            return None, None
        telling = self._telling
        for name, known in surveys.items():
            galaxies = int(known[0].sum())
            distance = _distance(counts[telling], known[telling] / galaxies, galaxies)
            if self._near(counts, distance, galaxies) and (not familiar or distance < found):
                familiar, nearest, found = True, name, distance
        return familiar, nearest

    def _near(
        self, counts: npt.NDArray[np.int64], distance: float, known_galaxies: int
    ) -> bool | None:
        galaxies = int(counts[0].sum())
        telling = len(self._telling)
        if min(galaxies, known_galaxies) < FEWEST or not telling:
            return None
        chance = 2 * (_CHANCE if telling > 1 else _CHANCE_OF_ONE)
        chance *= float(np.sqrt(1 / galaxies + 1 / known_galaxies))
        return bool(distance <= _LEAST + chance)


def _distance(
    counts: npt.NDArray[np.int64], known: npt.NDArray[np.float64], known_galaxies: int
) -> float:
    """Compute the distance between counts (K, 10) and known shares (K, 10), as in `distance`."""
    galaxies = counts[0].sum() if len(counts) else 1
    apart = np.abs(counts / galaxies - known).sum(axis=1)
    variance = known * (1 - known) * (1 / galaxies + 1 / known_galaxies)
    expected = _MEAN_DEVIATION * np.sqrt(variance).sum(axis=1)
    return float((apart - expected).mean() / 2) if len(counts) else 0.0


def summarise(outputs: Outputs) -> KnownOutputs:
    """Find the deciles of the outputs (N,) or (N, K) of a model."""
    numbers = outputs.reshape(len(outputs), -1).astype(np.float64)
    inner = np.quantile(numbers, np.linspace(0, 1, _BINS + 1)[1:-1], axis=0)
    deciles = np.round(inner.T, 6)
    counts = count(_known(len(numbers), deciles).places(outputs))
    uneven = np.abs(counts / len(numbers) - 1 / _BINS).max(axis=1) > _EVEN + 2 / len(numbers)
    deciles[uneven] = deciles[uneven, :1]
    return _known(len(numbers), deciles)


def _known(galaxies: int, deciles: npt.NDArray[np.float64]) -> KnownOutputs:
    return KnownOutputs(galaxies=galaxies, deciles=tuple(map(tuple, deciles.tolist())))


def count(places: Places) -> npt.NDArray[np.int64]:
    """Count the galaxies in the bins of each output; returns (K, 10)."""
    return np.stack([np.bincount(one, minlength=_BINS) for one in places.T]).astype(np.int64)
