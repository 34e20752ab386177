import numpy as np
import pytest

from galaxies.bundle.views import average_views, predict_rows, view_of
from galaxies.questions.kaggle import KAGGLE
from galaxies.questions.layout import Layout

CLASSES = Layout((KAGGLE,)).class_places(KAGGLE)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(3).integers(0, 256, (120, 32, 32, 3), dtype=np.uint8)


def test_the_eight_views_differ_and_are_all_there_are(images):
    views = [view_of(images[:1], view) for view in range(8)]
    assert len({view.tobytes() for view in views}) == 8
    assert np.array_equal(views[0], images[:1])
    again = {view_of(view, turn).tobytes() for view in views for turn in range(8)}
    assert again == {view.tobytes() for view in views}


def test_the_average_does_not_depend_on_how_a_galaxy_lies(images):
    def corner(batch):
        return batch[:, :10, :5].mean(axis=(1, 2, 3)).astype(np.float32) / 255

    mean, spread = average_views(corner, images, 8, CLASSES)
    turned, turned_spread = average_views(corner, view_of(images, 5), 8, CLASSES)
    assert turned == pytest.approx(mean, rel=1e-5)
    assert turned_spread == pytest.approx(spread, rel=1e-3, abs=1e-6)
    assert (spread > 0).all()
    single, none = average_views(corner, images, 1, CLASSES)
    assert np.array_equal(single, corner(images))
    assert not none.any()
    rows = np.array([3, 5, 119])
    some, _ = predict_rows(corner, images, rows, 8, CLASSES, doing="test", workers=2)
    assert some == pytest.approx(mean[rows])
