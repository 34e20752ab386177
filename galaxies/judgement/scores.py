"""Scores of predictions with their intervals, and curves."""

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from galaxies.base.arrays import Labels
from galaxies.errors import GalaxiesError
from galaxies.judgement.intervals import clusters, wilson
from galaxies.judgement.miscalibration import (
    decompose_brier,
    error_by_chance,
    expected_calibration_error,
    reliability_bins,
)
from galaxies.questions.campaign import CLASSES, spiral_fraction
from galaxies.settings import EvaluateSettings

MAIN_SCORES: Final = ("accuracy", "brier", "ece", "roc_auc")
"""Scores that fit a line for each model: `metrics/summary/<model>.json`."""

_CURVE_POINTS = 200


def judged(split: pd.DataFrame, predictions: pd.DataFrame, model: str) -> pd.DataFrame:
    """Select the test galaxies and their predictions.

    Parameters
    ----------
    split : DataFrame
        Output of `galaxies.dataset.splitting.split_galaxies`.
    predictions : DataFrame
        Predictions of a model, with `galaxy_id`, `split`, `p_spiral` and `vote_fraction`.
    model : str
        Name of the model, for errors.

    Returns
    -------
    DataFrame
        The test galaxies with a label, from the split, with `p_spiral` and `vote_fraction`.

    Raises
    ------
    GalaxiesError
        If a training galaxy has a prediction, or if a test galaxy has none, or was in another part
        when the prediction was made.

    Examples
    --------
    >>> import pandas as pd
    >>> split = pd.read_parquet("data/split.parquet")
    >>> predictions = pd.read_parquet("data/predictions/cnn.parquet")
    >>> test = judged(split, predictions, "cnn")
    >>> len(test), set(test["split"])
    (20, {'test'})
    """
    train = split.loc[split["split"] == "train", "galaxy_id"]
    learned = predictions.loc[predictions["galaxy_id"].isin(train), "galaxy_id"]
    if not learned.empty:
        raise GalaxiesError(
            f"{model}: predicts {len(learned)} training galaxies, such as {learned.iloc[0]}; "
            f"run `dvc repro predict@{model}`"
        )
    test = split[split["split"] == "test"]
    columns = ["galaxy_id", "split", "p_spiral", "vote_fraction"]
    table = test.merge(predictions[columns], on="galaxy_id", how="left", suffixes=("", "_then"))
    missing = table["p_spiral"].isna()
    if missing.any():
        raise GalaxiesError(
            f"{model}: no prediction for {missing.sum()} of {len(table)} test galaxies, such as "
            f"{table.loc[missing, 'galaxy_id'].iloc[0]}; run `dvc repro predict@{model}`"
        )
    seen = table["split_then"] != "test"
    if seen.any():
        raise GalaxiesError(
            f"{model}: predicts test galaxy {table.loc[seen, 'galaxy_id'].iloc[0]} as one of the "
            f"{table.loc[seen, 'split_then'].iloc[0]} part; run `dvc repro predict@{model}`"
        )
    return table[table["label"].notna()].drop(columns="split_then").reset_index(drop=True)


