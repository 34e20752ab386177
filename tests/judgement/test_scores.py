import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import auc, log_loss

from galaxies.dataset.splitting import PARTS
from galaxies.errors import GalaxiesError
from galaxies.judgement.calibration import Calibration, fit_calibration
from galaxies.judgement.miscalibration import expected_calibration_error
from galaxies.judgement.scores import (
    accuracy_by_agreement,
    confusion,
    judged,
    reliability,
    roc,
    score,
    vote_noise,
)
from galaxies.settings import EvaluateSettings

SETTINGS = EvaluateSettings(bootstrap=200, reliability_bins=15, seed=1)


def judged_table(p, labels, votes=None):
    votes = labels if votes is None else votes
    return pd.DataFrame(
        {
            "label": pd.Categorical.from_codes(labels, categories=["elliptical", "spiral"]),
            "p_spiral": np.asarray(p, np.float32),
            "vote_fraction": np.asarray(p, np.float32),
            "p_smooth": 1 - np.asarray(votes, np.float32),
            "p_features": np.asarray(votes, np.float32),
            "p_artifact": np.float32(0),
        }
    )


def drawn(count=4000, seed=0):
    """Galaxies whose probabilities are right by construction."""
    random = np.random.default_rng(seed)
    p = random.uniform(size=count)
    return p, (random.uniform(size=count) < p).astype(int)


def test_true_probabilities_score_as_theory_says():
    p, labels = drawn(20_000)
    scores = score(judged_table(p, labels), SETTINGS, 45)
    # For uniform true probabilities: accuracy 3/4, AUC 5/6, Brier score 1/6.
    assert scores["accuracy"] == pytest.approx(3 / 4, abs=0.01)
    assert scores["roc_auc"] == pytest.approx(5 / 6, abs=0.01)
    assert scores["brier"] == pytest.approx(1 / 6, abs=0.01)
    assert scores["ece"] < 0.02
    assert scores["accuracy_low"] < scores["accuracy"] < scores["accuracy_high"]
    assert scores["roc_auc_low"] < scores["roc_auc"] < scores["roc_auc_high"]
    # Four standard errors of a share of 3/4.
    width = scores["accuracy_high"] - scores["accuracy_low"]
    assert width == pytest.approx(3.92 * np.sqrt(3 / 16 / 20_000), rel=0.2)
    assert "vote_rmse" not in scores


def test_a_model_that_always_says_one_class_has_an_interval_too():
    labels = (np.arange(200) < 50).astype(int)
    scores = score(judged_table(np.full(200, 0.2), labels), SETTINGS, 45)
    assert scores["accuracy"] == 0.75
    assert scores["accuracy_low"] < 0.72 < 0.78 < scores["accuracy_high"]


def test_votes_are_compared_where_they_are_soft():
    scores = score(judged_table([0.2, 0.9], np.array([0, 1]), [0.3, 0.7]), SETTINGS, 45)
    assert scores["vote_rmse"] == pytest.approx(np.sqrt((0.01 + 0.04) / 2))
    assert scores["vote_correlation"] == pytest.approx(1)
    assert scores["vote_noise"] == pytest.approx(np.sqrt(0.21 / 44))


@settings(max_examples=20)
@given(seed=st.integers(0, 99), volunteers=st.integers(2, 60))
def test_a_perfect_model_errs_by_the_noise_of_the_votes(seed, volunteers):
    random = np.random.default_rng(seed)
    true = random.uniform(size=40_000)
    votes = random.binomial(volunteers, true) / volunteers
    rms = np.sqrt(np.mean((votes - true) ** 2))
    assert vote_noise(votes, volunteers) == pytest.approx(rms, rel=0.05)


def test_accuracy_is_followed_from_disputed_galaxies_to_clear_ones():
    labels = np.array([0, 1, 1, 1, 0])
    table = judged_table([0.2, 0.4, 0.9, 0.8, 0.1], labels, [0.45, 0.55, 0.7, 1, 0])
    found = accuracy_by_agreement(table)
    assert found["agreement"].tolist() == pytest.approx([0.55, 0.7, 1])
    assert found["accuracy"].tolist() == [0.5, 1, 1]
    assert found["galaxies"].tolist() == [2, 1, 2]


