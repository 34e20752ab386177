"""The page of `galaxies explore`, in a browser that has nothing but this machine."""

import io
import time

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image
from playwright.sync_api import expect

import galaxies
from galaxies.pages.looking import Change, changed, look
from tests.conftest import draw_galaxy, encode, write_project
from tests.pages.opening import NARROW, STYLE, opened, served

FRAME = encode(draw_galaxy(np.random.default_rng(3), spiral=True))


def expected(frame, change):
    """What the Python interface says, as the page writes it."""
    classifier = galaxies.load(agreement=0.9)
    return f"{look(classifier, changed(classifier.prepare(frame), change), 0.9).p_spiral:.3f}"


def says(page, element, words):
    page.locator(element, has_text=words).wait_for()


def drop(page, name, data):
    file = {"name": name, "mimeType": "", "buffer": data}
    page.locator("input[type=file]").set_input_files([file])


def press(page, place, key, times=1):
    """Move a slider by the keyboard; 0 rotates, 1 blurs, 2 adds noise, 3 resizes."""
    page.locator(".noUi-handle").nth(place).focus()
    for _ in range(times):
        page.keyboard.press(key)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The page in a folder without a run."""
    with served(tmp_path_factory.mktemp("alone"), "explore") as address:
        yield address


def test_a_slider_changes_the_probability_as_python_says(alone, browser):
    with opened(browser, alone) as page:
        says(page, "h2", "simulated: spiral")  # not empty until a file is dropped
        drop(page, "galaxy.jpg", FRAME)
        says(page, "#p_spiral", expected(FRAME, Change()))
        press(page, 0, "ArrowRight", 3)
        says(page, "#p_spiral", expected(FRAME, Change(rotation=3)))
        press(page, 2, "End")
        says(page, "#p_spiral", expected(FRAME, Change(rotation=3, noise=50)))
        page.get_by_role("button", name="mirror").press("Space")
        says(page, "#p_spiral", expected(FRAME, Change(3, mirror=True, noise=50)))
        page.get_by_role("button", name="reset").click()
        says(page, "#p_spiral", expected(FRAME, Change()))
        expect(page.locator("#questions .row").first).to_be_visible()
        galaxy = page.locator("#galaxy")
        assert galaxy.evaluate("image => image.decode().then(() => image.naturalWidth)") == 64


def test_the_picture_follows_at_once(alone, browser):
    with opened(browser, alone) as page:
        drop(page, "galaxy.jpg", FRAME)
        page.locator("#galaxy").wait_for()
        times = []
        for _ in range(10):
            before = page.locator("#galaxy").get_attribute("src")
            start = time.perf_counter()
            press(page, 0, "ArrowRight")
            while page.locator("#galaxy").get_attribute("src") == before:
                assert time.perf_counter() - start < 5
            times.append(time.perf_counter() - start)
    print(f"slider to picture: {np.median(times) * 1000:.0f} ms")
    assert np.median(times) < 1  # 0.2 s where nothing else runs


WHITE = io.BytesIO()
Image.new("RGB", (64, 64), "white").save(WHITE, "PNG")


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("<b>.jpg", b"text", "<b>.jpg is not a JPEG or PNG"),
        ("notes.txt", b"text", "notes.txt is not a JPEG or PNG"),
        ("cut.jpg", FRAME[:700], "cut.jpg cannot be decoded"),
        ("cut.fits", b"SIMPLE  = T", "cut.fits is cut off: a header has no end"),
        ("white.png", WHITE.getvalue(), "white.png is blank"),
    ],
)
def test_a_bad_file_is_refused_and_a_good_one_taken_after_it(alone, browser, name, data, said):
    with opened(browser, alone) as page:
        drop(page, "galaxy.jpg", FRAME)
        page.locator("#p_spiral").wait_for()
        drop(page, name, data)
        says(page, "#said", said)
        page.locator("#p_spiral").wait_for(state="detached")
        drop(page, "galaxy.jpg", FRAME)
        says(page, "#p_spiral", expected(FRAME, Change()))


def test_a_fits_file_is_taken(alone, browser):
    file = io.BytesIO()
    light = np.exp(-np.hypot(*(np.mgrid[:80, :80] - 40)) / 5).astype(np.float32)
    fits.PrimaryHDU(light).writeto(file)
    with opened(browser, alone) as page:
        drop(page, "galaxy.fits", file.getvalue())
        says(page, "#p_spiral", expected(file.getvalue(), Change()))


def test_a_large_file_is_refused(alone, browser):
    with opened(browser, alone) as page:
        drop(page, "large.jpg", b"\xff\xd8\xff" + bytes(32_000_000))
        says(page, "#said", "large.jpg is larger than 32 MB")
        page.locator("#p_spiral").wait_for(state="detached")


def test_a_narrow_screen_holds_the_page(alone, browser):
    with opened(browser, alone, viewport=NARROW) as page:
        drop(page, "galaxy.jpg", FRAME)
        page.locator("#questions").wait_for()
        assert page.evaluate(STYLE)


def test_a_run_offers_its_galaxies_and_models(tmp_path, browser, tree_bundle):
    write_project(tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models/tree").symlink_to(tree_bundle)
    with served(tmp_path, "explore") as address, opened(browser, address) as page:
        page.get_by_role("button", name="compare models").click()
        says(page, "#models", "pretrained simulated")
        expect(page.locator("#models .model")).to_have_count(3)
        page.get_by_label("galaxies").select_option("one for each answer")
        page.get_by_label("galaxy", exact=True).select_option("kaggle.features_or_disk (100%)")
        page.get_by_label("model", exact=True).select_option("pretrained real")
        says(page, "#questions", "1.00")
        page.get_by_role("button", name="layers").click()
        expect(page.locator("#layers img")).to_have_count(12, timeout=60_000)
        page.locator("img#evidence").wait_for(timeout=60_000)
        page.get_by_label("model", exact=True).select_option("tree")
        says(page, "p#layers", "only a CNN has layers")
        expect(page.locator("img#evidence")).to_have_count(0)
        page.get_by_label("model", exact=True).select_option("pretrained real")
        page.locator("img#evidence").wait_for()


def test_a_link_opens_the_state_that_it_was_copied_from(alone, browser):
    with opened(browser, alone, permissions=["clipboard-read", "clipboard-write"]) as page:
        says(page, "h2", "simulated: spiral")
        page.get_by_label("galaxy", exact=True).select_option("edge-on")
        press(page, 0, "ArrowRight", 3)
        page.get_by_role("button", name="compare models").click()
        page.locator("#models").wait_for(timeout=60_000)
        page.get_by_role("button", name="copy link").click()
        page.get_by_role("button", name="link copied").wait_for()
        link = page.evaluate("navigator.clipboard.readText()")
        p = page.locator("#p_spiral").inner_text()
    with opened(browser, link) as page:
        says(page, "h2", "simulated: edge-on")
        says(page, "#p_spiral", p)
        page.locator("#models").wait_for(timeout=60_000)
    with opened(browser, f"{alone}?galaxy=none&rotation=9999&model=[]&mirror=7") as page:
        says(page, "h2", "simulated: spiral")


def test_a_picture_can_be_saved(alone, browser):
    with opened(browser, alone) as page:
        says(page, "h2", "simulated: spiral")
        with page.expect_download(timeout=60_000) as saved:
            page.get_by_text("save picture").click()
        with Image.open(saved.value.path()) as image:
            assert image.width > 1000
