"""Galaxy Zoo 2: eleven questions, weighted vote fractions.

Willett et al. 2013, MNRAS 435, 2835. The votes of volunteers who often disagree with all others
count less; nothing corrects for distance, so that a faint far spiral counts as smooth.
"""

from typing import Final

from galaxies.questions.campaign import Campaign, ask, numbered

GZ2: Final = Campaign(
    name="gz2",
    title="Galaxy Zoo 2",
    votes="weighted",
    reference="Willett et al. 2013, MNRAS 435, 2835",
    questions=numbered(
        ask(
            "smooth",
            "Is the galaxy simply smooth and rounded, with no sign of a disk?",
            None,
            ("Class1.1", "smooth", "smooth", "roundness"),
            ("Class1.2", "features_or_disk", "features or disk", "edge_on"),
            ("Class1.3", "star_or_artifact", "star or artifact", None),
        ),
        ask(
            "edge_on",
            "Could this be a disk viewed edge-on?",
            "features_or_disk",
            ("Class2.1", "edge_on_yes", "edge-on", "edge_on_bulge"),
            ("Class2.2", "edge_on_no", "not edge-on", "bar"),
        ),
        ask(
            "bar",
            "Is there a sign of a bar feature through the centre of the galaxy?",
            "edge_on_no",
            ("Class3.1", "bar_yes", "bar", "arms"),
            ("Class3.2", "bar_no", "no bar", "arms"),
        ),
        ask(
            "arms",
            "Is there any sign of a spiral arm pattern?",
            "edge_on_no",
            ("Class4.1", "arms_yes", "spiral arms", "winding"),
            ("Class4.2", "arms_no", "no spiral arms", "bulge"),
        ),
        ask(
            "bulge",
            "How prominent is the central bulge, compared with the rest of the galaxy?",
            "edge_on_no",
            ("Class5.1", "bulge_none", "no bulge", "odd"),
            ("Class5.2", "bulge_noticeable", "bulge just noticeable", "odd"),
            ("Class5.3", "bulge_obvious", "bulge obvious", "odd"),
            ("Class5.4", "bulge_dominant", "bulge dominant", "odd"),
        ),
        ask(
            "odd",
            "Is there anything odd?",
            None,
            ("Class6.1", "odd_yes", "odd", "odd_feature"),
            ("Class6.2", "odd_no", "nothing odd", None),
        ),
        ask(
            "roundness",
            "How rounded is it?",
            "smooth",
            ("Class7.1", "round_completely", "completely round", "odd"),
            ("Class7.2", "round_between", "in between", "odd"),
            ("Class7.3", "round_cigar", "cigar-shaped", "odd"),
        ),
        ask(
            "odd_feature",
            "Is the odd feature a ring, or is the galaxy disturbed or irregular?",
            "odd_yes",
            ("Class8.1", "odd_ring", "ring", None),
            ("Class8.2", "odd_lens", "lens or arc", None),
            ("Class8.3", "odd_disturbed", "disturbed", None),
            ("Class8.4", "odd_irregular", "irregular", None),
            ("Class8.5", "odd_other", "something else", None),
            ("Class8.6", "odd_merger", "merger", None),
            ("Class8.7", "odd_dust_lane", "dust lane", None),
        ),
        ask(
            "edge_on_bulge",
            "Does the galaxy have a bulge at its centre? If so, what shape?",
            "edge_on_yes",
            ("Class9.1", "edge_on_bulge_rounded", "bulge rounded", "odd"),
            ("Class9.2", "edge_on_bulge_boxy", "bulge boxy", "odd"),
            ("Class9.3", "edge_on_bulge_none", "no central bulge", "odd"),
        ),
        ask(
            "winding",
            "How tightly wound do the spiral arms appear?",
            "arms_yes",
            ("Class10.1", "winding_tight", "arms tight", "arm_number"),
            ("Class10.2", "winding_medium", "arms medium", "arm_number"),
            ("Class10.3", "winding_loose", "arms loose", "arm_number"),
        ),
        ask(
            "arm_number",
            "How many spiral arms are there?",
            "arms_yes",
            ("Class11.1", "arms_1", "1 arm", "bulge"),
            ("Class11.2", "arms_2", "2 arms", "bulge"),
            ("Class11.3", "arms_3", "3 arms", "bulge"),
            ("Class11.4", "arms_4", "4 arms", "bulge"),
            ("Class11.5", "arms_more", "more than 4 arms", "bulge"),
            ("Class11.6", "arms_unclear", "can't tell", "bulge"),
        ),
    ),
)
"""Weighted votes on the questions of Galaxy Zoo 2."""
