"""The command that calibrates a bundle for another survey: `calibrate`."""

from pathlib import Path
from typing import Annotated

import typer

from galaxies.cli.help import ADAPT
from galaxies.cli.options import Model, Overwrite, cores
from galaxies.cli.printed import judgement as printed
from galaxies.cli.terminal import say
from galaxies.errors import GalaxiesError

commands = typer.Typer()

_CALIBRATE = """Example: `galaxies calibrate data/mine -o models/mine`

`galaxies calibrate cutouts/ --shares-only -o models/cutouts --model models/cnn`"""


@commands.command(
    epilog=_CALIBRATE,
    short_help="Calibrate a bundle for another survey.",
    rich_help_panel=ADAPT,
)
def calibrate(
    survey: Annotated[
        Path,
        typer.Argument(
            metavar="SURVEY|INPUT",
            help="Folder with images_training_rev1.zip and training_solutions_rev1.csv; with "
            "--shares-only, any folder or archive of images.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="BUNDLE", help="The bundle to make.")
    ],
    model: Model = Path("real"),
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
    overwrite: Overwrite = False,
) -> None:
    """Calibrate a bundle on the votes of another survey, without training.

    The scores before and after are shown. Those after are cross-validated: ten times, the galaxies
    are divided into five folds, and each is tested with the calibration fitted on the other four.
    The saved bundle is fitted on all galaxies. The weights do not change.

    At least 30 galaxies are needed, better a hundred, drawn at random from those that you want to
    classify. Galaxies that the bundle was trained on are not accepted, under whatever number.

    With --shares-only, no votes are needed: the share of spirals is estimated from the images. This
    helps if only the shares differ from those of the bundle. If a test shows that the images look
    different too, no bundle is saved. No test can show whether volunteers would answer differently,
    so this bundle makes no promises.
    """
    from galaxies.bundle.pretrained import bundle_folder
    from galaxies.dataset.layout import VOTES
    from galaxies.recalibrating.surveys import adjust_to_shares, calibrate_on_votes

    folder, workers = bundle_folder(model), cores()
    if shares_only:
        adjusted = adjust_to_shares(
            folder,
            survey,
            output,
            workers=workers,
            anyway=anyway,
            overwrite=overwrite,
        )
        printed.adjusted(survey, adjusted)
        if not adjusted.written:
            raise GalaxiesError(
                f"{output}: not saved, because {survey} differs in more than its shares; calibrate "
                "on the votes of a hundred galaxies, or add --anyway"
            )
        say(f"{output}: adjusted to these shares; it makes no promises")
        return
    if anyway:
        raise GalaxiesError("--anyway needs --shares-only")
    if survey.exists() and not (survey / VOTES).is_file():
        raise GalaxiesError(
            f"{survey}: no votes ({VOTES}); --shares-only estimates the shares of the classes from "
            "the images alone"
        )
    calibrated = calibrate_on_votes(folder, survey, output, workers=workers, overwrite=overwrite)
    printed.calibrated(survey, model, output, calibrated)
