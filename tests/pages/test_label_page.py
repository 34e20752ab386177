"""The page of `galaxies label`, in a browser that has nothing but this machine."""

import contextlib
import http.client
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import TimeoutError  # noqa: A004 - Playwright's own

from tests.conftest import draw_galaxy, encode
from tests.pages.opening import NARROW, STYLE, opened, served


@pytest.fixture
def place(tmp_path):
    random = np.random.default_rng(3)
    for number in range(1, 4):
        path = tmp_path / f"cutouts/{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encode(draw_galaxy(random, number % 2 == 0)))
    (tmp_path / "cutouts/<b>.png").write_bytes(b"text")
    return tmp_path


def label(place, person="anna"):
    return served(place, "label", "cutouts", "-o", "mine", "--person", person)


def of_galaxy(page, galaxy_id):
    return page.locator("#galaxy_id", has_text=galaxy_id)


def asked(page, galaxy_id):
    of_galaxy(page, galaxy_id).wait_for()


def insist(action, shown):
    """Act until the page has gone on: what comes in haste, before it is ready, counts for nothing.

    What was taken is not taken twice: it counts for the turn that the page was showing.
    """
    for _ in range(20):
        action()
        with contextlib.suppress(TimeoutError):
            shown.wait_for(timeout=1000)
            return
    shown.wait_for()


def test_keys_answer_and_what_was_answered_stays(place, browser):
    with label(place) as address, opened(browser, address, viewport=NARROW) as page:
        asked(page, "1")
        assert page.locator("#galaxy").evaluate("image => image.naturalWidth") == 96
        assert page.evaluate(STYLE)
        insist(lambda: page.keyboard.press("2"), of_galaxy(page, "2"))
        insist(lambda: page.keyboard.press("u"), of_galaxy(page, "1"))
        insist(lambda: page.keyboard.press("1"), of_galaxy(page, "2"))
        page.keyboard.press("Control+1")
        page.keyboard.press("x")
        insist(page.get_by_role("button", name="3 star or artifact").click, of_galaxy(page, "3"))
        assert page.locator("#told").inner_text() == "anna: 2 of 4 galaxies labelled"
    with label(place) as address, opened(browser, address) as page:
        asked(page, "3")
        insist(lambda: page.keyboard.press("2"), page.locator("#done"))
        page.get_by_text("left out: <b> is not a JPEG or PNG").wait_for()
    shares = pd.read_csv(place / "mine/training_solutions_rev1.csv").set_index("GalaxyID")
    assert shares.to_numpy().tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0]]
    with label(place, "bert") as address, opened(browser, address) as page:
        asked(page, "1")


def test_a_second_key_in_haste_answers_nothing_unseen(place, browser):
    with label(place) as address, opened(browser, address) as page:
        asked(page, "1")
        page.evaluate("""() => [1, 2, 3].forEach(
            () => document.dispatchEvent(new KeyboardEvent('keydown', {key: '1'})))""")
        asked(page, "2")
    assert len((place / "mine.votes.csv").read_text().splitlines()) == 2


def test_another_sites_page_gets_no_connection(place):
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    with label(place) as address:
        port = urlsplit(address).port
        own = {"Origin": "http://other.example", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
            connection.request("GET", "/ws", headers=upgrade | own)
            answer = connection.getresponse()
            answer.close()
    assert answer.status == 403
