"""What promises were worth on the test galaxies."""

from typing import Final

import numpy as np
import pandas as pd

from galaxies.learning.promises import UNDECIDED, Promise, certainty, decide

_CURVE_POINTS: Final = 200


def judge_promises(
    table: pd.DataFrame, promises: tuple[Promise, ...]
) -> dict[str, dict[str, float | int | bool]]:
    """Find out on test galaxies what promises are worth.

    Parameters
    ----------
    table : DataFrame
        `label` and `p_spiral` of the test galaxies.
    promises : tuple of Promise
        Made on validation galaxies.

    Returns
    -------
    dict
        For each promise, named as in "99%": the `threshold`, the share of galaxies `decided`,
        the `agreement` on these, whether it was `kept`, and how many `galaxies_left` there are
        for people. `threshold` and `agreement` are absent where nothing is decided.
    """
    labels = table["label"].astype(str).to_numpy()
    p = table["p_spiral"].to_numpy()
    worth: dict[str, dict[str, float | int | bool]] = {}
    for promise in promises:
        decisions = decide(p, promise.threshold)
        decided = decisions != UNDECIDED
        found: dict[str, float | int | bool] = {
            "decided": float(decided.mean()),
            "galaxies_left": int((~decided).sum()),
        }
        if promise.threshold is not None:
            found["threshold"] = promise.threshold
        if decided.any():
            found["agreement"] = float((decisions == labels)[decided].mean())
            found["kept"] = found["agreement"] >= promise.agreement
        worth[f"{100 * promise.agreement:g}%"] = found
    return worth


def coverage(table: pd.DataFrame) -> pd.DataFrame:
    """Follow the agreement as the machine decides more and more galaxies, the surest first.

    Parameters
    ----------
    table : DataFrame
        `label` and `p_spiral` of the test galaxies.

    Returns
    -------
    DataFrame
        `decided` share, `agreement` on these, and `threshold`, the least certainty among them;
        some 200 rows evenly along the first, and none that parts equally certain galaxies.
    """
    p = table["p_spiral"].to_numpy()
    right = (p > 0.5) == table["label"].cat.codes.to_numpy()
    sure = certainty(p)
    order = np.argsort(-sure, kind="stable")
    sure, right = sure[order], right[order]
    last = np.flatnonzero(np.append(np.diff(sure) != 0, True))
    marks = np.linspace(0, len(sure) - 1, _CURVE_POINTS)
    rows = last[np.unique(np.searchsorted(last, marks))]
    return pd.DataFrame(
        {
            "decided": (rows + 1) / len(sure),
            "agreement": np.cumsum(right)[rows] / (rows + 1),
            "threshold": sure[rows],
        }
    )
