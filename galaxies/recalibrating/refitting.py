"""Fit the calibrations and promises of a bundle again, without training."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from galaxies.base.arrays import Floats, Labels, Probabilities
from galaxies.base.fingerprints import Fingerprints, as_text, upright
from galaxies.bundle.description import CalibratedOn, Judgement
from galaxies.bundle.learned import Learned
from galaxies.errors import GalaxiesError
from galaxies.judgement.calibration import fit_calibration, smoothed, softened
from galaxies.judgement.class_shares import (
    ClassOutputs,
    estimate_spiral_share,
    odds_factor,
    summarise_outputs,
)
from galaxies.judgement.familiarity import Looks
from galaxies.judgement.promises import make_promises
from galaxies.questions.campaign import CLASSES
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
    """(N,) equal numbers for copies of an image, also turned or mirrored ones."""
    looks: Looks | None = None
    """(N, 29) how the images look."""
    fingerprints: Fingerprints = np.empty((0, 3), np.uint64)
    """(N, 3) of the images."""

    @property
    def first_of_each_image(self) -> npt.NDArray[np.int64]:
        """Places of galaxies with different images; an image that occurs twice is no proof."""
        return np.sort(np.unique(self.same_pixels, return_index=True)[1])

    def take(self, places: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> "Voted":
        """Select some of the galaxies."""
        return Voted(
            self.galaxy_ids[places],
            self.raw[places],
            self.labels[places],
            self.vote_fractions[places],
            self.same_pixels[places],
            None if self.looks is None else self.looks[places],
            self.fingerprints[places] if len(self.fingerprints) else self.fingerprints,
        )


def require_enough(galaxies: Voted, survey: Path, left_out: int = 0) -> None:
    """Make sure that there are enough galaxies with different images, and of both classes.

    Raises
    ------
    GalaxiesError
        If there are fewer than 30, or fewer than 5 of a class.
    """
    count, labels = len(galaxies.labels), galaxies.labels[galaxies.first_of_each_image]
    if count < FEWEST:
        raise GalaxiesError(
            f"{survey}: {count} galaxies with images and votes"
            + (f", and {left_out} that the bundle has learned" if left_out else "")
            + f"; calibrating needs at least {FEWEST}, better a hundred: have more of "
            "them classified by volunteers"
        )
    if len(labels) < FEWEST:
        raise GalaxiesError(
            f"{survey}: {count} galaxies have {len(labels)} different images, also counting turned "
            f"and mirrored copies once; calibrating needs at least {FEWEST}: give each galaxy its "
            "own image"
        )
    for place, name in enumerate(CLASSES):
        of_class = int((labels == place).sum())
        if of_class < FEWEST_OF_A_CLASS:
            raise GalaxiesError(
                f"{survey}: {of_class} of {len(labels)} galaxies are {name}; calibrating needs "
                f"at least {FEWEST_OF_A_CLASS} of each class"
            )


def new_to(
    learned: Learned | None, fingerprints: Fingerprints, bundle: Path, survey: Path
) -> npt.NDArray[np.bool_]:
    """Tell which galaxies a bundle has not seen in training, under whatever number.

    Only these can say how good it is.

    Parameters
    ----------
    learned : Learned, optional
        What it has seen; all galaxies are new if that is unknown.
    fingerprints : ndarray of shape (N, 3), uint64
        Of the packed images.
    bundle, survey : Path
        For the error.

    Returns
    -------
    ndarray of shape (N,), bool

    Raises
    ------
    GalaxiesError
        If it has seen all of them.

    Examples
    --------
    >>> import numpy as np
    >>> from pathlib import Path
    >>> from galaxies.bundle.learned import Learned
    >>> seen, other = np.array([[1, 2, 3]], np.uint64), np.full((1, 3), 2**64 - 1, np.uint64)
    >>> learned = Learned(np.array([100008]), seen)
    >>> new_to(learned, np.concatenate([seen, other]), Path("models/cnn"), Path("mine")).tolist()
    [False, True]
    """
    new = np.ones(len(fingerprints), bool)
    if learned is not None:
        new = ~learned.shown(fingerprints)
    if len(new) and not new.any():
        raise GalaxiesError(
            f"{survey}: the bundle {bundle} has learned all of these {len(new):,} galaxies; "
            "calibrate it on others"
        )
    return new


def require_another_survey(judgement: Judgement, on: CalibratedOn, bundle: Path) -> None:
    """Make sure that a bundle was not calibrated on the same galaxies before.

    Its scores before would be those of galaxies that it has seen.

    Raises
    ------
    GalaxiesError
        If it was.
    """
    before = judgement.calibrated
    if before is not None and before.has_galaxies_of(on):
        raise GalaxiesError(
            f"{on.survey}: the bundle {bundle} is calibrated on these {on.galaxies:,} galaxies "
            f"already, by their {before.by}; calibrate the bundle that it was made from"
        )


def void_elsewhere(
    judgements: Mapping[str, Judgement], campaign: str, on: CalibratedOn
) -> dict[str, Judgement]:
    """Remove the promises for campaigns whose votes on this survey are unknown.

    The galaxies of the survey are familiar from now on, so that their promises, proven on others,
    would be applied to them.

    Examples
    --------
    >>> from galaxies.bundle.description import read_description
    >>> from galaxies.bundle.pretrained import PRETRAINED
    >>> judgements = read_description(PRETRAINED / "real").judgements
    >>> on = calibrated_on("mine", [1, 2], "votes")
    >>> void = void_elsewhere(judgements, "kaggle", on)
    >>> {name: judgement.triage[0].threshold is None for name, judgement in void.items()}
    {'kaggle': False, 'gz2': True, 'gz1': True}
    """

    def kept(name: str, judgement: Judgement) -> bool:
        before = judgement.calibrated
        return name == campaign or (before is not None and before.has_galaxies_of(on))

    return {
        name: judgement if kept(name, judgement) else without_promises(judgement)
        for name, judgement in judgements.items()
    }


def without_promises(judgement: Judgement) -> Judgement:
    """Remove all promises."""
    void = tuple(promise.model_copy(update={"threshold": None}) for promise in judgement.triage)
    return judgement.model_copy(update={"triage": void, "surveys": {}})


def triage_settings(judgement: Judgement) -> TriageSettings:
    """Read the target agreements and the confidence from promises."""
    return TriageSettings(
        agreement=[promise.agreement for promise in judgement.triage],
        confidence=judgement.triage[0].confidence,
        search=False,
    )


def recalibrate(judgement: Judgement, galaxies: Voted) -> Judgement:
    """Fit both calibrations and the promises on galaxies with votes.

    Parameters
    ----------
    judgement : Judgement
        That of the bundle; its target agreements and confidence are kept.
    galaxies : Voted
        Galaxies that the bundle was not trained on.

    Returns
    -------
    Judgement

    Notes
    -----
    The labels are smoothed as in Platt (1999), because there may be few. The promises use the same
    galaxies as the calibration, which has two parameters and at least 30 galaxies; identical images
    count once.

    Examples
    --------
    >>> import numpy as np
    >>> from pathlib import Path
    >>> from galaxies.bundle.description import read_description
    >>> judgement = read_description(Path("models/cnn")).judgement
    >>> labels = np.arange(60) % 2
    >>> galaxies = Voted(
    ...     galaxy_ids=np.arange(60),
    ...     raw=np.where(labels, 0.7, 0.4).astype(np.float32),
    ...     labels=labels,
    ...     vote_fractions=labels.astype(float),
    ...     same_pixels=np.arange(60),
    ... )
    >>> recalibrate(judgement, galaxies).calibration(galaxies.raw[:2]).round(2)
    array([0.03, 0.97], dtype=float32)
    """
    calibration = fit_calibration(galaxies.raw, smoothed(galaxies.labels))
    proof = galaxies.take(galaxies.first_of_each_image)
    promises = make_promises(calibration(proof.raw), proof.labels, triage_settings(judgement))
    return judgement.model_copy(
        update={
            "calibration": calibration,
            "votes": fit_calibration(galaxies.raw, softened(galaxies.vote_fractions)),
            "triage": promises,
            "outputs": summarise_outputs(galaxies.raw, galaxies.labels),
            "surveys": {},
        }
    )


def adjust_shares(
    judgement: Judgement, outputs: ClassOutputs, raw: Probabilities
) -> tuple[Judgement, float]:
    """Adjust the calibrations to the shares of the classes in a survey without votes.

    The odds of every galaxy are multiplied by the same factor, also those of the vote fraction,
    which is exact for hard votes and an approximation for others. All promises are removed.

    Parameters
    ----------
    judgement : Judgement
        That of the bundle.
    outputs : ClassOutputs
        Its histograms for each class.
    raw : ndarray of shape (N,), float32
        Raw probabilities of the galaxies of the survey.

    Returns
    -------
    Judgement
        The new one.
    float
        The estimated share of spirals.

    Examples
    --------
    >>> import numpy as np
    >>> from pathlib import Path
    >>> from galaxies.bundle.description import read_description
    >>> judgement = read_description(Path("models/cnn")).judgement
    >>> raw = np.linspace(0.6, 0.9, 50, dtype=np.float32)
    >>> adjusted, share = adjust_shares(judgement, judgement.outputs, raw)
    >>> share > judgement.outputs.spiral_share, adjusted.triage[0].threshold
    (True, None)
    """
    spiral_share = outputs.spiral_share
    share = estimate_spiral_share(judgement.calibration(raw), spiral_share)
    factor = odds_factor(spiral_share, share)
    adjusted = without_promises(judgement).model_copy(
        update={
            "calibration": judgement.calibration.with_odds(factor),
            "votes": judgement.votes.with_odds(factor),
            # Their shares are no longer those of the calibration.
            "outputs": None,
        }
    )
    return adjusted, share


def calibrated_on(
    survey: str,
    galaxy_ids: Iterable[object],
    by: Literal["votes", "shares"],
    fingerprints: Fingerprints | None = None,
) -> CalibratedOn:
    """Describe the survey that a bundle was calibrated on, by IDs and by images.

    Examples
    --------
    >>> import numpy as np
    >>> marks = np.array([[1, 2, 3], [4, 5, 6]], np.uint64)
    >>> on = calibrated_on("mine", [7, 8], "votes", marks)
    >>> on.has_galaxies_of(calibrated_on("other", [1, 2], "votes", marks[::-1]))
    True
    """
    ids = sorted(map(str, galaxy_ids))
    return CalibratedOn(
        survey=survey,
        galaxies=len(ids),
        by=by,
        fingerprint=_digest(ids),
        images=None if fingerprints is None else _digest(sorted(as_text(upright(fingerprints)))),
    )


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
