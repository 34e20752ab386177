"""Commands on bundles: what one is, and its answers for Kaggle or its network for programs."""

from pathlib import Path
from typing import Annotated

import typer

from galaxies.cli.help import CLASSIFY
from galaxies.cli.options import Model, Overwrite, Views, cores
from galaxies.cli.printed import classes as printed
from galaxies.errors import GalaxiesError

commands = typer.Typer()


@commands.command(
    epilog="Example: `galaxies info classes.parquet`\n\n`galaxies info real`",
    short_help="Print what made a table, or what is in a bundle.",
    rich_help_panel=CLASSIFY,
)
def info(
    subject: Annotated[
        Path,
        typer.Argument(
            metavar="TABLE|BUNDLE",
            help="A table from `galaxies classify`, a bundle, or the name of a pretrained one.",
        ),
    ],
) -> None:
    """Print what made a table: version, bundle, campaign, calibration, threshold, image options.

    Of a bundle, print its model, survey, campaign, calibration and promises. The hash is the same
    in a table and in the bundle that made it. It also stands in the column `bundle`, which programs
    keep that drop the rest.
    """
    from galaxies.bundle.pretrained import bundle_folder
    from galaxies.classifying.provenance import describe_bundle, describe_table
    from galaxies.tables.hats import properties_file

    folder = bundle_folder(subject)
    is_bundle = folder.is_dir() and not properties_file(str(folder))
    facts = describe_bundle(folder) if is_bundle else describe_table(subject)
    printed.facts(subject, facts)


@commands.command(
    epilog="Example: `galaxies submission images_test_rev1.zip -o submission.csv`",
    short_help="Write a submission for Kaggle's Galaxy Zoo challenge.",
    rich_help_panel=CLASSIFY,
)
def submission(
    images: Annotated[
        Path, typer.Argument(metavar="INPUT", help="images_test_rev1.zip of the challenge.")
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="The CSV to make.")
    ],
    model: Model = Path("real"),
    overwrite: Overwrite = False,
) -> None:
    """Predict all 37 columns for the test images of Kaggle's Galaxy Zoo challenge.

    To have the CSV scored, upload it at
    https://www.kaggle.com/competitions/galaxy-zoo-the-galaxy-challenge, "Late Submission".
    """
    from galaxies.bundle.pretrained import bundle_folder
    from galaxies.classifying.submission import write_submission

    bundle = bundle_folder(model)
    rows = write_submission(images, output, bundle, workers=cores(), overwrite=overwrite)
    printed.submission(output, rows)


@commands.command(
    epilog="Example: `galaxies export --model models/cnn -o cnn.onnx`",
    short_help="Write a network as one ONNX file.",
    rich_help_panel=CLASSIFY,
)
def export(
    model: Model = Path("real"),
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="The file to make; default: the name of the bundle.",
        ),
    ] = None,
    views: Views = None,
    overwrite: Overwrite = False,
) -> None:
    """Write the network of a bundle as one ONNX file for other programs (needs the extra onnx).

    Input: images uint8 (N, size, size, 3), cropped and reduced by
    galaxies.images.decode.decode_reduced. Output: p_spiral (calibrated) and spread, both float32
    (N,). The metadata of the file have size, crop and decoding.
    """
    from galaxies.bundle.pretrained import bundle_folder

    folder = bundle_folder(model)
    path = output or Path(f"{folder.absolute().name}.onnx")
    if path.exists() and not overwrite:
        raise GalaxiesError(f"{path}: exists; --overwrite replaces it")
    from galaxies.classifying.export import export_bundle

    export_bundle(folder, path, views)
    printed.exported(path)
