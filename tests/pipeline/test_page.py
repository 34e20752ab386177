"""The pages of `dvc plots`, in a browser that has no network."""

import shutil

import pytest
import yaml

from clones import run

pytestmark = pytest.mark.pipeline

# How many curves or squares each plot shows; points that only appear under the mouse are small.
SHAPES = """() => Object.fromEntries([...document.querySelectorAll("svg.marks")].map(plot => {
    const shapes = [...plot.querySelectorAll("[class*=layer_0_marks] path")];
    const shown = shapes.filter(shape => shape.getTotalLength() > 20);
    return [plot.closest("body > div").id, shown.length];
}))"""
WIDTHS = "() => [...document.querySelectorAll('img')].map(image => image.naturalWidth)"


@pytest.mark.parametrize("revisions", [["workspace"], ["HEAD", "workspace"]])
def test_every_plot_is_drawn_without_a_network(clone, browser, revisions):
    command = ["diff", *revisions] if len(revisions) > 1 else ["show"]
    run(clone, "dvc", "plots", *command, "--out", "page")
    plots = yaml.safe_load((clone / "dvc.yaml").read_text(encoding="utf-8"))["plots"]
    page = browser.new_page()
    page.context.set_offline(True)
    problems, requests = [], []
    page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto((clone / "page/index.html").as_uri())
    page.wait_for_function(f"document.querySelectorAll('svg.marks').length >= {len(plots)}")
    shapes, widths = page.evaluate(SHAPES), page.evaluate(WIDTHS)
    shutil.rmtree(clone / "page")

    assert problems == []
    assert [url for url in requests if not url.startswith("file:")] == []
    assert len(shapes) == len(plots)
    (curves,) = (plot["ROC"]["y"] for plot in plots if "ROC" in plot)
    assert shapes["ROC"] == len(curves) * len(revisions)
    assert min(shapes.values()) >= len(revisions)
    assert len(widths) == len(revisions) * len(list((clone / "figures").rglob("*.png")))
    assert min(widths) > 0
