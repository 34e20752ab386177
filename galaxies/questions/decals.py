"""Galaxy Zoo DECaLS, the fifth data release's images: ten questions, another tree.

Walmsley et al. 2022, MNRAS 509, 3966. The images are deeper than those of SDSS. A bar can be strong
or weak, a merger has degrees, and there is no question about anything odd. The columns are those of
the published table of volunteers, whose fractions are among those who were asked.
"""

from typing import Final

from galaxies.questions.campaign import Campaign, Question, ask, numbered


def _ask(
    words: str, after: str | None, task: str, *answers: tuple[str, str, str | None]
) -> Question:
    """Describe a question; each answer is its part of the column, its words, the next question."""
    name = task.replace("-", "_")
    described = (
        (f"{task}_{answer}_fraction", f"{name}_{answer.replace('-', '_')}", text, leads_to)
        for answer, text, leads_to in answers
    )
    return ask(name, words, after, *described)


DECALS: Final = Campaign(
    name="decals",
    title="Galaxy Zoo DECaLS",
    votes="raw",
    reference="Walmsley et al. 2022, MNRAS 509, 3966",
    within=True,
    questions=numbered(
        _ask(
            "Is the galaxy simply smooth and rounded, with no sign of a disk?",
            None,
            "smooth-or-featured",
            ("smooth", "smooth", "how_rounded"),
            ("featured-or-disk", "features or disk", "disk_edge_on"),
            ("artifact", "star or artifact", None),
        ),
        _ask(
            "Could this be a disk viewed edge-on?",
            "smooth_or_featured_featured_or_disk",
            "disk-edge-on",
            ("yes", "edge-on", "edge_on_bulge"),
            ("no", "not edge-on", "bar"),
        ),
        _ask(
            "Is there any sign of a spiral arm pattern?",
            "disk_edge_on_no",
            "has-spiral-arms",
            ("yes", "spiral arms", "spiral_winding"),
            ("no", "no spiral arms", "bulge_size"),
        ),
        _ask(
            "Is there a bar feature through the centre of the galaxy?",
            "disk_edge_on_no",
            "bar",
            ("strong", "strong bar", "has_spiral_arms"),
            ("weak", "weak bar", "has_spiral_arms"),
            ("no", "no bar", "has_spiral_arms"),
        ),
        _ask(
            "How prominent is the central bulge, compared with the rest of the galaxy?",
            "disk_edge_on_no",
            "bulge-size",
            ("dominant", "bulge dominant", "merging"),
            ("large", "bulge large", "merging"),
            ("moderate", "bulge moderate", "merging"),
            ("small", "bulge small", "merging"),
            ("none", "no bulge", "merging"),
        ),
        _ask(
            "How rounded is it?",
            "smooth_or_featured_smooth",
            "how-rounded",
            ("round", "completely round", "merging"),
            ("in-between", "in between", "merging"),
            ("cigar-shaped", "cigar-shaped", "merging"),
        ),
        _ask(
            "Does the galaxy have a bulge at its centre? If so, what shape?",
            "disk_edge_on_yes",
            "edge-on-bulge",
            ("boxy", "bulge boxy", "merging"),
            ("none", "no central bulge", "merging"),
            ("rounded", "bulge rounded", "merging"),
        ),
        _ask(
            "How tightly wound do the spiral arms appear?",
            "has_spiral_arms_yes",
            "spiral-winding",
            ("tight", "arms tight", "spiral_arm_count"),
            ("medium", "arms medium", "spiral_arm_count"),
            ("loose", "arms loose", "spiral_arm_count"),
        ),
        _ask(
            "How many spiral arms are there?",
            "has_spiral_arms_yes",
            "spiral-arm-count",
            ("1", "1 arm", "bulge_size"),
            ("2", "2 arms", "bulge_size"),
            ("3", "3 arms", "bulge_size"),
            ("4", "4 arms", "bulge_size"),
            ("more-than-4", "more than 4 arms", "bulge_size"),
            ("cant-tell", "can't tell", "bulge_size"),
        ),
        _ask(
            "Is the galaxy merging or disturbed?",
            None,
            "merging",
            ("none", "neither", None),
            ("minor-disturbance", "minor disturbance", None),
            ("major-disturbance", "major disturbance", None),
            ("merger", "merger", None),
        ),
    ),
)
"""Raw votes on the questions of Galaxy Zoo DECaLS."""
