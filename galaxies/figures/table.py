"""A table of the scores of all models for the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd


def with_interval(scores: Mapping[str, Any], name: str) -> str:
    """Format a score from `galaxies.judgement.scores.score` with its 95% interval."""
    low, high = scores[f"{name}_low"], scores[f"{name}_high"]
    return f"{scores[name]:.3f} ({low:.3f}–{high:.3f})"  # noqa: RUF001


def score_table(results: Sequence[Mapping[str, Any]]) -> str:
    """Format the scores of all models as a table.

    Parameters
    ----------
    results : sequence of mapping
        Contents of `metrics/<model>.json`, for one model or more.

    Returns
    -------
    str
        A header and a line for each model: accuracy with its 95% interval, area under the ROC
        curve, expected calibration error, and Brier score.

    Examples
    --------
    >>> import json
    >>> from pathlib import Path
    >>> print(score_table([json.loads(Path("metrics/cnn.json").read_text())]))
        accuracy (95% interval) ROC AUC    ECE  Brier
    CNN ...
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
