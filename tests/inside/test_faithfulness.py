import numpy as np
import pytest

from galaxies.inside.faithfulness import (
    SHARES,
    area,
    controls,
    measure,
    points_inside,
    rank_correlation,
    replacing,
    share_inside,
    with_intervals,
)
from galaxies.inside.masks import feature_masks, galaxy_masks
from tests.conftest import draw_galaxy

SIDE = 32


@pytest.fixture(scope="module")
def images():
    random = np.random.default_rng(2)
    return np.stack([draw_galaxy(random, bool(place % 2), side=SIDE) for place in range(40)])


def test_controls_score_as_chance_on_random_masks(images):
    random = np.random.default_rng(5)
    masks = random.random((len(images), SIDE, SIDE)) < 0.3
    for name, maps in controls(images, 1).items():
        assert maps.shape == masks.shape, name
        assert share_inside(maps, masks).mean() == pytest.approx(0.3, abs=0.03), name
        assert points_inside(maps, masks).mean() == pytest.approx(0.3, abs=0.25), name


def test_masks_hold_the_galaxy_at_the_centre_and_no_neighbour(images):
    far = images.copy()
    far[:, 2:6, 2:6] = 255
    masks = galaxy_masks(far)
    assert masks[:, SIDE // 2, SIDE // 2].all()
    assert not masks[:, 3, 3].any()
    assert 0.02 < masks.mean() < 0.6
    assert not galaxy_masks(np.full((1, SIDE, SIDE, 3), 7, np.uint8)).any()


def test_pointing_and_share_of_a_map_that_knows():
    masks = np.zeros((2, 4, 4), bool)
    masks[:, 1, 2] = True
    maps = np.full((2, 4, 4), -1, np.float32)
    maps[0, 1, 2], maps[0, 0, 0], maps[1, 3, 3] = 3, 1, 2
    assert points_inside(maps, masks).tolist() == [1, 0]
    assert share_inside(maps, masks).tolist() == [0.75, 0]
    assert np.isnan(share_inside(-np.abs(maps), masks)).all()


def brightness(images):
    return np.asarray(images.mean(axis=(1, 2, 3)), np.float32)


def test_the_best_order_falls_fastest_and_all_orders_end_alike(images):
    pixels, bare = images.astype(np.float32), np.zeros(images.shape, np.float32)
    maps = images.mean(axis=3).astype(np.float32)
    best, worst = (replacing(brightness, pixels, bare, one) for one in (maps, -maps))
    np.testing.assert_allclose(best[:, 0], brightness(pixels))
    assert best.shape == (len(images), len(SHARES))
    assert (best[:, 1:] < worst[:, 1:]).all()
    assert (area(best) < area(worst)).all()
    assert area(np.ones((3, len(SHARES)), np.float32)).tolist() == [1, 1, 1]


def test_everything_is_measured_of_every_galaxy(images):
    maps = images.mean(axis=3).astype(np.float32)
    bare, none = np.zeros(images.shape, np.float32), np.zeros(maps.shape, bool)
    found = measure(maps, brightness, images, (bare, bare), galaxy_masks(images), none)
    assert (found["deletion"][:, -1] > 0).all()
    np.testing.assert_allclose(found["deletion"], found["insertion"], rtol=1e-3, atol=1e-3)
    assert np.isnan(found["features"]).all()
    np.testing.assert_array_equal(found["deletion_tenth"], found["deletion"][:, SHARES.index(0.1)])
    report = with_intervals(found, 3)
    assert "features" not in report
    for name in ("pointing", "inside", "deletion", "insertion"):
        assert report[f"{name}_low"] <= report[name] <= report[f"{name}_high"]
    assert report == with_intervals(found, 3)


def test_ranks_correlate_with_themselves_and_not_with_noise():
    one, other = np.random.default_rng(1).random((2, 5, 20, 20), dtype=np.float32)
    np.testing.assert_allclose(rank_correlation(one, one**3), 1, rtol=1e-5)
    np.testing.assert_allclose(rank_correlation(one, -one), -1, rtol=1e-5)
    assert np.abs(rank_correlation(one, other)).max() < 0.2
    assert rank_correlation(one, np.zeros_like(one)).tolist() == [0] * 5


def test_features_are_where_arms_bar_and_ring_give_a_fifth_of_the_light():
    light = {name: np.zeros((2, 2)) for name in ("disk", "arms", "bar", "ring")}
    light["disk"][:] = 4
    light["sky"] = np.full((2, 2), 0.5)
    light["arms"][0, 0], light["ring"][1, 1], light["bar"][0, 1] = 2, 1, 1.5
    assert feature_masks(light).tolist() == [[True, True], [False, False]]
