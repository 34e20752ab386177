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
"""Exit status of `classify` where the table is whole but some images could not be read."""

if TYPE_CHECKING:
    from galaxies.classifying.calibrating import Adjusted, Calibrated
    from galaxies.surveys.check import Report
    from galaxies.volunteers.audit import Audited

app = typer.Typer(
    help="Classify galaxy morphologies from images and the votes of volunteers.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    epilog="Example: `galaxies download gz2 && galaxies check data/gz2 && "
    "dvc exp run -S survey=gz2`",
)

SurveyToMake = Annotated[Path, typer.Option("--output", "-o", help="The survey to make.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]


def main() -> None:
    """Run the command; a user's mistake ends in one line and exit status 1."""
    run_stage(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"galaxies {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Say and exit.")
    ] = False,
) -> None:
    """Classify galaxy morphologies from images and the votes of volunteers."""


@app.command(
    epilog="Example: `galaxies check data/kaggle`",
    short_help="Look through a survey before the pipeline uses it.",
)
def check(
    survey: Annotated[
        Path, typer.Argument(help="Folder with images_training_rev1.zip and the votes' CSV.")
    ],
) -> None:
    """Look through a survey, say what is in it, and compare it with Kaggle's Galaxy Zoo set.

    The exit status is 0 if the pipeline can use it, whether or not it is Kaggle's.
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
    typer.echo(f"  frames of {sum(report.frames.values())} images looked at: {frames}")
    if report.is_kaggle:
        typer.echo("This is the training set of Kaggle's Galaxy Zoo challenge.")
    else:
        typer.echo("A usable survey, but not the whole training set of Kaggle's challenge.")
    place = survey.resolve()
    if place.parent == Path("data").resolve():
        typer.echo(f"Run the pipeline on it: dvc exp run -S survey={place.name}")


@app.command(
    epilog="Example: `galaxies merge data/gz1 data/gz2 data/kaggle -o data/real`",
    short_help="Make one survey of several.",
)
def merge(
    surveys: Annotated[
        list[Path], typer.Argument(help="Folders of two surveys or more.", show_default=False)
    ],
    output: SurveyToMake,
    skip_known: Annotated[
        bool,
        typer.Option("--skip-known", help="Leave out GalaxyIDs that an earlier survey has."),
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Make one survey of several, to train on all their galaxies.

    Images keep their bytes and votes their digits; frames may differ in size. Every
    column of the votes stays, blank for surveys that do not have it. A GalaxyID that two surveys
    know is refused. Beside other surveys, the answers to Galaxy Zoo 1's question get columns of
    their own, Type1.1 to Type1.3.
    """
    from galaxies.surveys.merge import merge_surveys

    merged = merge_surveys(surveys, output, skip_known=skip_known, overwrite=overwrite)
    typer.echo(
        f"{output}: {merged.images:,} images, {merged.votes:,} rows of votes with "
        f"{len(merged.columns)} columns"
    )
    typer.echo(f"Look through it: galaxies check {output}")


@app.command(
    epilog="Example: `galaxies export-folders data/kaggle -o kaggle-folders`",
    short_help="Copy a survey's images into folders by part and class.",
)
def export_folders(
    survey: Annotated[Path, typer.Argument(help="Folder of the survey.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to make.")],
    params: Annotated[
        Path, typer.Option(help="Settings; the sections pack and split are used.")
    ] = Path("params.yaml"),
    overwrite: Overwrite = False,
) -> None:
    """Copy a survey's images into folders by part and class, for tools that want them so.

    Makes train/elliptical/GALAXYID.jpg, train/spiral/…, validation/… and test/…, with the
    images' own bytes. The split is the pipeline's for these settings; it is made anew, so that it
    always belongs to this survey, whatever the pipeline ran on last. That takes decoding every
    image once. `keras.utils.image_dataset_from_directory("kaggle-folders/train")` reads
    the folders, with the classes in the pipeline's order: elliptical 0, spiral 1.
    """
    from galaxies.base.questions import CLASSES
    from galaxies.dataset.splitting import PARTS
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
    help="Download real galaxies, with the volunteers' votes.",
    epilog="Example: `galaxies download gz2`",
)


