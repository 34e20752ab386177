"""Train a model: fit, predict, calibrate, find promises, describe."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from galaxies.base.arrays import Decoding, Labels, Outputs, Probabilities, open_array
from galaxies.base.outputs import write_json
from galaxies.bundle.answers import p_spiral, read_outputs
from galaxies.bundle.description import Description, Judgement, SurveyJudgement
from galaxies.bundle.folder import describe, new_bundle
from galaxies.bundle.known_galaxies import write_known
from galaxies.bundle.learned import Learned, write_learned
from galaxies.bundle.views import predict_rows
from galaxies.judgement.appearance import appearance
from galaxies.judgement.calibration import fit_calibration, smoothed, softened
from galaxies.judgement.class_shares import summarise_outputs
from galaxies.judgement.familiarity import KnownGalaxies, Looks, some_of
from galaxies.judgement.promises import Promise, certainty, make_promises, strictest
from galaxies.questions.campaign import Campaign, spiral_fraction
from galaxies.questions.layout import ClassPlaces, Layout
from galaxies.questions.registry import campaign_named
from galaxies.settings import TriageSettings
from galaxies.training.fitting import Fit, Model
from galaxies.training.parts import Part, Votes, fingerprint, galaxies_of

_FEWEST: Final = 80
"""Smallest number of galaxies of a survey for promises of its own."""

_FEWEST_OF_A_CLASS: Final = 10
"""The same for each class."""

_CHUNK: Final = 512

FitModel = Callable[[npt.NDArray[Any], Part, Part], Fit[Any]]
"""Fits a model to rows of inputs (M, ...), given the training and validation galaxies."""


class TrainingGalaxies(NamedTuple):
    """Inputs, training galaxies and validation galaxies."""

    inputs: npt.NDArray[Any]
    """Packed images uint8 (M, size, size, 3), or features float16 (M, 2048)."""
    train: Part
    validation: Part
    survey: str
    campaign: Campaign
    """The campaign that defines the labels."""
    learned_from: str
    """`galaxies.training.parts.fingerprint` of the split."""
    looks: Looks | None = None
    """How the images look (M, 29), if the inputs are features."""


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
    learned: Learned
    """The training and the validation galaxies."""
    known: KnownGalaxies
    """The galaxies that are familiar to the bundle."""

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
            write_known(folder, self.known)
            describe(folder, self.description)
        write_json(chosen, self.fit.chosen)
        write_json(history, self.fit.history)


def open_galaxies(
    split: Path,
    images: Path,
    inputs: Path,
    survey: str,
    votes: Path | None = None,
    looks: Path | None = None,
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
    looks : Path, optional
        The array of how the images look, for inputs that are features.

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
    asked = None if votes is None else pd.read_parquet(votes)
    parts = [galaxies_of(table, packed, part, votes=asked) for part in ("train", "validation")]
    train, validation = parts if votes else [part.labelled for part in parts]
    campaign = campaign_named(str(table["campaign"].iloc[0]))
    return TrainingGalaxies(
        open_array(inputs),
        train,
        validation,
        survey,
        campaign,
        fingerprint(table),
        None if looks is None else open_array(looks),
    )


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
        Output of `open_galaxies`. A model that answers questions is calibrated for each campaign
        that has galaxies of both classes.
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
    >>> trained.description.title, len(trained.learned.galaxy_ids)
    ('decision tree', 20)
    """
    inputs, validation = galaxies.inputs, galaxies.validation
    fitted = fit(inputs, galaxies.train, validation)
    model: Model = fitted.model
    layout = fitted.layout or Layout((galaxies.campaign,))

    def predict(chunk: npt.NDArray[Any]) -> Outputs:
        numbers = model.predict(chunk)
        return numbers if fitted.layout is None else read_outputs(numbers, layout)

    classes = layout.class_places(galaxies.campaign)
    outputs, _ = predict_rows(
        predict, inputs, validation.rows, seen.views, classes, workers=1, doing="calibrate"
    )
    labels = {galaxies.campaign: (validation.labels, validation.vote_fractions)}
    if fitted.layout is not None and validation.votes is not None:
        labels |= _labels_of_others(validation.votes, galaxies.campaign)
    judgements = {
        campaign.name: _judgement(
            outputs[known], layout.class_places(campaign), classes_of[known], fractions[known],
            triage, _surveys(validation)[known],
        )
        for campaign, (classes_of, fractions) in labels.items()
        for known in [classes_of >= 0]
    }  # fmt: skip
    description = Description(
        model=name,
        title=model.title,
        **seen._asdict(),
        campaign=galaxies.campaign.name,
        campaigns=layout.campaigns,
        questions={} if fitted.layout is None else _answered(galaxies.train, layout, fitted.kept),
        judgements=judgements,
        survey=galaxies.survey,
        galaxies=len(galaxies.train.rows),
        learned_from=galaxies.learned_from,
    )
    parts = (galaxies.train, validation)
    learned = Learned(
        np.concatenate([part.galaxies["galaxy_id"].to_numpy(np.int64) for part in parts]),
        np.concatenate([part.fingerprints for part in parts]),
    )
    known = KnownGalaxies.fit(*(looks_of(galaxies, part.rows) for part in parts))
    return Trained(fitted, description, learned, known)


