"""The command `galaxies`.

Each module has a group of commands: it reads the options and calls the library. What came out is
printed by `galaxies.cli.printed`.
"""

from typing import Annotated

import typer

from galaxies import __version__
from galaxies.cli import (
    audit,
    bundles,
    calibrate,
    classify,
    download,
    inside,
    over_inputs,
    pages,
    sky,
    surveys,
    volunteers,
)
from galaxies.cli.help import Commands
from galaxies.errors import run_stage

app = typer.Typer(
    cls=Commands,
    help="Classify galaxy morphologies from images and the votes of volunteers.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    epilog="Example: `galaxies classify cutouts/ -o classes.parquet`\n\n"
    "`galaxies COMMAND --help` explains a command, with examples.",
)
for group in (
    classify, bundles, sky, inside, pages, surveys, download, calibrate, audit, volunteers,
):  # fmt: skip
    for command in group.commands.registered_commands:
        command.cls = over_inputs.Command
    app.add_typer(group.commands)


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
