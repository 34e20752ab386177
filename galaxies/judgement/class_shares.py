"""Estimate the shares of the classes in a survey without votes, and test whether that is valid."""

from typing import Annotated, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from galaxies.base.arrays import Floats, Probabilities
from galaxies.errors import GalaxiesError, needs

_BINS: Final = 10
_ROUNDS: Final = 10_000
_CLOSE: Final = 1e-8
"""The iteration ends when the share changes by less."""

_EACH: Final = 5
"""Number of iterations between two looks at the likelihood."""

_GAIN: Final = 1e-5
"""The iteration for a given share ends when the logarithm of the likelihood grows by less."""

_PRECISE: Final = 1e-3
"""Precision of the ends of an interval."""

_FULL: Final = 20
"""Number of known galaxies in a bin for an interval."""

Counts = tuple[Annotated[int, Field(ge=0)], ...]


class ClassOutputs(BaseModel):
    """Histograms of the raw probability of the galaxies that a model was calibrated on."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    edges: tuple[float, ...]
    """Raw probabilities between the bins; one less than there are bins."""
    elliptical: Counts
    """Number of galaxies in each bin."""
    spiral: Counts

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not len(self.elliptical) == len(self.spiral) == len(self.edges) + 1:
            raise ValueError("needs one more count than edges for each class")
        if list(self.edges) != sorted(set(self.edges)):
            raise ValueError("the edges must increase")
        if not (any(self.elliptical) and any(self.spiral)):
            raise ValueError("a class has no galaxies")
        return self

    @property
    def spiral_share(self) -> float:
        """Share of spirals among these galaxies."""
        return sum(self.spiral) / (sum(self.spiral) + sum(self.elliptical))

    def count(self, raw: Probabilities) -> Floats:
        """Count raw probabilities in these bins."""
        places = np.searchsorted(np.array(self.edges), raw.astype(np.float64), side="right")
        return np.bincount(places, minlength=len(self.elliptical)).astype(np.float64)


def summarise_outputs(raw: Probabilities, labels: npt.NDArray[np.int64]) -> ClassOutputs:
    """Count the raw probabilities of each class, in bins with equally many galaxies.

    Parameters
    ----------
    raw : ndarray of shape (N,), float32
        Raw probabilities.
    labels : ndarray of shape (N,), int64
        Places in `CLASSES`, both of which must occur.

    Returns
    -------
    ClassOutputs

    Examples
    --------
    >>> import numpy as np
    >>> raw = np.linspace(0, 1, 100, dtype=np.float32)
    >>> outputs = summarise_outputs(raw, (raw > 0.5).astype(int))
    >>> outputs.elliptical, outputs.spiral
    ((10, 10, 10, 10, 10, 0, 0, 0, 0, 0), (0, 0, 0, 0, 0, 10, 10, 10, 10, 10))
    """
    inner = np.quantile(raw.astype(np.float64), np.linspace(0, 1, _BINS + 1)[1:-1])
    # Bundles have six decimals.
    edges = np.unique(np.round(inner, 6))
    places = np.searchsorted(edges, raw.astype(np.float64), side="right")
    elliptical, spiral = (
        tuple(np.bincount(places[labels == label], minlength=len(edges) + 1).tolist())
        for label in (0, 1)
    )
    return ClassOutputs(edges=tuple(edges.tolist()), elliptical=elliptical, spiral=spiral)


def estimate_spiral_share(p_spiral: Probabilities, known: float) -> float:
    """Estimate the share of spirals among galaxies without votes.

    Expectation maximisation on a calibrated model's probabilities: Saerens, Latinne & Decaestecker
    (2002), "Adjusting the outputs of a classifier to new a priori probabilities: a simple
    procedure". It assumes that the galaxies of each class look like those that the model was
    calibrated on, and that only the shares of the classes differ.

    Parameters
    ----------
    p_spiral : ndarray of shape (N,), float32
        Calibrated probabilities.
    known : float
        Share of spirals among the galaxies that the model was calibrated on.

    Returns
    -------
    float
        Between 0 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> p = np.repeat(np.array([0.01, 0.99], np.float32), [80, 20])
    >>> round(estimate_spiral_share(p, known=0.5), 3)
    0.194
    """
    p = p_spiral.astype(np.float64).clip(1e-9, 1 - 1e-9)
    odds = p / (1 - p) * (1 - known) / known
    share = known
    for _ in range(_ROUNDS):
        scaled = odds * share / (1 - share)
        earlier, share = share, float(np.mean(scaled / (1 + scaled)).clip(1e-6, 1 - 1e-6))
        if abs(share - earlier) < _CLOSE:
            break
    return share


def odds_factor(known: float, share: float) -> float:
    """Compute the factor on the odds of "spiral" for a new share of spirals.

    Bayes's rule, equation 2.4 in Saerens et al. (2002).

    Examples
    --------
    >>> round(odds_factor(known=0.5, share=0.75), 6)
    3.0
    """
    return share / (1 - share) * (1 - known) / known


class Mixture(NamedTuple):
    """Whether outputs can be a mixture of those of the two classes."""

    p_value: float
    """Probability that galaxies of the same two classes differ from the mixture by at least as
    much."""
    share: float
    """Share of spirals in the best mixture."""
    misfit: float
    """Total variation distance between the outputs and the best mixture."""


def compare_with_mixture(outputs: ClassOutputs, raw: Probabilities) -> Mixture:
    """Test whether only the shares of the classes can have changed.

    A likelihood-ratio test of three binned samples: the ellipticals and the spirals that the bundle
    was calibrated on, and the galaxies of the survey as a mixture of both (Hosmer 1973, "A
    comparison of iterative maximum likelihood estimates of the parameters of a mixture of two
    normal distributions under three different types of sample"; Wilks 1938 for the distribution).
    The test notices galaxies that look different. It cannot notice that volunteers were asked a
    different question, and so put the same galaxies into another class.

    Parameters
    ----------
    outputs : ClassOutputs
        Histograms from the bundle.
    raw : ndarray of shape (N,), float32
        Raw probabilities of the galaxies of the survey.

    Returns
    -------
    Mixture

    Examples
    --------
    >>> import numpy as np
    >>> outputs = ClassOutputs(edges=(0.3, 0.7), elliptical=(90, 8, 2), spiral=(2, 8, 90))
    >>> few_spirals = np.repeat(np.array([0.1, 0.5, 0.9], np.float32), [70, 9, 21])
    >>> all_uncertain = np.repeat(np.array([0.1, 0.5, 0.9], np.float32), [10, 80, 10])
    >>> compare_with_mixture(outputs, few_spirals).p_value > 0.5
    True
    >>> compare_with_mixture(outputs, all_uncertain).p_value < 0.001
    True
    """
    # Imported here because it takes half a second.
    with needs("calibrate"):
        from scipy.special import gammaincc

    samples = _Samples.of(outputs, raw)
    fitted = samples.fit()
    ratio = 2 * (
        sum(_likelihood(counts, _shares(counts)) for counts in samples) - fitted.likelihood
    )
    freedom = len(samples.survey) - 2
    p_value = float(gammaincc(freedom / 2, max(ratio, 0.0) / 2)) if freedom > 0 else 1.0
    share = fitted.share
    mixture = share * _shares(samples.spirals) + (1 - share) * _shares(samples.ellipticals)
    return Mixture(p_value, share, float(np.abs(_shares(samples.survey) - mixture).sum() / 2))


def share_interval(outputs: ClassOutputs, raw: Probabilities) -> tuple[float, float]:
    """Compute the 95% interval of the share of spirals among galaxies without votes.

    By profile likelihood (Wilks 1938; Venzon & Moolgavkar 1988, "A method for computing
    profile-likelihood-based confidence intervals") of the three samples in
    `compare_with_mixture`. So it allows for the number of galaxies in the survey and for the number
    that the bundle was calibrated on, which is what a small calibration is biased by. It assumes
    that only the shares differ, as `estimate_spiral_share` does.

    Parameters
    ----------
    outputs : ClassOutputs
        Histograms from the bundle.
    raw : ndarray of shape (N,), float32
        Raw probabilities of the galaxies of the survey.

    Returns
    -------
    low, high : float

    Examples
    --------
    >>> import numpy as np
    >>> few_spirals = np.repeat(np.array([0.1, 0.5, 0.9], np.float32), [70, 9, 21])
    >>> many = ClassOutputs(edges=(0.3, 0.7), elliptical=(9000, 800, 200), spiral=(200, 800, 9000))
    >>> few = ClassOutputs(edges=(0.3, 0.7), elliptical=(9, 8, 2), spiral=(2, 8, 9))
    >>> [round(end, 2) for end in share_interval(many, few_spirals)]
    [0.13, 0.32]
    >>> [round(end, 2) for end in share_interval(few, few_spirals)]
    [0.0, 0.17]
    """
    with needs("calibrate"):
        from scipy.special import stdtrit

    samples = _Samples.of(outputs, raw).wider()
    best = samples.fit()
    # Student's instead of the normal distribution, for the smallest of the three samples.
    fewest = min(float(counts.sum()) for counts in samples)
    enough = best.likelihood - float(stdtrit(max(fewest - 1, 1), 0.975)) ** 2 / 2

    def end(outside: float) -> float:
        """Find the first share outside, from the best towards 0 or 1."""
        if samples.fit(outside, enough).likelihood >= enough:
            return outside
        inside = best.share
        while abs(inside - outside) > _PRECISE:
            middle = (inside + outside) / 2
            if samples.fit(middle, enough).likelihood >= enough:
                inside = middle
            else:
                outside = middle
        return outside

    return end(0.0), end(1.0)


class _Mixed(NamedTuple):
    share: float
    """Share of spirals in the survey."""
    likelihood: float
    """Logarithm, of all three samples."""


class _Samples(NamedTuple):
    """Numbers of galaxies in the bins that are not empty."""

    ellipticals: Floats
    spirals: Floats
    survey: Floats

    @classmethod
    def of(cls, outputs: ClassOutputs, raw: Probabilities) -> Self:
        of_classes = (
            np.array(counts, np.float64) for counts in (outputs.elliptical, outputs.spiral)
        )
        every = np.stack([*of_classes, outputs.count(raw)])
        return cls(*every[:, every.sum(axis=0) > 0])

    def wider(self) -> Self:
        """Join bins, so that each has about 20 known galaxies; fewer do not follow chi squared."""
        labelled = float(self.ellipticals.sum() + self.spirals.sum())
        bins = int(np.clip(labelled // _FULL, 2, len(self.survey)))
        starts = np.unique(np.linspace(0, len(self.survey), bins + 1).astype(np.int64)[:-1])
        return type(self)(*(np.add.reduceat(counts, starts) for counts in self))

    def fit(self, share: float | None = None, enough: float = np.inf) -> _Mixed:
        """Find the most likely classes and share by expectation maximisation.

        For a given `share`, the search ends where the likelihood is `enough`: it only grows.
        """
        fixed = share is not None
        elliptical, spiral = (_shares(counts + _shares(self.survey)) for counts in self[:2])
        share = 0.5 if share is None else share
        likelihood = -np.inf
        for _ in range(_ROUNDS // _EACH):
            earlier_share, earlier = share, likelihood
            for _ in range(_EACH):
                mixture = share * spiral + (1 - share) * elliptical
                are_spiral = self.survey * (share * spiral / np.maximum(mixture, 1e-300))
                spiral = _shares(self.spirals + are_spiral)
                elliptical = _shares(self.ellipticals + self.survey - are_spiral)
                if not fixed:
                    share = float(are_spiral.sum() / self.survey.sum())
            fitted = (elliptical, spiral, share * spiral + (1 - share) * elliptical)
            likelihood = sum(_likelihood(*both) for both in zip(self, fitted, strict=True))
            close = likelihood - earlier < _GAIN if fixed else abs(share - earlier_share) < _CLOSE
            if close or likelihood >= enough:
                break
        return _Mixed(share, likelihood)


def _shares(counts: Floats) -> Floats:
    return np.asarray(counts / counts.sum())


def _likelihood(counts: Floats, shares: Floats) -> float:
    occupied = counts > 0
    return float((counts[occupied] * np.log(np.maximum(shares[occupied], 1e-300))).sum())


def require_outputs(outputs: ClassOutputs | None, bundle: object) -> ClassOutputs:
    """Return the histograms of a bundle; if it has none, this is a `GalaxiesError`."""
    if outputs is None:
        raise GalaxiesError(
            f"{bundle}: has no outputs for each class, which are needed to estimate shares: it "
            "was made by an earlier version, or its shares are already adjusted; calibrate it with "
            "votes"
        )
    return outputs
