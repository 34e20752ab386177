"""Make the template of the page that `dvc plots show` writes, and print a summary of the run."""

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import vl_convert

from galaxies.base.outputs import written_beside
from galaxies.base.selection import unselected
from galaxies.bundle.registry import MODELS
from galaxies.errors import run_stage
from galaxies.figures.table import comparison_table, promise_table, score_table
from galaxies.judgement.intervals import compare_models

# DVC's own page loads Vega from the internet. This one contains Vega instead of DVC's {scripts},
# inside a function, so that its names do not clash with those of DVC's plots.
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
{refresh_tag}
<title>Galaxies</title>
<style>
body { font-family: sans-serif; margin: 1em; }
body > div { display: inline-block; vertical-align: top; max-width: 95vw; margin: 0.5em; }
img { zoom: 0.6; }
</style>
<script>(() => {
BUNDLE
})();</script>
</head>
<body>
{plot_divs}
</body>
</html>
"""

SUMMARY = """
{models} models in models/, tested on {galaxies:,} galaxies:

{table}

The first model minus the second, on the same galaxies:

{differences}

Promises, each separately:

{promises}

Scores in metrics/, probabilities in data/predictions/. Figures in figures/; start with
  results/roc_all.png, results/samples.png, results/mistakes.png and cnn/cnn_layer_0.png
Everything on one page: dvc plots show"""


def main() -> None:
    """Run the stage."""
    # DVC calls `vegaEmbed`, for plots of Vega-Lite 5; of scores it has nothing to draw.
    calls = (
        "window.vegaEmbed = (id, plot) =>"
        " plot.data ? vegaEmbed(id, plot) : document.querySelector(id).remove();"
    )
    bundle = vl_convert.javascript_bundle(calls, vl_version="5.21")
    with written_beside(Path("figures/page.html")) as beside:
        beside.write_text(PAGE.replace("BUNDLE", bundle), encoding="utf-8")

    results = [json.loads(Path("metrics", f"{m}.json").read_text("utf-8")) for m in MODELS]
    right = {
        result["model"]: right_of(model) for result, model in zip(results, MODELS, strict=True)
    }
    ranked = sorted(right, key=lambda title: -int(right[title].sum()))
    images = images_of_test()
    differences = {
        (first, second): compare_models(right[first], right[second], images)
        for first, second in combinations(ranked, 2)
    }
    print(
        SUMMARY.format(
            models=len(results),
            galaxies=results[0]["galaxies"],
            table=score_table(results),
            differences=comparison_table(differences),
            promises=promise_table(results),
        )
    )


def right_of(model: str) -> npt.NDArray[np.bool_]:
    """Read whether a model is right about each test galaxy (N,)."""
    table = pd.read_csv(Path("metrics/curves", model, "confusion.csv"))
    return (table["actual"] == table["predicted"]).to_numpy()


def images_of_test() -> npt.NDArray[np.str_]:
    """Read which image each test galaxy has (N,), in the order of `right_of`."""
    columns = ["galaxy_id", "split", "label", "weight"]
    split = pd.read_parquet("data/split.parquet", columns=columns)
    test = split[(split["split"] == "test") & split["label"].notna()]
    test = test[unselected(test["weight"].to_numpy())]
    images = pd.read_parquet("data/images.parquet", columns=["galaxy_id", "sha1"])
    return test.merge(images, on="galaxy_id", how="left")["sha1"].to_numpy(str)


if __name__ == "__main__":
    run_stage(main)