def score(
    table: pd.DataFrame, settings: EvaluateSettings, volunteers: int
) -> dict[str, float | int]:
    """Compute the scores of a model.

    Parameters
    ----------
    table : DataFrame
        `label`, `p_spiral`, `vote_fraction` and the votes of the test galaxies; and `sha1` of their
        images, if some can be identical.
    settings : EvaluateSettings
        Bins and bootstrap.
    volunteers : int
        Assumed number of volunteers behind each vote fraction.

    Returns
    -------
    dict
        Flat. `ece_by_chance` is the calibration error that right probabilities
        would have on average, and `ece_p_value` the probability that they have at least `ece`. The
        interval of the accuracy is Wilson's. `vote_rmse`, `vote_correlation` (Pearson's) and
        `vote_noise`, the smallest error that a model could reach, are missing if all votes are
        hard.

    Examples
    --------
    >>> import pandas as pd
    >>> split = pd.read_parquet("data/split.parquet")
    >>> predictions = pd.read_parquet("data/predictions/cnn.parquet")
    >>> test = judged(split, predictions, "cnn")
    >>> from galaxies.settings import load_settings
    >>> scores = score(test, load_settings().evaluate, volunteers=45)
    >>> scores["galaxies"], scores["accuracy_low"] <= scores["accuracy"] <= scores["accuracy_high"]
    (20, True)
    """
    # Imported here because it takes a second, and errors should come first.
    from sklearn import metrics

    labels, p = _labels_and_p(table)
    predicted = (p > 0.5).astype(np.int64)
    names = table["sha1"] if "sha1" in table else pd.Series(range(len(p)))
    groups = clusters(np.asarray(names, dtype=str))
    accuracy = float(metrics.accuracy_score(labels, predicted))
    # Identical images are one trial.
    accuracy_low, accuracy_high = wilson(accuracy * len(groups), len(groups))
    area_low, area_high = bootstrap_auc(labels, p, groups, settings)
    bins = settings.reliability_bins
    chance = error_by_chance(labels, p, bins, settings.seed)
    brier = decompose_brier(labels, p)
    scores: dict[str, float | int] = {
        "galaxies": len(labels),
        "accuracy": accuracy,
        "accuracy_low": accuracy_low,
        "accuracy_high": accuracy_high,
        "balanced_accuracy": float(metrics.balanced_accuracy_score(labels, predicted)),
        "roc_auc": float(metrics.roc_auc_score(labels, p)),
        "roc_auc_low": area_low,
        "roc_auc_high": area_high,
        "log_loss": float(metrics.log_loss(labels, p, labels=[0, 1])),
        "brier": float(metrics.brier_score_loss(labels, p)),
        "brier_miscalibration": brier.miscalibration,
        "brier_discrimination": brier.discrimination,
        "brier_uncertainty": brier.uncertainty,
        "ece": expected_calibration_error(labels, p, bins),
        "ece_by_chance": chance.mean,
        "ece_p_value": chance.p_value,
    }
    by_class = metrics.precision_recall_fscore_support(
        labels, predicted, labels=[0, 1], zero_division=0.0
    )
    for name, values in zip(("precision", "recall", "f1"), by_class[:3], strict=True):
        for place, value in zip(CLASSES, values, strict=True):
            scores[f"{name}_{place}"] = float(value)
    votes = spiral_fraction(table["p_smooth"].to_numpy(), table["p_features"].to_numpy())
    if ((votes > 0) & (votes < 1)).any():
        expected = table["vote_fraction"].to_numpy(np.float64)
        scores["vote_rmse"] = float(np.sqrt(np.mean((expected - votes) ** 2)))
        if np.ptp(expected) > 0:
            scores["vote_correlation"] = float(np.corrcoef(expected, votes)[0, 1])
        scores["vote_noise"] = vote_noise(votes, volunteers)
    return scores


def vote_noise(votes: npt.NDArray[np.float64], volunteers: int) -> float:
    """Estimate the error of vote fractions that comes from the small number of volunteers.

    Parameters
    ----------
    votes : ndarray of shape (N,), float64
        Vote fractions.
    volunteers : int
        Number of volunteers behind each.

    Returns
    -------
    float
        Root mean square of the binomial standard error. `votes * (1 - votes) / (volunteers - 1)`
        is the unbiased estimate of its square.

    Examples
    --------
    >>> import numpy as np
    >>> round(vote_noise(np.array([0.5, 0.5]), volunteers=45), 3)
    0.075
    """
    return float(np.sqrt(np.mean(votes * (1 - votes)) / (volunteers - 1)))


def accuracy_by_agreement(table: pd.DataFrame) -> pd.DataFrame:
    """Compute the accuracy of a model against the agreement of the volunteers.

    Parameters
    ----------
    table : DataFrame
        `label`, `p_spiral` and the votes of the test galaxies.

    Returns
    -------
    DataFrame
        For each tenth between 0.3 and 1 with galaxies in it: their mean `agreement`, which is the
        largest vote fraction, the `accuracy`, and the number of `galaxies`.

    Examples
    --------
    >>> import pandas as pd
    >>> split = pd.read_parquet("data/split.parquet")
    >>> predictions = pd.read_parquet("data/predictions/cnn.parquet")
    >>> test = judged(split, predictions, "cnn")
    >>> binned = accuracy_by_agreement(test)
    >>> list(binned), int(binned["galaxies"].sum())
    (['agreement', 'accuracy', 'galaxies'], 20)
    """
    labels, p = _labels_and_p(table)
    agreement = table[["p_smooth", "p_features", "p_artifact"]].to_numpy(np.float64).max(axis=1)
    frame = pd.DataFrame({"agreement": agreement, "accuracy": (p > 0.5) == labels, "galaxies": 1})
    # The largest of three is at least a third; 1 belongs to the last tenth.
    tenths = np.floor(agreement * 10 + 1e-6).clip(3, 9)  # a float32 of 0.7 is a little less
    binned = frame.groupby(tenths).agg({"agreement": "mean", "accuracy": "mean", "galaxies": "sum"})
    return binned.reset_index(drop=True)


