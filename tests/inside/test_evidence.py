from pathlib import Path

import numpy as np
import pytest

import galaxies
from galaxies.bundle.description import read_description
from galaxies.bundle.pretrained import PRETRAINED
from galaxies.bundle.views import view_of
from galaxies.errors import GalaxiesError
from galaxies.inside.gradient import Gradient
from galaxies.inside.images import blurred, sky, smoothed, turned
from galaxies.inside.methods import (
    METHODS,
    by_all_methods,
    contributions,
    evidence,
    from_blur,
    from_sky,
    in_batches,
    integrated_gradients,
    replacing_gradients,
)
from galaxies.inside.score import Score, answers_that_count
from galaxies.questions.gz2 import GZ2
from tests.conftest import ROOT, draw_galaxy
from tests.inside.test_gradient import reference, residual, written

pytestmark = pytest.mark.slow

BUNDLE = PRETRAINED / "simulated"
FIRST = slice(0, 2)


@pytest.fixture(scope="module")
def images():
    random = np.random.default_rng(2)
    return np.stack([draw_galaxy(random, bool(place % 2), side=64) for place in range(4)])


@pytest.fixture(scope="module")
def score():
    return Score(Gradient(BUNDLE), FIRST)


def test_contributions_add_up_to_the_score_less_the_biases(score, images):
    answers = np.array([0, 1, 0, 1])
    found = contributions(score, images, answers).sum(axis=(1, 2))
    # All-dark maps leave the biases: what two answers' contributions do not tell apart.
    biases = score(images, answers) - found
    np.testing.assert_allclose(biases[0], -biases[1], atol=1e-3)
    np.testing.assert_allclose(biases[:2], biases[2:], atol=1e-3)


@pytest.mark.parametrize("start", [sky, blurred])
def test_integrated_gradients_add_up_to_the_difference(score, images, start):
    answers, bare = np.array([0, 1, 1, 0]), start(images)
    found = integrated_gradients(score, images, answers, bare).sum(axis=(1, 2))
    expected = score(images, answers) - score(bare, answers)
    np.testing.assert_allclose(found, expected, atol=0.1 * np.abs(expected).max())


def test_integrated_gradients_for_one_of_two_answers_speak_against_the_other(score, images):
    one, other = (
        integrated_gradients(score, images, np.full(4, answer), sky(images)) for answer in (0, 1)
    )
    np.testing.assert_allclose(one, -other, atol=1e-4)


def test_replacing_gradients_of_a_linear_score_are_those_of_the_straight_ways(images):
    class Linear:
        """A score whose gradient is the same everywhere."""

        def slopes(self, given, answers):
            assert given.dtype == np.float32
            return np.broadcast_to(np.float32([1, -2, 0.5]), given.shape)

    answers = np.zeros(4, np.int64)
    ways = [integrated_gradients(Linear(), images, answers, one(images)) for one in (sky, blurred)]
    # Two of the three ways join the image and the sky.
    expected = (2 * ways[0] + ways[1]) / 3
    for maps in (ways[0], -ways[0]):
        found = replacing_gradients(Linear(), images, answers, maps)
        np.testing.assert_allclose(found, expected, atol=1e-2)


def test_evidence_points_better_than_the_ways_that_it_begins_with(score, images):
    answers = score.predicted(images)
    bare, pixels = sky(images), images.astype(np.float32)
    falls = []
    for method in (from_sky, from_blur, evidence):
        maps = method(score, images, answers)
        rank = np.argsort(np.argsort(-maps.reshape(4, -1), axis=1), axis=1).reshape(maps.shape)
        without = np.where(rank[..., None] < maps[0].size / 10, bare, pixels)
        falls.append((score(pixels, answers) - score(without, answers)).mean())
    assert falls[2] > max(falls[:2])


def test_bare_sky_is_evidence_of_nothing(score):
    images = np.full((2, 64, 64, 3), 9, np.uint8)
    assert np.abs(evidence(score, images, np.array([0, 1]))).max() < 1e-4


