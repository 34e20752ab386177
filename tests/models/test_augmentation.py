from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from galaxies.models.augmentation import Augmentation
from galaxies.settings import load_settings
from tests.conftest import ROOT

REFERENCE = load_settings(ROOT / "params.yaml").cnn.reference
RESIDUAL = load_settings(ROOT / "params.yaml").cnn.residual
STILL = {"rotation": 0.0, "zoom": 0.0, "shift": 0.0}
CAMERA = ("brightness", "colour", "stretch", "background", "blur", "noise")
SAME_CAMERA = RESIDUAL.model_copy(update=dict.fromkeys(CAMERA, 0.0))


def augment(recipe, image, count, seed=1):
    pixels = np.repeat(np.round(image).astype(np.uint8)[None], count, axis=0)
    return Augmentation(recipe, len(image), seed)(pixels, 0, 0).astype(float)


@pytest.mark.parametrize("recipe", [REFERENCE, SAME_CAMERA], ids=["reference", "residual"])
def test_an_image_shows_the_same_galaxy_turned_moved_and_resized(recipe):
    recipe = recipe.model_copy(update={"rotation": 180.0, "zoom": 0.1, "shift": 0.05})
    y, x = np.mgrid[:64, :64] - 31.5
    blob = np.exp(-((x - 8) ** 2 + y**2) / 18)[..., None] * [200, 100, 50]
    views = augment(recipe, blob, 200)
    assert views.shape == (200, 64, 64, 3)
    light = views[..., 0] ** 2  # so that the sky does not count
    across, down = ((light * place).sum(axis=(1, 2)) / light.sum(axis=(1, 2)) for place in (x, y))
    # 8 pixels off the centre in any direction, a tenth nearer or farther, moved by 3.2 pixels.
    angles = np.arctan2(down, across)
    assert np.histogram(angles, bins=4, range=(-np.pi, np.pi))[0].min() > 25
    assert np.hypot(down, across).max() < 8 / 0.9 + 3.2 * np.sqrt(2) + 0.5
    assert np.ptp(np.hypot(down, across)) > 3
    sums = views.sum(axis=(1, 2))
    assert sums[:, 0] / sums[:, 2] == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize(
    ("setting", "reach", "measure"),
    [
        ("brightness", 0.2, lambda view, image: view[16, 16].mean() / image[16, 16].mean() - 1),
        ("colour", 0.2, lambda view, image: (view[16, 16] / image[16, 16] - 1).max()),
        ("background", 9.0, lambda view, image: (view - image)[0].mean()),
        ("stretch", 0.5, lambda view, image: np.log(view / 255).mean() / np.log(image / 255).mean()
         - 1),
        ("noise", 9.0, lambda view, image: (view - image).std()),
        ("blur", 0.5, lambda view, image: image[16, 16].mean() - view[16, 16].mean()),
    ],
)  # fmt: skip
def test_another_camera_changes_what_its_settings_say(setting, reach, measure):
    recipe = SAME_CAMERA.model_copy(update=STILL | {setting: reach})
    y, x = np.mgrid[:33, :33] - 16
    image = 40 + 90 * np.exp(-(x**2 + y**2) / 8)[..., None] * np.ones(3)
    # A mirrored image is the same one here.
    changes = np.array([measure(view, image) for view in augment(recipe, image, 100)])
    assert np.std(changes) > 0.02 * reach
    if setting != "blur":
        assert np.abs(changes).max() < 1.7 * reach


def test_half_of_the_images_are_mirrored():
    y, x = np.mgrid[:64, :64] - 31.5
    hook = ((abs(x) < 2) & (abs(y) < 16)) | ((abs(y - 14) < 2) & (x > 0) & (x < 12))
    image = np.where(hook, 200, 0)[..., None] * np.ones(3)
    views = augment(REFERENCE.model_copy(update=STILL), image, 100)
    same = np.abs(views - image).max(axis=(1, 2, 3)) < 1
    mirrored = np.abs(views - image[:, ::-1]).max(axis=(1, 2, 3)) < 1
    assert (same ^ mirrored).all()
    assert 30 < same.sum() < 70


def test_noise_is_new_in_each_image_and_colour_and_has_no_bias():
    noisy = SAME_CAMERA.model_copy(update=STILL | {"noise": 20.0})
    views = augment(noisy, np.full((64, 64, 3), 128.0), 300) - 128
    loudest = views[np.argsort(views.std(axis=(1, 2, 3)))[-100:]]
    assert loudest.mean() == pytest.approx(0, abs=0.05)
    flat = loudest.transpose(0, 3, 1, 2).reshape(300, -1)
    correlations = np.corrcoef(flat)[np.triu_indices(300, 1)]
    assert np.abs(correlations).mean() < 0.03


def test_a_recipe_without_changes_only_mirrors():
    still = SAME_CAMERA.model_copy(update=STILL)
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3))
    for view in augment(still, image, 20):
        assert np.array_equal(view, image) or np.array_equal(view, image[:, ::-1])


def test_the_random_numbers_depend_on_seed_epoch_and_batch_alone():
    images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), np.uint8)
    augmentation = Augmentation(RESIDUAL, 32, seed=7)
    places = [(epoch, batch) for epoch in range(3) for batch in range(4)]
    alone = [augmentation(images, *place) for place in places]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda place: augmentation(images, *place), places[::-1]))
    assert all(map(np.array_equal, alone, together[::-1]))
    assert len({one.tobytes() for one in alone}) == len(places)
    other = Augmentation(RESIDUAL, 32, seed=8)
    assert not np.array_equal(other(images, 0, 0), alone[0])


def test_the_images_are_left_as_they_are():
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    images.setflags(write=False)
    assert Augmentation(RESIDUAL, 32, seed=1)(images, 0, 0).shape == images.shape
