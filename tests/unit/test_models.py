"""The models that are plain arrays, and the bundles they live in."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

from galaxies.base.arrays import shrink
from galaxies.learning.bundle import Description, describe, new_bundle
from galaxies.learning.calibration import Calibration
from galaxies.learning.promises import Promise
from galaxies.learning.views import average_orientations, orient, score_rows
from galaxies.models.inception.classifier import fit_head
from galaxies.models.predictor import Classifier
from galaxies.models.tree import DecisionTree, fit_tree
from galaxies.settings import TreeSettings
from tests.conftest import draw_galaxy, every_other

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
    with new_bundle(folder) as beside:
        fit_tree(images, TRAIN, VALIDATION, TREE).tree.save(beside / "tree.npz")
        description = Description(
            model="tree",
            title="decision tree",
            size=32,
            crop=0.5,
            views=1,
            calibration=Calibration(slope=1.5, intercept=0.25),
            votes=Calibration(slope=0.5, intercept=0.0),
            triage=(Promise(agreement=0.95, confidence=0.9, threshold=0.8),),
            survey="drawn",
            galaxies=80,
        )
        describe(beside, description)
    return folder


def test_the_tree_of_arrays_is_the_tree_of_scikit_learn(images):
    settings = TREE.model_copy(update={"max_depth": [3], "pruning": [0.0]})
    # Labels by lot, so that the tree needs all its questions.
    labels = np.random.default_rng(4).integers(0, 2, 80)
    train = TRAIN._replace(labels=labels)
    tree = fit_tree(images, train, VALIDATION, settings).tree
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
    fitted = fit_tree(images, TRAIN, VALIDATION, TREE)
    assert len(fitted.candidates) == 6
    assert fitted.chosen["loss"] == min(one["loss"] for one in fitted.candidates)
    said = fitted.tree.predict(images[VALIDATION.rows]) > 0.5
    assert (said == VALIDATION.labels).mean() == fitted.chosen["accuracy"] > 0.9


def test_the_head_does_not_depend_on_the_number_of_threads():
    random = np.random.default_rng(4)
    features = random.normal(size=(600, 2048)).astype(np.float16)
    part = every_other(np.arange(0, 600))
    heads = []
    for threads in (1, 3):
        with threadpool_limits(threads):
            heads.append(fit_head(features, part, part, [0.01]).head)
            assert (heads[0].predict(features) == heads[-1].predict(features)).all()
    for one, other in zip(*heads, strict=True):
        assert (one == other).all()


def test_the_head_is_logistic_regression_on_standardised_features():
    random = np.random.default_rng(2)
    features = random.normal(size=(120, 5)).astype(np.float16)
    features[:, 0] += 2 * (np.arange(120) % 2)
    fitted = fit_head(features, TRAIN, VALIDATION, [0.01, 1.0, 100.0])
    assert len(fitted.candidates) == 3
    known = features[:80].astype(float)
    z = (known - known.mean(axis=0)) / known.std(axis=0)
    model = LogisticRegression(C=1 / (fitted.chosen["regularisation"] * 80), max_iter=5000)
    expected = model.fit(z, TRAIN.labels).predict_proba(z)[:, 1]
    assert fitted.head.predict(features[:80]) == pytest.approx(expected, abs=1e-4)


def test_a_feature_that_never_changes_does_no_harm():
    features = np.ones((120, 3), np.float16)
    features[:, 0] = np.arange(120) % 2
    head = fit_head(features, TRAIN, VALIDATION, [0.1]).head
    assert np.isfinite(head.predict(features)).all()


def test_the_eight_orientations_differ_and_are_all_there_are(images):
    views = [orient(images[:1], view) for view in range(8)]
    assert len({view.tobytes() for view in views}) == 8
    assert np.array_equal(views[0], images[:1])
    again = {orient(view, turn).tobytes() for view in views for turn in range(8)}
    assert again == {view.tobytes() for view in views}


def test_the_average_does_not_depend_on_how_a_galaxy_lies(images):
    def corner(batch):
        return batch[:, :10, :5].mean(axis=(1, 2, 3)).astype(np.float32) / 255

    mean, spread = average_orientations(corner, images, 8)
    turned, turned_spread = average_orientations(corner, orient(images, 5), 8)
    assert turned == pytest.approx(mean, rel=1e-5)
    assert turned_spread == pytest.approx(spread, rel=1e-3, abs=1e-6)
    assert (spread > 0).all()
    single, none = average_orientations(corner, images, 1)
    assert np.array_equal(single, corner(images))
    assert not none.any()
    rows = np.array([3, 5, 119])
    some, _ = score_rows(corner, images, rows, 8, doing="test")
    assert some == pytest.approx(mean[rows])


def test_a_bundle_predicts_as_its_model_and_its_calibration(bundle, images):
    classifier = Classifier(bundle)
    prediction = classifier.predict(images)
    raw = DecisionTree.load(bundle / "tree.npz").predict(images)
    assert np.array_equal(prediction.p_spiral_raw, raw)
    assert np.array_equal(prediction.p_spiral, classifier.description.calibration(raw))
    assert not prediction.spread.any()
    rows = np.arange(7, 100, 3)
    assert np.array_equal(classifier.predict_rows(images, rows).p_spiral, prediction.p_spiral[rows])
