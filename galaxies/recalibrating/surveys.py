"""Calibrate a bundle for another survey: with votes, or with images only."""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from tqdm import tqdm

from galaxies.base.arrays import Pixels, Probabilities, open_array
from galaxies.base.pool import batched, in_order
from galaxies.bundle.folder import (
    Description,
    copy_recalibrated,
    read_description,
    read_learned,
    require_free,
)
from galaxies.bundle.predictor import Predictor
from galaxies.classifying.classifier import BATCH, Classifier
from galaxies.classifying.inputs.chunks import Item
from galaxies.classifying.inputs.opening import open_inputs
from galaxies.classifying.options import Options
from galaxies.dataset.layout import (
    IMAGES,
    LARGEST_ID,
    VOTES,
    WHOLE_ID,
    read_campaign,
    survey_file,
)
from galaxies.dataset.packing import pack_images
from galaxies.dataset.votes import read_votes
from galaxies.errors import GalaxiesError
from galaxies.images.decode import UnreadableImageError
from galaxies.judgement.class_shares import Mixture, compare_with_mixture, require_outputs
from galaxies.questions.tree import CLASSES, VOTED, Campaign, most_voted, spiral_fraction
from galaxies.recalibrating.refitting import (
    FEWEST,
    Voted,
    adjust_shares,
    calibrated_on,
    recalibrate,
    require_enough,
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
    """Whether the IDs of the training galaxies are known, so that they could be checked."""


class Adjusted(NamedTuple):
    """Result of `adjust_to_shares`."""

    images: int
    unreadable: int
    known: float
    """Share of spirals among the galaxies that the bundle was calibrated on."""
    share: float
    """Estimated share of spirals in the images."""
    test: Mixture
    written: bool
    """Whether the bundle was saved."""


def calibrate_on_votes(
    bundle: Path,
    survey: Path,
    output: Path,
    *,
    workers: int,
    other_ids: bool = False,
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
        The bundle to make; only `bundle.json` differs.
    workers : int
        Number of threads; the result does not depend on it.
    other_ids : bool
        Whether IDs of training galaxies of the bundle are different galaxies here.
    overwrite : bool
        Whether to replace an existing bundle.

    Returns
    -------
    Calibrated

    Raises
    ------
    GalaxiesError
        If there are fewer than 30 galaxies with images and votes, or fewer than 5 of a class, or if
        the bundle was trained on some of them.

    Examples
    --------
    >>> from pathlib import Path
    >>> found = calibrate_on_votes(
    ...     Path("models/cnn"), Path("data/simulated"), Path("models/mine"), workers=2
    ... )
    >>> sum(found.galaxies.values()) >= 30, Path("models/mine/bundle.json").is_file()
    (True, True)
    """
    require_free(output, overwrite)
    archive, table = survey_file(survey, IMAGES), survey_file(survey, VOTES)
    learned = read_learned(bundle)
    votes = read_votes(table)
    if learned is not None and not other_ids:
        _refuse_learned(votes["galaxy_id"].to_numpy(np.int64), learned, bundle, survey)
    predictor = Predictor(bundle, campaign=_known(read_description(bundle), survey))
    galaxies = read_voted(predictor, archive, votes, workers=workers)
    require_enough(galaxies, str(survey))
    description = predictor.description
    before, after = judge_recalibration(description, galaxies)
    made = recalibrate(description, galaxies).model_copy(
        update={
            "calibrated": calibrated_on(survey.resolve().name, galaxies.galaxy_ids, "votes"),
        }
    )
    copy_recalibrated(bundle, output, made)
    counts = dict(zip(CLASSES, np.bincount(galaxies.labels, minlength=2).tolist(), strict=True))
    # The pretrained bundle has no IDs: those of simulated galaxies can occur in real surveys.
    checked = learned is not None or description.survey == "simulated"
    return Calibrated(before, after, counts, checked)


def _known(description: Description, survey: Path) -> Campaign | None:
    """Return the campaign of the survey if the bundle supports it; otherwise that of the bundle.

    Calibration corrects a part of the difference between the questions.
    """
    campaign = read_campaign(survey)
    return campaign if campaign in description.others else None


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
    >>> from galaxies.dataset.votes import read_votes
    >>> from galaxies.bundle.predictor import Predictor
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
        prediction = predictor.predict_rows(open_array(array), rows, workers=workers)
    return Voted(
        table["galaxy_id"].to_numpy(np.int64),
        prediction.p_spiral_raw,
        most_voted(table[["p_smooth", "p_features", "p_artifact"]].to_numpy()),
        spiral_fraction(table["p_smooth"].to_numpy(), table["p_features"].to_numpy()),
        pd.factorize(table["sha1"])[0].astype(np.int64),
        prediction.outputs,
    )


def adjust_to_shares(
    bundle: Path,
    images: Path,
    output: Path,
    *,
    workers: int,
    anyway: bool = False,
    other_ids: bool = False,
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
    other_ids : bool
        Whether IDs of training galaxies of the bundle are different galaxies here.
    overwrite : bool
        Whether to replace an existing bundle.

    Returns
    -------
    Adjusted

    Raises
    ------
    GalaxiesError
        If the bundle has no outputs for each class or was trained on some of the galaxies, or if
        fewer than 30 images can be read.

    Examples
    --------
    >>> from pathlib import Path
    >>> found = adjust_to_shares(
    ...     Path("models/cnn"), Path("survey.zip"), Path("models/mine"), workers=2, anyway=True
    ... )
    >>> found.images, found.unreadable, 0 < found.share < 1, found.written
    (40, 0, True, True)
    """
    require_free(output, overwrite)
    description = read_description(bundle)
    outputs = require_outputs(description.outputs, bundle)
    archive = images / IMAGES
    ids, raw, unreadable = _raw_probabilities(
        bundle, archive if archive.is_file() else images, workers
    )
    if len(raw) < FEWEST:
        raise GalaxiesError(
            f"{images}: {len(raw)} readable images; estimating shares needs {FEWEST}"
        )
    learned = read_learned(bundle)
    if learned is not None and not other_ids:
        whole = [int(one) for one in ids if WHOLE_ID.fullmatch(one) and int(one) <= LARGEST_ID]
        _refuse_learned(np.array(whole, np.int64), learned, bundle, images)
    test = compare_with_mixture(outputs, raw)
    adjusted, share = adjust_shares(description, outputs, raw)
    written = anyway or test.p_value >= LEAST_P_VALUE
    if written:
        on = calibrated_on(images.resolve().name, ids, "shares")
        copy_recalibrated(bundle, output, adjusted.model_copy(update={"calibrated": on}))
    return Adjusted(len(raw), unreadable, outputs.spiral_share, share, test, written)


def _raw_probabilities(
    bundle: Path, images: Path, workers: int
) -> tuple[list[str], Probabilities, int]:
    """Compute the IDs and raw probabilities of images, and count those that cannot be read."""
    # The least strict promise, which is not used.
    classifier = Classifier(bundle, Options(agreement=0.5))

    def predict(items: tuple[Item, ...]) -> tuple[list[str], Probabilities, int]:
        ids: list[str] = []
        prepared: list[Pixels] = []
        for item in items:
            try:
                prepared.append(classifier.prepare(item.load()))
            except UnreadableImageError:
                continue
            ids.append(item.galaxy_id)
        if not ids:
            return ids, np.empty(0, np.float32), len(items)
        raw = classifier.predictor.predict(np.stack(prepared)).p_spiral_raw
        return ids, raw, len(items) - len(ids)

    chunks = (chunk for one in open_inputs([str(images)]) for chunk in one.chunks(_CHUNK))
    batches = batched(chain.from_iterable(chunk.items() for chunk in chunks), BATCH)
    found = []
    with (
        ThreadPoolExecutor(workers) as pool,
        tqdm(desc=classifier.description.title, unit=" galaxies", unit_scale=True) as bar,
    ):
        for one in in_order(pool, predict, batches, 2 * workers):
            found.append(one)
            bar.update(len(one[0]))
    ids = [galaxy_id for one in found for galaxy_id in one[0]]
    return ids, np.concatenate([one[1] for one in found]), sum(one[2] for one in found)


def _refuse_learned(
    galaxy_ids: npt.NDArray[np.int64], learned: npt.NDArray[np.int64], bundle: Path, survey: Path
) -> None:
    known = galaxy_ids[np.isin(galaxy_ids, learned)]
    if len(known):
        raise GalaxiesError(
            f"{survey}: the bundle {bundle} was trained on {len(known):,} of these "
            f"{len(galaxy_ids):,} galaxies, such as {known[0]}; leave them out, or add --other-ids "
            "if these are different galaxies with the same IDs"
        )
