"""Options that several commands have."""

import os
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

Inputs = Annotated[
    list[str], typer.Argument(metavar="INPUT", help="Images, as in `galaxies classify`.")
]
Survey = Annotated[
    Path,
    typer.Argument(
        metavar="SURVEY",
        help="Folder with images_training_rev1.zip and training_solutions_rev1.csv.",
    ),
]
Views = Annotated[
    Literal[1, 8] | None,
    typer.Option(
        help="Number of views (flips and quarter turns) to average; default: the bundle's."
    ),
]
Questions = Literal["first", "all"]
Agreement = Annotated[
    float | None,
    typer.Option(
        help="Target agreement with the volunteers, for the decisions; default: the highest that "
        "is proven and decides half of the galaxies that the bundle was calibrated on. The "
        "pretrained bundles know 0.9, 0.95 and 0.99; `galaxies info` tells which are proven."
    ),
]
BUNDLE: Final = "BUNDLE"
Model = Annotated[
    Path,
    typer.Option(
        metavar=BUNDLE, help="A bundle, or the name of a pretrained one: real or simulated."
    ),
]
Table = Annotated[
    Path, typer.Argument(metavar="TABLE", help="Table from `galaxies classify`, in any format.")
]
IdColumn = Annotated[
    str | None,
    typer.Option(
        "--id",
        metavar="COLUMN",
        help="Column of a catalogue with the IDs; default: galaxy_id, GalaxyID, id, objid or "
        "id_str.",
        show_default=False,
    ),
]
PathColumn = Annotated[
    str | None,
    typer.Option(
        "--path",
        metavar="COLUMN",
        help="Column of a catalogue with the image files; default: path, file_loc or filename.",
        show_default=False,
    ),
]
SurveyToMake = Annotated[
    Path, typer.Option("-o", "--output", metavar="SURVEY", help="The survey to make.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")]


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0))
