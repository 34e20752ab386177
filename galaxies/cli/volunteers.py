"""Commands that ask volunteers at Zooniverse, and count their votes."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from galaxies.cli.help import VOLUNTEERS
from galaxies.cli.options import (
    BUNDLE,
    IdColumn,
    Overwrite,
    PathColumn,
    SurveyToMake,
    Table,
    cores,
)
from galaxies.cli.printed import surveys as printed
from galaxies.cli.terminal import say

commands = typer.Typer()

_ASK = """Example: `galaxies ask classes.parquet cutouts/ -o subjects/`

`galaxies ask classes.parquet survey.zip -o subjects-2/ --earlier subjects/ --number 500`

`galaxies ask classes.parquet catalogue.csv -o audit/ --audit-share 1 --number 300`

Then: `panoptes subject-set upload-subjects ID subjects/manifest.csv`"""


@commands.command(
    epilog=_ASK,
    short_help="Make a Zooniverse subject set of galaxies for people.",
    rich_help_panel=VOLUNTEERS,
)
def ask(
    classes: Table,
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUT", help="The inputs of `galaxies classify`."),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FOLDER", help="New folder to make.")
    ],
    number: Annotated[int, typer.Option(min=1, help="Galaxies to ask about.")] = 1000,
    choose: Annotated[
        Literal["uncertain", "diverse", "random"],
        typer.Option(
            help="Among the galaxies left to people: the least certain, those that differ most "
            "from each other in p_spiral and spread, or a random sample."
        ),
    ] = "uncertain",
    audit_share: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Share of the galaxies that is drawn from the machine's decisions."
        ),
    ] = 0.1,
    earlier: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder of an earlier batch, to skip its galaxies; may be repeated.",
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(metavar=BUNDLE, help="The bundle that must have made the table."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the random numbers.")] = 0,
    id_column: IdColumn = None,
    path_column: PathColumn = None,
) -> None:
    """Make a subject set for Zooniverse: the galaxies that need people, and a few for an audit.

    The folder has JPEGs of at most 1 MiB, and manifest.csv. Volunteers do not see the columns with
    #: the ID of the galaxy, the machine's answer, the batch and the bundle. The same command gives
    identical files. Galaxies of earlier batches are not asked about again. The pictures are
    classified again, if the bundle is a pretrained one or given: others under the same IDs are an
    error.
    """
    from galaxies.tables.columns import ColumnNames
    from galaxies.volunteers import subjects

    made = subjects.ask(
        classes,
        inputs,
        output,
        number=number,
        choose=choose,
        audit_share=audit_share,
        seed=seed,
        earlier=earlier or [],
        bundle=model,
        names=ColumnNames(id_column, path_column),
        workers=cores(),
    )
    printed.asked(output, made, number)


def _show_example(wanted: bool) -> None:
    if wanted:
        from galaxies.volunteers.answers import EXAMPLE

        say(EXAMPLE, nl=False)
        raise typer.Exit


_VOTES = """Example: `galaxies votes export.csv --answers answers.yaml \
--subjects subjects/ -o data/mine`

`galaxies votes --example > answers.yaml`

`galaxies votes export.csv --answers answers.yaml --subjects subjects/ --subjects subjects-2/ \
-o data/mine --least-votes 10`"""


@commands.command(
    epilog=_VOTES,
    short_help="Make a survey from Zooniverse's classification export.",
    rich_help_panel=VOLUNTEERS,
)
def votes(
    export: Annotated[
        Path, typer.Argument(metavar="EXPORT", help="Zooniverse's classification export, a CSV.")
    ],
    answers: Annotated[
        Path, typer.Option(metavar="FILE", help="YAML file that maps answers to columns.")
    ],
    subjects: Annotated[
        list[Path],
        typer.Option(metavar="FOLDER", help="Subject set from `galaxies ask`; may be repeated."),
    ],
    output: SurveyToMake,
    least_votes: Annotated[
        int, typer.Option(min=1, help="Leave out galaxies with fewer votes.")
    ] = 1,
    overwrite: Overwrite = False,
    example: Annotated[
        bool,
        typer.Option(
            "--example",
            callback=_show_example,
            is_eager=True,
            help="Print an example of answers.yaml.",
        ),
    ] = False,
) -> None:
    """Make a survey of the volunteers' votes, with vote fractions and counts.

    Only a volunteer's first answer about a galaxy counts. Volunteers who were not logged in are
    distinguished by the hash of their IP address, which changes with every export. Damaged rows are
    left out and reported. An answer that is not in answers.yaml is an error.
    """
    from galaxies.volunteers.survey import count_votes

    made = count_votes(
        export, answers, subjects, output, least_votes=least_votes, overwrite=overwrite
    )
    printed.counted(output, made, "volunteer", "volunteers")
