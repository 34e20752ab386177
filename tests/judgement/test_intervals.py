import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest
from sklearn.metrics import accuracy_score

from galaxies.base.selection import unselected
from galaxies.judgement.intervals import (
    clopper_pearson,
    clusters,
    compare_models,
    resampled,
    student,
    wilson,
)
from galaxies.judgement.scores import bootstrap_auc, judged
from galaxies.settings import EvaluateSettings
from stages.page import images_of_test


@given(trials=st.integers(1, 500), share=st.floats(0, 1))
def test_intervals_are_those_of_scipy(trials, share):
    right = round(share * trials)
    for ours, method in ((wilson, "wilson"), (clopper_pearson, "exact")):
        theirs = binomtest(right, trials).proportion_ci(0.95, method)
        assert ours(right, trials) == pytest.approx((theirs.low, theirs.high), abs=1e-6)


@pytest.mark.parametrize("trials", [54, 243, 2490])
def test_wilsons_interval_covers_what_it_says_where_a_bootstrap_does_not(trials):
    rights = np.arange(trials + 1)
    ends = np.array([wilson(right, trials) for right in rights])
    covered = []
    for share in np.linspace(0.8, 0.97, 35):
        inside = (ends[:, 0] <= share) & (share <= ends[:, 1])
        covered.append(binom.pmf(rights, trials, share)[inside].sum())
    assert np.mean(covered) == pytest.approx(0.95, abs=0.01)
    assert min(covered) > 0.9


def test_models_are_compared_on_the_galaxies_where_they_differ():
    random = np.random.default_rng(1)
    covered = rejected = 0
    for _ in range(600):
        hard = random.random(300)
        first = hard + 0.15 * random.normal(size=300) < 0.85
        second = hard + 0.15 * random.normal(size=300) < 0.85
        found = compare_models(first, second)
        covered += found.low <= 0 <= found.high
        rejected += found.p_value < 0.05
    assert covered / 600 > 0.93
    assert rejected / 600 < 0.06
    same = compare_models(first, first)
    assert (same.accuracy, same.p_value) == (0, 1)


def test_a_difference_is_that_of_the_accuracies():
    random = np.random.default_rng(2)
    labels, p, q = random.integers(0, 2, (3, 100))
    found = compare_models(p == labels, q == labels)
    expected = accuracy_score(labels, p) - accuracy_score(labels, q)
    assert found.accuracy == pytest.approx(expected)


def test_identical_images_are_compared_once():
    random = np.random.default_rng(4)
    first, second = random.random((2, 200)) < np.array([[0.9], [0.8]])
    alone = compare_models(first, second)
    assert compare_models(first, second, np.arange(200)) == alone
    # Each image ten times under ten IDs: no more is known than before.
    often = random.permutation(np.tile(np.arange(200), 10))
    names = np.array([f"{number:040x}" for number in often])
    assert compare_models(first[often], second[often], names) == pytest.approx(alone)
    careless = compare_models(first[often], second[often])
    assert careless.p_value < 1e-6 < 0.001 < alone.p_value
    # Only the copies say that the first is better.
    copies = np.repeat([0, 1], [30, 200])
    better = copies == 0
    once = compare_models(better, np.zeros(230, bool), copies)
    assert (once.accuracy, once.p_value) == (0.5, 1)


def test_copies_whose_votes_differ_count_by_their_mean():
    # Three copies of an image, of which the first model is right about two; and two of which one.
    first = np.array([True, True, False, True, False, True])
    images = np.array(["a", "a", "a", "b", "b", "c"])
    compared = compare_models(first, ~first, images)
    assert compared.accuracy == pytest.approx((1 / 3 + 0 + 1) / 3)
    assert compared.p_value == 0.5


def test_the_interval_covers_what_it_says_with_copies():
    random = np.random.default_rng(5)
    covered = rejected = 0
    for _ in range(400):
        images = np.repeat(np.arange(150), random.integers(1, 8, 150))
        first, second = (random.random((2, 150)) < 0.85)[:, images]
        compared = compare_models(first, second, images)
        covered += compared.low <= 0 <= compared.high
        rejected += compared.p_value < 0.05
    assert covered / 400 > 0.93
    assert rejected / 400 < 0.06


def test_the_images_that_are_compared_are_those_of_the_judged_galaxies(tmp_path, monkeypatch):
    random = np.random.default_rng(6)
    ids = random.permutation(400)
    labels = random.choice(["elliptical", "spiral", None], 400, p=[0.4, 0.4, 0.2])
    split = pd.DataFrame(
        {
            "galaxy_id": ids,
            "split": random.choice(["train", "validation", "test"], 400),
            "label": pd.Categorical(labels, categories=["elliptical", "spiral"]),
            "weight": random.choice([0.2, 1.0], 400),
        }
    )
    images = pd.DataFrame(
        {"galaxy_id": np.sort(ids), "sha1": [f"{n // 2:040x}" for n in range(400)]}
    )
    (tmp_path / "data").mkdir()
    split.to_parquet(tmp_path / "data/split.parquet")
    images.to_parquet(tmp_path / "data/images.parquet")
    predictions = split[["galaxy_id", "split"]].assign(p_spiral=0.5, vote_fraction=0.5)
    predictions = predictions[predictions["split"] == "test"].sample(frac=1, random_state=1)
    test = judged(split, predictions, "cnn")
    test = test[unselected(test["weight"].to_numpy())]
    monkeypatch.chdir(tmp_path)
    assert images_of_test().tolist() == [f"{number // 2:040x}" for number in test["galaxy_id"]]
    assert 20 < len(test) < 120


def test_identical_images_are_resampled_together():
    random = np.random.default_rng(3)
    labels = (np.arange(60) % 2).astype(np.int64)
    p = np.clip(labels * 0.3 + random.normal(0.35, 0.2, 60), 0, 1)
    settings = EvaluateSettings(bootstrap=150, reliability_bins=5, seed=0)
    alone = bootstrap_auc(labels, p, clusters(np.arange(60)), settings)
    # Each image ten times under ten IDs: no more is known than before.
    often = np.tile(np.arange(60), 10)
    groups = clusters(often)
    assert sorted(map(len, groups)) == [10] * 60
    copies = bootstrap_auc(labels[often], p[often], groups, settings)
    assert copies == pytest.approx(alone, abs=0.03)
    careless = bootstrap_auc(labels[often], p[often], clusters(np.arange(600)), settings)
    assert careless[1] - careless[0] < 0.5 * (alone[1] - alone[0])


def test_the_interval_of_five_seeds_covers_their_mean():
    random = np.random.default_rng(8)
    means = random.normal(0.1, 0.02, (4000, 5))
    ends = np.array([student(five) for five in means])
    inside = (ends[:, 0] <= 0.1) & (ends[:, 1] >= 0.1)
    assert inside.mean() == pytest.approx(0.95, abs=0.01)


def test_clusters_are_drawn_whole():
    groups = clusters(np.repeat(np.arange(30), 3))
    drawn = resampled(groups, np.random.default_rng(1))
    assert len(drawn) == 90
    counts = np.bincount(drawn, minlength=90).reshape(30, 3)
    assert (counts == counts[:, :1]).all()
    assert counts.max() > 1
