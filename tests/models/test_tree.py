"""The decision tree, and the bundle that it lives in."""

import numpy as np
import pandas as pd
import pytest
from sklearn.tree import DecisionTreeClassifier

from galaxies.base.arrays import shrink
from galaxies.bundle.predictor import Predictor
from galaxies.models.tree import DecisionTree, fit
from galaxies.settings import TreeSettings
from tests.conftest import draw_galaxy, every_other, write_bundle

TREE = TreeSettings(size=8, max_depth=[1, 2, 4], pruning=[0.0, 0.02], seed=1)


TRAIN, VALIDATION = every_other(np.arange(0, 80)), every_other(np.arange(80, 120))


@pytest.fixture(scope="module")
def images():
    random = np.random.default_rng(3)
    drawn = [draw_galaxy(random, bool(number % 2), side=32) for number in range(120)]
    return np.stack(drawn)


@pytest.fixture(scope="module")
def bundle(images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tree"
    return write_bundle(folder, "tree", fit(images, TRAIN, VALIDATION, TREE).model.save)


def test_the_tree_of_arrays_is_the_tree_of_scikit_learn(images):
    settings = TREE.model_copy(update={"max_depth": [3], "pruning": [0.0]})
    # Labels by lot, so that the tree needs all its questions.
    labels = np.random.default_rng(4).integers(0, 2, 80)
    train = TRAIN._replace(labels=labels)
    tree = fit(images, train, VALIDATION, settings).model
    flat = shrink(images, 8).reshape(120, -1)
    model = DecisionTreeClassifier(max_depth=3, random_state=1).fit(flat[:80], labels)
    leaves = pd.Series(model.apply(flat[:80]))
    # Laplace's rule: one galaxy of each class is added to every leaf.
    expected = {
        leaf: (labels[here].sum() + 1) / (len(here) + 2)
        for leaf, here in leaves.groupby(leaves).groups.items()
    }
    assert tree.leaves == model.get_n_leaves() > 4
    assert tree.predict(images) == pytest.approx(
        [expected[leaf] for leaf in model.apply(flat)], rel=1e-6
    )


def test_the_best_candidate_on_validation_is_kept(images):
    fitted = fit(images, TRAIN, VALIDATION, TREE)
    assert len(fitted.history) == 6
    assert fitted.chosen["loss"] == min(one["loss"] for one in fitted.history)
    spiral = fitted.model.predict(images[VALIDATION.rows]) > 0.5
    assert (spiral == VALIDATION.labels).mean() == fitted.chosen["accuracy"] > 0.9


def test_a_bundle_predicts_as_its_model_and_its_calibration(bundle, images):
    predictor = Predictor(bundle)
    prediction = predictor.predict(images)
    raw = DecisionTree.load(bundle).predict(images)
    assert np.array_equal(prediction.p_spiral_raw, raw)
    assert np.array_equal(prediction.p_spiral, predictor.description.calibration(raw))
    assert not prediction.spread.any()
    rows = np.arange(7, 100, 3)
    assert np.array_equal(
        predictor.predict_rows(images, rows, workers=2).p_spiral, prediction.p_spiral[rows]
    )
