"""Train a model: fit, predict, calibrate, find promises, describe."""

import hashlib
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from galaxies.base.arrays import Decoding, Labels, Outputs, open_array
from galaxies.base.outputs import write_json
from galaxies.base.selection import unselected
from galaxies.bundle.answers import p_spiral, read_outputs
from galaxies.bundle.description import Description, Judgement, SurveyJudgement
from galaxies.bundle.folder import describe, new_bundle
from galaxies.bundle.known_galaxies import write_known
from galaxies.bundle.learned import Learned, write_learned
from galaxies.bundle.views import predict_rows
from galaxies.errors import GalaxiesError
from galaxies.judgement.appearance import appearance
from galaxies.judgement.calibration import fit_calibration, smoothed, softened
from galaxies.judgement.class_shares import summarise_outputs
from galaxies.judgement.familiarity import KnownGalaxies, Looks, some_of
from galaxies.judgement.promises import make_promises
from galaxies.questions.campaign import Campaign, spiral_fraction
from galaxies.questions.layout import ClassPlaces, Layout
from galaxies.questions.registry import campaign_named
from galaxies.settings import TriageSettings
from galaxies.training.fitting import Fit
from galaxies.training.parts import Part, Votes, fingerprint, galaxies_of, joined

_FEWEST: Final = 80
"""Smallest number of galaxies of a survey for promises of its own."""

_FEWEST_OF_A_CLASS: Final = 10
"""The same for each class."""

_TOGETHER: Final = 2000
"""Largest number of unseen galaxies that choose the epoch, calibrate and prove the promises all
together. Of more, half prove and do nothing else: with so many it costs few decisions."""

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


