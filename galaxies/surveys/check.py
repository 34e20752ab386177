"""Report what a survey contains, and whether it is the training set of the challenge."""

from collections import Counter
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from galaxies.dataset.archive import list_images, open_archive, read_image
from galaxies.dataset.layout import IMAGES, VOTES, survey_file
from galaxies.dataset.votes import campaign_of, read_answers, read_votes
from galaxies.errors import GalaxiesError
from galaxies.images.decode import UnreadableImageError
from galaxies.questions.campaign import VOTED, Campaign, Question, Shares, most_voted
from galaxies.questions.layout import Layout, layout_of
from galaxies.questions.registry import CAMPAIGNS

KAGGLE: Final = {"elliptical": 26_693, "spiral": 34_826, "artifact": 59}
"""Number of galaxies of each class in the training set of Kaggle's Galaxy Zoo challenge."""

_SAMPLE: Final = 100

_ROUNDING: Final = 0.001
"""Vote fractions with few digits may miss their sum by this much."""


class Asked(NamedTuple):
    """How a survey answers one question of a campaign."""

    campaign: Campaign
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
    campaigns: tuple[Campaign, ...] = ()
    """Whose votes they are."""

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
    answers = read_answers(survey_file(folder, VOTES))
    layout = layout_of(answers.columns, CAMPAIGNS.values())
    campaign = campaign_of(answers)
    first = [f"{campaign.name}.{name}" for name in campaign.first.names]
    if answers[first].notna().to_numpy().any():
        read_votes(survey_file(folder, VOTES), campaign)  # raises the pipeline's errors
    members = list_images(archive)
    common = answers[answers["galaxy_id"].isin([member.galaxy_id for member in members])]
    if common.empty:
        raise GalaxiesError(f"{folder}: {IMAGES} and {VOTES} have no GalaxyID in common")
    shares = common[list(layout.columns)].to_numpy(np.float64)
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
        classes=_classes(common[first].to_numpy(np.float64)),
        frames=dict(frames),
        questions=_questions(shares, layout),
        campaigns=layout.campaigns,
    )


def _classes(first: Shares) -> dict[str, int]:
    """Count the classes of the galaxies with an answer to the first question (N, 3)."""
    answered = first[~np.isnan(first).any(axis=1)]
    if not len(answered):
        return {}
    counts = np.bincount(most_voted(answered.astype(np.float32)), minlength=len(VOTED))
    return dict(zip(VOTED, counts.tolist(), strict=True))


def _questions(shares: Shares, layout: Layout) -> tuple[Asked, ...]:
    """Count the answers to each question, and those that do not add up."""
    asked = []
    for campaign in layout.campaigns:
        answers = shares[:, layout.places(campaign)]
        errors = campaign.tree_errors(answers)
        for question in campaign.questions:
            answered = int((~np.isnan(answers[:, question.places])).any(axis=1).sum())
            off = errors[:, question.number - 1]
            off = off[~np.isnan(off)]
            if answered:
                broken, worst = int((off > _ROUNDING).sum()), float(off.max(initial=0.0))
                asked.append(Asked(campaign, question, answered, broken, worst))
    return tuple(asked)


def say_questions(report: Report) -> list[str]:
    """Format whose votes a survey has, and which answers do not add up.

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
      campaign kaggle: Kaggle's Galaxy Challenge (votes corrected for distance)
      answers 1 of its 11 questions:
         1 smooth               20
    """
    lines = []
    for campaign in report.campaigns:
        lines.append(f"  campaign {campaign.name}: {campaign.title} (votes {campaign.votes})")
        questions = [asked for asked in report.questions if asked.campaign == campaign]
        if questions:
            count = len(campaign.questions)
            lines.append(
                f"  answers {len(questions)} of its {count} questions:"
                if count > 1
                else "  answers its question:"
            )
        for asked in questions:
            line = f"  {asked.question.number:>4} {asked.question.name:<14} {asked.answered:>8,}"
            if asked.broken:
                line += f"    {asked.broken:,} do not add up (by up to {asked.worst:.3f})"
            lines.append(line)
    if report.questions and not report.classes:
        lines.append(
            "  without an answer to the first question, the pipeline cannot train on this survey"
        )
    return lines
