"""How all models did, in a few lines for the terminal."""

from collections.abc import Sequence

import pandas as pd

from galaxies.figures import Result


def score_table(results: Sequence[Result]) -> str:
    """Put the scores of the models below each other.

    Parameters
    ----------
    results
        One or more.

    Returns
    -------
    str
        A line of headings and one for each model, aligned with spaces: accuracy with its 95%
        interval, area under the ROC curve, expected calibration error, and Brier score.
    """
    rows = [
        {
            "accuracy (95% interval)": result.with_interval("accuracy"),
            "ROC AUC": f"{result.scores['roc_auc']:.3f}",
            "ECE": f"{result.scores['ece']:.3f}",
            "Brier": f"{result.scores['brier']:.3f}",
        }
        for result in results
    ]
    return pd.DataFrame(rows, index=[result.title for result in results]).to_string()
