"""How well the page that classifies in the browser agrees with Python, and how fast it is.

It needs Chromium, and ONNX Runtime: npm ci --ignore-scripts --prefix browser

npm ci --ignore-scripts --prefix browser
python -m benchmarks.browser --data ../shared/data
"""

import argparse
import contextlib
import io
import os
import random
import shutil
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
from playwright.sync_api import Page, sync_playwright

import galaxies
from browser.build import build_page
from galaxies.base.outputs import write_json
from galaxies.bundle.pretrained import PRETRAINED
from galaxies.dataset.layout import IMAGES

SURVEYS = ("gz1", "gz2", "kaggle")
GALAXIES = 500
MANY = 1000


def choose_frames(data: Path, count: int) -> dict[str, bytes]:
    """Draw frames of real surveys, about as many of each."""
    frames: dict[str, bytes] = {}
    for name in SURVEYS:
        with zipfile.ZipFile(data / name / IMAGES) as archive:
            members = [one for one in archive.namelist() if one.lower().endswith(".jpg")]
            random.Random(0).shuffle(members)
            for member in members[: -(-count // len(SURVEYS))]:
                frames[f"{name}_{Path(member).stem}"] = archive.read(member)
    return dict(list(frames.items())[:count])


def classify_in(page: Page, frames: dict[str, bytes]) -> tuple[pd.DataFrame, float]:
    """Classify frames on the page as a zip archive; returns the saved table and the seconds."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "frames.zip")
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, frame in frames.items():
                archive.writestr(f"frames/{name}.jpg", frame)
        start = time.perf_counter()
        page.set_input_files("#files", path)
        done = page.locator("#counts", has_text=f"{len(frames)} galaxies")
        done.wait_for(timeout=600_000)
        seconds = time.perf_counter() - start
    with page.expect_download() as saved:
        page.click("#save")
    return pd.read_csv(
        io.BytesIO(saved.value.path().read_bytes()), dtype={"galaxy_id": str}
    ), seconds


def processor_seconds() -> float:
    """Sum the processor time of the browser so far."""
    total = 0.0
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("GALAXY_DATA"))
    parser.add_argument("--galaxies", type=int, default=GALAXIES)
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/browser.json"))
    options = parser.parse_args()
    if options.data is None:
        parser.error("give the folder of surveys with --data or $GALAXY_DATA")
    frames = choose_frames(options.data, options.galaxies)
    found: dict[str, Any] = {"galaxies": len(frames)}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        html = Path(folder, "page.html")
        build_page(PRETRAINED / "real", html)
        found["megabytes"] = round(html.stat().st_size / 1e6, 1)
        chromium = shutil.which("chromium") or playwright.chromium.executable_path
        browser = playwright.chromium.launch(executable_path=chromium)
        page = browser.new_page()
        page.set_default_timeout(600_000)
        page.goto(html.as_uri())
        page.wait_for_selector("#one[data-drawn]", timeout=600_000)
        start = time.perf_counter()
        page.click("#examples button:nth-child(2)")
        page.wait_for_selector("#one[data-drawn^='simulated elliptical']", timeout=600_000)
        found["seconds_to_one_answer_with_evidence"] = round(time.perf_counter() - start, 2)
        table, _ = classify_in(page, frames)
        before = processor_seconds()
        many = {f"{turn}_{name}": one for turn in range(9) for name, one in frames.items()}
        count = min(MANY, 2 * len(frames))
        _, seconds = classify_in(page, dict(list(many.items())[:count]))
        found[f"seconds_for_{count}_galaxies"] = round(seconds, 1)
        # On a busy machine the time says little, and the work of the processor still something.
        used = round(processor_seconds() - before, 1)
        found[f"processor_seconds_for_{count}_galaxies"] = used
        found["load"] = round(os.getloadavg()[0], 1)
        browser.close()
    python = galaxies.load(agreement=0.9).classify(list(frames.values()))
    python["galaxy_id"] = list(frames)
    both = table.merge(python, on="galaxy_id", suffixes=("", "_python"))
    familiar, known = both["familiar"].astype(str), both["familiar_python"].astype(str)
    apart = np.abs(both["p_spiral"] - both["p_spiral_python"])
    found |= {
        "read_alike": bool((both["error"].isna() == both["error_python"].isna()).all()),
        "largest_difference_of_p": round(float(apart.max()), 4),
        "difference_of_p_of_99_percent": round(float(np.quantile(apart, 0.99)), 4),
        "other_familiar": int((familiar != known).sum()),
        "familiar": int((known == "True").sum()),
        "other_labels": int((both["label"] != both["label_python"]).sum()),
        "other_decisions": int((both["decision"] != both["decision_python"]).sum()),
    }
    print(pd.Series(found).to_string())
    write_json(options.output, found)


if __name__ == "__main__":
    main()
