"""How all models did, in a few lines for the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd


def with_interval(scores: Mapping[str, Any], name: str) -> str:
    """Say one of the scores that `galaxies.judging.scores.score` returns, and its 95% interval."""
    low, high = scores[f"{name}_low"], scores[f"{name}_high"]
    return f"{scores[name]:.3f} ({low:.3f}–{high:.3f})"  # noqa: RUF001


def score_table(results: Sequence[Mapping[str, Any]]) -> str:
    """Put the scores of the models below each other.

    Parameters
    ----------
    results : sequence of Mapping[str, Any]
        What `metrics/<model>.json` holds, of one model or more.

    Returns
    -------
    str
        A line of headings and one for each model, aligned with spaces: accuracy with its 95%
        interval, area under the ROC curve, expected calibration error, and Brier score.
    """
    rows = [
        {
            "accuracy (95% interval)": with_interval(scores, "accuracy"),
            "ROC AUC": f"{scores['roc_auc']:.3f}",
            "ECE": f"{scores['ece']:.3f}",
            "Brier": f"{scores['brier']:.3f}",
        }
        for scores in results
    ]
    return pd.DataFrame(rows, index=[scores["model"] for scores in results]).to_string()
