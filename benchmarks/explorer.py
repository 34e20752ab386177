"""How long `galaxies explore` takes from a slider to the new picture, and how long evidence takes.

First the computation on the server alone, then the whole way in headless Chromium, from the key
that moves a slider to the new picture on the page. Finally 256 images are explained.

    python -m benchmarks.explorer
"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from playwright.sync_api import FilePayload, sync_playwright

import galaxies
from galaxies.base.outputs import write_json
from galaxies.bundle.pretrained import PRETRAINED
from galaxies.dataset.archive import list_images, open_archive
from galaxies.dataset.layout import IMAGES
from galaxies.inside.strip import look_inside
from galaxies.pages import panels
from galaxies.pages.looking import Change, changed, curves, evidence, look

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
TIMES = 30
"""Changes behind a median, by default."""
EXPLAINED = 256


def milliseconds(work: Callable[[], object], times: int) -> float:
    """Median of some repeats, after a first run that does not count."""
    work()
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(1000 * (time.perf_counter() - start))
    return statistics.median(taken)


SHOWN = {"layers": "#layers", "compare models": "#models"}
"""What each of the page's buttons brings."""


@contextmanager
def served() -> Iterator[str]:
    """Run `galaxies explore` in an empty folder; yields the address of its page."""
    command = [sys.executable, "-m", "galaxies.cli", "explore", "--no-browser"]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as server,
    ):
        try:
            assert server.stdout is not None
            yield re.findall(r"http://127\.0\.0\.1:\d+/", server.stdout.readline())[0]
        finally:
            server.kill()


def in_browser(toggles: tuple[str, ...], frame: bytes, times: int) -> float:
    """Median time from the key to the picture, with some of the buttons pressed."""
    taken = []
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=CHROMIUM) as browser,
        served() as address,
    ):
        page = browser.new_page()
        page.goto(address)
        file: FilePayload = {"name": "galaxy.jpg", "mimeType": "", "buffer": frame}
        page.locator("input[type=file]").set_input_files([file])
        page.locator("#galaxy").wait_for()
        for toggle in toggles:
            page.get_by_role("button", name=toggle, exact=True).click()
            page.locator(SHOWN[toggle]).wait_for(timeout=60_000)
        page.locator(".noUi-handle").first.focus()
        for _ in range(times):
            page.wait_for_timeout(500)  # nothing of the last change is still on its way
            before = page.locator("#galaxy").get_attribute("src")
            start = time.perf_counter()
            page.keyboard.press("ArrowRight")
            while page.locator("#galaxy").get_attribute("src") == before:
                pass
            taken.append(1000 * (time.perf_counter() - start))
    return statistics.median(taken)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--survey", type=Path, default=Path("data/simulated"))
    parser.add_argument("--times", type=int, default=TIMES, help="changes behind a median")
    parser.add_argument("--explained", type=int, default=EXPLAINED, help="images to explain")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/explorer.json"))
    options = parser.parse_args()
    members = list_images(options.survey / IMAGES)
    with open_archive(options.survey / IMAGES) as archive:
        frame = archive.read(members[0].name)
    on_server, on_page = (
        partial(milliseconds, times=options.times),
        partial(in_browser, frame=frame, times=options.times),
    )
    classifier = galaxies.load(agreement=0.9)
    bundle = PRETRAINED / "real"
    image = changed(classifier.prepare(frame), Change(rotation=3))

    def answer() -> None:
        seen = changed(classifier.prepare(frame), Change(rotation=3, blur=1, noise=5))
        panels.hero("a galaxy", seen, look(classifier, seen, 0.9), evidence(classifier, seen))

    def turned() -> None:
        panels.curves_of(curves(classifier, image, Change(rotation=3)), Change(rotation=3), 0.9)

    def layers() -> None:
        panels.layers(look_inside(bundle, classifier.predictor, image))

    everybody = [galaxies.load(path, agreement=0.9) for path in sorted(PRETRAINED.glob("*/"))]

    def compare() -> None:
        for each in everybody:
            seen = changed(each.prepare(frame), Change(rotation=3))
            look(each, seen, 0.9)
            evidence(each, seen)

    many = np.stack([image] * options.explained)
    start = time.perf_counter()
    classifier.explain(many)
    seconds = time.perf_counter() - start
    found = {
        "processors": len(os.sched_getaffinity(0)),
        "server_answer_ms": on_server(answer),
        "server_curves_ms": on_server(turned),
        "server_layers_ms": on_server(layers),
        "server_compare_ms": on_server(compare),
        "browser_answer_ms": on_page(()),
        "browser_layers_ms": on_page(("layers",)),
        "browser_compare_ms": on_page(("compare models",)),
        "browser_all_ms": on_page(tuple(SHOWN)),
        "explained": options.explained,
        "explain_s": seconds,
    }
    print(found)
    write_json(options.output, found)


if __name__ == "__main__":
    main()
