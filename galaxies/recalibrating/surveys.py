"""Calibrate a bundle for another survey: with votes, or with images only."""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from galaxies.base.arrays import Pixels, Probabilities, open_array
from galaxies.base.fingerprints import Fingerprints, fingerprints, from_text, same_images
from galaxies.base.pool import batched, in_order
from galaxies.bundle.description import Description, read_description
from galaxies.bundle.folder import copy_recalibrated, require_free
from galaxies.bundle.learned import read_learned
from galaxies.bundle.predictor import Predictor
from galaxies.classifying.classifier import BATCH, Classifier
from galaxies.classifying.inputs.chunks import Item
from galaxies.classifying.inputs.opening import open_inputs
from galaxies.classifying.options import Options
from galaxies.dataset.layout import (
    IMAGES,
    VOTES,
    survey_file,
)
from galaxies.dataset.packing import pack_images
from galaxies.dataset.votes import campaign_of, read_answers, read_votes
from galaxies.errors import GalaxiesError, require
from galaxies.images.decode import UnreadableImageError
from galaxies.judgement.appearance import appearance
from galaxies.judgement.class_shares import (
    Mixture,
    compare_with_mixture,
    require_outputs,
    share_interval,
)
from galaxies.judgement.familiarity import ForSurvey
from galaxies.questions.campaign import CLASSES, VOTED, Campaign, most_voted, spiral_fraction
from galaxies.recalibrating.refitting import (
    FEWEST,
    Voted,
    adjust_shares,
    calibrated_on,
    new_to,
    recalibrate,
    require_another_survey,
    require_enough,
    void_elsewhere,
    without_promises,
)
from galaxies.recalibrating.worth import Worth, judge_recalibration

LEAST_P_VALUE: Final = 0.05
"""Below this the outputs are not a mixture of the two classes, and the shares are not adjusted."""

_CHUNK: Final = 4096


class Calibrated(NamedTuple):
    """Result of `calibrate_on_votes`."""

    before: Worth
    after: Worth
    galaxies: dict[str, int]
    """Number of galaxies of each class."""
    knows_what_it_learned: bool
    """Whether the bundle has its training galaxies, so that these could be left out."""
    left_out: int
    """Number of galaxies that it has learned, and that say nothing about it."""
    familiarity: ForSurvey | None
    """The galaxies that it is compared with from now on; `None` for a bundle without any."""
    void: tuple[str, ...] = ()
    """Campaigns whose promises were removed, because they were not proven on this survey."""


class Adjusted(NamedTuple):
    """Result of `adjust_to_shares`."""

    images: int
    unreadable: int
    known: float
    """Share of spirals among the galaxies that the bundle was calibrated on."""
    share: float
    """Estimated share of spirals in the images."""
    share_low: float
    share_high: float
    """Its 95% interval, if only the shares differ."""
    left_out: int
    """Number of images that the bundle has learned, and that say nothing about it."""
    test: Mixture
    written: bool
    """Whether the bundle was saved."""


def calibrate_on_votes(
    bundle: Path,
    survey: Path,
    output: Path,
    *,
    workers: int,
    overwrite: bool = False,
) -> Calibrated:
    """Fit the calibrations and promises of a bundle on the votes of a survey, and test them.

    Parameters
    ----------
    bundle : Path
        The bundle.
    survey : Path
        Folder with images and votes, as in `galaxies.dataset.layout`.
    output : Path
        The bundle to make; `bundle.json` differs, and if the survey does not look familiar,
        `familiarity.npz`.
    workers : int
        Number of threads; the result does not depend on it.
    overwrite : bool
        Whether to replace an existing bundle.

    Returns
    -------
    Calibrated

    Raises
    ------
    GalaxiesError
        If there are fewer than 30 galaxies with images and votes that the bundle has not learned,
        or fewer than 5 of a class, or if the bundle is calibrated on them already.

    Examples
    --------
    >>> from pathlib import Path
    >>> calibrated = calibrate_on_votes(
    ...     Path("models/cnn"), Path("data/simulated"), Path("models/mine"), workers=2
    ... )
    >>> sum(calibrated.galaxies.values()) >= 30, Path("models/mine/bundle.json").is_file()
    (True, True)
    """
    require_free(output, overwrite)
    require("calibrate", "sklearn", "scipy")
    archive, table = survey_file(survey, IMAGES), survey_file(survey, VOTES)
    campaign = campaign_of(read_answers(table))
    description = for_campaign(read_description(bundle), campaign)
    predictor = Predictor(bundle, description=description)
    galaxies = read_voted(predictor, archive, read_votes(table, campaign), workers=workers)
    learned = read_learned(bundle)
    new = new_to(learned, galaxies.fingerprints, bundle, survey)
    galaxies = galaxies.take(np.flatnonzero(new))
    left_out = int((~new).sum())
    require_enough(galaxies, survey, left_out)
    on = calibrated_on(survey.resolve().name, galaxies.galaxy_ids, "votes", galaxies.fingerprints)
    require_another_survey(description.judgement, on, bundle)
    before, after = judge_recalibration(description.judgement, galaxies)
    made = recalibrate(description.judgement, galaxies).model_copy(update={"calibrated": on})
    recalibrated, familiarity = description.judged(made), _familiarity(predictor, galaxies)
    if familiarity is not None and familiarity.replaced:
        judgements = void_elsewhere(recalibrated.judgements, recalibrated.campaign, on)
        recalibrated = recalibrated.model_copy(update={"judgements": judgements})
    copy_recalibrated(
        bundle, output, recalibrated, None if familiarity is None else familiarity.known
    )
    counts = dict(zip(CLASSES, np.bincount(galaxies.labels, minlength=2).tolist(), strict=True))
    void = tuple(
        name
        for name, judgement in description.judgements.items()
        if name != recalibrated.campaign and recalibrated.judgements[name] != judgement
    )
    return Calibrated(before, after, counts, learned is not None, left_out, familiarity, void)


