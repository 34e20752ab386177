"""The parts of the page of `galaxies explore`."""

import re

import numpy as np
import pytest

import galaxies
from galaxies.figures.style import AGAINST, FOR
from galaxies.pages import panels
from galaxies.pages.looking import Change, Curve, Seen
from tests.conftest import draw_galaxy, encode

IMAGE = draw_galaxy(np.random.default_rng(3), spiral=True, side=64)
SEEN = Seen(0.8, "ask volunteers", 0.7, 0.1, {}, 0.9)


def test_the_hero_has_picture_evidence_and_answer():
    shown = panels.hero("<b>", IMAGE, SEEN, np.ones((64, 64), np.float32))
    assert "&lt;b&gt;" in shown
    assert re.findall('<img id="([a-z]+)"', shown) == ["galaxy", "evidence"]
    assert '<b id="p_spiral">0.800</b>' in shown
    assert "unlike the galaxies" not in shown
    unfamiliar = panels.hero("g", IMAGE, SEEN._replace(unfamiliar=True), None)
    assert "unlike the galaxies" in unfamiliar
    assert "only a CNN can be explained" in unfamiliar


def test_the_scale_says_from_where_the_machine_decides():
    assert "the machine decides nothing" in panels.hero(
        "g", IMAGE, SEEN._replace(threshold=None), None
    )
    assert panels.hero("g", IMAGE, SEEN, None).count("width: 10.0%") == 2


def test_colours_of_evidence_are_those_of_the_figures():
    assert f"--for: {FOR.lower()}; --against: {AGAINST.lower()}" in panels.STYLE


def test_the_tree_is_folded_by_what_is_asked():
    predicted = {"gz2.smooth": 0.2, "gz2.features_or_disk": 0.7, "gz2.star_or_artifact": 0.1}
    predicted |= {"gz2.edge_on_yes": 0.07, "gz2.edge_on_no": 0.63}
    predicted |= {"gz2.round_completely": 0.1, "gz2.round_between": 0.06, "gz2.round_cigar": 0.04}
    shown = panels.tree(predicted, {"gz2.edge_on_yes": 0.3, "gz2.edge_on_no": 0.3})
    unfolded = re.findall(r"<details( open)?><summary>(\w+)", shown)
    folded = {words: bool(mark) for mark, words in unfolded}
    assert folded == {"Is": True, "Could": True, "How": False}
    assert "asked of 70%" in shown
    # Of those who are asked: 0.07 of 0.7, and 0.3 of 0.6.
    assert "0.10, voted 0.50" in shown
    assert panels.tree({}, {}) == ""


def test_the_layers_are_those_of_the_strip():
    inside = galaxies.load().inside(encode(IMAGE))
    shown = panels.layers(inside)
    assert shown.count("<img") == 12
    assert "Layer 1" in shown
    assert "Layer 7" in shown


@pytest.mark.parametrize("threshold", [None, 0.8])
def test_a_curve_marks_where_the_slider_is(threshold):
    curve = Curve("blur", (0.0, 5.0), (0.9, 0.3))
    drawn = panels.curves_of([curve], Change(blur=2.5), threshold)
    assert "p(spiral) from 0.30 to 0.90 by blur" in drawn
    assert '<line x1="151.0" x2="151.0"' in drawn
    assert drawn.count("<rect") == (0 if threshold is None else 2)
