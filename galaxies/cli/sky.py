"""The command that cuts galaxies out of surveys, and the options that `classify` shares with it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from galaxies.cli.help import CLASSIFY
from galaxies.cli.options import Overwrite, cores
from galaxies.cli.printed import classes as printed
from galaxies.cli.terminal import warn
from galaxies.errors import GalaxiesError, require

if TYPE_CHECKING:
    from galaxies.classifying.inputs.chunks import Input

commands = typer.Typer()

_PACKAGES: Final = ("sky", "requests", "photutils", "cv2")
"""The extra, and its packages: the last one measures radii only after cut-outs have come."""

Images = Annotated[
    str | None,
    typer.Option(
        metavar="LAYER",
        help="The input is a list of positions: cut the galaxies out of sdss, legacy, hips or "
        "local:FOLDER; sdss:dr18, legacy:ls-dr9 or hips:CDS/P/DSS2/color name a release or layer, "
        "and @ADDRESS after that another address.",
    ),
]
RadiusColumn = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="Column with the Petrosian 90% radius (SDSS: petroR90_r), for the scale; default: a "
        "usual name, or measured on a first cut-out.",
    ),
]
Rate = Annotated[
    float | None, typer.Option(help="Requests a second; default: 5.", show_default=False)
]
Contact = Annotated[
    str,
    typer.Option(
        metavar="ADDRESS",
        envvar="GALAXIES_CONTACT",
        help="Your e-mail address, for whoever runs the service; needed for more than 100 "
        "positions.",
    ),
]
CacheFolder = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Folder that keeps what services sent; default: ~/.cache/galaxies.",
        show_default=False,
    ),
]

_CUTOUTS: Final = """Example: `galaxies cutouts positions.csv -o cutouts.zip --images sdss`

`galaxies cutouts names.txt -o cutouts.zip --images legacy:ls-dr10`

`galaxies cutouts positions.fits -o cutouts.zip --images local:tiles/ --radius-column R90`

`galaxies cutouts positions.csv -o cutouts.zip --dry-run`

Then: `galaxies classify cutouts.zip -o classes.parquet`"""


@commands.command(
    epilog=_CUTOUTS,
    short_help="Cut galaxies out of a survey, from a list of positions or names.",
    rich_help_panel=CLASSIFY,
)
def cutouts(
    positions: Annotated[
        Path,
        typer.Argument(
            metavar="POSITIONS",
            help="Table with ra and dec (CSV, Parquet, FITS, VOTable, ECSV), in degrees or "
            "sexagesimal; or a .txt file with the name of a galaxy on each line.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="Zip archive to make.")
    ],
    images: Images = "sdss",
    galaxy_id: Annotated[
        str | None,
        typer.Option("--id", metavar="COLUMN", help="Column with the IDs; default: a usual name."),
    ] = None,
    ra: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Column with right ascension; default: a usual name."),
    ] = None,
    dec: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Column with declination; default: a usual name."),
    ] = None,
    radius_column: RadiusColumn = None,
    radius_unit: Annotated[
        str | None,
        typer.Option(metavar="UNIT", help="Unit of that column; default: the table's, or arcsec."),
    ] = None,
    radius: Annotated[
        float | None,
        typer.Option(help="Petrosian 90% radius, in arcsec, of galaxies that have none."),
    ] = None,
    rate: Rate = None,
    parallel: Annotated[int, typer.Option(min=1, max=64, help="Requests at a time.")] = 8,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds for an answer.")] = 60,
    contact: Contact = "",
    cache: CacheFolder = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say how many requests, and how long.")
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Cut galaxies out of a survey, at the scale at which Galaxy Zoo's volunteers saw them.

    Makes a zip archive with a JPEG for each galaxy, and beside it a Parquet table with the
    input's columns, where each picture is from, its scale, and in the column error why a galaxy
    has none.

    To continue an interrupted run, give the same command again: nothing is asked twice.
    """
    require(*_PACKAGES)
    from galaxies.sky.manners import Manners
    from galaxies.sky.opening import Wanted
    from galaxies.sky.positions import Columns
    from galaxies.sky.writing import refuse_existing, write_cutouts

    wanted = Wanted(
        positions,
        images or "sdss",
        Columns(galaxy_id, ra, dec, radius_column, radius_unit),
        radius,
        rate,
        Manners(parallel=parallel, timeout=timeout, contact=contact),
        cache,
    )
    if not dry_run:
        refuse_existing(output, overwrite=overwrite)
    source, galaxies = wanted.open()
    if galaxies.remark:
        warn(galaxies.remark)
    if dry_run:
        printed.planned(source, galaxies)
        return
    reasons = write_cutouts(source, galaxies, output, workers=cores(), overwrite=overwrite)
    printed.cut_out(output, reasons)


def opened(
    inputs: list[str],
    images: str | None,
    radius_column: str | None,
    rate: float | None,
    contact: str,
) -> "list[str] | list[Input]":
    """Open a list of positions as the input of `classify`; other inputs stay as they are."""
    if images is None:
        return inputs
    require(*_PACKAGES)
    from galaxies.sky.manners import Manners
    from galaxies.sky.opening import Wanted
    from galaxies.sky.positions import Columns
    from galaxies.sky.writing import SkyInput

    if len(inputs) != 1:
        raise GalaxiesError("--images: give one table of positions")
    columns, manners = Columns(radius=radius_column), Manners(contact=contact)
    source, positions = Wanted(Path(inputs[0]), images, columns, None, rate, manners).open()
    sky: list[Input] = [SkyInput(source, positions)]
    return sky


def is_another_survey(images: str | None) -> bool:
    """Whether images have other filters and another depth than those of Galaxy Zoo."""
    return images is not None and images.partition("@")[0].partition(":")[0] != "sdss"
