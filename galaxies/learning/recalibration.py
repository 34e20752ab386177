"""A bundle's calibrations and promises fitted anew, without training."""

import hashlib
from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from galaxies.base.arrays import Floats, Probabilities
from galaxies.base.questions import CLASSES
from galaxies.errors import GalaxiesError
from galaxies.learning.bundle import CalibratedOn, Description
from galaxies.learning.calibration import fit_calibration, smoothed, softened
from galaxies.learning.class_shares import (
    ClassOutputs,
    estimate_spiral_share,
    odds_factor,
    summarise_outputs,
)
from galaxies.learning.familiarity import summarise
from galaxies.learning.outputs import Outputs
from galaxies.learning.parts import Labels
from galaxies.learning.promises import make_promises
from galaxies.settings import TriageSettings

FEWEST: Final = 30
"""Galaxies that a calibration takes, at the least."""

FEWEST_OF_A_CLASS: Final = 5


class Voted(NamedTuple):
    """Galaxies with a bundle's raw probabilities and the volunteers' votes."""

    galaxy_ids: npt.NDArray[np.int64]
    raw: Probabilities
    """(N,) as the model gives them."""
    labels: Labels
    vote_fractions: Floats
    """(N,) share of "features or disk" among the votes for a galaxy."""
    same_pixels: npt.NDArray[np.int64]
    """(N,) equal numbers where galaxies have identical pixels."""
    outputs: Outputs | None = None
    """All that the model says of them."""

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
    """Refuse galaxies that are too few to calibrate with, or of one class.

    Raises
    ------
    GalaxiesError
        If there are fewer than 30, or fewer than 5 of a class.
    """
    count = len(galaxies.labels)
    if count < FEWEST:
        raise GalaxiesError(
            f"{survey}: {count} galaxies with images and votes; calibrating takes {FEWEST} at the "
            "least, better a hundred: have more of them classified by volunteers"
        )
    for place, name in enumerate(CLASSES):
        found = int((galaxies.labels == place).sum())
        if found < FEWEST_OF_A_CLASS:
            raise GalaxiesError(
                f"{survey}: {found} of {count} galaxies are {name}; calibrating takes "
                f"{FEWEST_OF_A_CLASS} of each class at the least"
            )


def triage_settings(description: Description) -> TriageSettings:
    """Read the target agreements and the confidence out of a bundle's promises."""
    return TriageSettings(
        agreement=[promise.agreement for promise in description.triage],
        confidence=description.triage[0].confidence,
    )


def recalibrate(description: Description, galaxies: Voted) -> Description:
    """Fit both calibrations and the promises on galaxies with votes.

    Parameters
    ----------
    description : Description
        The bundle's; its target agreements and their confidence are kept.
    galaxies : Voted
        None of which the bundle learned from.

    Returns
    -------
    Description
        The new one; what it says of the training is as before.

    Notes
    -----
    The labels are moved a little towards each other, as Platt (1999) does, since there may be few.
    Promises rest on the same galaxies as the calibration, two numbers fitted on 30 or more.
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
    """Adjust the calibrations to the shares of the classes among galaxies without votes.

    The odds of every galaxy change by the same factor, those of the vote fraction as well: exact
    for hard votes, an approximation for others. No promise is left.

    Parameters
    ----------
    description : Description
        The bundle's.
    outputs : ClassOutputs
        Its outputs for each class.
    raw : ndarray of shape (N,), float32
        Raw probabilities of the survey's galaxies.

    Returns
    -------
    Description
        The new one.
    float
        The share of spirals.
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
            # Their shares no longer are those of the calibration.
            "outputs": None,
            "known": None,
            "surveys": {},
        }
    )
    return adjusted, share


def calibrated_on(
    survey: str, galaxy_ids: Iterable[object], by: Literal["votes", "shares"]
) -> CalibratedOn:
    """Say what a bundle was calibrated on."""
    ids = sorted(map(str, galaxy_ids))
    return CalibratedOn(
        survey=survey,
        galaxies=len(ids),
        by=by,
        fingerprint=hashlib.sha256("\n".join(ids).encode()).hexdigest(),
    )
