"""What is printed about calibrations and audits."""

from pathlib import Path
from typing import TYPE_CHECKING

from galaxies.base.words import many
from galaxies.cli.terminal import say, table, warn

if TYPE_CHECKING:
    from galaxies.judgement.familiarity import ForSurvey
    from galaxies.recalibrating.surveys import Adjusted, Calibrated
    from galaxies.volunteers.audit import Audit
    from galaxies.volunteers.samples import Audited


def calibrated(survey: Path, bundle: Path, output: Path, done: "Calibrated") -> None:
    """Print the scores before and after a calibration."""
    if not done.knows_what_it_learned:
        warn(
            f"warning: {bundle} does not record its training galaxies; if some are in {survey}, "
            "these scores are too good"
        )
    classes = ", ".join(f"{count:,} {name}" for name, count in done.galaxies.items())
    say(f"{survey}: {sum(done.galaxies.values()):,} galaxies ({classes})")
    _left_out(done.left_out)
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
    for line in _familiarity(done.familiarity):
        say(line)
    say(f"{output}: {bundle.name}, calibrated on {survey.resolve().name}")
    if done.void:
        say(
            f"  It makes no promises for {' and '.join(done.void)}, whose votes on "
            f"{survey.resolve().name} are unknown"
        )


def _left_out(count: int) -> None:
    if count:
        say(f"  left out: {many(count, 'galaxy')} that the bundle has learned, under any number")


def _familiarity(survey: "ForSurvey | None") -> list[str]:
    """Say with which galaxies images are compared from now on."""
    from galaxies.judgement.familiarity import FEWEST

    if survey is None:
        return []
    before = (
        f"  unfamiliar before: {survey.unfamiliar:,} of {survey.galaxies:,}. Images are compared"
    )
    if survey.replaced:
        return [
            f"{before} with these {len(survey.known.distances):,} now;",
            "  galaxies that only the bundle's own survey has may look unfamiliar"
            + (", and the test is noisy: more galaxies help" if survey.galaxies < 1000 else ""),
        ]
    lines = [f"{before} with the {len(survey.known.distances):,} of the bundle, as before"]
    if survey.known.survey_is_familiar(survey.unfamiliar, survey.galaxies) is not True:
        lines.append(
            "  and look different, so that the machine will decide nothing on this survey; with "
            f"{FEWEST} galaxies of it or more, these are compared with"
        )
    return lines


def adjusted(images: Path, done: "Adjusted") -> None:
    """Print the shares of the classes, and whether more than the shares differs."""
    from galaxies.recalibrating.surveys import LEAST_P_VALUE

    say(f"{images}: {many(done.images, 'image')}; {done.unreadable:,} could not be read")
    _left_out(done.left_out)
    say(
        f"  share of spirals: {done.share:.3f} (95% interval {done.share_low:.3f}-"
        f"{done.share_high:.3f}; in the bundle: {done.known:.3f})\n"
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
    if answers.campaigns is not None:
        promised, asked = answers.campaigns
        warn(
            f"warning: the table promises agreement with the votes of {promised}; these answers "
            f"are votes of {asked}, so what follows is about agreement with {asked}"
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
    more = not answers.once and done.answered < len(answers.decided)
    if done.holds:
        skipped = ", unless those without an answer are the difficult ones"
        say(f"The promise holds{skipped if answers.left_out else ''}.")
    elif done.bounds is None:
        say(
            f"An agreement of {agreement:g} is not proven for any part of the galaxies"
            + ("; more answers may prove it." if more else ".")
        )
    else:
        elliptical, spiral = done.bounds
        say(
            f"Of the machine's decisions, keep as elliptical p_spiral <= {elliptical:.6f}, as "
            f"spiral p_spiral >= {spiral:.6f}, and leave the others to volunteers:\n"
            f"  an agreement of {agreement:g} is proven for the {done.kept:.1%} that you keep"
        )