def test_scores_by_class():
    p, labels = [0.9, 0.8, 0.7, 0.1], np.array([1, 1, 0, 0])
    scores = score(judged_table(p, labels), SETTINGS, 45)
    assert scores["precision_spiral"] == pytest.approx(2 / 3)
    assert scores["recall_spiral"] == 1
    assert scores["recall_elliptical"] == 0.5
    assert scores["f1_elliptical"] == pytest.approx(2 / 3)
    table = confusion(judged_table(p, labels))
    assert table["predicted"].tolist() == ["spiral"] * 3 + ["elliptical"]


def test_the_thinned_roc_keeps_its_ends_and_its_area():
    p, labels = drawn(20_000)
    curve = roc(judged_table(p, labels))
    assert len(curve) <= 200
    assert curve.iloc[0].tolist() == [0, 0]
    assert curve.iloc[-1].tolist() == [1, 1]
    area = auc(curve["false_positive_rate"], curve["true_positive_rate"])
    whole = score(judged_table(p, labels), SETTINGS, 45)["roc_auc"]
    assert area == pytest.approx(whole, abs=0.001)


@settings(max_examples=50)
@given(count=st.integers(2, 300), bins=st.integers(2, 20), seed=st.integers(0, 99))
def test_reliability_bins_hold_every_galaxy_once(count, bins, seed):
    p, labels = drawn(count, seed)
    table = judged_table(p, labels)
    binned = reliability(table, SETTINGS.model_copy(update={"reliability_bins": bins}))
    assert binned["galaxies"].sum() == count
    assert np.ptp(binned["galaxies"]) <= 1
    assert binned["predicted"].is_monotonic_increasing
    assert (binned["low"] <= binned["high"]).all()
    assert 0 <= expected_calibration_error(labels, p, bins) <= 1


@settings(max_examples=25)
# A steeper distortion would push probabilities to where float32 knows only 0 and 1.
@given(slope=st.floats(0.7, 3), intercept=st.floats(-2, 2), seed=st.integers(0, 99))
def test_calibration_undoes_a_distortion(slope, intercept, seed):
    p, labels = drawn(6000, seed)
    logit = np.log(p / (1 - p))
    raw = (1 / (1 + np.exp(-(logit - intercept) / slope))).astype(np.float32)
    fitted = fit_calibration(raw, labels)
    mended = fitted(raw)
    assert mended.dtype == np.float32
    assert log_loss(labels, mended) <= log_loss(labels, p) + 1e-3
    assert expected_calibration_error(labels, mended.astype(np.float64), 15) < 0.04
    order = np.argsort(raw, kind="stable")
    assert (np.diff(mended[order]) >= 0).all()


def test_calibration_on_votes_matches_the_votes():
    p, _ = drawn(6000)
    votes = (0.1 + 0.8 * p).round(2)
    fitted = fit_calibration(p.astype(np.float32), votes)
    assert fitted(p.astype(np.float32)).mean() == pytest.approx(votes.mean(), abs=1e-3)
    assert fitted.slope < 1


def test_calibration_takes_certain_answers():
    raw = np.array([0, 1, 1, 0, 0.5], np.float32)
    fitted = fit_calibration(raw, np.array([0, 1, 0, 1, 1]))
    assert np.isfinite(fitted(raw)).all()
    assert Calibration(slope=1, intercept=0)(raw) == pytest.approx(raw, abs=1e-5)


def split_and_predictions():
    split = pd.DataFrame(
        {
            "galaxy_id": np.arange(6),
            "split": pd.Categorical(["train", "validation", "test"] * 2, categories=PARTS),
            "label": pd.Categorical(["elliptical", "spiral"] * 3),
        }
    )
    held_out = split[split["split"] != "train"]
    return split, held_out.assign(p_spiral=np.float32(0.5), vote_fraction=np.float32(0.4))


def test_only_test_galaxies_are_judged():
    split, predictions = split_and_predictions()
    assert judged(split, predictions, "cnn")["galaxy_id"].tolist() == [2, 5]


def test_predictions_made_on_training_galaxies_are_refused():
    split, predictions = split_and_predictions()
    predictions.loc[predictions["galaxy_id"] == 5, "split"] = "train"
    with pytest.raises(GalaxiesError, match="cnn: predicts test galaxy 5 as one of the train part"):
        judged(split, predictions, "cnn")
    more = pd.concat([predictions, predictions.iloc[:1].assign(galaxy_id=3)])
    with pytest.raises(GalaxiesError, match="cnn: predicts 1 training galaxies, such as 3"):
        judged(split, more, "cnn")
    with pytest.raises(GalaxiesError, match="no prediction for 1 of 2 test galaxies, such as 2"):
        judged(split, predictions[predictions["galaxy_id"] != 2], "cnn")
