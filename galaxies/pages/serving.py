"""Serve a page to this machine only."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import panel as pn
from bokeh.events import DocumentReady
from bokeh.models import CustomJS, TextInput

from galaxies.errors import GalaxiesError

ADDRESS: Final = "127.0.0.1"

LARGEST_UPLOAD: Final = 32_000_000
"""Bytes."""

_SEND: Final = """
    // Ignore keys that are held down, or that are for the browser.
    const send = key => { pressed.value = `${turn.value} ${key} ${Math.random()}` };
"""

_LISTEN: Final = (
    _SEND
    + """
    document.addEventListener("keydown", event => {
        if (!(event.repeat || event.ctrlKey || event.altKey || event.metaKey)) send(event.key);
    });
"""
)

_REFUSE: Final = """
    document.addEventListener("input", event => {
        const [chosen] = event.composedPath()[0].files ?? [];
        if (chosen && chosen.size > largest) {
            event.composedPath()[0].value = "";  // so that nothing is sent
            refused.value = `${Math.random()} ${chosen.name}`;
        }
    }, true);
"""


def refuse_large_files(on_refused: Callable[[str], None]) -> TextInput:
    """Make the browser reject files larger than `LARGEST_UPLOAD`.

    Parameters
    ----------
    on_refused : callable
        Called with the name of the file.

    Returns
    -------
    TextInput
        An invisible element for the page.
    """
    refused = TextInput(visible=False)
    refused.on_change("value", lambda _name, _old, new: on_refused(new.partition(" ")[2]))
    code = CustomJS(args={"refused": refused}, code=f"const largest = {LARGEST_UPLOAD};{_REFUSE}")
    pn.state.curdoc.js_on_event(DocumentReady, code)
    return refused


class Keys:
    """Keys and buttons of a page that changes at each turn.

    A key or click belongs to the turn that the browser was showing, so that a quick second one does
    not answer a question that nobody has seen.

    Parameters
    ----------
    on_press : callable
        Called with the turn and the key.
    """

    def __init__(self, on_press: Callable[[int, str], None]) -> None:
        self._pressed = TextInput(visible=False)
        self._turn = TextInput(visible=False)
        self.models = (self._pressed, self._turn)
        """Invisible elements for the page."""

        def press(_name: str, _old: str, new: str) -> None:
            turn, key, _ = new.split(" ", 2)
            on_press(int(turn), key)

        self._pressed.on_change("value", press)
        self._names: dict[str, Any] = {"pressed": self._pressed, "turn": self._turn}
        pn.state.curdoc.js_on_event(DocumentReady, CustomJS(args=self._names, code=_LISTEN))

    def show(self, turn: int) -> None:
        """Set the turn that the page shows."""
        self._turn.value = str(turn)

    def button(self, key: str, **options: Any) -> pn.widgets.Button:  # noqa: ANN401
        """Make a button that does the same as a key."""
        button = pn.widgets.Button(**options)
        button.js_on_click(args=self._names, code=f"{_SEND} send({key!r})")
        return button


def serve(page: Callable[[], Any], title: str, *, port: int, browser: bool) -> None:
    """Serve a page until Ctrl-C.

    Parameters
    ----------
    page : callable
        Makes the page for each browser window.
    title : str
        Title of the window.
    port : int
        Port; 0 is any free port.
    browser : bool
        Whether to open the page in a browser.

    Raises
    ------
    GalaxiesError
        If the port is taken.
    """
    asyncio.set_event_loop(asyncio.new_event_loop())  # Tornado expects one
    try:
        server = pn.serve(
            page,
            port=port,
            address=ADDRESS,
            title=title,
            show=browser,
            start=False,
            verbose=False,
            # Files are sent as text, which is a third longer.
            websocket_max_message_size=2 * LARGEST_UPLOAD,
        )
    except OSError as error:
        raise GalaxiesError(f"port {port} is taken; give another --port, or none") from error
    print(f"http://{ADDRESS}:{server.port}/ (stop with Ctrl-C)", flush=True)
    server.run_until_shutdown()
