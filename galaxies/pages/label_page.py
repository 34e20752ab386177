"""The page of `galaxies label`: a galaxy, a question, and the keys for its answers."""

import base64
import html
from collections.abc import Iterable
from typing import Final

import panel as pn

from galaxies.base.words import many
from galaxies.errors import GalaxiesError
from galaxies.pages.labelling import Labelling
from galaxies.pages.serving import Keys, serve
from galaxies.questions.registry import ASKED

_PICTURE: Final = (
    '<img id="galaxy" alt="the galaxy" src="data:image/jpeg;base64,{}" '
    'style="display: block; width: min(100%, 60vh); image-rendering: auto; background: black">'
)
_DONE: Final = (
    '<p id="done"><b>All galaxies are labelled.</b> Press Ctrl-C in the terminal to finish.</p>'
)


def label_page(labelling: Labelling) -> pn.Column:
    """Lay out the page for one window.

    Parameters
    ----------
    labelling : Labelling
        Shared by all windows.

    Returns
    -------
    Column
    """
    told = pn.pane.HTML(sizing_mode="stretch_width")
    picture = pn.pane.HTML(sizing_mode="stretch_width")
    asked = pn.pane.HTML(sizing_mode="stretch_width")
    problem = pn.pane.HTML(visible=False, sizing_mode="stretch_width")

    def press(turn: int, key: str) -> None:
        problem.visible = False
        try:
            if turn == labelling.turn and key == "u":
                labelling.undo()
            elif turn == labelling.turn and key.isdecimal():
                labelling.answer(int(key) - 1)
        except (GalaxiesError, OSError) as error:
            problem.object = f'<p role="alert">{html.escape(str(error))}</p>'
            problem.visible = True
        show()

    keys = Keys(press)
    most = max(len(question.answers) for question in ASKED.questions)
    buttons = [keys.button(str(number), color="primary") for number in range(1, most + 1)]
    undo = keys.button("u")
    undo.label = "u undo"

    def show() -> None:
        votes = labelling.votes.answered(labelling.person)
        galaxies = many(votes, "galaxy")
        if labelling.total is not None:
            galaxies = f"{votes:,} of {many(labelling.total, 'galaxy')}"
        left_out = "".join(
            f"<br>left out: {html.escape(f'{galaxy_id} {why}')}"
            for galaxy_id, why in labelling.left_out.items()
        )
        told.object = (
            f'<span id="told">{html.escape(labelling.person)}: {galaxies} labelled</span>{left_out}'
        )
        if labelling.question is None:
            picture.object, asked.object = "", _DONE
        else:
            picture.object = _PICTURE.format(base64.b64encode(labelling.jpeg).decode())
            asked.object = (
                f'<span id="galaxy_id">{html.escape(str(labelling.galaxy_id))}</span><br>'
                f'<b id="question">{labelling.question.words}</b>'
            )
        answers = labelling.question.answers if labelling.question else ()
        for number, button in enumerate(buttons, 1):
            button.visible = number <= len(answers)
            if button.visible:
                button.label = f"{number} {answers[number - 1].words}"
        keys.show(labelling.turn)

    show()
    return pn.Column(
        told,
        picture,
        asked,
        pn.FlexBox(*buttons, undo),
        problem,
        *keys.models,
        sizing_mode="stretch_width",
    )


def serve_labelling(
    labelling: Labelling, *, port: int = 0, browser: bool = True, host_names: Iterable[str] = ()
) -> None:
    """Show the page until Ctrl-C.

    Parameters
    ----------
    labelling : Labelling
        The galaxies and the votes.
    port : int
        Port; 0 is any free port.
    browser : bool
        Whether to open the page in a browser.
    host_names : iterable of str
        Further host names by which a browser may open the page.
    """
    pn.extension()
    serve(
        lambda: label_page(labelling),
        "galaxies label",
        port=port,
        browser=browser,
        host_names=host_names,
    )
