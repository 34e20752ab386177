"""What is printed about classified images, bundles and cut-outs."""

from pathlib import Path
from typing import TYPE_CHECKING

from galaxies.base.words import many
from galaxies.cli.terminal import say, table, warn

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping

    from galaxies.classifying.job import Classified
    from galaxies.classifying.options import Options
    from galaxies.classifying.verdict import Verdict
    from galaxies.sky.cutouts import Source
    from galaxies.sky.positions import Positions


def facts(subject: Path, properties: "Mapping[str, str]") -> None:
    """Print what a table or bundle is, a fact a line."""
    say(f"{subject}:")
    table(list(properties.items()))


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
    if options.agreement is not None and options.agreement != promise.agreement:
        warn(
            f"The bundle has no target agreement of {options.agreement:g}; the next stricter one, "
            f"{promise.agreement:g}, is used"
        )
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
            "proven on the galaxies that the bundle was calibrated on"
            + (
                f"; try --agreement {max(verdict.proven):g}"
                if verdict.proven
                else "; calibrate it on more votes, two hundred or more, for it to decide"
            )
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
            f"familiar: {result}. Calibrate it on your own votes: galaxies calibrate --help"
        )
    elif verdict.familiar is False:
        lines.append(
            f"{verdict.unfamiliar:,} of {verdict.galaxies:,} images look different from the "
            f"galaxies that the bundle was calibrated on: {result}. Calibrate it on your own "
            "votes: galaxies calibrate --help"
        )
    elif verdict.unfamiliar:
        lines.append(
            f"{many(verdict.unfamiliar, 'image')} look{'s' if verdict.unfamiliar == 1 else ''} "
            "different from the galaxies that the bundle was calibrated on"
            + (": its promises do not hold" if options.anyway else ": the machine decides nothing")
            + " there"
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


def planned(source: "Source", positions: "Positions") -> None:
    """Print how many requests cut-outs need, and how long they take."""
    from galaxies.sky.cutouts import ServiceCutouts, plan_requests

    say(f"{positions.name}: {many(len(positions), 'galaxy')}")
    if not isinstance(source, ServiceCutouts):
        say(f"  no requests: {source.layer} is here")
        return
    plan = plan_requests(source, positions)
    say(
        f"  without a position: {plan.without_position:,}; in the cache: {plan.kept:,}\n"
        f"  requests to {source.name}: at most {plan.requests:,}, at {source.manners.rate:g} a "
        f"second: {plan.seconds / 60:,.1f} minutes"
    )


def cut_out(output: Path, reasons: "Counter[str]") -> None:
    """Print how many galaxies were cut out, and why others were not."""
    say(f"{output}: {reasons['']:,} of {reasons.total():,} galaxies cut out")
    for reason, count in reasons.most_common(10):
        if reason:
            warn(f"  {count:,}: {reason}")
    if reasons[""]:
        say(f"Classify them: galaxies classify {output} -o classes.parquet")
