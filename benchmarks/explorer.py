"""How long `galaxies explore` takes from a slider to the new picture, and how long evidence takes.

First the computation on the server alone, then the whole way in headless Chromium, from the key
that moves a slider to the new picture on the page. Finally 256 images are explained.

    python -m benchmarks.explorer
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

import galaxies
from galaxies.base.outputs import write_json
from galaxies.bundle.folder import PRETRAINED
from galaxies.pages.looking import (
    Change,
    changed,
    evidence,
    evidence_layer,
    layer_activations,
    layers_picture,
    look,
    png,
)
from tests.conftest import CHROMIUMS, draw_galaxy, encode
from tests.pages.opening import opened, served

CHROMIUM = next(filter(None, map(shutil.which, CHROMIUMS)), None)
TIMES = 30
EXPLAINED = 256


def milliseconds(work: Callable[[], object]) -> float:
    """Median of some repeats, after a first run that does not count."""
    work()
    times = []
    for _ in range(TIMES):
        start = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


SHOWN = {"evidence": "#evidence", "layers": "#layers", "compare all models": "#models"}
"""What each of the page's buttons brings."""


def in_browser(toggles: tuple[str, ...], frame: bytes) -> float:
    """Median time from the key to the picture, with some of the buttons pressed."""
    times = []
    with (
        tempfile.TemporaryDirectory() as folder,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=CHROMIUM) as browser,
        served(Path(folder), "explore") as address,
        opened(browser, address) as page,
    ):
        file = {"name": "galaxy.jpg", "mimeType": "", "buffer": frame}
        page.locator("input[type=file]").set_input_files([file])
        page.locator("#galaxy").wait_for()
        for toggle in toggles:
            page.get_by_role("button", name=toggle, exact=True).click()
            page.locator(SHOWN[toggle]).wait_for(timeout=60_000)
        page.locator(".noUi-handle").first.focus()
        for _ in range(TIMES):
            page.wait_for_timeout(500)  # nothing of the last change is still on its way
            before = page.locator("#galaxy").get_attribute("src")
            start = time.perf_counter()
            page.keyboard.press("ArrowRight")
            while page.locator("#galaxy").get_attribute("src") == before:
                pass
            times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/explorer.json"))
    options = parser.parse_args()
    frame = encode(draw_galaxy(np.random.default_rng(3), spiral=True))
    classifier = galaxies.load(agreement=0.9)
    bundle = PRETRAINED / "real"
    image = changed(classifier.prepare(frame), Change(turn=3))

    def probability() -> None:
        seen = changed(classifier.prepare(frame), Change(turn=3, blur=1, noise=5))
        look(classifier, seen, 0.9)
        png(seen)

    def with_evidence() -> None:
        values = evidence(classifier, image)
        assert values is not None
        png(evidence_layer(values))

    everybody = [galaxies.load(path, agreement=0.9) for path in sorted(PRETRAINED.glob("*/"))]

    def compare() -> None:
        for each in everybody:
            look(each, changed(each.prepare(frame), Change(turn=3)), 0.9)

    many = np.stack([image] * EXPLAINED)
    start = time.perf_counter()
    classifier.explain(many)
    seconds = time.perf_counter() - start
    found = {
        "processors": len(os.sched_getaffinity(0)),
        "server_probability_ms": milliseconds(probability),
        "server_evidence_ms": milliseconds(with_evidence),
        "server_layers_ms": milliseconds(
            lambda: png(layers_picture([one.values for one in layer_activations(bundle, image)]))
        ),
        "server_compare_ms": milliseconds(compare),
        "browser_probability_ms": in_browser((), frame),
        "browser_evidence_ms": in_browser(("evidence",), frame),
        "browser_layers_ms": in_browser(("layers",), frame),
        "browser_compare_ms": in_browser(("compare all models",), frame),
        "browser_all_ms": in_browser(tuple(SHOWN), frame),
        "explained": EXPLAINED,
        "explain_s": seconds,
    }
    print(found)
    write_json(options.output, found)


if __name__ == "__main__":
    main()
