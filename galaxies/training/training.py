"""Train a model: fit, predict, calibrate, find promises, describe."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from galaxies.base.arrays import Decoding, Labels, Outputs, open_array
from galaxies.base.outputs import write_json
from galaxies.bundle.answers import p_spiral
from galaxies.bundle.folder import (
    Description,
    Judgement,
    SurveyJudgement,
    describe,
    new_bundle,
    write_learned,
)
from galaxies.bundle.views import predict_rows
from galaxies.judgement.calibration import fit_calibration, smoothed, softened
from galaxies.judgement.class_shares import summarise_outputs
from galaxies.judgement.familiarity import FEWEST, count, summarise
from galaxies.judgement.promises import make_promises
from galaxies.questions.tree import ALL_QUESTIONS, FIRST, Campaign, spiral_fraction
from galaxies.settings import TriageSettings
from galaxies.training.fitting import Fit, Model
from galaxies.training.parts import Part, fingerprint, galaxies_of

_FEWEST_OF_A_CLASS: Final = 10
"""Smallest number of galaxies of each class for a separate calibration of a survey."""

FitModel = Callable[[npt.NDArray[Any], Part, Part], Fit[Any]]
"""Fits a model to rows of inputs (M, ...), given the training and validation galaxies."""


class TrainingGalaxies(NamedTuple):
    """Inputs, training galaxies and validation galaxies."""

    inputs: npt.NDArray[Any]
    """Packed images uint8 (M, size, size, 3), or features float16 (M, 2048)."""
    train: Part
    validation: Part
    survey: str
    learned_from: str
    """`galaxies.training.parts.fingerprint` of the split."""


class Seen(NamedTuple):
    """How a frame becomes the image that a model sees."""

    size: int
    """Side of the image in pixels."""
    crop: float
    """Side of the central square that is kept, as a fraction of the shorter side of the frame."""
    decoding: Decoding
    """How JPEGs are decoded, as in `galaxies.images.decode.decode_reduced`."""
    views: Literal[1, 8] = 1
    """Number of views that are averaged for predictions."""


class Trained(NamedTuple):
    """A fitted and calibrated model with its promises."""

    fit: Fit[Any]
    description: Description
    learned: npt.NDArray[np.int64]
    """(N,) IDs of the training and the validation galaxies."""

    def save(self, bundle: Path, chosen: Path, history: Path) -> None:
        """Write the bundle, the best settings, and the learning curve.

        Parameters
        ----------
        bundle : Path
            The folder to make.
        chosen, history : Path
            JSON files; the second is a list of rows, the format that `dvc plots` reads.
        """
        with new_bundle(bundle) as folder:
            self.fit.model.save(folder)
            write_learned(folder, self.learned)
            describe(folder, self.description)
        write_json(chosen, self.fit.chosen)
        write_json(history, self.fit.history)


def open_galaxies(
    split: Path, images: Path, inputs: Path, survey: str, votes: Path | None = None
) -> TrainingGalaxies:
    """Open the inputs and the galaxies for training.

    Parameters
    ----------
    split : Path
        Table from `galaxies.dataset.splitting.split_galaxies`.
    images : Path
        Table from `galaxies.dataset.packing.pack_images`.
    inputs : Path
        The array of images or features.
    survey : str
        Name of the survey.
    votes : Path, optional
        Table from `galaxies.dataset.votes.read_survey_votes`, for a model that is trained on all
        questions. Without it, only galaxies that have a label are used.

    Returns
    -------
    TrainingGalaxies

    Examples
    --------
    >>> from pathlib import Path
    >>> tables = [Path("data/split.parquet"), Path("data/images.parquet")]
    >>> galaxies = open_galaxies(*tables, Path("data/images.npy"), "simulated")
    >>> galaxies.inputs.shape, len(galaxies.train.rows), len(galaxies.validation.rows)
    ((40, 64, 64, 3), 16, 4)
    """
    table, packed = pd.read_parquet(split), pd.read_parquet(images)
    said = None if votes is None else pd.read_parquet(votes)
    parts = [galaxies_of(table, packed, part, votes=said) for part in ("train", "validation")]
    train, validation = parts if votes else [part.labelled for part in parts]
    return TrainingGalaxies(open_array(inputs), train, validation, survey, fingerprint(table))


def train(
    name: str, fit: FitModel, galaxies: TrainingGalaxies, seen: Seen, triage: TriageSettings
) -> Trained:
    """Fit a model on the training galaxies; calibrate it on the validation galaxies.

    Parameters
    ----------
    name : str
        Name of the model in `galaxies.bundle.registry`.
    fit : FitModel
        Function that fits it, with its settings.
    galaxies : TrainingGalaxies
        Output of `open_galaxies`. With votes, the model is calibrated for each campaign that has
        galaxies of both classes.
    seen : Seen
        How frames become images.
    triage : TriageSettings
        Target agreements for the promises.

    Returns
    -------
    Trained

    Examples
    --------
    >>> from pathlib import Path
    >>> tables = [Path("data/split.parquet"), Path("data/images.parquet")]
    >>> galaxies = open_galaxies(*tables, Path("data/images.npy"), "simulated")
    >>> from functools import partial
    >>> from galaxies.models import tree
    >>> from galaxies.settings import load_settings
    >>> settings = load_settings()
    >>> fit = partial(tree.fit, settings=settings.tree)
    >>> trained = train("tree", fit, galaxies, Seen(64, 0.5, "scaled"), settings.triage)
    >>> trained.description.title, trained.learned.shape
    ('decision tree', (20,))
    """
    inputs, validation = galaxies.inputs, galaxies.validation
    fitted = fit(inputs, galaxies.train, validation)
    model: Model = fitted.model
    campaign, others = _campaigns(validation)
    outputs, _ = predict_rows(
        model.predict, inputs, validation.rows, seen.views, campaign, workers=1, doing="calibrate"
    )
    labelled = validation.labels >= 0
    own = _judgement(
        outputs[labelled],
        campaign,
        validation.labels[labelled],
        validation.labelled.vote_fractions,
        triage,
        _surveys(validation)[labelled],
    )
    answers_all = outputs.ndim > 1
    description = Description(
        model=name,
        title=model.title,
        **seen._asdict(),
        campaign=campaign,
        **dict(own),
        others=_others(outputs, validation, others, triage) if answers_all else {},
        questions=_answered_questions(galaxies.train, fitted.kept) if answers_all else (),
        survey=galaxies.survey,
        galaxies=len(galaxies.train.rows),
        learned_from=galaxies.learned_from,
    )
    parts = (galaxies.train, validation)
    learned = np.concatenate([part.galaxies["galaxy_id"].to_numpy(np.int64) for part in parts])
    return Trained(fitted, description, learned)


def _campaigns(part: Part) -> tuple[Campaign, tuple[Campaign, ...]]:
    """Find the campaign that defines the labels, and others with galaxies of both classes."""
    if part.votes is None:
        return "gz2", ()
    answered: list[Campaign] = [
        campaign for campaign in FIRST if {0, 1} <= set(part.votes.labels(campaign).tolist())
    ]
    # In the order of `FIRST`, like `galaxies.dataset.votes.campaign_of`.
    return answered[0], tuple(answered[1:])


def _judgement(
    outputs: Outputs,
    campaign: Campaign,
    labels: Labels,
    fractions: npt.NDArray[np.float64],
    triage: TriageSettings,
    surveys: npt.NDArray[np.str_],
) -> Judgement:
    """Calibrate and find promises, for all galaxies and for those of each survey."""
    raw = p_spiral(outputs, campaign)
    # Without smoothing, a perfect separation of few galaxies would give a step.
    calibration = fit_calibration(raw, smoothed(labels))
    known = summarise(outputs)
    parts: dict[str, SurveyJudgement] = {}
    for name in np.unique(surveys):
        some = surveys == name
        few = np.bincount(labels[some], minlength=2).min() < _FEWEST_OF_A_CLASS
        if some.all() or some.sum() < FEWEST or few:
            continue
        fitted = fit_calibration(raw[some], smoothed(labels[some]))
        counts = count(known.places(outputs[some]))
        parts[str(name)] = SurveyJudgement(
            calibration=fitted,
            triage=make_promises(fitted(raw[some]), labels[some], triage),
            counts=tuple(map(tuple, counts.tolist())),
        )
    return Judgement(
        calibration=calibration,
        votes=fit_calibration(raw, softened(fractions)),
        triage=make_promises(calibration(raw), labels, triage),
        outputs=summarise_outputs(raw, labels),
        known=known,
        surveys=parts,
    )


def _surveys(part: Part) -> npt.NDArray[np.str_]:
    """Return the survey of origin (N,) of each galaxy."""
    names = part.galaxies.get("survey")
    return np.full(len(part.rows), "") if names is None else names.to_numpy(str)


def _others(
    outputs: Outputs, part: Part, campaigns: tuple[Campaign, ...], triage: TriageSettings
) -> dict[Campaign, Judgement]:
    """Calibrate for the campaigns that do not define the labels."""
    found: dict[Campaign, Judgement] = {}
    for campaign in campaigns:
        assert part.votes is not None
        labels = part.votes.labels(campaign)
        known = labels >= 0
        first = part.votes.shares[known][:, FIRST[campaign].places]
        fractions = spiral_fraction(first[:, 0], first[:, 1])
        found[campaign] = _judgement(
            outputs[known], campaign, labels[known], fractions, triage, _surveys(part)[known]
        )
    return found


def _answered_questions(part: Part, kept: tuple[str, ...]) -> tuple[str, ...]:
    """List the questions with votes on any training galaxy, and those that were kept."""
    if part.votes is None:
        return ()
    given = np.nansum(part.votes.shares, axis=0)
    return tuple(
        question.name
        for question in ALL_QUESTIONS
        if question.name in kept or given[question.places].any()
    )
