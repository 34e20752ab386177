"""Galaxy Zoo 1: one question, for the type of a galaxy.

Lintott et al. 2008, MNRAS 389, 1179. An elliptical with a disk can be "features or disk" in Galaxy
Zoo 2 and "elliptical" here.
"""

from typing import Final

from galaxies.questions.campaign import Campaign, ask, numbered

GZ1: Final = Campaign(
    name="gz1",
    title="Galaxy Zoo 1",
    votes="raw, one type a galaxy",
    reference="Lintott et al. 2008, MNRAS 389, 1179",
    questions=numbered(
        ask(
            "type",
            "Is the galaxy elliptical or spiral, or is it a star?",
            None,
            ("Class1.1", "type_elliptical", "elliptical", None),
            ("Class1.2", "type_spiral", "spiral", None),
            ("Class1.3", "type_star", "star or don't know", None),
        ),
    ),
)
"""The types of Galaxy Zoo 1."""
