"""Fit the calibrations and promises of a bundle again, without training."""

import hashlib
from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from galaxies.base.arrays import Floats, Labels, Outputs, Probabilities
from galaxies.bundle.folder import CalibratedOn, Description
from galaxies.errors import GalaxiesError
from galaxies.judgement.calibration import fit_calibration, smoothed, softened
from galaxies.judgement.class_shares import (
    ClassOutputs,
    estimate_spiral_share,
    odds_factor,
    summarise_outputs,
)
from galaxies.judgement.familiarity import summarise
from galaxies.judgement.promises import make_promises
from galaxies.questions.tree import CLASSES
from galaxies.settings import TriageSettings

FEWEST: Final = 30
"""Smallest number of galaxies for a calibration."""

FEWEST_OF_A_CLASS: Final = 5


class Voted(NamedTuple):
    """Galaxies with a bundle's raw probabilities and the volunteers' votes."""

    galaxy_ids: npt.NDArray[np.int64]
    raw: Probabilities
    """(N,) before calibration."""
    labels: Labels
    vote_fractions: Floats
    """(N,) fraction of "features or disk" among the votes for a galaxy."""
    same_pixels: npt.NDArray[np.int64]
    """(N,) equal numbers for identical images."""
    outputs: Outputs | None = None
    """All outputs of the model."""

    def take(self, some: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> "Voted":
        """Select some of the galaxies."""
        return Voted(
            self.galaxy_ids[some],
            self.raw[some],
            self.labels[some],
            self.vote_fractions[some],
            self.same_pixels[some],
            None if self.outputs is None else self.outputs[some],
        )


def require_enough(galaxies: Voted, survey: str) -> None:
    """Make sure that there are enough galaxies, and of both classes.

    Raises
    ------
    GalaxiesError
        If there are fewer than 30, or fewer than 5 of a class.
    """
    count = len(galaxies.labels)
    if count < FEWEST:
        raise GalaxiesError(
            f"{survey}: {count} galaxies with images and votes; calibrating needs at least "
            f"{FEWEST}, better a hundred: have more of them classified by volunteers"
        )
    for place, name in enumerate(CLASSES):
        found = int((galaxies.labels == place).sum())
        if found < FEWEST_OF_A_CLASS:
            raise GalaxiesError(
                f"{survey}: {found} of {count} galaxies are {name}; calibrating needs at least "
                f"{FEWEST_OF_A_CLASS} of each class"
            )


def triage_settings(description: Description) -> TriageSettings:
    """Read the target agreements and the confidence from the promises of a bundle."""
    return TriageSettings(
        agreement=[promise.agreement for promise in description.triage],
        confidence=description.triage[0].confidence,
    )


def recalibrate(description: Description, galaxies: Voted) -> Description:
    """Fit both calibrations and the promises on galaxies with votes.

    Parameters
    ----------
    description : Description
        The description of the bundle; its target agreements and confidence are kept.
    galaxies : Voted
        Galaxies that the bundle was not trained on.

    Returns
    -------
    Description
        The new description; the entries about the training do not change.

    Notes
    -----
    The labels are smoothed as in Platt (1999), because there may be few. The promises use the same
    galaxies as the calibration, which has two parameters and at least 30 galaxies.

    Examples
    --------
    >>> import numpy as np
    >>> from pathlib import Path
    >>> from galaxies.bundle.folder import read_description
    >>> description = read_description(Path("models/cnn"))
    >>> labels = np.arange(60) % 2
    >>> galaxies = Voted(
    ...     galaxy_ids=np.arange(60),
    ...     raw=np.where(labels, 0.7, 0.4).astype(np.float32),
    ...     labels=labels,
    ...     vote_fractions=labels.astype(float),
    ...     same_pixels=np.arange(60),
    ... )
    >>> recalibrate(description, galaxies).calibration(galaxies.raw[:2]).round(2)
    array([0.03, 0.97], dtype=float32)
    """
    calibration = fit_calibration(galaxies.raw, smoothed(galaxies.labels))
    promises = make_promises(
        calibration(galaxies.raw), galaxies.labels, triage_settings(description)
    )
    return description.model_copy(
        update={
            "calibration": calibration,
            "votes": fit_calibration(galaxies.raw, softened(galaxies.vote_fractions)),
            "triage": promises,
            "outputs": summarise_outputs(galaxies.raw, galaxies.labels),
            "surveys": {},
            "known": None if galaxies.outputs is None else summarise(galaxies.outputs),
        }
    )


def adjust_shares(
    description: Description, outputs: ClassOutputs, raw: Probabilities
) -> tuple[Description, float]:
    """Adjust the calibrations to the shares of the classes in a survey without votes.

    The odds of every galaxy are multiplied by the same factor, also those of the vote fraction,
    which is exact for hard votes and an approximation for others. All promises are removed.

    Parameters
    ----------
    description : Description
        The description of the bundle.
    outputs : ClassOutputs
        Its histograms for each class.
    raw : ndarray of shape (N,), float32
        Raw probabilities of the galaxies of the survey.

    Returns
    -------
    Description
        The new description.
    float
        The estimated share of spirals.

    Examples
    --------
    >>> import numpy as np
    >>> from pathlib import Path
    >>> from galaxies.bundle.folder import read_description
    >>> description = read_description(Path("models/cnn"))
    >>> raw = np.linspace(0.6, 0.9, 50, dtype=np.float32)
    >>> adjusted, share = adjust_shares(description, description.outputs, raw)
    >>> share > description.outputs.spiral_share, adjusted.triage[0].threshold
    (True, None)
    """
    known = outputs.spiral_share
    share = estimate_spiral_share(description.calibration(raw), known)
    factor = odds_factor(known, share)
    no_promises = [one.model_copy(update={"threshold": None}) for one in description.triage]
    adjusted = description.model_copy(
        update={
            "calibration": description.calibration.with_odds(factor),
            "votes": description.votes.with_odds(factor),
            "triage": tuple(no_promises),
            # Their shares are no longer those of the calibration.
            "outputs": None,
            "known": None,
            "surveys": {},
        }
    )
    return adjusted, share


def calibrated_on(
    survey: str, galaxy_ids: Iterable[object], by: Literal["votes", "shares"]
) -> CalibratedOn:
    """Describe the survey that a bundle was calibrated on."""
    ids = sorted(map(str, galaxy_ids))
    return CalibratedOn(
        survey=survey,
        galaxies=len(ids),
        by=by,
        fingerprint=hashlib.sha256("\n".join(ids).encode()).hexdigest(),
    )
