"""Report what a survey contains, and whether it is the training set of the challenge."""

from collections import Counter
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from galaxies.dataset.archive import list_images, open_archive, read_image
from galaxies.dataset.layout import IMAGES, VOTES, read_campaign, survey_file
from galaxies.dataset.votes import read_answers, read_votes
from galaxies.errors import GalaxiesError
from galaxies.images.decode import UnreadableImageError
from galaxies.questions.tree import (
    ALL_COLUMNS,
    ALL_QUESTIONS,
    COLUMNS,
    FIRST,
    QUESTIONS,
    TYPE,
    VOTED,
    Question,
    Shares,
    most_voted,
    tree_errors,
)

KAGGLE: Final = {"elliptical": 26_693, "spiral": 34_826, "artifact": 59}
"""Number of galaxies of each class in the training set of Kaggle's Galaxy Zoo challenge."""

_SAMPLE: Final = 100

_ROUNDING: Final = 0.001
"""Vote fractions with few digits may miss their sum by this much."""


class Asked(NamedTuple):
    """How a survey answers one of Galaxy Zoo's questions."""

    question: Question
    answered: int
    """Galaxies with an answer, among those with an image and votes."""
    broken: int
    """Of these, galaxies whose answers do not sum to the fraction of volunteers who were asked."""
    worst: float
    """The largest difference from that fraction."""


class Report(NamedTuple):
    """What `check_survey` found."""

    images: int
    votes: int
    common: int
    """Galaxies with an image and votes."""
    classes: dict[str, int]
    """Galaxies of each class among these; empty if the first question has no answer."""
    frames: dict[str, int]
    """Number of images by frame size, such as 424x424, in a regular sample of the archive."""
    questions: tuple[Asked, ...] = ()
    """One entry for each question that the survey answers."""

    @property
    def is_kaggle(self) -> bool:
        """Whether the counts are those of the challenge."""
        return self.classes == KAGGLE and self.images == self.votes == self.common


def check_survey(folder: Path) -> Report:
    """Read a survey and report what it contains; nothing is changed.

    Parameters
    ----------
    folder : Path
        Folder of the survey, such as `data/kaggle`.

    Returns
    -------
    Report

    Raises
    ------
    GalaxiesError
        If a file cannot be used; a hundred images are decoded as a check. A survey that answers
        only some of the questions, or whose answers do not add up, is reported without an
        error.

    Examples
    --------
    >>> from pathlib import Path
    >>> report = check_survey(Path("data/simulated"))
    >>> report.images, report.common, report.frames
    (40, 40, {'424x424': 40})
    >>> report.classes, report.is_kaggle, len(report.questions)
    ({'elliptical': 29, 'spiral': 11, 'artifact': 0}, False, 11)
    """
    archive = survey_file(folder, IMAGES)
    campaign = read_campaign(folder)
    answers = read_answers(survey_file(folder, VOTES), campaign)
    if answers[list(FIRST[campaign].columns)].notna().to_numpy().any():
        read_votes(survey_file(folder, VOTES))  # raises the pipeline's errors
    members = list_images(archive)
    common = answers[answers["galaxy_id"].isin([member.galaxy_id for member in members])]
    if common.empty:
        raise GalaxiesError(f"{folder}: {IMAGES} and {VOTES} have no GalaxyID in common")
    shares = common[list(ALL_COLUMNS)].to_numpy(np.float64)
    frames: Counter[str] = Counter()
    with open_archive(archive) as file:
        for place in np.unique(np.linspace(0, len(members) - 1, _SAMPLE, dtype=int)):
            name = members[place].name
            try:
                frame = read_image(file, name)
            except UnreadableImageError as error:
                raise GalaxiesError(f"{archive}: member {name!r} {error}") from error
            frames[f"{frame.width}x{frame.height}"] += 1
    return Report(
        images=len(members),
        votes=len(answers),
        common=len(common),
        classes=_classes(shares[:, FIRST[campaign].places]),
        frames=dict(frames),
        questions=_questions(shares),
    )


def _classes(first: Shares) -> dict[str, int]:
    """Count the classes of the galaxies with an answer to the first question (N, 3)."""
    answered = first[~np.isnan(first).any(axis=1)]
    if not len(answered):
        return {}
    counts = np.bincount(most_voted(answered.astype(np.float32)), minlength=len(VOTED))
    return dict(zip(VOTED, counts.tolist(), strict=True))


def _questions(shares: Shares) -> tuple[Asked, ...]:
    """Count the answers to each question, and those that do not add up."""
    errors = tree_errors(shares[:, : len(COLUMNS)])
    typed = np.abs(shares[:, TYPE.places].sum(axis=1, keepdims=True) - 1)
    errors = np.concatenate([errors, typed], axis=1)
    found = []
    for place, question in enumerate(ALL_QUESTIONS):
        answered = int((~np.isnan(shares[:, question.places])).any(axis=1).sum())
        known = errors[~np.isnan(errors[:, place]), place]
        if answered:
            worst = float(known.max(initial=0.0))
            found.append(Asked(question, answered, int((known > _ROUNDING).sum()), worst))
    return tuple(found)


def say_questions(report: Report) -> list[str]:
    """Format which questions a survey answers, and which answers do not add up.

    Parameters
    ----------
    report : Report
        From `check_survey`.

    Returns
    -------
    list of str
        The lines that `galaxies check` prints.

    Examples
    --------
    >>> from pathlib import Path
    >>> for line in say_questions(check_survey(Path("data/gz2"))):
    ...     print(line)
      answers 1 of the 11 questions of Galaxy Zoo 2:
         1 smooth               20
    """
    if not report.questions:
        return []
    count = sum(asked.question is not TYPE for asked in report.questions)
    lines = (
        [f"  answers {count} of the {len(QUESTIONS)} questions of Galaxy Zoo 2:"] if count else []
    )
    for asked in report.questions:
        if asked.question is TYPE:
            lines.append("  answers the question of Galaxy Zoo 1:")
        line = f"  {asked.question.number:>4} {asked.question.name:<14} {asked.answered:>8,}"
        if asked.broken:
            line += f"    {asked.broken:,} do not add up (by up to {asked.worst:.3f})"
        lines.append(line)
    if not report.classes:
        lines.append(
            "  without an answer to the first question, the pipeline cannot train on this survey"
        )
    return lines