def test_score_of_several_answers_is_the_logit_of_one_against_all(images):
    gradient = Gradient(BUNDLE)
    places, names = answers_that_count(read_description(BUNDLE), "arm_number")
    assert names == list(GZ2.question("arm_number").names)
    answers = np.array([1, 5, 0, 2])
    found = Score(gradient, places)(images, answers)
    logits = gradient.numbers(images)[:, places].astype(np.float64)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    p = shares[np.arange(4), answers]
    np.testing.assert_allclose(found, np.log(p / (1 - p)), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("build", [residual, reference])
@pytest.mark.parametrize("side", [16, 22])
def test_every_method_explains_small_images_of_both_recipes(build, side, tmp_path):
    score = Score(Gradient(written(build(side), tmp_path)), FIRST)
    images = np.random.default_rng(1).integers(0, 256, (3, side, side, 3)).astype(np.uint8)
    answers = score.predicted(images)
    assert (score(images, answers) >= 0).all()
    maps = by_all_methods(score, images, answers)
    assert list(maps) == [*METHODS, "evidence"]
    for name, found in maps.items():
        assert found.dtype == np.float32, name
        assert found.shape == (3, side, side), name
        assert np.isfinite(found).all(), name
    np.testing.assert_array_equal(maps["evidence"], evidence(score, images, answers))


def test_batches_change_nothing(score, images):
    many, answers = np.concatenate([images] * 5), np.arange(20) % 2
    found = in_batches(evidence, score, many, answers)
    np.testing.assert_allclose(found, evidence(score, many, answers), atol=1e-5)


def test_smoothing_keeps_sums_and_spreads_a_point():
    maps = np.zeros((1, 9, 9), np.float32)
    maps[0, 0, 4] = 2
    found = smoothed(maps, 1.5)
    assert found.sum() == pytest.approx(2, rel=1e-5)
    assert 0 < found[0, 3, 4] < found[0, 0, 4] < 2


def test_a_turn_by_a_right_angle_moves_pixels_only(images):
    np.testing.assert_array_equal(turned(images[1], 90), np.rot90(images[1]))
    assert np.array_equal(turned(images[1], 45)[0, 0], sky(images[1:2])[0, 0, 0].round())


def test_a_bundle_explains_any_question_that_it_learned(images):
    classifier = galaxies.load(BUNDLE)
    found = classifier.explain(images)
    assert (found.dtype, found.shape) == (np.float32, (4, 64, 64))
    bar, none = (classifier.explain(images, "bar", name) for name in ("bar_yes", "bar_no"))
    # What speaks for the one speaks against the other, on the whole.
    assert np.corrcoef(bar.ravel(), none.ravel())[0, 1] < -0.5
    assert classifier.explain(images[:0]).shape == (0, 64, 64)


def test_eight_views_are_averaged_and_turn_with_the_image(images):
    eight = galaxies.load(BUNDLE, views=8)
    assert (
        np.abs(eight.explain(images[:1]) - galaxies.load(BUNDLE).explain(images[:1])).max() > 0.01
    )
    for view in (3, 6):
        same = eight.explain(view_of(images[:1], view), answer="features_or_disk")
        found = eight.explain(images[:1], answer="features_or_disk")
        np.testing.assert_allclose(same, view_of(found, view), atol=1e-3)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"question": "colour"},
            "the bundle does not answer 'colour'; choose one of: smooth, edge_on",
        ),
        ({"answer": "bar_yes"}, "'bar_yes' is not an answer here; choose one of: smooth, features"),
        ({"question": "bar", "answer": "arms_2"}, "choose one of: bar_yes, bar_no"),
    ],
)
def test_what_was_not_learned_is_refused(asked, message, images):
    with pytest.raises(GalaxiesError, match=message):
        galaxies.load(BUNDLE).explain(images, **asked)


def test_images_of_another_size_or_kind_are_refused(images):
    classifier = galaxies.load(BUNDLE)
    for wrong in (images[:, :32], images.astype(np.float32)):
        with pytest.raises(GalaxiesError, match=r"images must be uint8 \(N, 64, 64, 3\), got"):
            classifier.explain(wrong)


def test_what_can_be_classified_can_be_explained(tmp_path):
    classifier = galaxies.load(BUNDLE)
    files = sorted((ROOT / "galaxies/pages/examples").glob("*.jpg"))[:2]
    for image in (files[0], files[0].read_bytes(), draw_galaxy(np.random.default_rng(3), True)):
        data = image.read_bytes() if isinstance(image, Path) else image
        expected = classifier.explain(classifier.prepare(data)[None])
        np.testing.assert_array_equal(classifier.explain(image), expected)
        both = classifier.explain([files[1], image])
        np.testing.assert_allclose(both[1:], expected, atol=1e-5)
    (tmp_path / "torn.jpg").write_bytes(files[0].read_bytes()[:900])
    with pytest.raises(GalaxiesError, match=r"^torn: "):
        classifier.explain([files[0], tmp_path / "torn.jpg"])


def test_a_bundle_of_another_kind_is_refused(tree_bundle):
    with pytest.raises(GalaxiesError, match="a tree cannot be explained; use a CNN bundle"):
        galaxies.load(tree_bundle, agreement=0.9).explain(np.zeros((1, 32, 32, 3), np.uint8))


def test_the_answers_that_count_are_those_of_the_campaign_in_use():
    description = read_description(PRETRAINED / "real")
    for campaign in ("gz2", "gz1"):
        used = description.by(campaign)
        start = used.layout.places(used.answers_of).start
        places, names = answers_that_count(used, None)
        assert (places, names) == (slice(start, start + 2), list(used.answers_of.first.names[:2]))
    with pytest.raises(GalaxiesError, match=r"does not answer 'bar'; choose one of: type$"):
        answers_that_count(description.by("gz1"), "bar")
