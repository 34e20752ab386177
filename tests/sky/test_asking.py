"""Manners, the cache, and what becomes of a service's faults."""

import sqlite3
import threading
import time
from email.utils import formatdate

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from galaxies.errors import GalaxiesError
from galaxies.sky.cache import Cache
from galaxies.sky.cutouts import ServiceCutouts, plan_requests
from galaxies.sky.looking import look_at_cutout
from galaxies.sky.manners import Answer, Asker, Manners, RateLimit, _words, seconds_to_wait
from galaxies.sky.positions import Positions
from galaxies.sky.services import Sdss
from stand_ins import galaxy, outside_image, placeholder, serving

FAST = Manners(rate=1000, parallel=8, wait=0.01, timeout=10, contact="me@here.org")


def listed(number: int, radius: float = 8.0) -> Positions:
    """Positions with right ascension 10, 11, 12, …"""
    ra = 10.0 + np.arange(number)
    return Positions(
        "positions.csv",
        [f"g{n}" for n in range(number)],
        ra,
        np.zeros(number),
        np.full(number, radius),
        "petroR90_r",
        [None] * number,
        pa.table({"ra": ra}),
    )


def source(service, tmp_path, manners=FAST) -> ServiceCutouts:
    return ServiceCutouts(Sdss(address=service.address), Cache(tmp_path / "cache.sqlite"), manners)


def fetched(service, tmp_path, positions, manners=FAST):
    """Fetch everything, and cut all of it out."""
    cutouts = source(service, tmp_path, manners)
    cutouts.fetch(positions)
    return [cutouts.cut(positions, place) for place in range(len(positions))]


FOREVER = {
    "missing": "outside the footprint (HTTP 404)",
    "html": "a web page instead of an image",
    "empty": "an empty answer",
    "moved": "a web page instead of an image",
    "loop": "no complete answer (TooManyRedirects)",
    "truncated": "no complete answer",
    "cut": "not a complete image",
    "small": "200x200 pixels instead of 424x424",
    "blank": "outside the footprint (a blank image)",
    "outside": "outside the footprint (a blank image)",
    "fits": "not a complete image",
    "broken": "HTTP 500",
    "unavailable": "HTTP 503",
    "busy": "HTTP 429",
    "bad": "HTTP 400: scale must be positive",
    "stalled": "no complete answer",
    "dripping": "no complete answer",
}


@pytest.mark.parametrize("fault", FOREVER)
def test_a_fault_that_stays_is_a_reason_and_no_galaxy(fault, tmp_path):
    def only_the_third(ra, turn):
        return fault if ra == 12 else None

    manners = Manners(rate=1000, parallel=4, wait=0.01, timeout=1, tries=2, contact="me")
    with serving(only_the_third) as service:
        service.retry_after = "0"
        if fault == "moved":
            service.fault = lambda ra, turn: {12: "moved"}.get(ra, "html" if ra != ra else None)
        found = fetched(service, tmp_path, listed(4), manners)
    assert [cutout.image is not None for cutout in found] == [True, True, False, True]
    assert found[2].reason.startswith(FOREVER[fault])
    assert found[0].reason is None


@pytest.mark.parametrize(
    "fault", ["html", "empty", "truncated", "cut", "small", "broken", "unavailable", "busy", "fits"]
)
def test_a_fault_that_passes_costs_one_more_request(fault, tmp_path):
    with serving(lambda ra, turn: fault if turn == 1 else None) as service:
        service.retry_after = "0"
        found = fetched(service, tmp_path, listed(3))
        assert [cutout.reason for cutout in found] == [None] * 3
        assert sum(service.asked.values()) == 6


def test_an_error_page_is_told_in_its_words():
    page = b"<html><head><style>p {color: red}</style></head><body><h1>Not found</h1></body></html>"
    assert _words(page) == "Not found"
    assert _words(b"") == "no text"


def test_what_came_for_two_places_in_the_sky_is_a_placeholder(tmp_path):
    with serving(lambda ra, turn: "placeholder" if ra in (11, 13) else None) as service:
        found = fetched(service, tmp_path, listed(5))
    assert [cutout.image is not None for cutout in found] == [True, False, True, False, True]
    assert found[1].reason == "a placeholder: the same image came for other positions"


def test_retry_after_makes_everybody_wait(tmp_path):
    with serving(lambda ra, turn: "busy" if ra == 12 and turn == 1 else None) as service:
        service.retry_after = "1"
        found = fetched(service, tmp_path, listed(30), Manners(rate=200, parallel=2, contact="me"))
        pauses = np.diff(service.times)
    assert all(cutout.image is not None for cutout in found)
    assert 0.9 < pauses.max() < 2


@pytest.mark.parametrize("fault", ["forbidden", "busy"])
def test_who_is_sent_away_stops(fault, tmp_path):
    with serving(lambda ra, turn: fault) as service:
        service.retry_after = "86400"
        with pytest.raises(GalaxiesError, match=r"refuses us|pause of 86,400 s"):
            fetched(service, tmp_path, listed(200))
        assert sum(service.asked.values()) < 30


