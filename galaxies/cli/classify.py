"""The command that classifies images: `classify`."""

from functools import partial
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from galaxies.classifying.options import Options
from galaxies.cli import sky
from galaxies.cli.help import CLASSIFY
from galaxies.cli.options import (
    Agreement,
    IdColumn,
    Model,
    PathColumn,
    Questions,
    Views,
    cores,
)
from galaxies.cli.printed import classes as printed
from galaxies.errors import require

UNREADABLE: Final = 3
"""Exit status of `classify` if the table is complete but some images could not be read."""

commands = typer.Typer()

_CLASSIFY = """Example: `galaxies classify cutouts/ -o classes.parquet`

`galaxies classify survey.zip -o answers.parquet --questions all`

`galaxies classify survey.zip -o types.parquet --campaign gz1`

`galaxies classify 'night*/*.fits' survey.zip -o classes.csv --model models/cnn`

`galaxies classify catalogue.csv -o classes.fits --views 1`

`galaxies classify positions.csv -o classes.parquet --images sdss`

`galaxies classify positions.csv -o classes.hats --images sdss`

`galaxies classify sdss.fits -o classes.vot --id OBJID --path CUTOUT`

`galaxies classify s3://bucket/cutouts -o classes.parquet --engine ray --address auto`"""


@commands.command(
    epilog=_CLASSIFY,
    short_help="Classify any number of images with a trained bundle.",
    rich_help_panel=CLASSIFY,
)
def classify(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT",
            help="Images (JPEG, PNG, FITS), folders, globs, zip and tar archives, Parquet tables "
            "of images, or catalogues with columns id and path (Parquet, CSV, FITS, VOTable, "
            "ECSV, HATS); paths or fsspec addresses.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            metavar="TABLE",
            help="Table to make: .parquet, .csv, .fits, .vot or .ecsv, with .gz after all but "
            ".parquet; or a .hats catalogue (needs positions, and the extra hats).",
        ),
    ],
    model: Model = Path("real"),
    views: Views = None,
    agreement: Agreement = Options.agreement,
    engine: Annotated[
        Literal["local", "ray"],
        typer.Option(help="Run on this machine, or on a Ray cluster (needs the extra ray)."),
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Address of the Ray cluster; starts one locally by default."
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Threads of the local engine; default: one per core.")
    ] = None,
    shards: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder for finished parts, visible to all machines; default: beside the output.",
        ),
    ] = None,
    device: Annotated[
        Literal["cpu", "gpu"], typer.Option(help="Device; gpu needs the package onnxruntime-gpu.")
    ] = "cpu",
    questions: Annotated[
        Questions,
        typer.Option(help="Answers in the table: only the first question, or all of them."),
    ] = "first",
    decide_anyway: Annotated[
        bool,
        typer.Option(
            "--decide-anyway",
            help="Decide even if the galaxies look different from those the bundle was calibrated "
            "on; its promises do not hold then.",
        ),
    ] = False,
    campaign: Annotated[
        str | None,
        typer.Option(
            metavar="CAMPAIGN",
            help="Whose votes to predict: a campaign that the bundle is calibrated for, such as "
            "kaggle, gz2 or gz1; default: the bundle's first.",
        ),
    ] = None,
    id_column: IdColumn = None,
    path_column: PathColumn = None,
    images: sky.Images = None,
    radius_column: sky.RadiusColumn = None,
    rate: sky.Rate = None,
    contact: sky.Contact = "",
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace an existing output, and parts of another job."),
    ] = False,
) -> None:
    """Classify images as elliptical or spiral, and find those that need volunteers.

    Columns of the table: galaxy_id (file name, or id of the catalogue), p_spiral
    (calibrated probability), spread (standard deviation of the fraction of
    volunteers who see a spiral), label, decision (elliptical, spiral or ask
    volunteers), familiar (whether the galaxy looks like those that the bundle was
    calibrated on), error (why an image could not be read); with --questions all, a
    column for each answer, such as bar_yes, as a fraction of all volunteers; bundle
    (which made the row); then the other columns of a catalogue. `galaxies info`
    prints what made a table.

    To continue an interrupted run, give the same command again.

    Exit status: 0 on success, 1 after an error, 3 if the table is complete but some
    images could not be read.
    """
    from galaxies.bundle.pretrained import bundle_folder
    from galaxies.classifying.engines import Engine, local_engine
    from galaxies.classifying.job import run_job
    from galaxies.tables.columns import ColumnNames

    options = Options(
        views=views,
        agreement=agreement,
        device=device,
        campaign=campaign,
        questions=questions,
        anyway=decide_anyway,
    )
    work: Engine = partial(local_engine, workers=workers or cores())
    if engine == "ray":
        require("ray", "ray")
        from galaxies.classifying.ray_engine import ray_engine

        work = partial(ray_engine, address=address)
    bundle = bundle_folder(model).absolute()
    names = ColumnNames(id_column, path_column)
    opened = sky.opened(inputs, images, radius_column, rate, contact)
    done = run_job(
        opened,
        output,
        bundle,
        work,
        options,
        names=names,
        shards=shards,
        overwrite=overwrite,
        another_survey=sky.is_another_survey(images),
    )
    printed.classified(output, done, options)
    if not done.complete:
        raise typer.Exit(UNREADABLE)
