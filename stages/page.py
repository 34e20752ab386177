"""Make the template of the page that `dvc plots show` writes, and print a summary of the run."""

import json
from pathlib import Path

import vl_convert

from galaxies.base.outputs import written_beside
from galaxies.bundle.registry import MODELS
from galaxies.errors import run_stage
from galaxies.figures.table import score_table

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

Scores in metrics/, probabilities in data/predictions/. Figures in figures/; start with
  results/roc_all.png, results/samples.png, results/mistakes.png and cnn/cnn_layer_0.png
Everything on one page: dvc plots show"""


def main() -> None:
    """Run the stage."""
    # DVC calls `vegaEmbed`, for plots of Vega-Lite 5.
    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version="5.21")
    with written_beside(Path("figures/page.html")) as beside:
        beside.write_text(PAGE.replace("BUNDLE", bundle), encoding="utf-8")

    results = [json.loads(Path("metrics", f"{m}.json").read_text("utf-8")) for m in MODELS]
    galaxies, table = results[0]["galaxies"], score_table(results)
    print(SUMMARY.format(models=len(results), galaxies=galaxies, table=table))


if __name__ == "__main__":
    run_stage(main)
