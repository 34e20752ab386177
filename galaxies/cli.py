"""The command `galaxies`."""

import getpass
import os
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from galaxies import __version__
from galaxies.errors import GalaxiesError, run_stage

UNREADABLE = 3
"""Exit status of `classify` if the table is complete but some images could not be read."""

if TYPE_CHECKING:
    from galaxies.recalibrating.surveys import Adjusted, Calibrated
    from galaxies.surveys.check import Report
    from galaxies.volunteers.samples import Audited

app = typer.Typer(
    help="Classify galaxy morphologies from images and the votes of volunteers.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    epilog="Example: `galaxies download gz2 && galaxies check data/gz2 && "
    "dvc exp run -S survey=gz2`",
)

SurveyToMake = Annotated[Path, typer.Option("--output", "-o", help="The survey to make.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")]


def main() -> None:
    """Run the command; errors that users can fix end in one line and exit status 1."""
    run_stage(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"galaxies {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Classify galaxy morphologies from images and the votes of volunteers."""


@app.command(
    epilog="Example: `galaxies check data/kaggle`",
    short_help="Check a survey before you run the pipeline on it.",
)
def check(
    survey: Annotated[
        Path,
        typer.Argument(
            help="Folder with images_training_rev1.zip and training_solutions_rev1.csv."
        ),
    ],
) -> None:
    """Check a survey, summarise it, and compare it with Kaggle's Galaxy Zoo set.

    The exit status is 0 if the files are valid, even if the survey is not Kaggle's.
    """
    from galaxies.surveys.check import check_survey

    _say_what_is_in(survey, check_survey(survey))


def _say_what_is_in(survey: Path, report: "Report") -> None:
    from galaxies.surveys.check import KAGGLE, say_questions

    typer.echo(f"{survey}: {report.images:,} images, {report.votes:,} rows of votes")
    typer.echo(f"  with both    {report.common:>8,}")
    for name, count in report.classes.items():
        typer.echo(f"  {name:<12} {count:>8,}    (Kaggle: {KAGGLE[name]:,})")
    for line in say_questions(report):
        typer.echo(line)
    frames = ", ".join(f"{size} ({count})" for size, count in sorted(report.frames.items()))
    typer.echo(f"  size of {sum(report.frames.values())} frames: {frames}")
    if report.is_kaggle:
        typer.echo("This is the training set of Kaggle's Galaxy Zoo challenge.")
    elif report.classes:
        typer.echo(
            "The pipeline can use this survey. It is not the training set of Kaggle's challenge."
        )
    place = survey.resolve()
    if report.classes and place.parent == Path("data").resolve():
        typer.echo(f"Run the pipeline on it: dvc exp run -S survey={place.name}")


@app.command(
    epilog="Example: `galaxies merge data/gz1 data/gz2 data/kaggle -o data/real`",
    short_help="Merge surveys.",
)
def merge(
    surveys: Annotated[
        list[Path], typer.Argument(help="Folders of at least two surveys.", show_default=False)
    ],
    output: SurveyToMake,
    skip_known: Annotated[
        bool,
        typer.Option("--skip-known", help="Skip GalaxyIDs that are in an earlier survey."),
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Merge surveys into one, to train on all their galaxies.

    Images and votes are copied unchanged; frames may have different sizes. All columns of the votes
    are kept, blank for surveys that do not have them. It is an error if two surveys have the same
    GalaxyID. Votes of Galaxy Zoo 1 get separate columns, Type1.1 to Type1.3, unless all surveys
    have its question.
    """
    from galaxies.surveys.merge import merge_surveys

    merged = merge_surveys(surveys, output, skip_known=skip_known, overwrite=overwrite)
    typer.echo(
        f"{output}: {merged.images:,} images, {merged.votes:,} rows of votes with "
        f"{len(merged.columns)} columns"
    )
    typer.echo(f"Check it: galaxies check {output}")


@app.command(
    epilog="Example: `galaxies export-folders data/kaggle -o kaggle-folders`",
    short_help="Copy the images of a survey into folders by part and class.",
)
def export_folders(
    survey: Annotated[Path, typer.Argument(help="Folder of the survey.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to make.")],
    params: Annotated[
        Path, typer.Option(help="Settings file; only the sections pack and split are used.")
    ] = Path("params.yaml"),
    overwrite: Overwrite = False,
) -> None:
    """Copy the images of a survey into folders by part and class, for other tools.

    Makes train/elliptical/GALAXYID.jpg, train/spiral/…, validation/… and test/…; the images are
    copied unchanged. The split is that of the pipeline with these settings. It is computed again,
    so that it always belongs to this survey, and every image is decoded once for that.
    `keras.utils.image_dataset_from_directory("kaggle-folders/train")` reads the folders, with the
    same order of classes: elliptical 0, spiral 1.
    """
    from galaxies.dataset.splitting import PARTS
    from galaxies.questions.campaign import CLASSES
    from galaxies.settings import load_settings
    from galaxies.surveys import class_folders as folders

    counts = folders.export_folders(
        survey, output, load_settings(params), workers=os.cpu_count() or 1, overwrite=overwrite
    )
    for part in PARTS:
        classes = ", ".join(f"{counts[f'{part}_{name}']:,} {name}" for name in CLASSES)
        typer.echo(f"{output / part}: {classes}")


downloads = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown")
app.add_typer(
    downloads,
    name="download",
    help="Download real galaxies with their votes.",
    epilog="Example: `galaxies download gz2`",
)


@downloads.command(
    epilog="Example: `galaxies download kaggle && dvc exp run -S survey=kaggle`",
    short_help="Kaggle's Galaxy Zoo challenge: 61,578 galaxies, 0.8 GB, needs an account.",
)
def kaggle(output: SurveyToMake = Path("data/kaggle"), overwrite: Overwrite = False) -> None:
    """Download the training set of Kaggle's Galaxy Zoo challenge: 61,578 galaxies, 0.8 GB.

    You need an account at Kaggle. Create a token at https://www.kaggle.com/settings, put it into
    ~/.kaggle/access_token or the variable KAGGLE_API_TOKEN, and accept the rules of the challenge
    at https://www.kaggle.com/competitions/galaxy-zoo-the-galaxy-challenge/rules.

    If the connection breaks, run the command again: it continues where it stopped.
    """
    from galaxies.surveys.download.kaggle import download_kaggle

    _say_what_is_in(output, download_kaggle(output, overwrite=overwrite))


@downloads.command(
    epilog="Example: `galaxies download gz2 && dvc exp run -S survey=gz2`",
    short_help="Galaxy Zoo 2: about 240,000 galaxies, 3.4 GB, no account.",
)
def gz2(
    output: SurveyToMake = Path("data/gz2"),
    mirror: Annotated[
        str | None,
        typer.Option(
            help="Address of a folder with images_gz2.zip, gz2_filename_mapping.csv and "
            "gz2_hart16.csv.gz; by default the published files.",
            show_default=False,
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Download Galaxy Zoo 2: about 240,000 galaxies, 3.4 GB; needs 7 GB of disk space.

    The images are from https://zenodo.org/records/3565489. The votes are the weighted fractions
    from the catalogue of Hart et al. (2016), in Kaggle's 37 columns. No account is needed.

    If the connection breaks, run the command again: it continues where it stopped.
    """
    from galaxies.surveys.download.galaxy_zoo_2 import download_gz2

    _say_what_is_in(output, download_gz2(output, mirror=mirror, overwrite=overwrite))


class Engine(StrEnum):
    """Engine of `classify`."""

    LOCAL = "local"
    RAY = "ray"


class Device(StrEnum):
    """Device that computes."""

    CPU = "cpu"
    GPU = "gpu"


class Views(StrEnum):
    """Numbers of views."""

    ONE = "1"
    EIGHT = "8"

    def number(self) -> Literal[1, 8]:
        """Return the number of views."""
        return 1 if self is Views.ONE else 8


class Campaign(StrEnum):
    """Campaign whose question defines the classes."""

    GZ1 = "gz1"
    GZ2 = "gz2"


class Questions(StrEnum):
    """Questions in the table of `classify`."""

    FIRST = "first"
    ALL = "all"


_EXAMPLES = """Example: `galaxies classify cutouts/ -o classes.parquet`

`galaxies classify survey.zip -o answers.parquet --questions all`

`galaxies classify survey.zip -o types.parquet --campaign gz1`

`galaxies classify 'night*/*.fits' survey.zip -o classes.csv --model models/cnn`

`galaxies classify catalogue.csv -o classes.fits --views 1`

`galaxies classify s3://bucket/cutouts -o classes.parquet --engine ray --address auto`"""


@app.command(epilog=_EXAMPLES, short_help="Classify any number of images with a trained bundle.")
def classify(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT",
            help="Images (JPEG, PNG, FITS), folders, globs, zip and tar archives, Parquet tables "
            "of images, or catalogues (CSV or Parquet with columns id and path); paths or fsspec "
            "addresses.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Table to make: .parquet, .csv or .fits.")
    ],
    model: Annotated[
        Path | None,
        typer.Option(help="A bundle, or a pretrained one: real (the default) or simulated."),
    ] = None,
    views: Annotated[
        Views | None,
        typer.Option(
            help="Number of views (flips and quarter turns) to average; default: the bundle's."
        ),
    ] = None,
    agreement: Annotated[
        float,
        typer.Option(help="Target agreement with the volunteers, for the decisions."),
    ] = 0.99,
    engine: Annotated[
        Engine, typer.Option(help="Run on this machine, or on a Ray cluster (needs galaxies[ray]).")
    ] = Engine.LOCAL,
    address: Annotated[
        str | None, typer.Option(help="Address of the Ray cluster; starts one locally by default.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Threads of the local engine; default: one per core.")
    ] = None,
    shards: Annotated[
        str | None,
        typer.Option(
            help="Folder for finished parts, visible to all machines; default: beside the output."
        ),
    ] = None,
    device: Annotated[
        Device, typer.Option(help="Device; gpu needs the package onnxruntime-gpu.")
    ] = Device.CPU,
    questions: Annotated[
        Questions,
        typer.Option(help="Answers in the table: only the first question, or all of them."),
    ] = Questions.FIRST,
    decide_anyway: Annotated[
        bool,
        typer.Option(
            "--decide-anyway",
            help="Decide even if the galaxies look different from those the bundle was calibrated "
            "on; its promises do not hold then.",
        ),
    ] = False,
    campaign: Annotated[
        Campaign | None,
        typer.Option(
            help="Question that defines the classes: Galaxy Zoo 1 (elliptical or spiral?) or "
            "Galaxy Zoo 2 (smooth or features?); default: the bundle's."
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace an existing output, and parts of another job."),
    ] = False,
) -> None:
    """Classify images as elliptical or spiral, and find those that need volunteers.

    Columns of the table: galaxy_id (file name, or id of the catalogue), p_spiral
    (calibrated probability), spread (standard deviation of the fraction of
    volunteers who see a spiral), label, decision (elliptical, spiral or ask
    volunteers), familiar (whether the images look like those that the bundle was
    calibrated on), error (why an image could not be read); with --questions all, a
    column for each answer, such as bar_yes; then the other columns of a catalogue.

    To continue an interrupted run, give the same command again.

    Exit status: 0 on success, 1 after an error, 3 if the table is complete but some
    images could not be read.
    """
    from galaxies.bundle.pretrained import bundle_folder
    from galaxies.classifying.engines import BundleUse, local_engine
    from galaxies.classifying.job import run_job

    use = BundleUse(
        bundle_folder(model or Path("real")).absolute(),
        views=views.number() if views else None,
        agreement=agreement,
        device=device.value,
        campaign=campaign.value if campaign else None,
        questions=questions.value,
        anyway=decide_anyway,
    )
    if engine is Engine.RAY:
        from galaxies.classifying.ray_engine import ray_engine

        work = partial(ray_engine, address=address)
    else:
        work = partial(local_engine, workers=workers or len(os.sched_getaffinity(0)))
    found = run_job(inputs, output, use, work, shards=shards, overwrite=overwrite)
    decisions, unreadable = found.decisions, found.unreadable
    decided = ", ".join(f"{count:,} {decision}" for decision, count in sorted(decisions.items()))
    typer.echo(f"{output}: {decisions.total() + unreadable:,} images: {decided or 'none readable'}")
    verdict = found.verdict
    if verdict.survey:
        typer.echo(f"These galaxies resemble {verdict.survey}; its calibration is used", err=True)
    if verdict.threshold is None:
        typer.echo(
            f"The machine decides nothing: an agreement of {agreement:g} could not be proven on "
            "the bundle's validation galaxies"
            + (f"; try --agreement {max(verdict.proven):g}" if verdict.proven else ""),
            err=True,
        )
    elif verdict.familiar is False:
        typer.echo(
            "These galaxies look different from those that the bundle was calibrated on: "
            + ("its promises do not hold" if decide_anyway else "the machine decides nothing")
            + ". Calibrate it on your own votes: galaxies calibrate --help",
            err=True,
        )
    if unreadable:
        typer.echo(f"{unreadable:,} could not be read; the column error says why", err=True)
        raise typer.Exit(UNREADABLE)


@app.command(
    epilog="Example: `galaxies submission images_test_rev1.zip -o submission.csv`",
    short_help="Write a submission for Kaggle's Galaxy Zoo challenge.",
)
def submission(
    images: Annotated[Path, typer.Argument(help="images_test_rev1.zip of the challenge.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The CSV to make.")],
    model: Annotated[
        Path | None, typer.Option(help="A bundle; default: the pretrained one.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Predict all 37 columns for the test images of Kaggle's Galaxy Zoo challenge.

    To have the CSV scored, upload it at
    https://www.kaggle.com/competitions/galaxy-zoo-the-galaxy-challenge, "Late Submission".
    """
    from galaxies.bundle.pretrained import bundle_folder
    from galaxies.classifying.submission import ROWS, write_submission

    rows = write_submission(
        images,
        output,
        bundle_folder(model or Path("real")),
        workers=len(os.sched_getaffinity(0)),
        overwrite=overwrite,
    )
    typer.echo(f"{output}: {rows:,} galaxies")
    if rows != ROWS:
        typer.echo(
            f"warning: the challenge has {ROWS:,} galaxies; Kaggle will reject this file", err=True
        )


_CALIBRATE = """Example: `galaxies calibrate real data/mine -o models/mine`

`galaxies calibrate models/cnn cutouts/ --shares-only -o models/cutouts`"""


@app.command(epilog=_CALIBRATE, short_help="Calibrate a bundle for another survey.")
def calibrate(
    bundle: Annotated[
        Path, typer.Argument(help="A bundle, or a pretrained one: real or simulated.")
    ],
    survey: Annotated[
        Path,
        typer.Argument(
            help="Folder with images_training_rev1.zip and training_solutions_rev1.csv; with "
            "--shares-only, any folder or archive of images."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The bundle to make.")],
    shares_only: Annotated[
        bool,
        typer.Option(
            "--shares-only", help="Without votes: only adjust to the shares of the classes."
        ),
    ] = False,
    anyway: Annotated[
        bool,
        typer.Option(
            "--anyway", help="With --shares-only: save the bundle even if the test rejects it."
        ),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing bundle.")
    ] = False,
) -> None:
    """Calibrate a bundle on the votes of another survey, without training.

    The scores before and after are shown. Those after are cross-validated: ten times, the galaxies
    are divided into five folds, and each is tested with the calibration fitted on the other four.
    The saved bundle is fitted on all galaxies. The weights do not change.

    At least 30 galaxies are needed, better a hundred, drawn at random from those that you want to
    classify. Galaxies that the bundle was trained on are not accepted.

    With --shares-only, no votes are needed: the share of spirals is estimated from the images. This
    helps if only the shares differ from those of the bundle. If a test shows that the images look
    different too, no bundle is saved. No test can show whether volunteers would answer differently,
    so this bundle makes no promises.
    """
    from galaxies.bundle.pretrained import bundle_folder
    from galaxies.dataset.layout import VOTES
    from galaxies.recalibrating.surveys import adjust_to_shares, calibrate_on_votes

    folder, workers = bundle_folder(bundle), len(os.sched_getaffinity(0))
    if shares_only:
        adjusted = adjust_to_shares(
            folder,
            survey,
            output,
            workers=workers,
            anyway=anyway,
            overwrite=overwrite,
        )
        _say_what_shares_are(survey, output, adjusted)
        return
    if anyway:
        raise GalaxiesError("--anyway needs --shares-only")
    if survey.exists() and not (survey / VOTES).is_file():
        raise GalaxiesError(
            f"{survey}: no votes ({VOTES}); --shares-only estimates the shares of the classes from "
            "the images alone"
        )
    found = calibrate_on_votes(folder, survey, output, workers=workers, overwrite=overwrite)
    _say_before_and_after(survey, folder, found)
    typer.echo(f"{output}: {folder.name}, calibrated on {survey.resolve().name}")


def _say_before_and_after(survey: Path, bundle: Path, found: "Calibrated") -> None:
    if not found.knows_what_it_learned:
        typer.echo(
            f"warning: {bundle} does not record its training galaxies; if some are in {survey}, "
            "these scores are too good",
            err=True,
        )
    classes = ", ".join(f"{count:,} {name}" for name, count in found.galaxies.items())
    typer.echo(f"{survey}: {sum(found.galaxies.values()):,} galaxies ({classes})")
    before, after = found.before, found.after
    rows = [
        ("accuracy", before.accuracy, after.accuracy),
        ("calibration error", before.calibration_error, after.calibration_error),
        ("error against the votes", before.vote_error, after.vote_error),
    ]
    for was, now in zip(before.decided, after.decided, strict=True):
        rows.append(
            (f"target agreement {100 * was.agreement:g}%: decided", was.decided, now.decided)
        )
        rows.append(("    agreement on these", was.agreed, now.agreed))
    typer.echo(f"  {'':<32}{'before':<22}after (held-out galaxies)")
    for name, was_one, now_one in rows:
        typer.echo(f"  {name:<32}{was_one!s:<22}{now_one!s}")


def _say_what_shares_are(images: Path, output: Path, found: "Adjusted") -> None:
    typer.echo(f"{images}: {found.images:,} images; {found.unreadable:,} could not be read")
    typer.echo(
        f"  share of spirals: {found.share:.3f} (in the bundle: {found.known:.3f})\n"
        f"  not explained by a mixture of its classes: {found.test.misfit:.1%} of the galaxies "
        f"(p = {found.test.p_value:.2g})"
    )
    from galaxies.recalibrating.surveys import LEAST_P_VALUE

    if found.test.p_value < LEAST_P_VALUE:
        typer.echo("  More than the shares differs; calibrate with votes instead.")
    if not found.written:
        raise GalaxiesError(
            f"{output}: not saved, because {images} differs in more than its shares; calibrate on "
            "the votes of a hundred galaxies, or add --anyway"
        )
    typer.echo(f"{output}: adjusted to these shares; it makes no promises")


_AUDIT = """Example: `galaxies audit classes.parquet -o audit.csv`

`galaxies audit classes.parquet --answers audit.csv`

`galaxies audit classes.parquet --survey data/mine --subjects subjects/`"""


@app.command(epilog=_AUDIT, short_help="Check the machine's decisions with people.")
def audit(
    classes: Annotated[Path, typer.Argument(help="A table from `galaxies classify`.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="CSV to make for the answers.")
    ] = None,
    answers: Annotated[
        Path | None, typer.Option(help="This CSV with the column `answer` filled in.")
    ] = None,
    survey: Annotated[
        Path | None, typer.Option(help="Instead of a CSV: a survey from galaxies votes.")
    ] = None,
    subjects: Annotated[
        list[Path] | None,
        typer.Option(help="Its subject set from galaxies ask; may be repeated."),
    ] = None,
    number: Annotated[int, typer.Option(min=1, help="Galaxies to draw.")] = 500,
    agreement: Annotated[
        float | None, typer.Option(help="Agreement to prove [default: the target of the table]")
    ] = None,
    confidence: Annotated[
        float | None,
        typer.Option(min=0.5, max=0.999, help="Confidence of the proof [default: 0.9]"),
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
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing CSV.")
    ] = False,
) -> None:
    """Draw a random sample of the machine's decisions for people, and evaluate their answers.

    First, -o writes a CSV with an empty column `answer`, in random order. Fill in elliptical,
    spiral or artifact, from the top, but do not skip any.

    Then, --answers computes whether the decisions agree as promised on this survey, which agreement
    can be promised instead, and for which p_spiral the target agreement is proven. Look at it as
    often as you like, and stop when you like. This is valid for any survey, because the sample is
    random. Only the table from which it was drawn can be judged.

    If volunteers at Zooniverse answered, give --survey and --subjects instead. Only subjects that
    galaxies ask drew for an audit count.
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
    from galaxies.volunteers import samples

    if output is not None:
        if output.exists() and not overwrite:
            raise GalaxiesError(f"{output}: exists; --overwrite replaces it")
        drawn, decided = samples.write_sample(
            classes,
            output,
            number=number,
            seed=seed,
            agreement=agreement,
            confidence=confidence or 0.9,
            once=once,
            show_decisions=show_decisions,
        )
        typer.echo(f"{output}: {drawn:,} of {decided:,} galaxies that the machine decided")
        typer.echo(f"After answering: galaxies audit {classes} --answers {output}")
    elif answers is not None:
        audited = samples.read_audit(classes, answers)
        _judge(audited, "galaxies before the last answer have no answer", agreement, confidence)
    elif survey is not None:
        audited = samples.read_survey_audit(classes, survey, subjects or [])
        _judge(audited, "galaxies of the audit have no votes", agreement, confidence)


def _judge(audited: "Audited", gap: str, wanted: float | None, confidence: float | None) -> None:
    from galaxies.volunteers.audit import judge_answers

    for name, asked, drawn in (
        ("agreement", wanted, audited.agreement),
        ("confidence", confidence, audited.confidence),
    ):
        if asked is not None and drawn is not None and asked != drawn:
            raise GalaxiesError(
                f"--{name} {asked:g}: the sample was drawn for {drawn:g}; omit --{name}, or draw "
                "a new sample"
            )
    agreement = wanted or audited.agreement
    if agreement is None:
        raise GalaxiesError("the table does not record its target agreement; give --agreement")
    if audited.left_out:
        typer.echo(
            f"warning: {audited.left_out:,} {gap}; if these are the difficult ones, the answers "
            "are not a random sample",
            err=True,
        )
    confidence = confidence or audited.confidence or 0.9
    found = judge_answers(audited, agreement, confidence)
    typer.echo(
        f"{found.answered:,} answers; {found.agreed:,} agree with the machine: "
        f"{found.agreed / found.answered:.3f}"
    )
    typer.echo(
        f"  an agreement of at least {agreement:g} on this survey is proven with a confidence of "
        f"{found.confidence:.3f}"
    )
    typer.echo(
        f"  with a confidence of {confidence:g}, the agreement is at least {found.lower:.3f}"
    )
    if found.holds:
        typer.echo("The promise holds.")
    elif found.bounds is None:
        typer.echo(
            f"An agreement of {agreement:g} is not proven for any part of the galaxies"
            + ("." if audited.once else "; more answers may prove it.")
        )
    else:
        elliptical, spiral = found.bounds
        typer.echo(
            f"Of the machine's decisions, keep as elliptical p_spiral <= {elliptical:.6f}, as "
            f"spiral p_spiral >= {spiral:.6f}, and leave the others to volunteers:\n"
            f"  an agreement of {agreement:g} is proven for the {found.kept:.1%} that you keep"
        )


class Format(StrEnum):
    """Formats of `export`."""

    ONNX = "onnx"
    TFLITE = "tflite"


@app.command(
    epilog="Example: `galaxies export models/cnn --format onnx -o cnn.onnx`",
    short_help="Write a bundle as one ONNX or TensorFlow Lite file.",
)
def export(
    bundle: Annotated[
        Path | None, typer.Argument(help="A bundle; default: the pretrained one.")
    ] = None,
    kind: Annotated[
        Format, typer.Option("--format", help="Format of the file (needs galaxies[onnx]).")
    ] = Format.ONNX,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="The file to make; default: the name of the bundle."),
    ] = None,
    views: Annotated[
        Views | None,
        typer.Option(
            help="Number of views (flips and quarter turns) to average; default: the bundle's."
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing file.")
    ] = False,
) -> None:
    """Write a bundle as one file for other programs.

    Input: images uint8 (N, size, size, 3), cropped and reduced by
    galaxies.images.decode.decode_reduced. Output: p_spiral (calibrated) and spread, both float32
    (N,). The metadata of an ONNX file have size and crop.
    """
    from galaxies.bundle.pretrained import PRETRAINED

    folder = bundle or PRETRAINED / "real"
    path = output or Path(f"{folder.absolute().name}.{kind}")
    if path.exists() and not overwrite:
        raise GalaxiesError(f"{path}: exists; --overwrite replaces it")
    from galaxies.classifying.export import export_bundle

    export_bundle(folder, path, kind.value, views.number() if views else None)
    typer.echo(f"{path}: {path.stat().st_size:,} bytes")


class Choose(StrEnum):
    """Ways to choose galaxies."""

    UNCERTAIN = "uncertain"
    DIVERSE = "diverse"
    RANDOM = "random"


_ASK_EXAMPLES = """Example: `galaxies ask classes.parquet cutouts/ -o subjects/`

`galaxies ask classes.parquet survey.zip -o subjects-2/ --earlier subjects/ --number 500`

`galaxies ask classes.parquet catalogue.csv -o audit/ --audit-share 1 --number 300`

Then: `panoptes subject-set upload-subjects ID subjects/manifest.csv`"""


@app.command(
    epilog=_ASK_EXAMPLES, short_help="Make a Zooniverse subject set of galaxies for people."
)
def ask(
    classes: Annotated[
        Path, typer.Argument(help="Table from galaxies classify: .parquet, .csv or .fits.")
    ],
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUT", help="The inputs of galaxies classify."),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="New folder to make.")],
    number: Annotated[int, typer.Option(min=1, help="Galaxies to ask about.")] = 1000,
    choose: Annotated[
        Choose,
        typer.Option(
            help="Among the galaxies left to people: the least certain, those that differ most "
            "from each other in p_spiral and spread, or a random sample."
        ),
    ] = Choose.UNCERTAIN,
    audit_share: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Share of the galaxies that is drawn from the machine's decisions."
        ),
    ] = 0.1,
    earlier: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of an earlier batch, to skip its galaxies; may be repeated."),
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="The bundle that must have made the table.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the random numbers.")] = 0,
) -> None:
    """Make a subject set for Zooniverse: the galaxies that need people, and a few for an audit.

    The folder has JPEGs of at most 1 MiB, and manifest.csv. Volunteers do not see the columns with
    #: the ID of the galaxy, the machine's answer, the batch and the bundle. The same command gives
    identical files. Galaxies of earlier batches are not asked about again.
    """
    from galaxies.volunteers import subjects

    made = subjects.ask(
        classes,
        inputs,
        output,
        number=number,
        choose=choose.value,
        audit_share=audit_share,
        seed=seed,
        earlier=earlier or [],
        bundle=bundle,
        workers=len(os.sched_getaffinity(0)),
    )
    total = made.chosen + made.audited
    typer.echo(
        f"{output}: batch {made.batch}, {total:,} galaxies: {made.chosen:,} that need people, "
        f"{made.audited:,} for an audit"
    )
    if total < number:
        typer.echo(f"There are no more galaxies; {number:,} were requested")
    typer.echo(f"Upload it: panoptes subject-set upload-subjects ID {output / subjects.MANIFEST}")


