"""Write a submission for Kaggle's Galaxy Zoo challenge: fractions for all 37 answers."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from galaxies.base.outputs import written_beside
from galaxies.base.pool import batched, in_order
from galaxies.bundle.description import read_description
from galaxies.classifying.classifier import BATCH, Classifier
from galaxies.classifying.options import Options
from galaxies.dataset.archive import Member, list_images, open_archive, read_member
from galaxies.errors import GalaxiesError
from galaxies.images.decode import UnreadableImageError
from galaxies.questions.kaggle import KAGGLE
from galaxies.tables.writing import compress

ROWS: Final = 79_975
"""Number of galaxies in `images_test_rev1.zip`."""


class _Answered(NamedTuple):
    ids: list[int]
    shares: npt.NDArray[np.float32]


def write_submission(
    images: Path, output: Path, bundle: Path, *, workers: int, overwrite: bool = False
) -> int:
    """Predict all answers for the test images of the challenge.

    Parameters
    ----------
    images : Path
        `images_test_rev1.zip`, with images named by GalaxyID.
    output : Path
        The CSV to make: a header `GalaxyID,Class1.1,…,Class11.6` and a row for each galaxy, in
        order of GalaxyID; compressed if its name ends in .gz.
    bundle : Path
        A bundle that answers all questions of Galaxy Zoo 2.
    workers : int
        Number of threads.
    overwrite : bool
        Whether to replace an existing file.

    Returns
    -------
    int
        Number of rows.

    Raises
    ------
    GalaxiesError
        If the bundle does not answer all questions, or if an image cannot be read.

    Examples
    --------
    >>> from pathlib import Path
    >>> write_submission(
    ...     Path("survey.zip"), Path("submission.csv"), Path("models/cnn"), workers=2
    ... )
    40
    """
    if output.exists() and not overwrite:
        raise GalaxiesError(f"{output}: exists; --overwrite replaces it")
    # The least strict promise, because nothing is decided.
    calibrated = read_description(bundle).judgements
    campaign_name = KAGGLE.name if KAGGLE.name in calibrated else None
    classifier = Classifier(bundle, Options(agreement=0.5, campaign=campaign_name))
    description = classifier.description
    campaign = description.answers_of
    if not campaign.has_tree_of(KAGGLE):
        raise GalaxiesError(
            f"{bundle}: answers the questions of {campaign.name}, not those of the challenge; "
            "use a bundle that does, such as real"
        )
    lacking = [
        question.name for question in KAGGLE.questions if question.name not in description.answered
    ]
    if lacking:
        raise GalaxiesError(
            f"{bundle}: does not answer {len(lacking)} of the {len(KAGGLE.questions)} questions, "
            f"such as {lacking[0]!r}; use a bundle that does, such as real"
        )
    members = list_images(images)  # sorted by number, like the sample submission
    packed = output.suffix.lower() == ".gz"
    with written_beside(output) as beside:
        plain = beside.with_name("plain.csv") if packed else beside
        with plain.open("w", encoding="utf-8") as file:
            file.write(",".join(("GalaxyID", *KAGGLE.columns)) + "\n")
            for answered in _answers(classifier, images, members, workers):
                for galaxy_id, shares in zip(answered.ids, answered.shares.tolist(), strict=True):
                    file.write(f"{galaxy_id},{','.join(f'{share:.6f}' for share in shares)}\n")
        if packed:
            compress(plain, beside)
            plain.unlink()
    return len(members)


def _answers(
    classifier: Classifier, images: Path, members: list[Member], workers: int
) -> Iterator[_Answered]:
    with (
        open_archive(images) as archive,
        ThreadPoolExecutor(workers) as pool,
        tqdm(total=len(members), desc="answer", unit=" galaxies", unit_scale=True) as bar,
    ):

        def answer(batch: tuple[Member, ...]) -> _Answered:
            prepared = []
            for member in batch:
                try:
                    data = read_member(archive, archive.getinfo(member.name))
                    prepared.append(classifier.prepare(data, blank_too=True))
                except UnreadableImageError as error:
                    raise GalaxiesError(
                        f"{images}: member {member.name!r} {error}; the challenge needs all images"
                    ) from error
            answers = classifier.predictor.predict(np.stack(prepared)).answers
            assert answers is not None
            places = classifier.description.layout.places(classifier.description.answers_of)
            return _Answered([member.galaxy_id for member in batch], answers[:, places])

        for answered in in_order(pool, answer, batched(members, BATCH), 2 * workers):
            yield answered
            bar.update(len(answered.ids))
