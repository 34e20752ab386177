import numpy as np
import pytest

import galaxies
from galaxies.bundle.pretrained import PRETRAINED
from galaxies.errors import GalaxiesError
from galaxies.inside.gradient import Gradient
from galaxies.inside.strip import LayerInside
from galaxies.questions.gz2 import GZ2
from tests.conftest import draw_galaxy, encode


@pytest.fixture(scope="module")
def frame():
    return draw_galaxy(np.random.default_rng(3), spiral=True, side=128)


@pytest.fixture(scope="module")
def classifier():
    return galaxies.load("simulated")


def test_a_look_inside_agrees_with_classify_explain_and_the_gradient(classifier, frame):
    seen = classifier.inside(frame, "bar", "bar_yes")
    assert (seen.question, seen.answer) == ("bar", "bar_yes")
    [p] = classifier.classify([frame])["p_spiral"]
    assert seen.p_spiral == pytest.approx(p, abs=1e-6)
    np.testing.assert_array_equal(
        seen.evidence, classifier.explain(seen.image[None], "bar", "bar_yes")[0]
    )
    activations = Gradient(PRETRAINED / "simulated").activations(seen.image[None])
    assert list(seen.layers) == list(activations)
    for name, layer in seen.layers.items():
        np.testing.assert_array_equal(layer.activations, activations[name][0])
        assert np.abs(layer.shares).sum() == pytest.approx(1, rel=1e-5)


def test_vote_fractions_are_of_those_who_are_asked(classifier, frame):
    fractions = classifier.inside(frame).fractions
    for question in GZ2.questions:
        total = sum(fractions[answer.name] for answer in question.answers)
        assert total == pytest.approx(1, abs=1e-4), question.name


def test_the_predicted_answer_is_explained_by_default(classifier, frame):
    seen = classifier.inside(frame)
    assert seen.question == "smooth"
    assert (seen.answer == "features_or_disk") == (seen.p_spiral > 0.5) or abs(
        seen.p_spiral - 0.5
    ) < 0.2
    bytes_of_it = classifier.inside(encode(frame, quality=98))
    assert bytes_of_it.answer == seen.answer


def test_important_channels_have_the_largest_shares_of_either_sign(classifier, frame):
    layer = next(iter(classifier.inside(frame).layers.values()))
    order = layer.important(5)
    assert order == np.argsort(-np.abs(layer.shares), kind="stable")[:5].tolist()
    silent = LayerInside(layer.layer, layer.activations, np.zeros_like(layer.shares))
    assert silent.important(5) == []


def test_the_story_goes_from_the_first_layer_to_the_last(classifier, frame):
    seen = classifier.inside(frame)
    story = [each.layer.name for each in seen.story()]
    every = list(seen.layers)
    assert (story[0], story[-1]) == (every[0], every[-1])
    assert len(story) == 4
    assert len(seen.story(99)) == len(seen.layers)


def test_what_cannot_be_looked_into_is_refused(classifier, frame, tree_bundle):
    with pytest.raises(GalaxiesError, match="does not answer 'colour'"):
        classifier.inside(frame, "colour")
    with pytest.raises(GalaxiesError, match="a tree cannot be explained"):
        galaxies.load(tree_bundle, agreement=0.9).inside(frame)
