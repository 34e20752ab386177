"""Serve a page to this machine only."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final
from urllib.parse import urlsplit

import panel as pn
from bokeh.events import DocumentReady
from bokeh.models import CustomJS, TextInput
from tornado.httputil import HTTPServerRequest
from tornado.web import RequestHandler

from galaxies.errors import GalaxiesError

ADDRESS: Final = "127.0.0.1"
_LOOPBACK: Final = ("localhost", ADDRESS)
_LARGEST_REQUEST: Final = 1_000_000  # bytes; uploads come through the websocket

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


class _Refused(RequestHandler):
    """Says why a request is not answered."""

    def prepare(self) -> None:
        self.set_status(403)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(
            "This page answers only as localhost. If you open it by another name, for example "
            "through a tunnel, start it with --host-name NAME.\n"
        )


def answer_only_as(application: Any, names: Iterable[str]) -> None:  # noqa: ANN401
    """Refuse all requests that were sent to another host name, or come from another site.

    A site can make its own name point at this machine (DNS rebinding); its requests then carry
    that name, both as `Host` and as `Origin`.

    Parameters
    ----------
    application : tornado.web.Application
        Of the Bokeh server.
    names : iterable of str
        Host names, on any port: a tunnel may have another one.
    """
    allowed = {name.lower() for name in names}
    find = application.find_handler

    def guarded(request: HTTPServerRequest, **options: Any) -> Any:  # noqa: ANN401
        host = request.headers.get("Host", "").lower()
        origin = request.headers.get("Origin")
        same = origin is None or origin.lower().partition("://")[2] == host
        if not same or _name(host) not in allowed:
            return application.get_handler_delegate(request, _Refused)
        if origin is not None:
            # Bokeh only knows the name and port of the server itself.
            request.headers["Origin"] = f"http://{next(iter(application.websocket_origins))}"
        return find(request, **options)

    application.find_handler = guarded


def _name(host: str) -> str | None:
    """Return a host name without its port; `None` if it is not valid."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def serve(
    page: Callable[[], Any],
    title: str,
    *,
    port: int,
    browser: bool,
    host_names: Iterable[str] = (),
) -> None:
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
    host_names : iterable of str
        Host names besides those of this machine's loopback by which a browser may open the page.

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
            websocket_max_message_size=3 * LARGEST_UPLOAD // 2,
            http_server_kwargs={"max_body_size": _LARGEST_REQUEST},
        )
    except OSError as error:
        raise GalaxiesError(f"port {port} is taken; give another --port, or none") from error
    answer_only_as(server._tornado, (*_LOOPBACK, *host_names))
    print(f"http://{ADDRESS}:{server.port}/ (stop with Ctrl-C)", flush=True)
    server.run_until_shutdown()
