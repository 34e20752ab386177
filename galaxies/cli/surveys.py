"""Commands that make, check and merge surveys."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from galaxies.cli.help import ADAPT, TRAIN
from galaxies.cli.options import IdColumn, Overwrite, PathColumn, Survey, SurveyToMake, cores
from galaxies.cli.printed import surveys as printed
from galaxies.errors import GalaxiesError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

commands = typer.Typer()

_SURVEY = """Example: `galaxies survey labelled.csv -o data/mine`

`galaxies survey votes.fits -o data/mine --id OBJID --path CUTOUT --campaign gz2`"""


@commands.command(
    epilog=_SURVEY,
    short_help="Make a survey from a catalogue with labels or vote fractions.",
    rich_help_panel=ADAPT,
)
def survey(
    table: Annotated[
        str,
        typer.Argument(
            metavar="TABLE",
            help="Catalogue with columns id, path, and label or the vote fractions of a campaign.",
        ),
    ],
    output: SurveyToMake,
    id_column: IdColumn = None,
    path_column: PathColumn = None,
    campaign: Annotated[
        str | None,
        typer.Option(
            metavar="CAMPAIGN", help="Campaign of the vote fractions; default: the one that fits."
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Make a survey, to train on or calibrate with, from a catalogue (CSV, Parquet, FITS, …).

    A label is elliptical, spiral or artifact. JPEG and PNG files are copied unchanged, FITS images
    as the PNG that the models see. If an ID is not a whole number, galaxies are numbered, and
    ids.csv in the survey has their IDs. Images that cannot be read are left out and reported.
    """
    from galaxies.surveys.from_table import survey_from_table
    from galaxies.tables.columns import ColumnNames

    names = ColumnNames(id_column, path_column)
    made = survey_from_table(table, output, names=names, campaign=campaign, overwrite=overwrite)
    printed.from_table(output, made)


@commands.command(
    epilog="Example: `galaxies check data/kaggle`",
    short_help="Check a survey before you run the pipeline on it.",
    rich_help_panel=TRAIN,
)
def check(
    survey: Survey,
    params: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="Settings file; if it exists, the survey is packed and split as in the pipeline.",
        ),
    ] = Path("params.yaml"),
) -> None:
    """Check a survey, summarise it, and compare it with Kaggle's Galaxy Zoo set.

    With a settings file, every image is decoded and the galaxies are split, as in the pipeline, to
    see whether it can train on them.

    The exit status is 0 if the files are valid, even if the survey is not Kaggle's. A survey that
    lies in data/, where the pipeline looks, must also be one that it can train on.
    """
    from galaxies.surveys.check import check_survey

    report = check_survey(survey)
    tried = params.is_file()
    problem = _why_not_split(survey, params) if tried else None
    printed.checked(survey, report, problem, tried=tried)
    if problem is not None and survey.resolve().parent == Path("data").resolve():
        raise GalaxiesError(f"{survey}: the pipeline cannot train on it: {problem}")


def _why_not_split(survey: Path, params: Path) -> str | None:
    """Say why the pipeline could not pack and split a survey."""
    import numpy as np

    from galaxies.base.fingerprints import from_text
    from galaxies.bundle.learned import read_learned
    from galaxies.bundle.pretrained import bundle_folder
    from galaxies.settings import load_settings
    from galaxies.surveys.rehearsal import split_survey

    settings = load_settings(params)
    start = settings.cnn.residual.start if settings.cnn.recipe == "residual" else None
    learned = None if start is None else read_learned(bundle_folder(Path(start)))

    def shown(images: "pd.DataFrame") -> "npt.NDArray[np.int64]":
        if learned is None:
            return np.empty(0, np.int64)
        seen = images[learned.shown(from_text(images["fingerprint"]))]
        return seen["galaxy_id"].to_numpy(np.int64)

    with tempfile.TemporaryDirectory() as scratch:
        try:
            split_survey(survey, settings, Path(scratch), workers=cores(), learned=shown)
        except GalaxiesError as error:
            return str(error)
    return None


@commands.command(
    epilog="Example: `galaxies merge data/gz1 data/gz2 data/kaggle -o data/real`",
    short_help="Merge surveys.",
    rich_help_panel=TRAIN,
)
def merge(
    surveys: Annotated[
        list[Path], typer.Argument(metavar="SURVEY", help="Folders of at least two surveys.")
    ],
    output: SurveyToMake,
    skip_known: Annotated[
        bool,
        typer.Option("--skip-known", help="Skip GalaxyIDs that are in an earlier survey."),
    ] = False,
    like: Annotated[
        Path | None,
        typer.Option(
            metavar="SURVEY",
            help="An unselected survey: galaxies of its campaign get weights, so that each kind is "
            "as common as there, and they count as much as all others together.",
            show_default=False,
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Merge surveys into one, to train on all their galaxies.

    Images and votes are copied unchanged; frames may have different sizes. All columns of the votes
    are kept, blank for surveys that do not have them. It is an error if two surveys have the same
    GalaxyID. Votes of Galaxy Zoo 1 get separate columns, Type1.1 to Type1.3, unless all surveys
    have its question.
    """
    from galaxies.surveys.merge import merge_surveys

    merged = merge_surveys(surveys, output, skip_known=skip_known, like=like, overwrite=overwrite)
    printed.merged(output, merged)


@commands.command(
    epilog="Example: `galaxies export-folders data/kaggle -o kaggle-folders`",
    short_help="Copy the images of a survey into folders by part and class.",
    rich_help_panel=TRAIN,
)
def export_folders(
    survey: Survey,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FOLDER", help="The folder to make.")
    ],
    params: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="Settings file; only the sections pack and split are used."
        ),
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
    from galaxies.settings import load_settings
    from galaxies.surveys import class_folders as folders

    counts = folders.export_folders(
        survey, output, load_settings(params), workers=cores(), overwrite=overwrite
    )
    printed.sorted_by_class(output, counts)
