"""What the commands print: colours and tables on a terminal, plain lines into files and pipes."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from galaxies.base.words import many

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from galaxies.classifying.job import Classified
    from galaxies.classifying.options import Options
    from galaxies.classifying.verdict import Verdict
    from galaxies.recalibrating.surveys import Adjusted, Calibrated
    from galaxies.surveys.check import Report
    from galaxies.surveys.from_table import FromTable
    from galaxies.surveys.merge import Merged
    from galaxies.volunteers.audit import Audit
    from galaxies.volunteers.samples import Audited
    from galaxies.volunteers.subjects import Asked
    from galaxies.volunteers.survey import Counted

say = typer.echo


def warn(line: str) -> None:
    """Print a line beside the result, on the standard error; yellow on a terminal."""
    if sys.stderr.isatty():
        from rich.console import Console

        Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(
            line, style="yellow"
        )
    else:
        typer.echo(line, err=True)


def table(rows: "Sequence[Sequence[object]]", headings: "Sequence[str]" = ()) -> None:
    """Print rows of cells: a drawn table on a terminal, else aligned columns."""
    cells = [[str(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        drawn = Table(*headings, show_header=bool(headings))
        for row in cells:
            drawn.add_row(*map(Text, row))
        Console(highlight=False).print(drawn)
        return
    if headings:
        cells = [list(headings), *cells]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        line = "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        say(f"  {line}".rstrip())


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


def facts(subject: Path, found: "Mapping[str, str]") -> None:
    """Print what a table or bundle is, a fact a line."""
    say(f"{subject}:")
    table(list(found.items()))


def classified(output: Path, done: "Classified", options: "Options") -> None:
    """Print what `classify` decided, and why it decided nothing."""
    from galaxies.judgement.familiarity import FEWEST

    decisions, verdict = done.decisions, done.verdict
    decided = ", ".join(f"{count:,} {decision}" for decision, count in sorted(decisions.items()))
    images = decisions.total() + done.unreadable
    say(f"{output}: {many(images, 'image')}: {decided or 'none readable'}")
    for line in _about(verdict, options):
        warn(line)
    for note in done.notes():
        warn(note)
    if done.unreadable:
        warn(f"{done.unreadable:,} could not be read; the column error says why")
    promise = verdict.promise
    if promise.threshold is not None and verdict.known >= FEWEST and verdict.familiar is not False:
        warn(
            f"Target agreement {promise.agreement:g} with the votes of {verdict.campaign}, proven "
            f"with a confidence of {promise.confidence:g} for galaxies like those of the bundle"
        )


def _about(verdict: "Verdict", options: "Options") -> list[str]:
    """Say why the machine decides nothing, or not all galaxies."""
    from galaxies.judgement.familiarity import FEWEST

    promise, lines = verdict.promise, []
    result = "its promises do not hold" if options.anyway else "the machine decides nothing"
    if promise.threshold is None:
        lines.append(
            f"The machine decides nothing: an agreement of {promise.agreement:g} could not be "
            "proven on the bundle's validation galaxies"
            + (f"; try --agreement {max(verdict.proven):g}" if verdict.proven else "")
        )
    if verdict.known < FEWEST:
        lines.append(
            f"The bundle knows {many(verdict.known, 'galaxy')}, too few to tell what is familiar "
            f"(it needs {FEWEST}): {result}. Calibrate it on your own votes: galaxies calibrate "
            "--help"
        )
    elif verdict.too_few:
        lines.append(
            f"{verdict.galaxies:,} images of another survey are too few to show that they are "
            "familiar: "
            + ("its promises do not hold" if options.anyway else "the machine decides nothing")
            + ". Calibrate it on your own votes: galaxies calibrate --help"
        )
    elif verdict.familiar is False:
        lines.append(
            f"{verdict.unfamiliar:,} of {verdict.galaxies:,} images look different from the "
            f"galaxies that the bundle was calibrated on: {result}. Calibrate it on your own "
            "votes: galaxies calibrate --help"
        )
    elif verdict.unfamiliar:
        lines.append(
            f"{verdict.unfamiliar:,} images look different from the galaxies that the bundle was "
            "calibrated on"
            + (": its promises do not hold for them" if options.anyway else ", and go to people")
        )
    return lines


def submission(output: Path, rows: int) -> None:
    """Print the length of a submission to Kaggle, and whether it is accepted."""
    from galaxies.classifying.submission import ROWS

    say(f"{output}: {many(rows, 'galaxy')}")
    if rows != ROWS:
        warn(f"warning: the challenge has {ROWS:,} galaxies; Kaggle will reject this file")


def exported(path: Path) -> None:
    """Print the size of an exported bundle."""
    say(f"{path}: {many(path.stat().st_size, 'byte')}")


def calibrated(survey: Path, bundle: Path, output: Path, done: "Calibrated") -> None:
    """Print the scores before and after a calibration."""
    if not done.knows_what_it_learned:
        warn(
            f"warning: {bundle} does not record its training galaxies; if some are in {survey}, "
            "these scores are too good"
        )
    classes = ", ".join(f"{count:,} {name}" for name, count in done.galaxies.items())
    say(f"{survey}: {sum(done.galaxies.values()):,} galaxies ({classes})")
    before, after = done.before, done.after
    rows = [
        ("accuracy", before.accuracy, after.accuracy),
        ("calibration error", before.calibration_error, after.calibration_error),
        ("error against the votes", before.vote_error, after.vote_error),
    ]
    for was, now in zip(before.decided, after.decided, strict=True):
        target = f"target agreement {100 * was.agreement:g}%"
        rows += [(f"{target}: decided", was.decided, now.decided)]
        rows += [("    agreement on these", was.agreed, now.agreed)]
    table(rows, (" " * 30, f"{'before':<20}", "after (held-out galaxies)"))
    say(f"{output}: {bundle.name}, calibrated on {survey.resolve().name}")
    if done.void:
        say(
            f"  It makes no promises for {' and '.join(done.void)}, whose votes on "
            f"{survey.resolve().name} are unknown"
        )


def adjusted(images: Path, done: "Adjusted") -> None:
    """Print the shares of the classes, and whether more than the shares differs."""
    from galaxies.recalibrating.surveys import LEAST_P_VALUE

    say(f"{images}: {many(done.images, 'image')}; {done.unreadable:,} could not be read")
    say(
        f"  share of spirals: {done.share:.3f} (in the bundle: {done.known:.3f})\n"
        f"  not explained by a mixture of its classes: {done.test.misfit:.1%} of the galaxies "
        f"(p = {done.test.p_value:.2g})"
    )
    if done.test.p_value < LEAST_P_VALUE:
        say("  More than the shares differs; calibrate with votes instead.")


def sampled(classes: Path, output: Path, drawn: int, decided: int) -> None:
    """Print how many decisions people are asked about."""
    say(f"{output}: {drawn:,} of {decided:,} galaxies that the machine decided")
    say(f"After answering: galaxies audit {classes} --answers {output}")


def audited(
    answers: "Audited", gap: str, done: "Audit", agreement: float, confidence: float
) -> None:
    """Print what people's answers prove about the machine's decisions."""
    if answers.left_out:
        warn(
            f"warning: {answers.left_out:,} {gap}; if these are the difficult ones, the answers "
            "are not a random sample"
        )
    say(
        f"{many(done.answered, 'answer')}; {done.agreed:,} agree with the machine: "
        f"{done.agreed / done.answered:.3f}"
    )
    say(
        f"  an agreement of at least {agreement:g} on this survey is proven with a confidence of "
        f"{done.confidence:.3f}"
    )
    say(f"  with a confidence of {confidence:g}, the agreement is at least {done.lower:.3f}")
    if done.holds:
        say("The promise holds.")
    elif done.bounds is None:
        say(
            f"An agreement of {agreement:g} is not proven for any part of the galaxies"
            + ("." if answers.once else "; more answers may prove it.")
        )
    else:
        elliptical, spiral = done.bounds
        say(
            f"Of the machine's decisions, keep as elliptical p_spiral <= {elliptical:.6f}, as "
            f"spiral p_spiral >= {spiral:.6f}, and leave the others to volunteers:\n"
            f"  an agreement of {agreement:g} is proven for the {done.kept:.1%} that you keep"
        )


def checked(survey: Path, report: "Report", problem: str | None = None) -> None:
    """Print what is in a survey, beside Kaggle's, and why the pipeline cannot train on it."""
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
        say("The pipeline can use this survey. It is not the training set of Kaggle's challenge.")
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
    from galaxies.volunteers.subjects import MANIFEST

    total = done.chosen + done.audited
    parts = f"{done.chosen:,} that need people, {done.audited:,} for an audit"
    say(f"{output}: batch {done.batch}, {many(total, 'galaxy')}: {parts}")
    if total < number:
        say(f"There are no more galaxies; {number:,} were requested")
    say(f"Upload it: panoptes subject-set upload-subjects ID {output / MANIFEST}")


def counted(output: Path, done: "Counted", voter: str, voters: str) -> None:
    """Print what is in a survey of counted votes, and what was left out."""
    classifications = many(done.classifications, "classification")
    people = many(done.votes.people, voter, voters)
    say(f"{output}: {many(done.galaxies, 'galaxy')}, {classifications} of {people}")
    for line in done.say_left_out():
        say(line)
    say(f"Check it: galaxies check {output}")
