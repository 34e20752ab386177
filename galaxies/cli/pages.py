"""Commands that open a page in a browser."""

import getpass
from pathlib import Path
from typing import Annotated

import typer

from galaxies.cli.help import ADAPT, LOOK
from galaxies.cli.options import BUNDLE, Inputs, Questions, SurveyToMake
from galaxies.cli.printed import surveys as printed
from galaxies.cli.terminal import say
from galaxies.errors import needs

commands = typer.Typer()

Port = Annotated[
    int, typer.Option(min=0, max=65535, help="Port of the page; default: any free port.")
]
Browser = Annotated[bool, typer.Option(help="Open the page in a browser.")]
HostNames = Annotated[
    list[str] | None,
    typer.Option(
        "--host-name",
        metavar="NAME",
        help="Another name by which a browser may open the page, besides localhost; repeatable.",
        show_default=False,
    ),
]

_LABEL = """Example: `galaxies label cutouts/ -o data/mine`

`galaxies label cutouts/ -o data/mine --person anna --questions all`

`galaxies label cutouts/ -o data/mine --finish`"""


@commands.command(
    epilog=_LABEL,
    short_help="Label galaxies yourself, on a page in a browser.",
    rich_help_panel=ADAPT,
)
def label(
    images: Inputs,
    output: SurveyToMake,
    person: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Name for your votes; default: your login name.",
            show_default=False,
        ),
    ] = None,
    questions: Annotated[
        Questions,
        typer.Option(help="Ask only the first question, or all of Galaxy Zoo 2."),
    ] = "first",
    finish: Annotated[
        bool, typer.Option("--finish", help="Only make the survey from the votes so far.")
    ] = False,
    port: Port = 0,
    browser: Browser = True,
    host_name: HostNames = None,
) -> None:
    """Label galaxies yourself, one at a time, on a page in a browser (needs the extra explore).

    The keys 1, 2 and 3 answer, and u undoes the last answer. Each vote is written to
    OUTPUT.votes.csv at once; the same command continues where it stopped. Several people can share
    the file, each with a different --person. Ctrl-C closes the page and makes the survey from all
    votes, like --finish. Only this machine can open the page.
    """
    from galaxies.pages import labelling

    if not finish:
        with needs("explore"):
            from galaxies.pages.label_page import serve_labelling

        work = labelling.Labelling(
            images, output, getpass.getuser() if person is None else person, questions
        )
        serve_labelling(work, port=port, browser=browser, host_names=host_name or ())
        if not any(map(work.votes.answered, list(work.votes.given))):
            say("No votes yet; no survey was made")
            return
    made = labelling.finish(images, output)
    printed.counted(output, made, "person", "people")


@commands.command(
    epilog="Example: `galaxies explore --model models/cnn`",
    short_help="See how a model answers when you change a galaxy, on a page in a browser.",
    rich_help_panel=LOOK,
)
def explore(
    model: Annotated[
        Path | None,
        typer.Option(
            metavar=BUNDLE, help="A bundle; default: the CNN of this run, or the pretrained one."
        ),
    ] = None,
    port: Port = 0,
    browser: Browser = True,
    host_name: HostNames = None,
) -> None:
    """See how a model answers when you change a galaxy, on a page (needs the extra explore).

    Rotate, mirror, resize and blur a galaxy, and watch the probability, the decision and the
    answers change. You can use the test galaxies of a finished run in this folder, and any JPEG,
    PNG or FITS file that you drop on the page. Ctrl-C closes the page. Only this machine can open
    it.
    """
    with needs("explore"):
        from galaxies.pages.explore_page import Explorer, serve_explorer

    explorer = Explorer(Path(), model)
    serve_explorer(explorer, port=port, browser=browser, host_names=host_name or ())
