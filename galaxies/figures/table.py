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
        curve, expected calibration error, the same by chance if the probabilities are right, and
        Brier score.

    Examples
    --------
    >>> import json
    >>> from pathlib import Path
    >>> print(score_table([json.loads(Path("metrics/cnn.json").read_text())]))
        accuracy (95% interval) ROC AUC    ECE by chance  Brier
    CNN ...
    """
    rows = [
        {
            "accuracy (95% interval)": with_interval(scores, "accuracy"),
            "ROC AUC": f"{scores['roc_auc']:.3f}",
            "ECE": f"{scores['ece']:.3f}",
            "by chance": f"{scores['ece_by_chance']:.3f}",
            "Brier": f"{scores['brier']:.3f}",
        }
        for scores in results
    ]
    return pd.DataFrame(rows, index=[scores["model"] for scores in results]).to_string()


def promise_table(results: Sequence[Mapping[str, Any]]) -> str:
    """Format all promises of all models on the test galaxies as a table.

    Parameters
    ----------
    results : sequence of mapping
        Contents of `metrics/<model>.json`, for one model or more.

    Returns
    -------
    str
        A header and a line for each model and target agreement: the share of galaxies decided, the
        agreement on these with its 95% interval, and whether the promise is kept.

    Examples
    --------
    >>> import json
    >>> from pathlib import Path
    >>> print(promise_table([json.loads(Path("metrics/cnn.json").read_text())]))
        target decided agreement (95% interval)       verdict
    CNN    90%   90.0%      0.889 (0.653–0.986)  undetermined
    CNN    95%   55.0%      0.909 (0.587–0.998)  undetermined
    CNN    99%   15.0%      1.000 (0.292–1.000)  undetermined
    """  # noqa: RUF002
    rows, names = [], []
    for scores in results:
        for target, promise in scores["triage"].items():
            names.append(scores["model"])
            made = "agreement" in promise
            rows.append(
                {
                    "target": target,
                    "decided": f"{promise['decided']:.1%}",
                    "agreement (95% interval)": with_interval(promise, "agreement") if made else "",
                    "verdict": promise["verdict"] if made else "not made",
                }
            )
    return pd.DataFrame(rows, index=names).to_string()


def comparison_table(differences: Mapping[tuple[str, str], tuple[float, ...]]) -> str:
    """Format differences between models on the same galaxies as a table.

    Parameters
    ----------
    differences : mapping of (str, str) to tuple of float
        For the titles of two models, a `galaxies.judgement.intervals.Difference`.

    Returns
    -------
    str

    Examples
    --------
    >>> print(comparison_table({("CNN", "decision tree"): (0.05, 0.031, 0.069, 0.0002)}))
                       accuracy (95% interval) p-value
    CNN, decision tree  +0.050 (+0.031–+0.069)  0.0002
    """  # noqa: RUF002
    rows = [
        {
            "accuracy (95% interval)": f"{mean:+.3f} ({low:+.3f}–{high:+.3f})",  # noqa: RUF001
            "p-value": f"{chance:.2g}",
        }
        for mean, low, high, chance in differences.values()
    ]
    return pd.DataFrame(rows, index=[", ".join(pair) for pair in differences]).to_string()
