"""Kaggle's Galaxy Challenge: the questions of Galaxy Zoo 2, votes of another scale.

The challenge asked for vote fractions near Galaxy Zoo 2's debiased ones, which are corrected for
distance: a faint far spiral counts as a spiral. On identical images its fraction of "smooth" is
0.185 lower than Galaxy Zoo 2's weighted fraction, and the majorities agree in 75% only. No image
can tell which of the two is asked.
"""

from typing import Final

from galaxies.questions.campaign import Campaign
from galaxies.questions.gz2 import GZ2

KAGGLE: Final = Campaign(
    name="kaggle",
    title="Kaggle's Galaxy Challenge",
    votes="corrected for distance",
    reference="https://www.kaggle.com/competitions/galaxy-zoo-the-galaxy-challenge",
    questions=GZ2.questions,
)
"""The votes of Kaggle's challenge, on the questions of Galaxy Zoo 2."""
