"""Whether an image looks like the galaxies that a bundle was calibrated on."""

from math import lgamma
from typing import Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from galaxies.base.arrays import Floats
from galaxies.judgement.appearance import NUMBERS

LEVEL: Final = 0.01
"""Share of galaxies like the known ones that are sent to people as unfamiliar."""

FEWEST: Final = 99
"""Smallest number of known galaxies: with fewer, no p-value can be 1%."""

MOST: Final = 20_000
"""Largest number of galaxies to fit or calibrate the distance on; more would change nothing."""

_TOLERATED: Final = 0.02
"""Share of unfamiliar galaxies in a survey that does not matter, however significant it is."""

_RIDGE: Final = 0.1
"""Added to the variance in each direction, so that those with hardly any do not decide."""

Looks = npt.NDArray[np.float32]
"""(N, 29) numbers from `galaxies.judgement.appearance.appearance`."""


class KnownGalaxies(NamedTuple):
    """A distance from the training galaxies, and that of galaxies that were not trained on."""

    centre: npt.NDArray[np.float32]
    """(29,) mean of the training galaxies."""
    axes: npt.NDArray[np.float32]
    """(29, 29) directions in which they vary, divided by how much."""
    distances: npt.NDArray[np.float32]
    """(n,) of the galaxies that the bundle was calibrated on, sorted."""

    @classmethod
    def fit(cls, train: Looks, calibration: Looks) -> Self:
        """Fit the distance on some galaxies, and measure it for others.

        Mahalanobis (1936), of standardised numbers. Lee et al. (2018), "A simple unified framework
        for detecting out-of-distribution samples and adversarial attacks", take it in a network's
        features; ours are numbers of the image, which caught more in
        `benchmarks/familiarity.py`.

        Parameters
        ----------
        train : ndarray of shape (N, 29), float32
            Galaxies of the training; at least one.
        calibration : ndarray of shape (n, 29), float32
            Galaxies that were not trained on.

        Returns
        -------
        KnownGalaxies

        Examples
        --------
        >>> import numpy as np
        >>> looks = np.random.default_rng(0).normal(size=(400, 29)).astype(np.float32)
        >>> known_galaxies = KnownGalaxies.fit(looks[:200], looks[200:])
        >>> known_galaxies.p_values(looks[:1] + 9)
        array([0.00497512])
        """
        mean = train.mean(axis=0, dtype=np.float64)
        scale = np.maximum(train.std(axis=0, dtype=np.float64), 1e-3)
        standard = (train - mean) / scale
        with threadpool_limits(1, "blas"):
            variances, directions = np.linalg.eigh(standard.T @ standard / len(train))
        axes = directions / np.sqrt(np.maximum(variances, 0) + _RIDGE) / scale[:, None]
        unmeasured = cls(mean.astype(np.float32), axes.astype(np.float32), np.empty(0, np.float32))
        return unmeasured.calibrated(calibration)

    def calibrated(self, looks: Looks) -> Self:
        """Keep the distance, and measure it for other galaxies (n, 29)."""
        return self._replace(distances=np.sort(self.distance(looks)))

    @property
    def enough(self) -> bool:
        """Whether there are enough known galaxies for a statement."""
        return len(self.distances) >= FEWEST

    def distance(self, looks: Looks) -> npt.NDArray[np.float32]:
        """Compute the distance (N,) of images; it does not depend on the other images."""
        turned = np.einsum("np,pq->nq", looks - self.centre, self.axes)
        return np.asarray(np.sqrt((turned**2).sum(axis=1)), dtype=np.float32)

    def p_values(self, looks: Looks) -> Floats:
        """Compute the conformal p-value of images (N,).

        For a galaxy that comes from where the known ones do, it is at most p with a probability of
        at most p, whatever the distance is: (1 + number of known galaxies at least as far) /
        (number of known galaxies + 1). Vovk, Gammerman & Shafer (2005), "Algorithmic learning in a
        random world"; Bates et al. (2023), "Testing for outliers with conformal p-values".
        """
        nearer = np.searchsorted(self.distances, self.distance(looks), side="left")
        return np.asarray((1 + len(self.distances) - nearer) / (len(self.distances) + 1))

    def familiar(self, looks: Looks) -> npt.NDArray[np.bool_] | None:
        """Decide for each image (N,) whether it is familiar: its p-value is above 1%.

        Returns
        -------
        ndarray of shape (N,), bool, or None
            `None` if fewer than 99 galaxies are known. True is no evidence that an image shows a
            galaxy of a known kind, only that its appearance gives no evidence against it.
        """
        return self.p_values(looks) > LEVEL if self.enough else None

    def survey_p_value(self, unfamiliar: int, galaxies: int) -> float:
        """Compute the probability that at least so many of the galaxies are unfamiliar by chance.

        All are compared with the same known galaxies, so their p-values depend on each other: the
        number follows a beta-binomial distribution (Bates et al. 2023; Marques 2025, "Universal
        distribution of the empirical coverage in split conformal prediction").

        Examples
        --------
        >>> import numpy as np
        >>> looks = np.random.default_rng(0).normal(size=(400, 29)).astype(np.float32)
        >>> known_galaxies = KnownGalaxies.fit(looks[:200], looks[200:])
        >>> [round(known_galaxies.survey_p_value(count, 100), 4) for count in (0, 1, 3, 9)]
        [1.0, 0.5563, 0.1096, 0.0003]
        """
        below = int(np.floor(LEVEL * (len(self.distances) + 1) + 1e-9))
        above = len(self.distances) + 1 - below
        # Probabilities of 0, 1, ... of them, each from the one before.
        first = lgamma(above + galaxies) - lgamma(above) + lgamma(below + above)
        first -= lgamma(below + above + galaxies)
        j = np.arange(unfamiliar - 1, dtype=np.float64)
        steps = np.log((galaxies - j) * (below + j)) - np.log((j + 1) * (above + galaxies - j - 1))
        fewer = np.exp(first + np.concatenate([[0.0], np.cumsum(steps)])) if unfamiliar else 0.0
        return max(0.0, 1 - float(np.sum(fewer)))

    def survey_is_familiar(self, unfamiliar: int, galaxies: int) -> bool | None:
        """Decide whether a survey looks like the known galaxies.

        It does not if more than 2% of its galaxies are unfamiliar, and so many would be by chance
        in fewer than 1 of 100 surveys.

        Returns
        -------
        bool or None
            `None` without galaxies, or if fewer than 99 galaxies are known.
        """
        if not galaxies or not self.enough:
            return None
        many = unfamiliar > _TOLERATED * galaxies
        return not (many and self.survey_p_value(unfamiliar, galaxies) <= LEVEL)

    def for_survey(self, looks: Looks) -> "ForSurvey":
        """Choose which galaxies another survey is compared with once it calibrates the bundle.

        They stay the same if the survey looks familiar: no more of its galaxies than the expected
        1%, and one, are unfamiliar. If it does not, galaxies of the survey replace them, if there
        are at least 99. Few of them make the test noisy: one odd galaxy among them, and hardly
        anything is unfamiliar. But a survey that is wrongly taken for familiar, with more than 2%
        that are not, will be refused. `benchmarks/familiarity.py` counts both.

        Parameters
        ----------
        looks : ndarray of shape (n, 29), float32
            Galaxies of the survey, which were not trained on.

        Returns
        -------
        ForSurvey

        Examples
        --------
        >>> import numpy as np
        >>> looks = np.random.default_rng(0).normal(size=(500, 29)).astype(np.float32)
        >>> known_galaxies = KnownGalaxies.fit(looks[:200], looks[200:400])
        >>> [known_galaxies.for_survey(looks[400:] + far).replaced for far in (0, 9)]
        [False, True]
        """
        count = len(looks)
        unfamiliar = int((self.p_values(looks) <= LEVEL).sum())
        alike = self.enough and unfamiliar <= LEVEL * count + 1
        if alike or count < FEWEST:
            return ForSurvey(self, unfamiliar, count, replaced=False)
        replacement = self.calibrated(looks[some_of(np.arange(count))])
        return ForSurvey(replacement, unfamiliar, count, replaced=True)

    @property
    def is_whole(self) -> bool:
        """Whether the arrays have the right shapes and finite values."""
        shapes = [self.centre.shape, self.axes.shape, self.distances.shape]
        right = shapes == [(NUMBERS,), (NUMBERS, NUMBERS), (self.distances.size,)]
        return right and all(
            array.dtype == np.float32 and np.isfinite(array).all() for array in self
        )


class ForSurvey(NamedTuple):
    """The known galaxies of a bundle that another survey calibrates."""

    known: KnownGalaxies
    unfamiliar: int
    """Number of galaxies of the survey that were unfamiliar before."""
    galaxies: int
    """Number of galaxies of the survey."""
    replaced: bool
    """Whether galaxies of the survey are the known ones now."""


def some_of(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Select at most 20,000 rows, evenly."""
    if len(rows) <= MOST:
        return rows
    return rows[np.linspace(0, len(rows) - 1, MOST).astype(np.int64)]
