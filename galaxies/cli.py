"""The command `galaxies`."""

from pathlib import Path
from typing import Annotated

import typer

from galaxies import __version__
from galaxies.errors import run_stage

app = typer.Typer(
    help="Classify galaxy morphologies from images and the votes of volunteers.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


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
    epilog="Example: [bold]galaxies check data/kaggle[/bold]",
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
    from galaxies.checking import KAGGLE, check_survey

    report = check_survey(survey)
    typer.echo(f"{survey}: {report.images:,} images, {report.votes:,} rows of votes")
    typer.echo(f"  with both    {report.common:>8,}")
    for name, count in report.classes.items():
        typer.echo(f"  {name:<12} {count:>8,}    (Kaggle: {KAGGLE[name]:,})")
    frames = ", ".join(f"{size} ({count})" for size, count in sorted(report.frames.items()))
    typer.echo(f"  frames of {sum(report.frames.values())} images looked at: {frames}")
    if report.is_kaggle:
        typer.echo("This is the training set of Kaggle's Galaxy Zoo challenge.")
    else:
        typer.echo("A usable survey, but not the whole training set of Kaggle's challenge.")


@app.command(
    epilog="Example: [bold]galaxies merge data/gz1 data/gz2 data/kaggle -o data/real[/bold]",
    short_help="Make one survey of several.",
)
def merge(
    surveys: Annotated[
        list[Path], typer.Argument(help="Folders of two surveys or more.", show_default=False)
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The survey to make, such as data/real.")
    ],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a survey that is there.")
    ] = False,
) -> None:
    """Make one survey of several, to train on all their galaxies.

    Images keep their bytes and votes their digits; frames may differ in size. Of the votes those
    columns stay that all surveys have. A GalaxyID that two surveys know is refused.
    """
    from galaxies.merging import merge_surveys

    merged = merge_surveys(surveys, output, overwrite=overwrite)
    typer.echo(
        f"{output}: {merged.images:,} images, {merged.votes:,} rows of votes with "
        f"{len(merged.columns)} columns"
    )
    typer.echo(f"Look through it: galaxies check {output}")


@app.command(
    epilog="Example: [bold]galaxies export-folders data/kaggle -o kaggle-folders[/bold]",
    short_help="Copy a survey's images into folders by part and class.",
)
def export_folders(
    survey: Annotated[Path, typer.Argument(help="Folder of the survey.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to make.")],
    params: Annotated[
        Path, typer.Option(help="Settings; the sections pack and split are used.")
    ] = Path("params.yaml"),
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace such a folder that is there.")
    ] = False,
) -> None:
    """Copy a survey's images into folders by part and class, for tools that want them so.

    Makes train/elliptical/<GalaxyID>.jpg, train/spiral/…, validation/… and test/…, with the
    images' own bytes. The split is the pipeline's for these settings; it is made anew, so that it
    always belongs to this survey, whatever the pipeline ran on last. That takes decoding every
    image once. [bold]keras.utils.image_dataset_from_directory("kaggle-folders/train")[/bold] reads
    the folders, with the classes in the pipeline's order: elliptical 0, spiral 1.
    """
    import os

    from galaxies import folders
    from galaxies.morphology import CLASSES
    from galaxies.settings import load_settings
    from galaxies.splitting import PARTS

    counts = folders.export_folders(
        survey, output, load_settings(params), workers=os.cpu_count() or 1, overwrite=overwrite
    )
    for part in PARTS:
        classes = ", ".join(f"{counts[f'{part}_{name}']:,} {name}" for name in CLASSES)
        typer.echo(f"{output / part}: {classes}")


if __name__ == "__main__":
    main()