def _show_example(wanted: bool) -> None:
    if wanted:
        from galaxies.volunteers.answers import EXAMPLE

        typer.echo(EXAMPLE, nl=False)
        raise typer.Exit


_VOTES_EXAMPLES = """Example: `galaxies votes export.csv --answers answers.yaml \
--subjects subjects/ -o data/mine`

`galaxies votes --example > answers.yaml`

`galaxies votes export.csv --answers answers.yaml --subjects subjects/ --subjects subjects-2/ \
-o data/mine --least-votes 10`"""


@app.command(
    epilog=_VOTES_EXAMPLES, short_help="Make a survey from Zooniverse's classification export."
)
def votes(
    export: Annotated[Path, typer.Argument(help="Zooniverse's classification export, a CSV.")],
    answers: Annotated[Path, typer.Option(help="YAML file that maps answers to columns.")],
    subjects: Annotated[
        list[Path], typer.Option(help="Subject set from galaxies ask; may be repeated.")
    ],
    output: SurveyToMake,
    least_votes: Annotated[
        int, typer.Option(min=1, help="Leave out galaxies with fewer votes.")
    ] = 1,
    overwrite: Overwrite = False,
    example: Annotated[
        bool,
        typer.Option(
            "--example",
            callback=_show_example,
            is_eager=True,
            help="Print an example of answers.yaml.",
        ),
    ] = False,
) -> None:
    """Make a survey of the volunteers' votes, with vote fractions and counts.

    Only a volunteer's first answer about a galaxy counts. Volunteers who were not logged in are
    distinguished by the hash of their IP address, which changes with every export. Damaged rows are
    left out and reported. An answer that is not in answers.yaml is an error.
    """
    from galaxies.volunteers.survey import count_votes

    made = count_votes(
        export, answers, subjects, output, least_votes=least_votes, overwrite=overwrite
    )
    typer.echo(
        f"{output}: {made.galaxies:,} galaxies, {made.classifications:,} classifications of "
        f"{made.votes.people:,} volunteers"
    )
    for line in made.say_left_out():
        typer.echo(line)
    typer.echo(f"Check it: galaxies check {output}")