@downloads.command(
    epilog="Example: `galaxies download kaggle && dvc exp run -S survey=kaggle`",
    short_help="Kaggle's Galaxy Zoo challenge: 61,578 galaxies, 0.8 GB, with an account.",
)
def kaggle(output: SurveyToMake = Path("data/kaggle"), overwrite: Overwrite = False) -> None:
    """Download the training set of Kaggle's Galaxy Zoo challenge: 61,578 galaxies, 0.8 GB.

    This takes an account at Kaggle. Make a token at https://www.kaggle.com/settings, put it into
    ~/.kaggle/access_token or the variable KAGGLE_API_TOKEN, and accept the challenge's rules at
    https://www.kaggle.com/competitions/galaxy-zoo-the-galaxy-challenge/rules.

    Run the command again after a broken connection: it goes on where it stopped.
    """
    from galaxies.surveys.download.kaggle import download_kaggle

    _say_what_is_in(output, download_kaggle(output, overwrite=overwrite))


@downloads.command(
    epilog="Example: `galaxies download gz2 && dvc exp run -S survey=gz2`",
    short_help="Galaxy Zoo 2: some 240,000 galaxies, 3.4 GB, without an account.",
)
def gz2(
    output: SurveyToMake = Path("data/gz2"),
    mirror: Annotated[
        str | None,
        typer.Option(
            help="Address of a folder with images_gz2.zip, gz2_filename_mapping.csv and "
            "gz2_hart16.csv.gz, in place of the published ones.",
            show_default=False,
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Download Galaxy Zoo 2: some 240,000 galaxies, 3.4 GB, 7 GB of disk while it works.

    The images are those of https://zenodo.org/records/3565489, the votes the weighted fractions
    in the catalogue of Hart et al. (2016), turned into Kaggle's 37 columns. No account is needed.

    Run the command again after a broken connection: it goes on where it stopped.
    """
    from galaxies.surveys.download.galaxy_zoo_2 import download_gz2

    _say_what_is_in(output, download_gz2(output, mirror=mirror, overwrite=overwrite))


class Engine(StrEnum):
    """What does the work of `classify`."""

    LOCAL = "local"
    RAY = "ray"


class Device(StrEnum):
    """What computes."""

    CPU = "cpu"
    GPU = "gpu"


class Views(StrEnum):
    """Views that can be averaged."""

    ONE = "1"
    EIGHT = "8"

    def number(self) -> Literal[1, 8]:
        """Count them."""
        return 1 if self is Views.ONE else 8


class Campaign(StrEnum):
    """Whose question makes the classes."""

    GZ1 = "gz1"
    GZ2 = "gz2"


class Questions(StrEnum):
    """Which answers `classify` writes."""

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
            "of images, catalogues (CSV or Parquet with the columns id and path); paths or fsspec "
            "addresses.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Table to make: .parquet, .csv or .fits.")
    ],
    model: Annotated[
        Path | None,
        typer.Option(help="A bundle, or simulated; the pretrained one, real, unless given."),
    ] = None,
    views: Annotated[
        Views | None,
        typer.Option(
            help="Views (flips and quarter turns) that are averaged; the bundle's own unless given."
        ),
    ] = None,
    agreement: Annotated[
        float,
        typer.Option(help="Agreement with the volunteers where the machine decides alone."),
    ] = 0.99,
    engine: Annotated[
        Engine, typer.Option(help="This machine, or a Ray cluster (needs galaxies[ray]).")
    ] = Engine.LOCAL,
    address: Annotated[
        str | None, typer.Option(help="Address of the Ray cluster; starts one locally by default.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Threads of the local engine; one per core.")
    ] = None,
    shards: Annotated[
        str | None,
        typer.Option(
            help="Folder for what is done so far; beside the output unless given. All machines "
            "must see it."
        ),
    ] = None,
    device: Annotated[
        Device, typer.Option(help="What computes; gpu needs the package onnxruntime-gpu.")
    ] = Device.CPU,
    questions: Annotated[
        Questions,
        typer.Option(help="Answers in the table: to the first question, or to all of Galaxy Zoo."),
    ] = Questions.FIRST,
    decide_anyway: Annotated[
        bool,
        typer.Option(
            "--decide-anyway",
            help="Decide also where the galaxies look different from those that the bundle was "
            "calibrated on; its promises do not hold there.",
        ),
    ] = False,
    campaign: Annotated[
        Campaign | None,
        typer.Option(
            help="Classes by the question of Galaxy Zoo 1 (elliptical or spiral?) or of Galaxy "
            "Zoo 2 (smooth, or features?); the bundle's own unless given."
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the output, and shards of another job.")
    ] = False,
) -> None:
    """Classify images as elliptical or spiral, and say which ones need volunteers.

    The table's columns: galaxy_id (a file's stem, or the catalogue's id),
    p_spiral (calibrated probability), spread (how far the share of volunteers who
    see a spiral may lie from the expected one), label, decision (elliptical, spiral
    or ask volunteers), familiar (whether the images look like those that the bundle
    was calibrated on), error (why an image could not be read); then, with
    --questions all, a column for each answer, such as bar_yes; then a catalogue's
    further columns.

    A run that was stopped continues when the same command is given again.

    Exit status: 0 if all is well, 1 after an error, 3 if the table is whole but
    some images could not be read.
    """
    from galaxies.classifying.engines import BundleUse, local_engine
    from galaxies.classifying.job import run_job
    from galaxies.learning.bundle import bundle_folder

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
        typer.echo(
            f"These look like galaxies of {verdict.survey}, so its calibration is used", err=True
        )
    if verdict.threshold is None:
        typer.echo(
            f"The bundle could not prove an agreement of {agreement:g} on its own galaxies, so the "
            "machine decides nothing"
            + (f"; try --agreement {max(verdict.proven):g}" if verdict.proven else ""),
            err=True,
        )
    elif verdict.familiar is False:
        typer.echo(
            "These galaxies look different from those that the bundle was calibrated on: "
            + ("its promises do not hold" if decide_anyway else "the machine decides nothing")
            + ". Calibrate it on votes of your own: galaxies calibrate --help",
            err=True,
        )
    if unreadable:
        typer.echo(f"{unreadable:,} could not be read; the column error says why", err=True)
        raise typer.Exit(UNREADABLE)


@app.command(
    epilog="Example: `galaxies submission images_test_rev1.zip -o submission.csv`",
    short_help="Write a submission to Kaggle's Galaxy Zoo challenge.",
)
def submission(
    images: Annotated[Path, typer.Argument(help="The challenge's images_test_rev1.zip.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The CSV to make.")],
    model: Annotated[
        Path | None, typer.Option(help="A bundle; the pretrained one unless given.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Answer all 37 columns of Kaggle's Galaxy Zoo challenge for its test images.

    The CSV has the challenge's header and order. Upload it at
    https://www.kaggle.com/competitions/galaxy-zoo-the-galaxy-challenge, "Late Submission", to have
    it scored.
    """
    from galaxies.classifying.submission import ROWS, write_submission
    from galaxies.learning.bundle import bundle_folder

    rows = write_submission(
        images,
        output,
        bundle_folder(model or Path("real")),
        workers=len(os.sched_getaffinity(0)),
        overwrite=overwrite,
    )
    typer.echo(f"{output}: {rows:,} galaxies")
    if rows != ROWS:
        typer.echo(f"warning: the challenge has {ROWS:,}; it will refuse this file", err=True)


_CALIBRATE = """Example: `galaxies calibrate real data/mine -o models/mine`

`galaxies calibrate models/cnn cutouts/ --shares-only -o models/cutouts`"""


@app.command(
    epilog=_CALIBRATE, short_help="Fit a bundle's probabilities and promises to another survey."
)
def calibrate(
    bundle: Annotated[
        Path, typer.Argument(help="A bundle, or the name of a pretrained one: real, simulated.")
    ],
    survey: Annotated[
        Path,
        typer.Argument(
            help="Folder with images_training_rev1.zip and the votes' CSV; with --shares-only, "
            "any folder or archive of images."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The bundle to make.")],
    shares_only: Annotated[
        bool,
        typer.Option(
            "--shares-only", help="Without votes: re-estimate the shares of the classes alone."
        ),
    ] = False,
    anyway: Annotated[
        bool,
        typer.Option(
            "--anyway", help="With --shares-only, make the bundle where the test says not to."
        ),
    ] = False,
    other_ids: Annotated[
        bool,
        typer.Option(
            "--other-ids",
            help="IDs that the bundle learned from are other galaxies' in this survey.",
        ),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a bundle that is there.")
    ] = False,
) -> None:
    """Fit a bundle's calibrations and promises on a survey's own votes, without training.

    It says what that changes, judged on galaxies that were not fitted on: ten times over, the
    galaxies are dealt into five folds, and each is judged by what was fitted on the other four. The
    bundle that is made was fitted on all of them. Its weights are the same, byte for byte.

    At least 30 galaxies are needed, better a hundred, drawn at random from those that you want to
    classify. Galaxies that the bundle learned from are refused.

    With --shares-only, no votes are needed: the share of spirals is estimated from the images.
    That helps where only the shares differ from those that the bundle knows. A test says when
    the images look different as well; then no bundle is made. No test sees whether your
    volunteers would answer differently. The bundle promises nothing.
    """
    from galaxies.classifying.calibrating import adjust_to_shares, calibrate_on_votes
    from galaxies.dataset.layout import VOTES
    from galaxies.learning.bundle import bundle_folder

    folder, workers = bundle_folder(bundle), len(os.sched_getaffinity(0))
    if shares_only:
        adjusted = adjust_to_shares(
            folder,
            survey,
            output,
            workers=workers,
            anyway=anyway,
            other_ids=other_ids,
            overwrite=overwrite,
        )
        _say_what_shares_are(survey, output, adjusted)
        return
    if anyway:
        raise GalaxiesError("--anyway needs --shares-only")
    if survey.exists() and not (survey / VOTES).is_file():
        raise GalaxiesError(
            f"{survey}: no votes ({VOTES}); with --shares-only the shares of the classes are "
            "estimated from the images alone"
        )
    found = calibrate_on_votes(
        folder, survey, output, workers=workers, other_ids=other_ids, overwrite=overwrite
    )
    _say_before_and_after(survey, folder, found)
    typer.echo(f"{output}: {folder.name}, calibrated on {survey.resolve().name}")


def _say_before_and_after(survey: Path, bundle: Path, found: "Calibrated") -> None:
    if not found.knows_what_it_learned:
        typer.echo(
            f"warning: {bundle} does not keep what it learned from; if it learned from galaxies of "
            f"{survey}, these figures are too good",
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
        f"  share of spirals: {found.share:.3f}, where the bundle knows {found.known:.3f}\n"
        f"  galaxies whose outputs no mixture of its classes explains: {found.test.misfit:.1%} "
        f"(p = {found.test.p_value:.2g})"
    )
    from galaxies.classifying.calibrating import LEAST_P_VALUE

    if found.test.p_value < LEAST_P_VALUE:
        typer.echo("  More than the shares differs: do not rely on them; calibrate with votes.")
    if not found.written:
        raise GalaxiesError(
            f"{output}: not made, since {images} differs in more than its shares; have a hundred "
            "galaxies classified and calibrate on their votes, or say --anyway"
        )
    typer.echo(f"{output}: adjusted to these shares; it promises nothing")


_AUDIT = """Example: `galaxies audit classes.parquet -o audit.csv`

`galaxies audit classes.parquet --answers audit.csv --agreement 0.95`

`galaxies audit classes.parquet --survey data/mine --subjects subjects/ --agreement 0.95`"""


@app.command(epilog=_AUDIT, short_help="Check with people what a machine decided.")
def audit(
    classes: Annotated[Path, typer.Argument(help="A table that `galaxies classify` made.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="CSV to make, for the answers.")
    ] = None,
    answers: Annotated[
        Path | None, typer.Option(help="That CSV, its column `answer` filled in.")
    ] = None,
    survey: Annotated[
        Path | None, typer.Option(help="In place of a CSV: the survey that galaxies votes made.")
    ] = None,
    subjects: Annotated[
        list[Path] | None,
        typer.Option(help="Its folder that galaxies ask made of the table; may be repeated."),
    ] = None,
    number: Annotated[int, typer.Option(min=1, help="Galaxies to draw.")] = 500,
    agreement: Annotated[float, typer.Option(help="What `classify` was asked for.")] = 0.99,
    confidence: Annotated[
        float, typer.Option(min=0.5, max=0.999, help="With which an agreement is promised.")
    ] = 0.9,
    seed: Annotated[int, typer.Option(min=0, help="Of the random draw.")] = 123,
    show_decisions: Annotated[
        bool,
        typer.Option(
            "--show-decisions", help="Write the decisions into the CSV; people may follow them."
        ),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the CSV if it exists.")
    ] = False,
) -> None:
    """Draw a random sample of what a machine decided, for people to look at; judge their answers.

    First, -o writes a CSV with galaxy_id and an empty column `answer`, in random order. Fill it in
    with elliptical, spiral or artifact, from the top; you may stop anywhere, but leave none out on
    the way.

    Then, --answers says how sure it is that the decisions agree as promised on this survey,
    which agreement can be promised instead, and for which p_spiral the agreement that you asked for
    is proven. It holds for any survey, since the galaxies are drawn at random.

    Where volunteers at Zooniverse looked at the sample, --survey and --subjects say so of their
    votes. Of the subjects only those count that galaxies ask drew for an audit.
    """
    if sum(given is not None for given in (output, answers, survey)) != 1:
        raise GalaxiesError(
            "give -o to draw a sample, or --answers or --survey to evaluate the answers"
        )
    if (survey is None) != (not subjects):
        raise GalaxiesError(
            "--survey and --subjects must be given together: the votes, and the galaxies that were asked about"
        )
    if not 0.5 < agreement < 1:
        raise GalaxiesError(f"--agreement {agreement:g}: must be between 0.5 and 1, such as 0.95")
    from galaxies.volunteers import audit as auditing

    if output is not None:
        if output.exists() and not overwrite:
            raise GalaxiesError(f"{output}: exists; --overwrite replaces it")
        drawn, decided = auditing.write_sample(
            classes, output, number=number, seed=seed, show_decisions=show_decisions
        )
        typer.echo(f"{output}: {drawn:,} of {decided:,} galaxies that the machine decided")
        typer.echo(f"When answered: galaxies audit {classes} --answers {output}")
    elif answers is not None:
        audited = auditing.read_audit(classes, answers)
        _judge(audited, "galaxies before the last answer have none", agreement, confidence)
    elif survey is not None:
        audited = auditing.read_survey_audit(classes, survey, subjects or [])
        _judge(audited, "galaxies of the audit have no votes", agreement, confidence)


def _judge(audited: "Audited", gap: str, agreement: float, confidence: float) -> None:
    from galaxies.volunteers.audit import judge_answers

    if audited.left_out:
        typer.echo(
            f"warning: {audited.left_out:,} {gap}; if they are the hard ones, the answers are no "
            "random sample",
            err=True,
        )
    found = judge_answers(audited, agreement, confidence)
    typer.echo(
        f"{found.answered:,} answers, {found.agreed:,} agree with the machine: "
        f"{found.agreed / found.answered:.3f}"
    )
    typer.echo(
        f"  an agreement of at least {agreement:g} on this survey: "
        f"proven with a confidence of {found.confidence:.3f}"
    )
    typer.echo(f"  promised with a confidence of {confidence:g}: {found.lower:.3f} or more")
    if found.lower >= agreement:
        typer.echo("The promise holds.")
    elif found.bounds is None:
        typer.echo(f"The answers prove an agreement of {agreement:g} for no part of the galaxies.")
    else:
        elliptical, spiral = found.bounds
        typer.echo(
            f"Of what the machine decided, take as elliptical p_spiral <= {elliptical:.6f}, as "
            f"spiral p_spiral >= {spiral:.6f}, and leave the others to volunteers:\n"
            f"  {found.kept:.1%} stay, and an agreement of {agreement:g} on these is proven"
        )


class Format(StrEnum):
    """What `export` writes."""

    ONNX = "onnx"
    TFLITE = "tflite"


@app.command(
    epilog="Example: `galaxies export models/cnn --format onnx -o cnn.onnx`",
    short_help="Write a bundle as one ONNX or TensorFlow Lite file.",
)
def export(
    bundle: Annotated[
        Path | None, typer.Argument(help="A bundle; the pretrained one unless given.")
    ] = None,
    kind: Annotated[
        Format, typer.Option("--format", help="Of the file; onnx needs galaxies[onnx].")
    ] = Format.ONNX,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="The file to make; named as the bundle unless given."),
    ] = None,
    views: Annotated[
        Views | None,
        typer.Option(
            help="Views (flips and quarter turns) that are averaged; the bundle's own unless given."
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file if it exists.")
    ] = False,
) -> None:
    """Write all that a bundle does as one file for other programs.

    It maps images uint8 (N, size, size, 3), cropped and reduced as
    galaxies.images.decode.reduce_image does, to p_spiral (calibrated) and spread, both
    float32 (N,). An ONNX file names size and crop in its metadata.
    """
    from galaxies.learning.bundle import PRETRAINED

    folder = bundle or PRETRAINED / "real"
    path = output or Path(f"{folder.absolute().name}.{kind}")
    if path.exists() and not overwrite:
        raise GalaxiesError(f"{path}: exists; --overwrite replaces it")
    from galaxies.classifying.export import export_bundle

    export_bundle(folder, path, kind.value, views.number() if views else None)
    typer.echo(f"{path}: {path.stat().st_size:,} bytes")


class Choose(StrEnum):
    """How `ask` chooses."""

    UNCERTAIN = "uncertain"
    DIVERSE = "diverse"
    RANDOM = "random"


_ASK_EXAMPLES = """Example: `galaxies ask classes.parquet cutouts/ -o subjects/`

`galaxies ask classes.parquet survey.zip -o subjects-2/ --earlier subjects/ --number 500`

`galaxies ask classes.parquet catalogue.csv -o audit/ --audit-share 1 --number 300`

Then: `panoptes subject-set upload-subjects ID subjects/manifest.csv`"""


@app.command(
    epilog=_ASK_EXAMPLES, short_help="Make a Zooniverse subject set of what people decide."
)
def ask(
    classes: Annotated[
        Path, typer.Argument(help="Table of galaxies classify: .parquet, .csv or .fits.")
    ],
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUT", help="What was classified, as galaxies classify takes it."),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="New folder to make.")],
    number: Annotated[int, typer.Option(min=1, help="Galaxies to ask about.")] = 1000,
    choose: Annotated[
        Choose,
        typer.Option(
            help="Of the galaxies left to people: the least certain, those that differ most from "
            "each other in p_spiral and spread, or any."
        ),
    ] = Choose.UNCERTAIN,
    audit_share: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Share of the number drawn at random from the machine's decisions."
        ),
    ] = 0.1,
    earlier: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of an earlier batch, not to ask again; may be repeated."),
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="Refuse a table that another bundle made.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of all that is drawn by lot.")] = 0,
) -> None:
    """Make a subject set for Zooniverse: the galaxies that need people, and a few for an audit.

    The folder holds JPEGs of at most 1 MiB and manifest.csv. Volunteers do not see what stands
    behind a #: the galaxy's ID, what the machine said, the batch and the bundle. The same command
    makes the same bytes. A galaxy of an earlier batch is not asked about again.
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
        typer.echo(f"There are no more; {number:,} were asked for")
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
    epilog=_VOTES_EXAMPLES, short_help="Make a survey of Zooniverse's export of classifications."
)
def votes(
    export: Annotated[Path, typer.Argument(help="Classification export of Zooniverse, a CSV.")],
    answers: Annotated[
        Path, typer.Option(help="YAML that says which answer counts for which column.")
    ],
    subjects: Annotated[
        list[Path], typer.Option(help="Folder that galaxies ask made; may be repeated.")
    ],
    output: SurveyToMake,
    least_votes: Annotated[
        int, typer.Option(min=1, help="Leave out galaxies that fewer volunteers answered about.")
    ] = 1,
    overwrite: Overwrite = False,
    example: Annotated[
        bool,
        typer.Option(
            "--example", callback=_show_example, is_eager=True, help="Write an answers.yaml."
        ),
    ] = False,
) -> None:
    """Make a survey of the volunteers' votes, with their shares and counts.

    Of each volunteer the first answer to a galaxy counts; who was not logged in is known by the
    hash of the address, which holds within one export alone. Rows that cannot be read are counted
    and named. An answer that answers.yaml does not know is refused.
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
    typer.echo(f"Look through it: galaxies check {output}")


Port = Annotated[
    int, typer.Option(min=0, max=65535, help="Port of the page; any that is free unless given.")
]
Browser = Annotated[bool, typer.Option(help="Open the page in the browser.")]

_LABEL_EXAMPLES = """Example: `galaxies label cutouts/ -o data/mine`

`galaxies label cutouts/ -o data/mine --person anna --questions all`

`galaxies label cutouts/ -o data/mine --finish`"""


@app.command(epilog=_LABEL_EXAMPLES, short_help="Label galaxies yourself, on a page in a browser.")
def label(
    images: Annotated[
        list[str],
        typer.Argument(metavar="IMAGES", help="Images, as galaxies classify takes them."),
    ],
    output: SurveyToMake,
    person: Annotated[
        str | None,
        typer.Option(help="Whose votes these are; of your login unless given.", show_default=False),
    ] = None,
    questions: Annotated[
        Questions,
        typer.Option(help="What is asked: the first question, or all of Galaxy Zoo 2."),
    ] = Questions.FIRST,
    finish: Annotated[
        bool, typer.Option("--finish", help="Only make the survey of the votes so far.")
    ] = False,
    port: Port = 0,
    browser: Browser = True,
) -> None:
    """Label galaxies yourself, one at a time, on a page in a browser (needs galaxies[explore]).

    The keys 1, 2, 3 answer, and u takes the last answer back. Each vote is written to
    OUTPUT.votes.csv at once; the same command goes on where it stopped. Several people can share
    that file, each with a --person of their own. Ctrl-C ends the page and makes the survey
    of all votes, as --finish does. The page can be reached from this machine only.
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
            typer.echo("No votes yet, so no survey")
            return
    made = labelling.finish(images, output)
    typer.echo(
        f"{output}: {made.galaxies:,} galaxies, {made.classifications:,} classifications of "
        f"{made.votes.people:,} people"
    )
    typer.echo(f"Look through it: galaxies check {output}")


@app.command(
    epilog="Example: `galaxies explore --model models/cnn`",
    short_help="Look at galaxies and at what a model sees in them, on a page in a browser.",
)
def explore(
    model: Annotated[
        Path | None,
        typer.Option(help="A bundle; the run's CNN or the pretrained one unless given."),
    ] = None,
    port: Port = 0,
    browser: Browser = True,
) -> None:
    """Look at galaxies and at what a model sees in them, on a page (needs galaxies[explore]).

    Turn, mirror, resize and blur a galaxy, and watch the calibrated probability, the decision and
    the answers follow. The galaxies are the test galaxies of a finished run in this folder, and
    any JPEG, PNG or FITS file that is dropped on the page. Ctrl-C ends it. The page can be reached
    from this machine only.
    """
    from galaxies.errors import needs

    with needs("explore"):
        from galaxies.pages.explore_page import Explorer, serve_explorer

    serve_explorer(Explorer(Path(), model), port=port, browser=browser)


if __name__ == "__main__":
    main()
