"""A page that a command serves, opened in a browser that notes what goes wrong."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page

NARROW = {"width": 360, "height": 700}
STYLE = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"


@contextmanager
def served(folder: Path, *command: str) -> Iterator[str]:
    """Run a command that serves a page; gives its address, and ends it as Ctrl-C does."""
    run = [sys.executable, "-W", "error", "-m", "galaxies.cli", *command, "--no-browser"]
    with (
        (folder / "said.txt").open("w") as said,
        subprocess.Popen(run, cwd=folder, stdout=subprocess.PIPE, stderr=said, text=True) as server,
    ):
        try:
            line = server.stdout.readline()
            yield re.findall(r"http://127\.0\.0\.1:\d+/", line)[0]
            server.send_signal(signal.SIGINT)
            server.wait(60)
            assert server.returncode == 0
            # Tornado has tracebacks of its own where a window closes while it is written to.
            assert "galaxies/pages" not in (folder / "said.txt").read_text()
        finally:
            server.kill()


@contextmanager
def opened(browser: Browser, address: str, **options) -> Iterator[Page]:
    """Open a page; at the end nothing has gone wrong, and no request has left the machine."""
    problems, requests = [], []
    context = browser.new_context(**options)
    page = context.new_page()
    page.set_default_timeout(10_000)
    page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.on("websocket", lambda socket: requests.append(socket.url))
    page.goto(address)
    yield page
    context.close()
    address = address.partition("?")[0]
    own = (address, address.replace("http", "ws"), f"blob:{address}", "data:")
    assert problems == []
    assert len(requests) > 2
    assert [url for url in requests if not url.startswith(own)] == []
