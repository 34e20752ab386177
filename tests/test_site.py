"""The site of the documentation: it builds without a warning, and works without a network."""

import functools
import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from tests.conftest import ROOT
from tests.pages.opening import opened


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[str]:
    """The site, rebuilt and served to this machine."""
    folder = tmp_path_factory.mktemp("site")
    command = ["sphinx", "-W", "--keep-going", "-q", "-d", str(folder / "trees")]
    done = subprocess.run(
        [sys.executable, "-m", *command, str(ROOT / "docs"), str(folder / "html")],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    handler = functools.partial(_Quiet, directory=str(folder / "html"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture
def pages(site) -> list[str]:
    """Addresses of all pages that the sections and the reference lead to."""
    made = sorted((ROOT / "docs").rglob("*.md"))
    names = [path.relative_to(ROOT / "docs").with_suffix(".html").as_posix() for path in made]
    assert {"index.html", "reference/settings.html", "reference/api/galaxies.base.html"} <= set(
        names
    )
    return names


def test_no_page_has_a_broken_image_or_an_error(site, pages, browser):
    with opened(browser, site) as page:
        for name in pages:
            page.goto(f"{site}{name}")
            broken = "[...document.images].filter(one => !one.naturalWidth).map(one => one.src)"
            assert page.evaluate(broken) == []
            untold = "[...document.images].filter(one => !one.alt).map(one => one.src)"
            assert page.evaluate(untold) == [], name


def test_the_search_finds_a_page_without_a_network(site, browser):
    with opened(browser, site) as page:
        page.goto(f"{site}search.html?q=calibrate")
        page.get_by_role("link", name="Another survey: calibrate, and audit").wait_for()


def test_the_reference_is_that_of_the_code(site, browser):
    with opened(browser, site) as page:
        page.goto(f"{site}reference/settings.html")
        page.locator("td", has_text="cnn.residual.epochs").wait_for()
        page.goto(f"{site}reference/command_line.html")
        page.get_by_role("heading", name="galaxies classify").wait_for()
        page.goto(f"{site}reference/api/galaxies.html")
        page.locator("dt#galaxies\\.load").wait_for()


def test_a_narrow_screen_holds_the_pages(site, browser):
    with opened(browser, site, viewport={"width": 360, "height": 700}) as page:
        page.goto(f"{site}get_started.html")
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(wide) <= 0
