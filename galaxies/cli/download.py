"""Commands that download real galaxies with their votes."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from galaxies.cli.help import TRAIN, Commands
from galaxies.cli.options import Overwrite, SurveyToMake
from galaxies.cli.printed import surveys as printed

commands = typer.Typer()
downloads = typer.Typer(cls=Commands, no_args_is_help=True, rich_markup_mode="markdown")
commands.add_typer(
    downloads,
    name="download",
    help="Download real galaxies with their votes.",
    epilog="Example: `galaxies download gz2`",
    rich_help_panel=TRAIN,
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

    printed.checked(output, download_kaggle(output, overwrite=overwrite))


@downloads.command(
    epilog="Example: `galaxies download gz2 && dvc exp run -S survey=gz2`",
    short_help="Galaxy Zoo 2: about 240,000 galaxies, 3.4 GB, no account.",
)
def gz2(
    output: SurveyToMake = Path("data/gz2"),
    votes: Annotated[
        Literal["weighted", "debiased"],
        typer.Option(
            help="Which vote fractions: weighted, or debiased, which are also corrected for "
            "distance and lie near those of Kaggle's challenge."
        ),
    ] = "weighted",
    mirror: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Address of a folder with images_gz2.zip, gz2_filename_mapping.csv and "
            "gz2_hart16.csv.gz; by default the published files.",
            show_default=False,
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Download Galaxy Zoo 2: about 240,000 galaxies, 3.4 GB; needs 7 GB of disk space.

    The images are from https://zenodo.org/records/3565489. The votes are fractions from the
    catalogue of Hart et al. (2016), in Kaggle's 37 columns. survey.yaml names their campaign: gz2
    for weighted ones; kaggle for debiased ones, which are the ones to put beside Kaggle's. No
    account is needed.

    If the connection breaks, run the command again: it continues where it stopped.
    """
    from galaxies.surveys.download.galaxy_zoo_2 import download_gz2

    printed.checked(output, download_gz2(output, votes=votes, mirror=mirror, overwrite=overwrite))
