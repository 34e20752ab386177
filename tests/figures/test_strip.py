import numpy as np
import pandas as pd
import pytest

import galaxies
from galaxies.bundle.pretrained import PRETRAINED
from galaxies.figures.choosing import EXAMPLES, choose_examples
from galaxies.figures.strip import (
    activation_over,
    answers_to_show,
    draw_strip,
    evidence_over,
    signed,
)
from galaxies.inside.channels import Exciting
from galaxies.inside.gradient import Gradient
from galaxies.questions.gz1 import GZ1
from galaxies.questions.gz2 import GZ2
from galaxies.questions.registry import CAMPAIGNS
from tests.conftest import draw_galaxy
from tests.figures.conftest import texts

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def inside():
    frame = draw_galaxy(np.random.default_rng(3), spiral=True, side=128)
    return galaxies.load("simulated").inside(frame)


def test_a_strip_says_what_it_shows(inside):
    said = texts(draw_strip(inside, "CNN", "simulated galaxy 7", voted={"smooth": 0.25}))
    for words in ("simulated galaxy 7", "layer 1", "layer 7", "where it sees evidence"):
        assert words in said, words
    assert f"CNN: $p$(spiral) = {inside.p_spiral:.2f}" in said
    assert "black line: observed" in " ".join(said)
    for layer in inside.story():
        for channel in layer.important(3):
            assert signed(float(layer.shares[channel])) in said


def test_patches_of_many_galaxies_or_of_this_one_are_told(inside):
    frame = draw_galaxy(np.random.default_rng(4), spiral=True, side=64)
    exciting = Exciting(Gradient(PRETRAINED / "simulated"), np.stack([frame] * 3))
    many = " ".join(texts(draw_strip(inside, "CNN", "a", exciting, "3 test galaxies")))
    assert "the parts of 3 test galaxies that excite it most" in many
    assert "of this galaxy" in " ".join(texts(draw_strip(inside, "CNN", "a")))


def test_a_network_of_the_class_only_is_drawn(inside):
    said = texts(draw_strip(inside._replace(fractions={}), "CNN", "a"))
    assert not any("volunteers" in words for words in said)


def test_answers_lead_down_the_tree(inside):
    fractions = dict.fromkeys(inside.fractions, 0.0)
    for name in ("smooth", "round_cigar", "odd_no"):
        fractions[name] = 1.0
    shown = answers_to_show(inside._replace(fractions=fractions), GZ2.first)
    assert [question.name for question, _ in shown] == ["smooth", "roundness", "odd"]
    assert [len(answers) for _, answers in shown] == [3, 1, 1]


def test_colours_have_one_meaning():
    image = np.zeros((8, 8, 3), np.uint8)
    evidence = np.zeros((8, 8), np.float32)
    evidence[:4], evidence[4:] = 1, -1
    drawn = evidence_over(image, evidence)
    assert drawn[4, 4].argmax() == 0
    assert drawn[-4, -4].argmax() == 2
    assert np.isfinite(evidence_over(image, 0 * evidence)).all()
    assert activation_over(image, 0 * evidence).max() == 0


def test_examples_are_seen_alike_by_volunteers_and_network():
    votes = pd.DataFrame({"galaxy_id": [1, 2, 3], **dict.fromkeys(GZ2.names, 0.1)})
    votes["bar_yes"] = [0.9, 0.8, 0.1]
    predictions = votes.assign(bar_yes=[0.1, 0.9, 0.9])
    assert choose_examples(votes, predictions, GZ2) == {"bar": (2, "bar", "bar_yes")}
    unknown = predictions.assign(bar_yes=np.nan)
    assert choose_examples(votes, unknown, GZ2) == {}
    assert choose_examples(votes, predictions, GZ1) == {}


def test_every_campaign_with_the_question_has_an_example():
    for names in EXAMPLES.values():
        held = [any(name in campaign.names for name in names) for campaign in CAMPAIGNS.values()]
        assert sum(held) == len(CAMPAIGNS) - 1  # Galaxy Zoo 1 asked for the type only