def test_a_service_that_is_down_is_left_alone(tmp_path):
    with serving(lambda ra, turn: "broken") as service:
        with pytest.raises(GalaxiesError, match="no answer for 20 positions in a row"):
            fetched(service, tmp_path, listed(500))
        assert sum(service.asked.values()) < 300


def test_no_server_at_all_is_one_line(tmp_path):
    cutouts = ServiceCutouts(
        Sdss(address="http://127.0.0.1:9/getjpeg"), Cache(tmp_path / "c.sqlite"), FAST
    )
    with pytest.raises(GalaxiesError, match="no answer for 20 positions"):
        cutouts.fetch(listed(60))


def test_requests_are_limited_in_rate_and_number(tmp_path):
    manners = Manners(rate=50, parallel=3, contact="astronomer@observatory.org")
    with serving(latency=0.05) as service:
        start = time.monotonic()
        fetched(service, tmp_path, listed(60), manners)
        took = time.monotonic() - start
        assert service.most <= 3
        [agent] = service.agents
    assert agent.startswith("galaxies/")
    assert agent.endswith("(astronomer@observatory.org)")
    assert took > 59 / 50
    # Never more than the rate, in any second.
    times = np.array(service.times)
    most = max(np.sum((times >= one) & (times < one + 1)) for one in times)
    assert most <= 53


@given(
    st.lists(st.floats(0, 0.3), min_size=1, max_size=40),
    st.floats(1, 100),
)
def test_a_rate_limit_holds_whenever_threads_come(gaps, rate):
    now = 0.0
    limit = RateLimit(rate, clock=lambda: now)

    def sleep(seconds):
        nonlocal now
        now += seconds

    limit.sleep = sleep
    passed = []
    for gap in gaps:
        now += gap
        limit.wait()
        passed.append(now)
    # At most one more than the rate allows, in every window.
    for i, first in enumerate(passed):
        for j in range(i, len(passed)):
            assert j - i <= (passed[j] - first) * rate + 1 + 1e-6