def bootstrap_auc(
    labels: Labels,
    p: npt.NDArray[np.float64],
    groups: list[npt.NDArray[np.int64]],
    settings: EvaluateSettings,
) -> tuple[float, float]:
    """Compute the percentile interval of the area under the ROC curve (Efron 1979).

    Parameters
    ----------
    labels : ndarray of shape (N,), int64
        Classes, both of which must occur.
    p : ndarray of shape (N,), float64
        Probabilities of "spiral".
    groups : list of ndarray, int64
        Places of galaxies with identical images, which are resampled together (Field & Welsh 2007,
        "Bootstrapping clustered data").
    settings : EvaluateSettings
        Number of resamples and seed.

    Returns
    -------
    low, high : float

    Examples
    --------
    >>> import numpy as np
    >>> from galaxies.judgement.intervals import clusters
    >>> from galaxies.settings import EvaluateSettings
    >>> settings = EvaluateSettings(bootstrap=100, reliability_bins=2, seed=0)
    >>> labels, p = np.array([0, 1] * 10), np.array([0.2, 0.8] * 10)
    >>> bootstrap_auc(labels, p, clusters(np.arange(20)), settings)
    (1.0, 1.0)
    """
    from sklearn import metrics

    random = np.random.default_rng(settings.seed)
    order = np.concatenate(groups)
    sizes = np.array([len(group) for group in groups])
    starts = np.cumsum(sizes) - sizes
    areas: list[float] = []
    while len(areas) < settings.bootstrap:
        chosen = random.integers(0, len(groups), len(groups))
        drawn = chosen if len(groups) == len(p) else _members(starts[chosen], sizes[chosen])
        drawn = order[drawn]
        if np.ptp(labels[drawn]) == 0:
            continue  # a resample of one class has no ROC curve
        areas.append(metrics.roc_auc_score(labels[drawn], p[drawn]))
    return float(np.percentile(areas, 2.5)), float(np.percentile(areas, 97.5))


def _members(starts: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """List the places from each start, as many as its size."""
    before = np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.repeat(starts, sizes) + np.arange(sizes.sum()) - before


def reliability(table: pd.DataFrame, settings: EvaluateSettings) -> pd.DataFrame:
    """Compare predicted probabilities with observed shares on the test galaxies.

    Parameters
    ----------
    table : DataFrame
        `label` and `p_spiral` of the test galaxies.
    settings : EvaluateSettings
        Number of bins and seed.

    Returns
    -------
    DataFrame
        As in `galaxies.judgement.miscalibration.reliability_bins`.

    Examples
    --------
    >>> import pandas as pd
    >>> from galaxies.settings import load_settings
    >>> split = pd.read_parquet("data/split.parquet")
    >>> predictions = pd.read_parquet("data/predictions/cnn.parquet")
    >>> test = judged(split, predictions, "cnn")
    >>> reliability(test, load_settings().evaluate)["galaxies"].sum()
    np.int64(20)
    """
    return reliability_bins(*_labels_and_p(table), settings.reliability_bins, settings.seed)


def roc(table: pd.DataFrame) -> pd.DataFrame:
    """Compute the ROC curve, with about 200 points evenly along its length.

    Parameters
    ----------
    table : DataFrame
        `label` and `p_spiral` of the test galaxies.

    Returns
    -------
    DataFrame
        `false_positive_rate` and `true_positive_rate`, with "spiral" as positive. Thresholds are
        left out, because the first is infinite and JSON has no infinity.

    Examples
    --------
    >>> import pandas as pd
    >>> split = pd.read_parquet("data/split.parquet")
    >>> predictions = pd.read_parquet("data/predictions/cnn.parquet")
    >>> test = judged(split, predictions, "cnn")
    >>> curve = roc(test)
    >>> curve.iloc[[0, -1]].to_numpy().tolist()
    [[0.0, 0.0], [1.0, 1.0]]
    """
    from sklearn import metrics

    false, true, _ = metrics.roc_curve(*_labels_and_p(table))
    length = np.concatenate([[0], np.cumsum(np.abs(np.diff(false)) + np.abs(np.diff(true)))])
    marks = np.linspace(0, length[-1], _CURVE_POINTS)
    kept = np.unique(np.searchsorted(length, marks).clip(0, len(length) - 1))
    return pd.DataFrame({"false_positive_rate": false[kept], "true_positive_rate": true[kept]})


def confusion(table: pd.DataFrame) -> pd.DataFrame:
    """List the `actual` and `predicted` class of each galaxy, the format that `dvc plots` reads."""
    labels, p = _labels_and_p(table)
    names = np.array(CLASSES)
    return pd.DataFrame({"actual": names[labels], "predicted": names[(p > 0.5).astype(int)]})


def _labels_and_p(table: pd.DataFrame) -> tuple[Labels, npt.NDArray[np.float64]]:
    labels = np.asarray(table["label"].cat.codes, dtype=np.int64)
    return labels, np.asarray(table["p_spiral"], dtype=np.float64)