def _familiarity(predictor: Predictor, galaxies: Voted) -> ForSurvey | None:
    """Choose the known galaxies, which count once whatever number they have."""
    if predictor.known is None or galaxies.looks is None:
        return None
    return predictor.known.for_survey(galaxies.looks[galaxies.first_of_each_image])


def for_campaign(description: Description, campaign: Campaign) -> Description:
    """Describe a bundle for the votes of a campaign, even if it is not calibrated for them.

    If the bundle has no answers of the campaign, those of its own campaign are calibrated for it:
    that corrects a part of the difference between the questions. The promises are void until the
    bundle is calibrated.

    Parameters
    ----------
    description : Description
        Description of the bundle.
    campaign : Campaign
        Whose votes shall be predicted.

    Returns
    -------
    Description

    Examples
    --------
    >>> from galaxies.bundle.description import read_description
    >>> from galaxies.bundle.pretrained import PRETRAINED
    >>> from galaxies.questions.registry import campaign_named
    >>> simulated = read_description(PRETRAINED / "simulated")
    >>> kaggle = for_campaign(simulated, campaign_named("kaggle"))
    >>> kaggle.campaign, kaggle.answers_of.name, kaggle.triage[0].threshold
    ('kaggle', 'gz2', None)
    """
    if campaign.name in description.judgements:
        return description.by(campaign.name)
    # Votes on other questions alone do not teach the class.
    taught = campaign.first.name in description.questions.get(campaign.name, ())
    answers_of = None if taught else description.answers_of.name
    judgement = without_promises(description.judgement).model_copy(
        update={"answers_of": answers_of, "calibrated": None}
    )
    return description.model_copy(
        update={
            "campaign": campaign.name,
            "judgements": description.judgements | {campaign.name: judgement},
        }
    )


def read_voted(predictor: Predictor, archive: Path, votes: pd.DataFrame, *, workers: int) -> Voted:
    """Predict the galaxies of a survey that have images and votes; artifacts are left out.

    Parameters
    ----------
    predictor : Predictor
        The model.
    archive : Path
        The zip archive of the survey.
    votes : DataFrame
        Output of `galaxies.dataset.votes.read_votes`.
    workers : int
        Number of threads.

    Returns
    -------
    Voted

    Raises
    ------
    GalaxiesError
        If no galaxy has both an image and votes.

    Examples
    --------
    >>> from pathlib import Path
    >>> from galaxies.bundle.predictor import Predictor
    >>> from galaxies.dataset.votes import read_votes
    >>> votes = read_votes(Path("data/simulated/training_solutions_rev1.csv"))
    >>> archive = Path("data/simulated/images_training_rev1.zip")
    >>> galaxies = read_voted(Predictor(Path("models/cnn")), archive, votes, workers=2)
    >>> len(galaxies.raw) == len(galaxies.labels), galaxies.raw.dtype
    (True, dtype('float32'))
    """
    seen = predictor.description
    with tempfile.TemporaryDirectory() as folder:
        array = Path(folder, "images.npy")
        images = pack_images(
            archive,
            array,
            size=seen.size,
            crop=seen.crop,
            decoding=seen.decoding,
            max_unreadable=1.0,
            workers=workers,
            only=frozenset(votes["galaxy_id"].tolist()),
        ).table
        table = images.merge(votes, on="galaxy_id")
        classes = most_voted(table[["p_smooth", "p_features", "p_artifact"]].to_numpy())
        table = table[np.array(VOTED)[classes] != "artifact"]
        if table.empty:
            raise GalaxiesError(f"{archive.parent}: no galaxy has both an image and votes")
        rows = table["row"].to_numpy(np.int64)
        packed = open_array(array)
        prediction = predictor.predict_rows(packed, rows, workers=workers)
        looks = np.concatenate(
            [appearance(packed[rows[at : at + BATCH]]) for at in range(0, len(rows), BATCH)]
        )
    marks = from_text(table["fingerprint"])
    return Voted(
        table["galaxy_id"].to_numpy(np.int64),
        prediction.p_spiral_raw,
        most_voted(table[["p_smooth", "p_features", "p_artifact"]].to_numpy()),
        spiral_fraction(table["p_smooth"].to_numpy(), table["p_features"].to_numpy()),
        same_images(marks),
        looks,
        marks,
    )