class Preparation(NamedTuple):
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
    name: str,
    fit: FitModel,
    galaxies: TrainingGalaxies,
    preparation: Preparation,
    triage: TriageSettings,
    folds: int = 1,
) -> Trained:
    """Fit a model on the training galaxies; calibrate it on galaxies that it has not seen.

    These are the validation galaxies. With several folds they are the training galaxies too: for
    each fold, the model is fitted once more without it, and predicts it (cross-fitting). What is
    kept is the model fitted on all of them, which is at least as good as those.

    If there are more than 2,000 such galaxies, or if a search is recorded (`triage.search`), half
    of them prove the promises and nothing else: neither epoch nor settings nor calibration know
    them. The half of a galaxy depends on its ID alone, so that it is the same in each run of a
    search. Otherwise the same galaxies do both, which is measured in `benchmarks/guarantees.py`. A
    campaign with at most 2,000 galaxies of many is calibrated and proven on all of its own.

    Galaxies that were selected by their answers have weights. Calibrations, promises and shares
    come from a draw by these weights (`galaxies.base.selection.unselected`).

    Parameters
    ----------
    name : str
        Name of the model in `galaxies.bundle.registry`.
    fit : FitModel
        Function that fits it, with its settings.
    galaxies : TrainingGalaxies
        Output of `open_galaxies`. A model that answers questions is calibrated for each campaign
        that has galaxies of both classes.
    preparation : Preparation
        How frames become images.
    triage : TriageSettings
        Target agreements for the promises.
    folds : int
        1, or into how many folds the training galaxies are divided to calibrate on them.

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
    >>> trained = train("tree", fit, galaxies, Preparation(64, 0.5, "scaled"), settings.triage)
    >>> trained.description.title, len(trained.learned.galaxy_ids)
    ('decision tree', 20)
    """
    inputs, validation = galaxies.inputs, galaxies.validation
    predicted = [galaxies.train, validation] if folds > 1 else [validation]
    images = _images(inputs, predicted)
    apart = triage.search or len(images) > _TOGETHER
    proof = images.index[images["proves"]] if apart else images.index[:0]
    chooses = validation.where(~np.isin(validation.rows, proof))
    if apart:
        _require_both(chooses.labels)
    new = [(fit(inputs, others, chooses), fold) for others, fold in _folds(galaxies, folds)]
    fitted = fit(inputs, galaxies.train, chooses)
    new.append((fitted, validation))
    layout = fitted.layout or Layout((galaxies.campaign,))
    classes = layout.class_places(galaxies.campaign)
    outputs = np.concatenate(
        [
            _predict(fit_of_fold, inputs, part.rows, preparation.views, classes)
            for fit_of_fold, part in new
        ]
    )
    unseen = joined([part for _, part in new])
    labels = {galaxies.campaign: (unseen.labels, unseen.vote_fractions)}
    if fitted.layout is not None and unseen.votes is not None:
        labels |= _labels_of_others(unseen.votes, galaxies.campaign)
    images = images.loc[unseen.rows].assign(survey=_surveys(unseen))
    judgements = {
        campaign.name: _judgement(
            outputs[drawn], layout.class_places(campaign), classes_of[drawn], fractions[drawn],
            triage, images[drawn],
        )
        for campaign, (classes_of, fractions) in labels.items()
        for drawn in [_drawn(classes_of >= 0, unseen.weights)]
    }  # fmt: skip
    description = Description(
        model=name,
        title=fitted.model.title,
        **preparation._asdict(),
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
    known_galaxies = KnownGalaxies.fit(
        *(looks_of(galaxies, part.rows) for part in (parts[0], chooses))
    )
    if apart:
        fitted = fitted._replace(chosen=fitted.chosen | {"proof": len(proof)})
    return Trained(fitted, description, learned, known_galaxies)


def _images(inputs: npt.NDArray[Any], parts: list[Part]) -> pd.DataFrame:
    """Compute the `image` of each row, and whether it `proves` if halves are used.

    Identical images have the same number and are in the same half, by the lowest of their IDs.
    """
    galaxies = pd.concat([part.galaxies[["galaxy_id"]] for part in parts])
    rows = np.concatenate([part.rows for part in parts])
    pixels = [hashlib.sha1(inputs[row].tobytes()).digest() for row in rows]
    numbers = pd.factorize(np.array(pixels, object))[0]
    lowest = galaxies["galaxy_id"].groupby(numbers).transform("min")
    halves = [hashlib.sha256(str(galaxy_id).encode()).digest()[0] % 2 == 1 for galaxy_id in lowest]
    return pd.DataFrame({"image": numbers, "proves": halves}, index=rows)


def _require_both(labels: Labels) -> None:
    if not {0, 1} <= set(labels.tolist()):
        raise GalaxiesError(
            f"half of the validation galaxies, {len(labels)}, do not have both classes, so nothing "
            "can be calibrated on them: use more galaxies, or triage.search: false"
        )


def _folds(galaxies: TrainingGalaxies, folds: int) -> Iterator[tuple[Part, Part]]:
    """Divide the training galaxies; yields those to fit on, and those to predict, of each fold.

    The fold of a galaxy depends on its pixels alone, so that identical images are in the same.
    """
    train = galaxies.train
    marks = np.array([zlib.crc32(galaxies.inputs[row].tobytes()) for row in train.rows])
    for number in range(folds) if folds > 1 else ():
        fold = marks % folds == number
        yield train.where(~fold), train.where(fold)


def _predict(
    fitted: Fit[Any],
    inputs: npt.NDArray[Any],
    rows: npt.NDArray[np.int64],
    views: int,
    classes: ClassPlaces,
) -> Outputs:
    def predict(chunk: npt.NDArray[Any]) -> Outputs:
        numbers: Outputs = fitted.model.predict(chunk)
        return numbers if fitted.layout is None else read_outputs(numbers, fitted.layout)

    outputs, _ = predict_rows(predict, inputs, rows, views, classes, workers=1, doing="calibrate")
    return outputs


def _drawn(
    labelled: npt.NDArray[np.bool_], weights: npt.NDArray[np.float32]
) -> npt.NDArray[np.bool_]:
    """Draw from galaxies by their weights."""
    drawn = labelled.copy()
    drawn[labelled] = unselected(weights[labelled])
    return drawn


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
            labelled = classes >= 0
            fractions[labelled] = spiral_fraction(first[labelled, 0], first[labelled, 1])
            labels[other] = (classes, fractions)
    return labels


def _judgement(
    outputs: Outputs,
    classes: ClassPlaces,
    labels: Labels,
    fractions: npt.NDArray[np.float64],
    triage: TriageSettings,
    images: pd.DataFrame,
) -> Judgement:
    """Calibrate and find promises, for all galaxies and for those of each survey.

    The `images` say which of the galaxies prove, if these do nothing else.
    """
    raw = p_spiral(outputs, classes)
    proves = calibrates = np.ones(len(raw), bool)
    if triage.search or len(raw) > _TOGETHER:
        proves = images["proves"].to_numpy()
        calibrates = ~proves
        _require_both(labels[calibrates])
    # Without smoothing, a perfect separation of few galaxies would give a step.
    calibration = fit_calibration(raw[calibrates], smoothed(labels[calibrates]))
    # An image that occurs twice is no second proof.
    proves = proves & ~images["image"].duplicated().to_numpy()
    p, classes_of, surveys = calibration(raw[proves]), labels[proves], images["survey"][proves]
    parts: dict[str, npt.NDArray[np.bool_]] = {}
    for name in np.unique(surveys):
        of_survey = (surveys == name).to_numpy()
        few = np.bincount(classes_of[of_survey], minlength=2).min() < _FEWEST_OF_A_CLASS
        if name and not of_survey.all() and of_survey.sum() >= _FEWEST and not few:
            parts[str(name)] = of_survey
    # Nobody can tell by the images which survey they resemble: the promise must hold for each.
    return Judgement(
        calibration=calibration,
        votes=fit_calibration(raw[calibrates], softened(fractions[calibrates])),
        triage=make_promises(p, classes_of, triage, tuple(parts.values())),
        outputs=summarise_outputs(raw[calibrates], labels[calibrates]),
        surveys={
            name: SurveyJudgement(
                galaxies=int(part.sum()), triage=make_promises(p[part], classes_of[part], triage)
            )
            for name, part in parts.items()
        },
    )


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
    """Return the survey of origin (N,) of each galaxy; empty for those with another weight than 1.

    Such galaxies do not show what their own survey is like.
    """
    names = part.galaxies.get("survey")
    if names is None:
        return np.full(len(part.rows), "")
    return np.where(part.weights == 1, names.to_numpy(str), "")


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
