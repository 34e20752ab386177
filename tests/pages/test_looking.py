"""What the page of `galaxies explore` shows, without the page."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import galaxies
from galaxies.bundle.description import read_description
from galaxies.bundle.pretrained import PRETRAINED
from galaxies.errors import GalaxiesError
from galaxies.pages.finished_run import ANSWERED, MISTAKES, TEST, FinishedRun
from galaxies.pages.looking import (
    Change,
    changed,
    curves,
    evidence,
    look,
)
from tests.conftest import draw_galaxy, encode, write_project

IMAGE = draw_galaxy(np.random.default_rng(3), spiral=True, side=64)


@pytest.fixture(scope="module")
def classifier():
    return galaxies.load(agreement=0.9)


def test_no_change_changes_nothing():
    assert np.array_equal(changed(IMAGE, Change()), IMAGE)


def test_quarter_turns_and_mirrors_move_pixels_alone():
    assert np.array_equal(changed(IMAGE, Change(rotation=90)), np.rot90(IMAGE))
    assert np.array_equal(changed(IMAGE, Change(rotation=360)), IMAGE)
    assert np.array_equal(changed(IMAGE, Change(mirror=True)), IMAGE[:, ::-1])


def difference(one, other):
    """Mean difference inside the circle that no rotation takes anything from."""
    y, x = np.mgrid[:64, :64] - 31.5
    inside = np.hypot(x, y) < 28
    return np.abs(one.astype(float) - other)[inside].mean()


@pytest.mark.parametrize("rotation", [1, 30, 89, 91, 200])
def test_a_rotation_is_anticlockwise_about_the_middle(rotation):
    smooth = changed(IMAGE, Change(blur=2))
    back = changed(changed(smooth, Change(rotation=rotation)), Change(rotation=360 - rotation))
    assert difference(back, smooth) < 1.5  # a resampling evens out some of the noise
    turned = changed(smooth, Change(rotation=rotation))
    quarter = 90 * round(rotation / 90)
    near, far = (changed(smooth, Change(rotation=quarter + more)) for more in (0, 90))
    assert difference(turned, near) < difference(turned, far)


def test_size_grows_a_galaxy_about_the_middle():
    y, x = np.mgrid[:64, :64] - 31.5
    disk = np.repeat(np.where(np.hypot(x, y) < 10, 200, 20)[..., None], 3, 2).astype(np.uint8)
    grown = changed(disk, Change(size=2)) > 110
    assert grown.sum() / (disk > 110).sum() == pytest.approx(4, rel=0.03)
    assert np.array_equal(grown, grown[::-1, ::-1])
    assert changed(disk, Change(size=0.5))[0, 0].tolist() == [20, 20, 20]


def test_blur_smooths_and_noise_has_its_strength():
    grey = np.full((64, 64, 3), 128, np.uint8)
    assert changed(grey, Change(noise=10)).std() == pytest.approx(10, rel=0.05)
    noisy = changed(grey, Change(noise=30))
    assert changed(noisy, Change(blur=3)).std() < noisy.std() / 3


@given(
    st.builds(
        Change,
        rotation=st.floats(0, 360),
        mirror=st.booleans(),
        size=st.floats(0.5, 2),
        blur=st.floats(0, 5),
        noise=st.floats(0, 50),
    )
)
def test_every_change_gives_an_image_and_the_same_each_time(change):
    image = changed(IMAGE, change)
    assert (image.shape, image.dtype) == (IMAGE.shape, np.uint8)
    assert np.array_equal(changed(IMAGE, change), image)


def test_a_look_says_what_the_python_interface_says(classifier):
    seen = look(classifier, IMAGE, 0.9)
    found = classifier.predictor.predict(IMAGE[None])
    assert seen.p_spiral == found.p_spiral[0]
    assert seen.spread == found.spread[0]
    known = read_description(PRETRAINED / "real")
    answered = {
        f"{campaign.name}.{name}"
        for campaign in known.campaigns
        for question in known.questions[campaign.name]
        for name in campaign.question(question).names
    }
    assert set(seen.answers) == answered
    assert len(answered) >= 37
    with pytest.raises(GalaxiesError, match=r"no promise for an agreement of 0\.999"):
        look(classifier, IMAGE, 0.999)


class Explains:
    def explain(self, images, question=None):
        return images[..., 0].astype(np.float32) - 50


def test_evidence_is_shown_where_a_classifier_gives_it():
    assert evidence(object(), IMAGE) is None
    values = evidence(Explains(), IMAGE)
    assert np.array_equal(values, IMAGE[..., 0] - np.float32(50))


def test_a_model_that_cannot_be_explained_shows_no_evidence(tree_bundle):
    tree = galaxies.load(tree_bundle, agreement=0.9)
    assert evidence(tree, np.zeros((32, 32, 3), np.uint8)) is None


def test_curves_are_the_answers_at_the_changes(classifier):
    change = Change(rotation=40, noise=5)
    rotation, blur, noise = curves(classifier, IMAGE, change)
    assert (rotation.name, blur.name, noise.name) == ("rotation", "blur", "noise")
    at = {"rotation": 90.0, "blur": 1.5, "noise": 50.0}
    for curve in (rotation, blur, noise):
        value = at[curve.name]
        image = changed(IMAGE, change._replace(**{curve.name: value}))
        expected = look(classifier, image, 0.9).p_spiral
        assert curve.p_spiral[curve.values.index(value)] == pytest.approx(expected, abs=1e-5)  # noqa: PD011


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A run with predictions of one model, which is wrong about two test galaxies."""
    folder = write_project(tmp_path_factory.mktemp("run"))
    split = pd.read_parquet(folder / "data/split.parquet")
    p = np.where(split["label"] == "spiral", 0.9, 0.1)
    test = np.flatnonzero(split["split"] == "test")
    p[test[:2]] = 1 - p[test[:2]] + [0.0, 0.05 * np.sign(0.5 - p[test[1]])]
    (folder / "data/predictions").mkdir()
    table = split[["galaxy_id"]].assign(p_spiral=p.astype(np.float32))
    table.to_parquet(folder / "data/predictions/cnn.parquet")
    return folder, split["galaxy_id"][test].tolist()


def test_a_finished_run_offers_its_test_galaxies(project):
    folder, test = project
    run = FinishedRun.found(folder)
    choices = run.choices("cnn")
    assert list(choices[TEST].values()) == sorted(test)
    assert set(choices[MISTAKES].values()) == set(test[:2])
    assert len(choices[ANSWERED]) == 2
    for galaxy_id in choices[ANSWERED].values():
        assert galaxy_id in test
    assert MISTAKES not in run.choices("tree")
    assert run.bundles == {}


def test_a_galaxy_of_a_run_has_its_frame_and_votes(project):
    folder, test = project
    run = FinishedRun.found(folder)
    assert run.frame(test[0]).startswith(b"\xff\xd8\xff")
    assert run.voted(test[0])["kaggle.features_or_disk"] == test[0] % 2
    assert run.voted(-1) == {}
    with pytest.raises(GalaxiesError, match="no image of galaxy 999"):
        run.frame(999)


def test_without_a_run_there_is_none(tmp_path):
    assert FinishedRun.found(tmp_path) is None


def test_encoded_galaxies_are_prepared_alike(classifier):
    data = encode(IMAGE)
    image = classifier.prepare(data)
    assert look(classifier, image, 0.9).p_spiral == pytest.approx(
        float(classifier.classify([data])["p_spiral"][0])
    )