def _labels_of_others(
    votes: Votes, campaign: Campaign
) -> dict[Campaign, tuple[Labels, npt.NDArray[np.float64]]]:
    """Find the classes and vote fractions for the other campaigns that have both classes."""
    labels: dict[Campaign, tuple[Labels, npt.NDArray[np.float64]]] = {}
    for other in votes.layout.campaigns:
        classes = votes.labels(other)
        if other != campaign and {0, 1} <= set(classes.tolist()):
            first = votes.first(other)
            fractions = np.full(len(classes), np.nan)
            known = classes >= 0
            fractions[known] = spiral_fraction(first[known, 0], first[known, 1])
            labels[other] = (classes, fractions)
    return labels


def _judgement(
    outputs: Outputs,
    classes: ClassPlaces,
    labels: Labels,
    fractions: npt.NDArray[np.float64],
    triage: TriageSettings,
    surveys: npt.NDArray[np.str_],
) -> Judgement:
    """Calibrate and find promises, for all galaxies and for those of each survey."""
    raw = p_spiral(outputs, classes)
    # Without smoothing, a perfect separation of few galaxies would give a step.
    calibration = fit_calibration(raw, smoothed(labels))
    p = calibration(raw)
    parts: dict[str, SurveyJudgement] = {}
    for name in np.unique(surveys):
        some = surveys == name
        few = np.bincount(labels[some], minlength=2).min() < _FEWEST_OF_A_CLASS
        if some.all() or some.sum() < _FEWEST or few:
            continue
        parts[str(name)] = SurveyJudgement(
            galaxies=int(some.sum()), triage=make_promises(p[some], labels[some], triage)
        )
    everything = make_promises(p, labels, triage)
    # Nobody can tell by the images which survey they resemble: the promise must hold for each.
    each = zip(everything, *(one.triage for one in parts.values()), strict=True)
    promises = [strictest(of_one_target) for of_one_target in each]
    return Judgement(
        calibration=calibration,
        votes=fit_calibration(raw, softened(fractions)),
        triage=tuple(_with_share(one, p) for one in promises),
        outputs=summarise_outputs(raw, labels),
        surveys=parts,
    )


def _with_share(promise: Promise, p_spiral: Probabilities) -> Promise:
    """Record the share of all validation galaxies that a promise decides."""
    if promise.threshold is None:
        return promise
    share = float((certainty(p_spiral) >= promise.threshold).mean())
    return promise.model_copy(update={"decided": round(share, 6)})


def looks_of(galaxies: TrainingGalaxies, rows: npt.NDArray[np.int64]) -> Looks:
    """Describe how some of the images look, for at most 20,000 of the rows (N,)."""
    rows = some_of(rows)
    if galaxies.looks is not None:
        return np.asarray(galaxies.looks[rows])
    chunks = [
        appearance(galaxies.inputs[rows[start : start + _CHUNK]])
        for start in range(0, len(rows), _CHUNK)
    ]
    return np.concatenate(chunks)


def _surveys(part: Part) -> npt.NDArray[np.str_]:
    """Return the survey of origin (N,) of each galaxy."""
    names = part.galaxies.get("survey")
    return np.full(len(part.rows), "") if names is None else names.to_numpy(str)


def _answered(
    part: Part, layout: Layout, kept: frozenset[tuple[str, str]]
) -> dict[str, tuple[str, ...]]:
    """List the questions with votes on any training galaxy, and those that were kept."""
    answered: dict[str, tuple[str, ...]] = {}
    for campaign in layout.campaigns:
        given = np.zeros(len(campaign.answers))
        if part.votes is not None and campaign in part.votes.layout.campaigns:
            shares = part.votes.shares[:, part.votes.layout.places(campaign)]
            given = np.nansum(shares, axis=0)
        names = tuple(
            question.name
            for question in campaign.questions
            if (campaign.name, question.name) in kept or given[question.places].any()
        )
        if names:
            answered[campaign.name] = names
    return answered
