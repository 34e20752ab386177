"""Kinds of galaxies by clear answers."""

import numpy as np
import pytest

from galaxies.questions.gz2 import GZ2
from galaxies.questions.kinds import KINDS, kinds


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ({"round_completely": 0.5}, "round"),
        ({"round_between": 0.5, "odd_yes": 0.9}, "in between"),
        ({"round_cigar": 0.51}, "cigar"),
        ({"edge_on_yes": 0.602}, "edge-on"),
        ({"edge_on_no": 0.715, "arms_yes": 0.619}, "spiral"),
        ({"edge_on_no": 0.714, "arms_yes": 0.7}, "unclear"),
        ({"edge_on_no": 0.9, "arms_yes": 0.618}, "unclear"),
        ({"odd_yes": 0.5}, "odd"),
        ({}, "unclear"),
    ],
)
def test_clear_answers_make_the_kind(answers, kind):
    shares = np.zeros((1, 37))
    for name, share in answers.items():
        shares[0, GZ2.place(name)] = share
    assert KINDS[kinds(shares)[0]] == kind
