"""How a service is asked: not too often, not too many at once, and again when it is busy."""

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple

from galaxies import __version__
from galaxies.errors import GalaxiesError, needs

with needs("sky"):
    import requests
    import urllib3

OUTSIDE: Final = "outside the footprint"
"""How the reason begins if a service has no image of a place in the sky."""

LARGEST_ANSWER: Final = 20_000_000
"""Bytes; more is no cut-out."""

_TAG: Final = re.compile(r"<(style|script).*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)
_REDIRECTS: Final = 5
_CONNECT: Final = 10.0  # seconds
_BLOCK: Final = 1 << 16
_PATIENCE: Final = 600.0
"""Seconds; a service that wants a longer pause is asked again another day."""
_WRONG_CONTENT: Final = 2  # tries, if what came is not what was asked for
_DEAD: Final = 20
"""Galaxies in a row without an answer, after which a service counts as down."""


@dataclass(frozen=True)
class Manners:
    """Limits on what a service is asked.

    Parameters
    ----------
    rate : float
        Requests a second, repeated ones included.
    parallel : int
        Requests at a time.
    tries : int
        Requests for one image until the service gives up on it.
    wait : float
        Seconds before the second try; twice as long before each further one.
    timeout : float
        Seconds for an answer, all of it.
    contact : str
        E-mail address or page that the user agent names, so that whoever runs the service can write
        before they block.

    Examples
    --------
    >>> manners = Manners(rate=2, contact="me@observatory.org")
    >>> manners.parallel, manners.agent
    (8, 'galaxies/... (me@observatory.org)')
    """

    rate: float = 5.0
    parallel: int = 8
    tries: int = 5
    wait: float = 1.0
    timeout: float = 60.0
    contact: str = ""

    @property
    def agent(self) -> str:
        """The user agent."""
        about = f" ({self.contact})" if self.contact else ""
        return f"galaxies/{__version__}{about}"


class Stopped(Exception):  # noqa: N818 - nothing went wrong
    """Raised in threads that wait when the work is called off."""


class RateLimit:
    """Lets threads pass, at most so many a second; all of them wait if the service asks for it.

    Examples
    --------
    >>> limit = RateLimit(1000)
    >>> limit.wait()
    """

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._step = 1 / rate
        self._clock = clock
        self._free = clock()
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def wait(self) -> None:
        """Wait until the next request may go out."""
        while True:
            with self._lock:
                now = self._clock()
                if now >= self._free:
                    # A little late is made up for, a long pause is not.
                    self._free = max(self._free + self._step, now)
                    return
                delay = self._free - now
            self.sleep(delay)

    def pause(self, seconds: float) -> None:
        """Let no request pass for so long."""
        with self._lock:
            self._free = max(self._free, self._clock() + seconds)

    def sleep(self, seconds: float) -> None:
        """Wait, unless the work is called off."""
        if self._stop.wait(seconds):
            raise Stopped

    def stop(self) -> None:
        """Call the work off."""
        self._stop.set()


class Answer(NamedTuple):
    """What a service said about one request."""

    data: bytes | None
    """The image; `None` if there is none."""
    reason: str | None
    """Why there is none."""
    final: bool
    """Whether asking again is pointless."""


Check = Callable[[bytes], tuple[str, bool] | None]
"""Says what is wrong with the bytes of an image, and whether that is final; `None` if nothing."""


class Asker:
    """Asks a service, politely and until it is answered.

    Parameters
    ----------
    manners : Manners
        The limits.
    check : callable
        Checks what came.

    Notes
    -----
    429 and 503 make all requests pause, for as long as `Retry-After` says or the wait doubles.
    Other errors of the server or the network only make the one request wait.

    Examples
    --------
    What a server on this machine sends, which knows one image:

    >>> import threading
    >>> from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
    >>> from pathlib import Path
    >>> _ = Path("galaxy.jpg").write_bytes(b"JPEG")
    >>> class Quiet(SimpleHTTPRequestHandler):
    ...     log_message = lambda *args: None
    >>> server = ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    >>> thread = threading.Thread(target=server.serve_forever)
    >>> thread.start()
    >>> address = f"http://127.0.0.1:{server.server_port}"
    >>> asker = Asker(Manners(rate=100), lambda data: None)
    >>> asker.ask(f"{address}/galaxy.jpg")
    Answer(data=b'JPEG', reason=None, final=True)
    >>> asker.ask(f"{address}/other.jpg").reason
    'not there (Error response Error response Error code: 404 Message: File not found. ...
    >>> server.shutdown()
    >>> server.server_close()
    >>> thread.join()
    """

    def __init__(self, manners: Manners, check: Check) -> None:
        self.manners = manners
        self.requests = 0
        self._check = check
        self._limit = RateLimit(manners.rate)
        self._local = threading.local()
        self._lock = threading.Lock()
        self._unanswered = 0

    def stop(self) -> None:
        """Wake all threads that wait; they raise `Stopped`."""
        self._limit.stop()

    def ask(self, url: str) -> Answer:
        """Request an image.

        Raises
        ------
        GalaxiesError
            If the service refuses us, asks for a long pause, or seems to be down.
        """
        reason, wrong = "", 0
        for turn in range(self.manners.tries):
            if turn:
                self._limit.sleep(self.manners.wait * 2 ** (turn - 1))
            self._limit.wait()
            try:
                status, data, after = self._get(url)
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
                reason = f"no complete answer ({_cause(error)})"
                continue
            if status == 200:
                fault = self._check(data)
                if fault is None:
                    self._answered()
                    return Answer(data, None, final=True)
                reason, final = fault
                wrong += 1
                if final or wrong == _WRONG_CONTENT:
                    self._answered()
                    return Answer(None, reason, final)
                continue
            text = _words(data)
            if status == 429 or status >= 500:
                reason = f"HTTP {status}"
                if status in (429, 503):
                    self._make_pause(url, after, turn)
                continue
            if status in (401, 403):
                raise GalaxiesError(
                    f"{url}: the service refuses us (HTTP {status}: {text}); finished work is "
                    "kept; write to whoever runs it before you go on"
                )
            self._answered()
            if status in (404, 410):
                outside = "footprint" in text.lower() or "outside" in text.lower()
                why = OUTSIDE if outside else f"not there ({text})"
                return Answer(None, f"{why} (HTTP {status})", final=True)
            return Answer(None, f"HTTP {status}: {text}", final=False)
        self._unanswer(url, reason)
        return Answer(None, reason, final=False)

    def _get(self, url: str) -> tuple[int, bytes, str | None]:
        """Make one request; a server that sends byte after byte does not get longer."""
        end = time.monotonic() + self.manners.timeout
        self._count()
        timeout = (min(_CONNECT, self.manners.timeout), self.manners.timeout)
        with self._session().get(url, stream=True, timeout=timeout) as answer:
            pieces, length = [], 0
            while piece := answer.raw.read1(_BLOCK, decode_content=True):
                pieces.append(piece)
                length += len(piece)
                if time.monotonic() > end:
                    raise requests.Timeout
                if length > LARGEST_ANSWER:
                    raise requests.ConnectionError("too long")
            return answer.status_code, b"".join(pieces), answer.headers.get("Retry-After")

    def _session(self) -> requests.Session:
        """Return this thread's session; sessions are not safe to share."""
        if not hasattr(self._local, "session"):
            session = requests.Session()
            session.max_redirects = _REDIRECTS
            session.headers["User-Agent"] = self.manners.agent
            # Images are compressed as they are.
            session.headers["Accept-Encoding"] = "identity"
            session.hooks["response"].append(self._before_redirect)
            self._local.session = session
        session = self._local.session
        assert isinstance(session, requests.Session)
        return session

    def _before_redirect(self, answer: requests.Response, **_: object) -> None:
        """Let a request that a redirect leads to wait like any other."""
        if answer.is_redirect:
            self._limit.wait()
            self._count()

    def _count(self) -> None:
        with self._lock:
            self.requests += 1

    def _make_pause(self, url: str, after: str | None, turn: int) -> None:
        seconds = seconds_to_wait(after)
        if seconds is None:
            seconds = self.manners.wait * 2**turn
        if seconds > _PATIENCE:
            raise GalaxiesError(
                f"{url}: the service asks for a pause of {seconds:,.0f} s; finished work is kept; "
                "run the same command again after that"
            )
        self._limit.pause(seconds)

    def _answered(self) -> None:
        with self._lock:
            self._unanswered = 0

    def _unanswer(self, url: str, reason: str) -> None:
        with self._lock:
            self._unanswered += 1
            dead = self._unanswered >= _DEAD
        if dead:
            raise GalaxiesError(
                f"{url}: no answer for {_DEAD} positions in a row ({reason}); finished work is "
                "kept; run the same command again later"
            )


def seconds_to_wait(after: str | None, now: float | None = None) -> float | None:
    """Read a `Retry-After` header: seconds, or a date.

    Parameters
    ----------
    after : str or None
        The header.
    now : float, optional
        Unix time.

    Returns
    -------
    float or None
        Seconds, at least 0; `None` if the header is missing or means nothing.

    Examples
    --------
    >>> seconds_to_wait("120")
    120.0
    >>> seconds_to_wait("Fri, 31 Dec 1999 23:59:59 GMT", now=946684740)
    59.0
    >>> seconds_to_wait("soon") is None
    True
    """
    if after is None:
        return None
    if re.fullmatch(r"\s*[0-9]+\s*", after):
        return float(after)
    try:
        date = parsedate_to_datetime(after)
    except ValueError:
        return None
    if date.tzinfo is None:  # -0000: UTC, from a clock that knows no zone
        date = date.replace(tzinfo=UTC)
    return max(0.0, date.timestamp() - (time.time() if now is None else now))


def _words(data: bytes) -> str:
    """Say what an error page says, in one line."""
    text = _TAG.sub(" ", data[:4000].decode("utf-8", "replace"))
    text = " ".join(text.split())
    return text[:120] or "no text"


def _cause(error: Exception) -> str:
    return type(error).__name__
