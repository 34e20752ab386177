"""The command that checks the decisions of the machine with people: `audit`."""

from pathlib import Path
from typing import Annotated, Final

import typer

from galaxies.cli.help import ADAPT
from galaxies.cli.options import Overwrite, Table
from galaxies.cli.printed import judgement as printed
from galaxies.errors import GalaxiesError, require

commands = typer.Typer()

CONFIDENCE: Final = 0.9

_AUDIT = """Example: `galaxies audit classes.parquet -o audit.csv`

`galaxies audit classes.parquet --answers audit.csv`

`galaxies audit classes.parquet --survey data/mine --subjects subjects/`"""


@commands.command(
    epilog=_AUDIT, short_help="Check the machine's decisions with people.", rich_help_panel=ADAPT
)
def audit(
    classes: Table,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="CSV to make for the answers."),
    ] = None,
    answers: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="This CSV with the column `answer` filled in."),
    ] = None,
    survey: Annotated[
        Path | None,
        typer.Option(metavar="SURVEY", help="Instead of a CSV: a survey from `galaxies votes`."),
    ] = None,
    subjects: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FOLDER", help="Its subject set from `galaxies ask`; may be repeated."
        ),
    ] = None,
    number: Annotated[int, typer.Option(min=1, help="Galaxies to draw.")] = 500,
    agreement: Annotated[
        float | None, typer.Option(help="Agreement to prove; default: the target of the table.")
    ] = None,
    confidence: Annotated[
        float | None,
        typer.Option(min=0.5, max=0.999, help="Confidence of the proof; default: 0.9."),
    ] = None,
    once: Annotated[
        bool,
        typer.Option(
            "--once", help="Judge the sample only when all have answers: it proves a little more."
        ),
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the random sample.")] = 123,
    show_decisions: Annotated[
        bool,
        typer.Option(
            "--show-decisions", help="Show the decisions in the CSV; they may influence people."
        ),
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Draw a random sample of the machine's decisions for people, and evaluate their answers.

    First, -o writes a CSV with an empty column `answer`, in random order. Fill in elliptical,
    spiral or artifact, from the top, but do not skip any.

    Then, --answers computes whether the decisions agree as promised on this survey, which agreement
    can be promised instead, and for which p_spiral the target agreement is proven. Look at it as
    often as you like, and stop when you like. This is valid for any survey, because the sample is
    random. Only the table from which it was drawn can be judged.

    If volunteers at Zooniverse answered, give --survey and --subjects instead. Only subjects that
    `galaxies ask` drew for an audit count.
    """
    if sum(given is not None for given in (output, answers, survey)) != 1:
        raise GalaxiesError(
            "give -o to draw a sample, or --answers or --survey to evaluate the answers"
        )
    if (survey is None) != (not subjects):
        raise GalaxiesError(
            "--survey and --subjects must be given together: the votes, and the galaxies that were "
            "asked about"
        )
    if agreement is not None and not 0.5 < agreement < 1:
        raise GalaxiesError(f"--agreement {agreement:g}: must be between 0.5 and 1, such as 0.95")
    if once and output is None:
        raise GalaxiesError(
            "--once belongs to -o: how a sample is judged is fixed when it is drawn"
        )
    if output is None:
        require("calibrate", "scipy")
    from galaxies.volunteers import samples
    from galaxies.volunteers.audit import judge_answers

    if output is not None:
        if output.exists() and not overwrite:
            raise GalaxiesError(f"{output}: exists; --overwrite replaces it")
        drawn, decided = samples.write_sample(
            classes,
            output,
            number=number,
            seed=seed,
            agreement=agreement,
            confidence=confidence or CONFIDENCE,
            once=once,
            show_decisions=show_decisions,
        )
        printed.sampled(classes, output, drawn, decided)
        return
    if survey is not None:
        audited = samples.read_survey_audit(classes, survey, subjects or [])
        gap = "galaxies of the audit have no votes"
    elif answers is not None:
        audited = samples.read_audit(classes, answers)
        gap = "galaxies before the last answer have no answer"
    target = _as_drawn("agreement", agreement, audited.agreement)
    if target is None:
        raise GalaxiesError(f"{classes}: does not record its target agreement; give --agreement")
    sure = _as_drawn("confidence", confidence, audited.confidence) or CONFIDENCE
    printed.audited(audited, gap, judge_answers(audited, target, sure), target, sure)


def _as_drawn(name: str, given: float | None, drawn: float | None) -> float | None:
    """Return what a sample was drawn for; another value on the command line is refused."""
    if given is not None and drawn is not None and given != drawn:
        raise GalaxiesError(
            f"--{name} {given:g}: the sample was drawn for {drawn:g}; omit --{name}, or draw a new "
            "sample"
        )
    return drawn if given is None else given
