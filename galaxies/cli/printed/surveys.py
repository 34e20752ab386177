"""What is printed about surveys, and about galaxies and votes of volunteers."""

from pathlib import Path
from typing import TYPE_CHECKING

from galaxies.base.words import many
from galaxies.cli.terminal import say, warn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from galaxies.surveys.check import Report
    from galaxies.surveys.from_table import FromTable
    from galaxies.surveys.merge import Merged
    from galaxies.volunteers.subjects import Asked
    from galaxies.volunteers.survey import Counted


def from_table(output: Path, made: "FromTable") -> None:
    """Print what `survey` made of a catalogue."""
    say(f"{output}: {many(made.galaxies, 'galaxy')} with votes of the campaign {made.campaign}")
    if made.renumbered:
        say(f"The IDs are text; galaxies have numbers, and {output / 'ids.csv'} has their IDs")
    for line in made.unreadable[:3]:
        warn(f"left out: {line}")
    if len(made.unreadable) > 3:
        warn(f"left out: {len(made.unreadable) - 3:,} more")
    say(f"Check it: galaxies check {output}")


def checked(
    survey: Path, report: "Report", problem: str | None = None, *, tried: bool = False
) -> None:
    """Print what is in a survey, beside Kaggle's, and why the pipeline cannot train on it.

    It was `tried` whether it can, or the files are merely valid.
    """
    from galaxies.surveys.check import KAGGLE, say_questions

    say(f"{survey}: {many(report.images, 'image')}, {many(report.votes, 'row')} of votes")
    say(f"  with both    {report.common:>8,}")
    for name, count in report.classes.items():
        say(f"  {name:<12} {count:>8,}    (Kaggle: {KAGGLE[name]:,})")
    for line in say_questions(report):
        say(line)
    sizes = many(sum(report.frames.values()), "frame")
    frames = ", ".join(f"{size} ({count})" for size, count in sorted(report.frames.items()))
    say(f"  size of {sizes}: {frames}")
    if problem is not None:
        if report.classes:
            say(f"The pipeline cannot train on this survey alone: {problem}")
        return
    if report.is_kaggle:
        say("This is the training set of Kaggle's Galaxy Zoo challenge.")
    elif report.classes:
        valid = (
            "The pipeline can use this survey."
            if tried
            else "The files are valid. Where a params.yaml is, check also splits them as the "
            "pipeline does."
        )
        say(f"{valid} It is not the training set of Kaggle's challenge.")
    place = survey.resolve()
    if report.classes and place.parent == Path("data").resolve():
        say(f"Run the pipeline on it: dvc exp run -S survey={place.name}")


def merged(output: Path, done: "Merged") -> None:
    """Print what is in a merged survey."""
    votes = f"{many(done.votes, 'row')} of votes with {many(len(done.columns), 'column')}"
    say(f"{output}: {many(done.images, 'image')}, {votes}")
    say(f"Check it: galaxies check {output}")


def sorted_by_class(output: Path, counts: "Mapping[str, int]") -> None:
    """Print how many images each folder of a part and class has."""
    from galaxies.dataset.splitting import PARTS
    from galaxies.questions.campaign import CLASSES

    for part in PARTS:
        classes = ", ".join(f"{counts[f'{part}_{name}']:,} {name}" for name in CLASSES)
        say(f"{output / part}: {classes}")


def asked(output: Path, done: "Asked", number: int) -> None:
    """Print how many galaxies volunteers are asked about, and the command that uploads them."""
    from galaxies.volunteers.manifest import MANIFEST

    total = done.chosen + done.audited
    parts = f"{done.chosen:,} that need people, {done.audited:,} for an audit"
    say(f"{output}: batch {done.batch}, {many(total, 'galaxy')}: {parts}")
    if total < number:
        say(f"There are no more galaxies; {number:,} were requested")
    if not done.checked:
        say(
            "The pictures were not compared with the table: its bundle is not at hand (--model), "
            "or the table does not record how it was made, as CSV"
        )
    say(f"Upload it: panoptes subject-set upload-subjects ID {output / MANIFEST}")


def counted(output: Path, done: "Counted", voter: str, voters: str) -> None:
    """Print what is in a survey of counted votes, and what was left out."""
    classifications = many(done.classifications, "classification")
    people = many(done.votes.people, voter, voters)
    say(f"{output}: {many(done.galaxies, 'galaxy')}, {classifications} of {people}")
    for line in done.say_left_out():
        say(line)
    say(f"Check it: galaxies check {output}")
