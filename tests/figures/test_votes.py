"""Predicted beside voted answers."""

import numpy as np
import pandas as pd

from galaxies.bundle.answers import ANSWERS, NUMBERS, read_outputs
from galaxies.figures.galleries import Portrait
from galaxies.figures.votes import choose_tree, draw_tree, draw_votes
from galaxies.questions.tree import ALL_COLUMNS, ALL_QUESTIONS, QUESTIONS

GALAXY = Portrait(np.zeros((16, 16, 3), np.uint8), 7, None, None)


def shares(count: int, seed: int) -> np.ndarray:
    network = np.random.default_rng(seed).normal(size=(count, NUMBERS)).astype(np.float32)
    return read_outputs(network)[:, :ANSWERS].astype(np.float64)


def words(figure) -> str:
    return " ".join(text.get_text() for text in figure.axes[0].texts)


def test_each_answer_that_both_know_has_a_panel():
    voted, predicted = shares(30, 1), shares(30, 2)
    assert len(draw_votes(voted, predicted, "CNN").axes) == 1 + 40
    voted[:, QUESTIONS[10].places] = np.nan
    predicted[:, QUESTIONS[2].places] = np.nan
    figure = draw_votes(voted, predicted, "CNN")
    assert len(figure.axes) == 1 + 40 - 6 - 2
    assert "spiral arms" in words(figure)
    assert "2 arms" not in words(figure)


def test_a_network_that_knows_the_class_alone_is_said_to():
    figure = draw_votes(shares(3, 1), np.full((3, ANSWERS), np.nan), "CNN")
    assert len(figure.axes) == 1
    assert words(figure) == "CNN predicts only the class"


def test_the_tree_shows_what_was_asked_and_by_how_many():
    voted, predicted = shares(1, 1)[0], shares(1, 2)[0]
    figure = draw_tree(GALAXY, voted, predicted, "CNN")
    said = words(figure)
    assert all(f"{one.name.replace('_', ' ')}?" in said for one in ALL_QUESTIONS)
    disk = ALL_COLUMNS.index("Class1.2")
    assert f"{voted[disk]:.2f}, {predicted[disk]:.2f}" in said
    none = draw_tree(GALAXY, np.full(ANSWERS, np.nan), predicted, "CNN")
    assert "galaxy 7" in words(none)
    assert "?" not in words(none)


def test_the_tree_is_that_of_a_galaxy_with_arms():
    votes = pd.DataFrame({"galaxy_id": [5, 4, 3], "Class4.1": [0.2, 0.9, np.nan]})
    assert choose_tree(votes) == 4
    assert choose_tree(votes.assign(**{"Class4.1": np.nan})) == 3
