"""A submission to Kaggle's Galaxy Zoo challenge: the shares of all 37 answers."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from galaxies.base.outputs import written_beside
from galaxies.base.pool import batched, in_order
from galaxies.base.questions import COLUMNS, QUESTIONS
from galaxies.classifying.classifier import BATCH, Classifier
from galaxies.dataset.archive import Member, list_images, open_archive, read_member
from galaxies.errors import GalaxiesError
from galaxies.images.decode import UnreadableImageError

ROWS: Final = 79_975
"""Galaxies in the challenge's `images_test_rev1.zip`."""


class _Answered(NamedTuple):
    ids: list[int]
    shares: npt.NDArray[np.float32]


def write_submission(
    images: Path, output: Path, bundle: Path, *, workers: int, overwrite: bool = False
) -> int:
    """Answer all questions for the images of the challenge's test set.

    Parameters
    ----------
    images : Path
        `images_test_rev1.zip`, whose members are named by their GalaxyID.
    output : Path
        The CSV to make: a header `GalaxyID,Class1.1,…,Class11.6` and a row for each galaxy, in
        order of GalaxyID.
    bundle : Path
        One that learned all questions of Galaxy Zoo 2.
    workers : int
        Threads.
    overwrite : bool
        Replace a file that is there.

    Returns
    -------
    int
        Rows written.

    Raises
    ------
    GalaxiesError
        If the bundle did not learn all questions, or an image cannot be read.

    Examples
    --------
    >>> write_submission(
    ...     Path("images_test_rev1.zip"), Path("submission.csv"), Path("models/cnn"), workers=2
    ... )  # doctest: +SKIP
    79975
    """
    if output.exists() and not overwrite:
        raise GalaxiesError(f"{output}: exists; --overwrite replaces it")
    # It decides nothing, and so asks for the least strict promise.
    classifier = Classifier(bundle, agreement=0.5)
    lacking = [one.name for one in QUESTIONS if one.name not in classifier.description.questions]
    if lacking:
        raise GalaxiesError(
            f"{bundle}: does not answer {len(lacking)} of the {len(QUESTIONS)} questions, such as "
            f"{lacking[0]!r}; use a bundle that does, such as real"
        )
    members = list_images(images)  # by number, as in the challenge's sample
    with written_beside(output) as beside, beside.open("w", encoding="utf-8") as file:
        file.write(",".join(("GalaxyID", *COLUMNS)) + "\n")
        for some in _answers(classifier, images, members, workers):
            for galaxy_id, shares in zip(some.ids, some.shares.tolist(), strict=True):
                file.write(f"{galaxy_id},{','.join(f'{share:.6f}' for share in shares)}\n")
    return len(members)


def _answers(
    classifier: Classifier, images: Path, members: list[Member], workers: int
) -> Iterator[_Answered]:
    with (
        open_archive(images) as archive,
        ThreadPoolExecutor(workers) as pool,
        tqdm(total=len(members), desc="answer", unit=" galaxies", unit_scale=True) as bar,
    ):

        def answer(some: tuple[Member, ...]) -> _Answered:
            prepared = []
            for member in some:
                try:
                    prepared.append(
                        classifier.prepare(read_member(archive, archive.getinfo(member.name)))
                    )
                except UnreadableImageError as error:
                    raise GalaxiesError(
                        f"{images}: member {member.name!r} {error}; the challenge needs all images"
                    ) from error
            answers = classifier.predictor.predict(np.stack(prepared)).answers
            assert answers is not None
            return _Answered([one.galaxy_id for one in some], answers[:, : len(COLUMNS)])

        for found in in_order(pool, answer, batched(members, BATCH), 2 * workers):
            yield found
            bar.update(len(found.ids))
