"""Whether promises hold on the test galaxies."""

from typing import Final

import numpy as np
import pandas as pd

from galaxies.judgement.intervals import clopper_pearson
from galaxies.judgement.promises import UNDECIDED, Promise, certainty, decide

_CURVE_POINTS: Final = 200


def judge_promises(
    table: pd.DataFrame, promises: tuple[Promise, ...]
) -> dict[str, dict[str, float | int | str]]:
    """Test promises on the test galaxies.

    Parameters
    ----------
    table : DataFrame
        `label` and `p_spiral` of the test galaxies; and `sha1` of their images, if some can be
        identical: these are one trial.
    promises : tuple of Promise
        Promises from the validation galaxies.

    Returns
    -------
    dict
        For each promise, with a name such as "99%": the `threshold`, the share of galaxies
        `decided`, the `agreement` on these with its 95% interval (Clopper & Pearson 1934), the
        `verdict`, and the number of `galaxies_left` for people. The promise is *kept* or *missed*
        if the interval is above or below the target, otherwise *undetermined*. `threshold`,
        `agreement` and `verdict` are missing if nothing is decided. Each promise is judged
        separately.

    Examples
    --------
    >>> import pandas as pd
    >>> from galaxies.judgement.scores import judged
    >>> split = pd.read_parquet("data/split.parquet")
    >>> predictions = pd.read_parquet("data/predictions/cnn.parquet")
    >>> test = judged(split, predictions, "cnn")
    >>> from galaxies.judgement.promises import Promise
    >>> promise = Promise(agreement=0.9, confidence=0.9, threshold=0.5)
    >>> scores = judge_promises(test, (promise,))["90%"]
    >>> scores["decided"], scores["galaxies_left"]
    (1.0, 0)
    """
    labels = table["label"].astype(str).to_numpy()
    p = table["p_spiral"].to_numpy()
    worth: dict[str, dict[str, float | int | str]] = {}
    for promise in promises:
        decisions = decide(p, promise.threshold)
        decided = decisions != UNDECIDED
        scores: dict[str, float | int | str] = {
            "decided": float(decided.mean()),
            "galaxies_left": int((~decided).sum()),
        }
        if promise.threshold is not None:
            scores["threshold"] = promise.threshold
        if decided.any():
            agreement = float((decisions == labels)[decided].mean())
            images = table["sha1"][decided].nunique() if "sha1" in table else int(decided.sum())
            low, high = clopper_pearson(agreement * images, images)
            scores |= {"agreement": agreement, "agreement_low": low, "agreement_high": high}
            scores["verdict"] = _verdict(low, high, promise.agreement)
        worth[f"{100 * promise.agreement:g}%"] = scores
    return worth


def _verdict(low: float, high: float, target: float) -> str:
    if low >= target:
        return "kept"
    return "missed" if high < target else "undetermined"


def coverage(table: pd.DataFrame) -> pd.DataFrame:
    """Compute the agreement as the machine decides more galaxies, the most certain first.

    Parameters
    ----------
    table : DataFrame
        `label` and `p_spiral` of the test galaxies.

    Returns
    -------
    DataFrame
        The share `decided`, the `agreement` on these, and `threshold`, the lowest certainty among
        them; about 200 rows, evenly along the first. Equally certain galaxies are never separated.

    Examples
    --------
    >>> import pandas as pd
    >>> from galaxies.judgement.scores import judged
    >>> split = pd.read_parquet("data/split.parquet")
    >>> predictions = pd.read_parquet("data/predictions/cnn.parquet")
    >>> test = judged(split, predictions, "cnn")
    >>> curve = coverage(test)
    >>> list(curve), float(curve["decided"].iloc[-1])
    (['decided', 'agreement', 'threshold'], 1.0)
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
