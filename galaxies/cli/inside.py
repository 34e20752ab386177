"""The command that shows what a network sees in galaxies: `inside`."""

from pathlib import Path
from typing import Annotated, Final

import typer

from galaxies.cli.classify import UNREADABLE
from galaxies.cli.help import LOOK
from galaxies.cli.options import Inputs, Model, Overwrite, Views
from galaxies.cli.terminal import say, warn

commands = typer.Typer()

_NAMED: Final = 9
"""Images that could not be read and are named."""

_INSIDE: Final = """Example: `galaxies inside galaxy.jpg -o inside.png`

`galaxies inside galaxy.jpg -o bar.png --question bar --answer bar_yes`

`galaxies inside cutouts/ -o pictures`

`galaxies inside 'night*/*.fits' -o night.pdf --model models/cnn`"""


@commands.command(
    epilog=_INSIDE,
    short_help="Draw what a network sees in galaxies, layer by layer.",
    rich_help_panel=LOOK,
)
def inside(
    images: Inputs,
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE|FOLDER",
            help="A .png for one image; a .pdf with a page for each, or a folder of pictures.",
        ),
    ],
    model: Model = Path("real"),
    views: Views = None,
    question: Annotated[
        str | None,
        typer.Option(
            metavar="QUESTION", help="Question to explain, such as bar; default: the first."
        ),
    ] = None,
    answer: Annotated[
        str | None,
        typer.Option(
            metavar="ANSWER", help="Answer to explain, such as bar_yes; default: the predicted one."
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Draw the way of galaxies through a CNN: picture, layers, evidence, answers.

    For some layers the picture has the channels that carry the decision, drawn over the galaxy,
    then where the network sees evidence for its answer, and the predicted vote fractions. How to
    read it: docs/look_inside.md.

    Pictures that a folder has already are kept: to continue an interrupted run, give the same
    command again.

    Exit status: 0 on success, 1 after an error, 3 if some images could not be read.
    """
    from galaxies.bundle.pretrained import bundle_folder
    from galaxies.classifying.classifier import Classifier
    from galaxies.classifying.options import Options
    from galaxies.pages.pictures import draw_pictures

    classifier = Classifier(bundle_folder(model), Options(views=views))
    done = draw_pictures(images, output, classifier, question, answer, overwrite=overwrite)
    kept = f", {done.kept:,} kept; --overwrite draws them again" if done.kept else ""
    say(f"{output}: {done.drawn:,} drawn{kept}")
    for line in done.unreadable[:_NAMED]:
        warn(line)
    if (more := len(done.unreadable) - _NAMED) > 0:
        warn(f"and {more:,} more that could not be read")
    if done.unreadable:
        raise typer.Exit(UNREADABLE)