Port = Annotated[
    int, typer.Option(min=0, max=65535, help="Port of the page; default: any free port.")
]
Browser = Annotated[bool, typer.Option(help="Open the page in a browser.")]

_LABEL_EXAMPLES = """Example: `galaxies label cutouts/ -o data/mine`

`galaxies label cutouts/ -o data/mine --person anna --questions all`

`galaxies label cutouts/ -o data/mine --finish`"""


@app.command(epilog=_LABEL_EXAMPLES, short_help="Label galaxies yourself, on a page in a browser.")
def label(
    images: Annotated[
        list[str],
        typer.Argument(metavar="IMAGES", help="Inputs as in galaxies classify."),
    ],
    output: SurveyToMake,
    person: Annotated[
        str | None,
        typer.Option(help="Name for your votes; default: your login name.", show_default=False),
    ] = None,
    questions: Annotated[
        Questions,
        typer.Option(help="Ask only the first question, or all of Galaxy Zoo 2."),
    ] = Questions.FIRST,
    finish: Annotated[
        bool, typer.Option("--finish", help="Only make the survey from the votes so far.")
    ] = False,
    port: Port = 0,
    browser: Browser = True,
) -> None:
    """Label galaxies yourself, one at a time, on a page in a browser (needs galaxies[explore]).

    The keys 1, 2 and 3 answer, and u undoes the last answer. Each vote is written to
    OUTPUT.votes.csv at once; the same command continues where it stopped. Several people can share
    the file, each with a different --person. Ctrl-C closes the page and makes the survey from all
    votes, like --finish. Only this machine can open the page.
    """
    from galaxies.errors import needs
    from galaxies.pages import labelling

    if not finish:
        with needs("explore"):
            from galaxies.pages.label_page import serve_labelling

        work = labelling.Labelling(
            images, output, getpass.getuser() if person is None else person, questions.value
        )
        serve_labelling(work, port=port, browser=browser)
        if not any(map(work.votes.answered, list(work.votes.given))):
            typer.echo("No votes yet; no survey was made")
            return
    made = labelling.finish(images, output)
    typer.echo(
        f"{output}: {made.galaxies:,} galaxies, {made.classifications:,} classifications of "
        f"{made.votes.people:,} people"
    )
    typer.echo(f"Check it: galaxies check {output}")


@app.command(
    epilog="Example: `galaxies explore --model models/cnn`",
    short_help="See how a model answers when you change a galaxy, on a page in a browser.",
)
def explore(
    model: Annotated[
        Path | None,
        typer.Option(help="A bundle; default: the CNN of this run, or the pretrained one."),
    ] = None,
    port: Port = 0,
    browser: Browser = True,
) -> None:
    """See how a model answers when you change a galaxy, on a page (needs galaxies[explore]).

    Rotate, mirror, resize and blur a galaxy, and watch the probability, the decision and the
    answers change. You can use the test galaxies of a finished run in this folder, and any JPEG,
    PNG or FITS file that you drop on the page. Ctrl-C closes the page. Only this machine can open
    it.
    """
    from galaxies.errors import needs

    with needs("explore"):
        from galaxies.pages.explore_page import Explorer, serve_explorer

    serve_explorer(Explorer(Path(), model), port=port, browser=browser)


if __name__ == "__main__":
    main()
