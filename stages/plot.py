"""Draw the galaxies, the scores and the mistakes."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from galaxies.base.arrays import Pixels, open_array
from galaxies.base.outputs import table_title, written_beside
from galaxies.bundle.registry import MODELS
from galaxies.errors import run_stage
from galaxies.figures.choosing import (
    answers_of,
    choose_answers,
    choose_mistakes,
    choose_samples,
)
from galaxies.figures.curves import (
    Result,
    draw_agreement,
    draw_confusion,
    draw_learning,
    draw_reliability,
    draw_roc,
    draw_triage,
)
from galaxies.figures.galleries import (
    draw_answers,
    draw_mistakes,
    draw_samples,
    portraits,
)
from galaxies.figures.style import save_figure
from galaxies.figures.votes import choose_tree, draw_tree, draw_votes
from galaxies.questions.campaign import Campaign
from galaxies.questions.registry import campaign_named
from galaxies.settings import Settings, load_settings


def main() -> None:
    """Run the stage."""
    settings = load_settings()
    split, packed = pd.read_parquet("data/split.parquet"), pd.read_parquet("data/images.parquet")
    images = open_array(Path("data/images.npy"))
    with written_beside(Path("figures/results")) as figures:
        draw(settings, split, packed, images, figures)


def draw(
    settings: Settings,
    split: pd.DataFrame,
    packed: pd.DataFrame,
    images: Pixels,
    figures: Path,
) -> None:
    """Draw all figures into a folder."""
    campaign = campaign_named(str(split["campaign"].iloc[0]))
    answers = answers_of(pd.read_parquet("data/votes.parquet"), campaign)
    samples = choose_samples(split, settings.plot.samples)
    shown = {
        label: portraits(chosen.merge(answers, on="galaxy_id"), packed, images, campaign)
        for label, chosen in samples.items()
    }
    where = f"{settings.survey} survey"
    drawn = draw_samples(shown)
    save_figure(
        figures / "samples.png", drawn, f"{where}, evenly from few votes for the class to many"
    )

    given = choose_answers(answers[answers["galaxy_id"].isin(packed["galaxy_id"])], campaign)
    table = pd.DataFrame({"galaxy_id": list(given.values())})
    table = table.merge(answers, how="left").merge(split, on="galaxy_id", how="left")
    one_each = dict(zip(given, portraits(table, packed, images, campaign), strict=True))
    drawn = draw_answers(one_each)
    best = "for each answer the galaxy with its largest fraction of the votes of those asked"
    save_figure(figures / "answers.png", drawn, f"{where}: {best}")

    votes_of_test(split, packed, images, answers, campaign, figures, where)

    cnn = Path("data/predictions/cnn.parquet")
    mistakes = choose_mistakes(split, pd.read_parquet(cnn), settings.plot.mistakes)
    shown = {label: portraits(chosen, packed, images) for label, chosen in mistakes.items()}
    results = [read_result(model) for model in MODELS]
    test = f"{where}, {results[0].scores['galaxies']:,} test galaxies"
    drawn = draw_mistakes(shown, table_title(cnn))
    save_figure(figures / "mistakes.png", drawn, f"{test}: the most confident mistakes")
    for result in results:
        save_figure(figures / f"confusion_{result.model}.png", draw_confusion(result), test)
        save_figure(figures / f"roc_{result.model}.png", draw_roc([result]), test)
    save_figure(figures / "roc_all.png", draw_roc(results), test)
    save_figure(figures / "reliability_all.png", draw_reliability(results), test)
    save_figure(figures / "triage.png", draw_triage(results), test)
    save_figure(figures / "agreement.png", draw_agreement(results), test)
    cnn_start = settings.cnn.residual.start if settings.cnn.recipe == "residual" else None
    starts = dict.fromkeys(("mlp", "cnn"), "starts from random weights")
    if cnn_start:
        starts["cnn"] = f"starts trained ({cnn_start})"
    save_figure(figures / "learning.png", draw_learning(results, starts), where)


def votes_of_test(
    split: pd.DataFrame,
    packed: pd.DataFrame,
    images: Pixels,
    votes: pd.DataFrame,
    campaign: Campaign,
    figures: Path,
    where: str,
) -> None:
    """Draw the vote fractions of the test galaxies, observed and predicted."""
    path = Path("data/predictions/cnn.parquet")
    predictions = answers_of(pd.read_parquet(path).query("split == 'test'"), campaign)
    test = predictions[["galaxy_id"]].merge(votes, on="galaxy_id")
    predictions = test[["galaxy_id"]].merge(predictions, on="galaxy_id")
    names = list(campaign.names)
    voted, predicted = (table[names].to_numpy(np.float64) for table in (test, predictions))
    title = table_title(path)
    drawn = draw_votes(voted, predicted, campaign, title)
    save_figure(figures / "votes.png", drawn, f"{where}, {len(test):,} test galaxies")
    row = int(np.flatnonzero(test["galaxy_id"] == choose_tree(test))[0])
    example = test.iloc[[row]][["galaxy_id"]].merge(split, how="left")
    galaxy = portraits(example, packed, images)[0]
    drawn = draw_tree(galaxy, voted[row], predicted[row], campaign, title)
    most = "the test galaxy with most votes for spiral arms"
    save_figure(figures / "tree.png", drawn, f"{where}, {most}")


def read_result(model: str) -> Result:
    """Read the results of a model from the earlier stages."""
    metrics, curves = Path("metrics"), Path("metrics/curves", model)
    predictions = pd.read_parquet(Path("data/predictions", f"{model}.parquet"))
    return Result(
        model=model,
        scores=json.loads((metrics / f"{model}.json").read_text(encoding="utf-8")),
        p_spiral=predictions.loc[predictions["split"] == "test", "p_spiral"].to_numpy(),
        confusion=pd.read_csv(curves / "confusion.csv"),
        roc=pd.read_json(curves / "roc.json"),
        reliability=pd.read_json(curves / "reliability.json"),
        triage=pd.read_json(curves / "triage.json"),
        agreement=pd.read_json(curves / "agreement.json"),
        learning=pd.read_json(metrics / "learning" / f"{model}.json"),
    )


if __name__ == "__main__":
    run_stage(main)