def test_waiting_threads_are_called_off():
    limit = RateLimit(1)
    limit.pause(100)
    raised = []

    def wait():
        try:
            limit.wait()
        except Exception as error:
            raised.append(type(error).__name__)

    thread = threading.Thread(target=wait)
    thread.start()
    limit.stop()
    thread.join(5)
    assert raised == ["Stopped"]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, None), ("3", 3.0), (" 7 ", 7.0), ("-1", None), ("soon", None), ("", None),
     ("Wed, 21 Oct 1998 07:28:00 GMT", 0.0), ("\xb2", None), ("1.5", None),
     ("Fri, 31 Dec 1999 23:59:59 GMT", 59.0), ("Fri, 31 Dec 1999 23:59:59 -0000", 59.0),
     ("Friday, 31-Dec-99 23:59:59 GMT", 59.0), ("Fri, 99 Dec 1999 23:59:59 GMT", None)],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date(header, seconds, monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        assert seconds_to_wait(header, now=946684740) == seconds
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_date_makes_everybody_wait(tmp_path):
    with serving(lambda ra, turn: "busy" if ra == 12 and turn == 1 else None) as service:
        service.retry_after = formatdate(time.time() + 2, usegmt=True)
        found = fetched(service, tmp_path, listed(20), Manners(rate=200, parallel=2, contact="me"))
        pauses = np.diff(service.times)
    assert all(cutout.image is not None for cutout in found)
    assert 0.5 < pauses.max() < 3


def test_a_compressed_answer_is_unpacked(tmp_path):
    with serving(lambda ra, turn: "gzip") as service:
        found = fetched(service, tmp_path, listed(2))
    assert [cutout.reason for cutout in found] == [None, None]


def test_a_redirect_to_another_host_is_a_request_of_its_own(tmp_path):
    with serving() as other, serving(lambda ra, turn: "elsewhere") as service:
        service.elsewhere = other.address
        cutouts = source(service, tmp_path, Manners(rate=20, parallel=8, contact="me"))
        start = time.monotonic()
        cutouts.fetch(listed(10))
        took = time.monotonic() - start
        assert sum(other.asked.values()) == 10
    assert all(cutouts.cut(listed(10), place).image for place in range(10))
    assert cutouts.requests == 20
    assert took > 19 / 20


def test_a_radius_that_a_service_has_no_scale_for_is_a_reason(tmp_path):
    for radius in (1e9, 1e-9):
        with serving() as service:
            [cutout] = fetched(service, tmp_path, listed(1, radius=radius))
            assert not service.asked
        assert cutout.image is None
        assert cutout.reason.startswith(f"a radius of {radius:g} arcsec: sdss has no frame at")


def test_near_a_pole_one_place_has_many_right_ascensions(tmp_path):
    cache = Cache(tmp_path / "cache.sqlite")
    same = Answer(galaxy(1), None, final=True)
    cache.put("a", 10, 89.9999, same)
    cache.put("b", 200, 89.9999, same)
    cache.put("c", 359.9999, 0, Answer(galaxy(2), None, final=True))
    cache.put("d", 0.0001, 0, Answer(galaxy(2), None, final=True))
    assert cache.placeholders() == frozenset()
    cache.put("e", 10, 89.99, same)
    assert len(cache.placeholders()) == 1
    cache.close()


def test_nothing_is_asked_twice(tmp_path):
    with serving(lambda ra, turn: {11: "missing", 12: "html"}.get(ra)) as service:
        first = fetched(service, tmp_path, listed(6))
        asked = sum(service.asked.values())
        second = fetched(service, tmp_path, listed(6))
        # Only the web page might be an image today.
        assert sum(service.asked.values()) == asked + 2
    assert first == second


def test_an_image_that_rots_in_the_cache_is_asked_for_again(tmp_path):
    with serving() as service:
        fetched(service, tmp_path, listed(3))
        database = sqlite3.connect(tmp_path / "cache.sqlite")
        image = database.execute("select image from answers limit 1").fetchone()[0]
        changed = image[:-9] + b"!" + image[-8:]
        database.execute(
            "update answers set image = ? where url = (select url from answers limit 1)", (changed,)
        )
        database.commit()
        database.close()
        found = fetched(service, tmp_path, listed(3))
        assert sum(service.asked.values()) == 4
    assert all(cutout.image is not None and cutout.image != changed for cutout in found)


def test_a_damaged_cache_is_one_line(tmp_path):
    (tmp_path / "cache.sqlite").write_bytes(b"no database at all, but long enough" * 100)
    with pytest.raises(GalaxiesError, match="cannot be used as a cache"):
        Cache(tmp_path / "cache.sqlite")


def test_a_dry_run_counts_without_asking(tmp_path):
    unknown = listed(4, radius=np.nan)
    with serving() as service:
        cutouts = source(service, tmp_path, Manners(rate=2))
        assert plan_requests(cutouts, unknown)[2:] == (0, 8, 4.0)
        assert plan_requests(cutouts, listed(4))[2:] == (0, 4, 2.0)
        assert not service.asked
        fetched(service, tmp_path, unknown)
        assert plan_requests(cutouts, unknown)[2:] == (4, 0, 0.0)


def test_many_positions_need_a_contact_address(service, tmp_path):
    with pytest.raises(GalaxiesError, match="--contact"):
        source(service, tmp_path, Manners()).fetch(listed(101))
    assert not service.asked


def test_a_radius_is_measured_once_and_the_frame_asked_again(tmp_path):
    positions = listed(3, radius=np.nan)
    with serving() as service:
        found = fetched(service, tmp_path, positions)
        assert sum(service.asked.values()) == 6
        again = fetched(service, tmp_path, positions)
        assert sum(service.asked.values()) == 6
    assert found == again
    assert {cutout.radius_from for cutout in found} == {"measured"}
    assert len({cutout.scale for cutout in found}) > 1


def test_a_radius_that_cannot_be_measured_is_a_guess(tmp_path):
    noise = np.random.default_rng(0).normal(20, 5, (424, 424, 3)).clip(0, 255).astype(np.uint8)
    from tests.conftest import encode

    with serving() as service:
        service.fault = lambda ra, turn: "noise"
        handler = service.RequestHandlerClass
        handler.send_noise = lambda self, image, turn: self.answer(200, encode(noise))
        [cutout] = fetched(service, tmp_path, listed(1, radius=np.nan))
        del handler.send_noise
    assert cutout.radius_from == "guess"
    assert cutout.image is not None


def test_the_scale_is_that_of_galaxy_zoo_2(tmp_path):
    with serving() as service:
        [cutout] = fetched(service, tmp_path, listed(1, radius=10))
        [request] = service.asked
    assert cutout.scale == pytest.approx(0.02 * 10)
    assert "scale=0.2&height=424&width=424" in request


def test_what_a_cutout_of_the_sky_is():
    assert look_at_cutout(galaxy(3)) is None
    assert look_at_cutout(placeholder()) is None
    assert look_at_cutout(outside_image())[1]
    assert look_at_cutout(b"GIF89a") == ("not a complete image: it is not a JPEG or PNG", False)


def test_an_answer_that_never_ends_is_cut_off(monkeypatch):
    monkeypatch.setattr("galaxies.sky.manners.LARGEST_ANSWER", 1000)
    with serving() as service:
        asker = Asker(Manners(rate=1000, wait=0.01, tries=2), look_at_cutout)
        answer = asker.ask(service.address + "?ra=1&dec=2")
    assert answer == Answer(None, "no complete answer (ConnectionError)", final=False)