def adjust_to_shares(
    bundle: Path,
    images: Path,
    output: Path,
    *,
    workers: int,
    anyway: bool = False,
    overwrite: bool = False,
) -> Adjusted:
    """Adjust the calibrations of a bundle to the shares of the classes in images without votes.

    Parameters
    ----------
    bundle : Path
        The bundle.
    images : Path
        Folder of a survey, or any input of `galaxies.classifying.inputs.opening`.
    output : Path
        The bundle to make, without promises. It is not saved if a test shows that more than the
        shares differs.
    workers : int
        Number of threads.
    anyway : bool
        Whether to save it nevertheless.
    overwrite : bool
        Whether to replace an existing bundle.

    Returns
    -------
    Adjusted

    Raises
    ------
    GalaxiesError
        If the bundle has no outputs for each class, or if fewer than 30 images that it has not
        learned can be read.

    Examples
    --------
    >>> from pathlib import Path
    >>> adjusted = adjust_to_shares(
    ...     Path("models/cnn"), Path("survey.zip"), Path("models/mine"), workers=2, anyway=True
    ... )
    >>> adjusted.images, adjusted.unreadable, 0 < adjusted.share < 1, adjusted.written
    (40, 0, True, True)
    """
    require_free(output, overwrite)
    require("calibrate", "sklearn", "scipy")
    description = read_description(bundle)
    outputs = require_outputs(description.judgement.outputs, bundle)
    archive = images / IMAGES
    ids, raw, marks, unreadable = _raw_probabilities(
        bundle, archive if archive.is_file() else images, workers
    )
    new = new_to(read_learned(bundle), marks, bundle, images)
    ids, raw, marks = np.array(ids)[new].tolist(), raw[new], marks[new]
    if len(raw) < FEWEST:
        raise GalaxiesError(
            f"{images}: {len(raw)} images that are readable and that the bundle has not learned; "
            f"estimating shares needs {FEWEST}"
        )
    on = calibrated_on(images.resolve().name, ids, "shares", marks)
    require_another_survey(description.judgement, on, bundle)
    test = compare_with_mixture(outputs, raw)
    adjusted, share = adjust_shares(description.judgement, outputs, raw)
    written = anyway or test.p_value >= LEAST_P_VALUE
    if written:
        # Nothing is known about the other campaigns on this survey.
        made = description.model_copy(
            update={
                "judgements": {description.campaign: adjusted.model_copy(update={"calibrated": on})}
            }
        )
        copy_recalibrated(bundle, output, made)
    within, left_out = share_interval(outputs, raw), int((~new).sum())
    return Adjusted(
        len(raw), unreadable, outputs.spiral_share, share, *within, left_out, test, written
    )


class _Read(NamedTuple):
    """Images that were read, and the number of those that were not."""

    ids: list[str]
    raw: Probabilities
    fingerprints: Fingerprints
    unreadable: int


def _raw_probabilities(bundle: Path, images: Path, workers: int) -> _Read:
    """Compute the raw probabilities of images, and count those that cannot be read."""
    # The least strict promise, which is not used.
    classifier = Classifier(bundle, Options(agreement=0.5))
    none = np.empty(0, np.float32), np.empty((0, 3), np.uint64)

    def predict(items: tuple[Item, ...]) -> _Read:
        ids: list[str] = []
        prepared: list[Pixels] = []
        for item in items:
            try:
                prepared.append(classifier.prepare(item.load()))
            except UnreadableImageError:
                continue
            ids.append(item.galaxy_id)
        if not ids:
            return _Read(ids, *none, len(items))
        pixels = np.stack(prepared)
        raw = classifier.predictor.predict(pixels).p_spiral_raw
        return _Read(ids, raw, fingerprints(pixels), len(items) - len(ids))

    chunks = (chunk for source in open_inputs([str(images)]) for chunk in source.chunks(_CHUNK))
    batches = batched(chain.from_iterable(chunk.items() for chunk in chunks), BATCH)
    parts: list[_Read] = []
    with (
        ThreadPoolExecutor(workers) as pool,
        tqdm(desc=classifier.description.title, unit=" galaxies", unit_scale=True) as bar,
    ):
        for part in in_order(pool, predict, batches, 2 * workers):
            parts.append(part)
            bar.update(len(part.ids))
    return _Read(
        [galaxy_id for part in parts for galaxy_id in part.ids],
        np.concatenate([none[0], *(part.raw for part in parts)]),
        np.concatenate([none[1], *(part.fingerprints for part in parts)]),
        sum(part.unreadable for part in parts),
    )
