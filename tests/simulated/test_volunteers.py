"""How simulated volunteers answer."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from galaxies.questions.gz2 import GZ2
from galaxies.simulated.volunteers import (
    Appearance,
    as_columns,
    cast_votes,
    chance_of_features,
    chances,
    dark_line,
    turned,
)

STRENGTH = st.floats(0.0, 40.0)
SHARE = st.floats(0.0, 1.0)
APPEARANCES = st.builds(
    Appearance,
    contrast=STRENGTH,
    axis_ratio=st.floats(0.05, 1.0),
    disk_share=SHARE,
    sharpness=st.floats(0.3, 30.0),
    bulge_share=SHARE,
    arms=STRENGTH,
    bar=STRENGTH,
    ring=STRENGTH,
    knots=STRENGTH,
    lane=STRENGTH,
    arc=STRENGTH,
    asymmetry=st.floats(0.0, 2.0),
    tails=st.floats(0.0, 5.0),
    crowding=st.floats(0.0, 50.0),
    partner=STRENGTH,
    dip=STRENGTH,
    starlight=st.floats(0.0, 50.0),
    pitch=st.floats(5.0, 45.0),
    arm_number=st.integers(1, 6),
    boxiness=SHARE,
    irregular=st.booleans(),
)
SPIRAL = Appearance(
    contrast=15.0, axis_ratio=0.9, disk_share=0.8, bulge_share=0.15, arms=15.0, arm_number=2
)


def share(appearance: Appearance, column: str) -> float:
    question = next(question for question in GZ2.questions if column in question.columns)
    return float(chances(appearance, 0.02)[question.number][question.columns.index(column)])


@given(APPEARANCES, SHARE)
def test_chances_are_shares(appearance: Appearance, artifact: float) -> None:
    found = chances(appearance, artifact)
    assert sorted(found) == list(range(1, 12))
    for question in GZ2.questions:
        shares = found[question.number]
        assert shares.shape == (len(question.answers),)
        assert (shares >= 0).all()
        assert shares.sum() == pytest.approx(1.0)


@given(APPEARANCES, st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_as_many_answer_as_get_there(appearance: Appearance, volunteers: int, seed: int) -> None:
    votes = cast_votes(appearance, 0.05, volunteers, np.random.default_rng(seed))
    assert votes[GZ2.first.places].sum() == volunteers
    arrived = dict.fromkeys((question.name for question in GZ2.questions[1:]), 0)
    for question in GZ2.questions:
        for answer, count in zip(question.answers, votes[question.places], strict=True):
            if answer.leads_to is not None:
                arrived[answer.leads_to] += count
    for name, count in arrived.items():
        assert votes[GZ2.question(name).places].sum() == count
    errors = GZ2.tree_errors(as_columns(votes))
    assert np.nan_to_num(errors).max() < 1e-12


@pytest.mark.parametrize(
    ("what", "column"),
    [
        ("contrast", "Class1.2"),
        ("bar", "Class3.1"),
        ("arms", "Class4.1"),
        ("bulge_share", "Class5.4"),
        ("bulge_share", "Class9.1"),
        ("ring", "Class6.1"),
        ("tails", "Class6.1"),
        ("asymmetry", "Class6.1"),
        ("starlight", "Class6.1"),
        ("lane", "Class6.1"),
        ("arc", "Class6.1"),
        ("boxiness", "Class9.2"),
        ("axis_ratio", "Class7.1"),
        ("pitch", "Class10.3"),
    ],
)
@given(APPEARANCES, st.floats(0.1, 0.9))
def test_the_more_is_seen_the_more_say_so(
    what: str, column: str, appearance: Appearance, step: float
) -> None:
    limits = {"bulge_share": 1, "boxiness": 1, "axis_ratio": 1, "pitch": 45, "asymmetry": 2}
    before = getattr(appearance, what)
    more = replace(appearance, **{what: before + step * (limits.get(what, 60) - before)})
    assert share(more, column) >= share(appearance, column) - 1e-12


@given(APPEARANCES, st.floats(0.1, 0.9))
def test_the_thinner_the_more_edge_on_disks_and_cigars(
    appearance: Appearance, factor: float
) -> None:
    thinner = replace(appearance, axis_ratio=appearance.axis_ratio * factor)
    for column in ("Class2.1", "Class7.3"):
        assert share(thinner, column) >= share(appearance, column) - 1e-12


def test_people_see_features_where_there_is_contrast_or_a_thin_disk() -> None:
    smooth = chance_of_features(Appearance(contrast=0.5, axis_ratio=0.9))
    faint_arms = chance_of_features(Appearance(contrast=3.0, axis_ratio=0.9, disk_share=0.8))
    edge_on = Appearance(axis_ratio=0.15, disk_share=0.9, sharpness=12.0, bulge_share=0.2)
    assert smooth < 0.1 < faint_arms < 0.6 < chance_of_features(SPIRAL)
    assert chance_of_features(edge_on) > 0.7


def test_arms_that_are_seen_are_counted_and_others_are_not() -> None:
    for number, column in ((1, "Class11.1"), (2, "Class11.2"), (3, "Class11.3"), (4, "Class11.4")):
        counted = share(replace(SPIRAL, arm_number=number, arms=60.0), column)
        blurred = share(replace(SPIRAL, arm_number=number, arms=1.0), column)
        assert counted > 0.3
        assert counted > blurred
    assert share(replace(SPIRAL, arms=1.0), "Class11.6") > 0.4


def test_an_arc_and_a_lane_of_dust_are_named_by_those_who_see_them() -> None:
    assert share(Appearance(arc=15.0), "Class8.2") > 0.5 > 4 * share(Appearance(), "Class8.2")
    assert share(Appearance(lane=15.0), "Class8.7") > 0.5 > 4 * share(Appearance(), "Class8.7")


def test_three_arms_are_no_disturbance() -> None:
    lopsided = Appearance(asymmetry=0.4)
    armed = replace(lopsided, arms=15.0, arm_number=3)
    assert share(armed, "Class6.1") < 0.6 * share(lopsided, "Class6.1")


def test_a_thin_galaxy_off_the_centre_of_the_frame_is_symmetric() -> None:
    rows, columns = np.indices((60, 60))
    thin = 100 * np.exp(-(((rows - 31) / 1.5) ** 2) / 2 - (((columns - 28) / 9) ** 2) / 2)
    seen = thin > 12
    assert np.abs(thin - turned(thin, seen))[seen].sum() < 0.01 * thin[seen].sum()
    assert np.abs(thin - thin[::-1, ::-1])[seen].sum() > 0.5 * thin[seen].sum()


def test_a_line_of_dust_is_seen_and_a_disk_dimmed_all_over_is_not() -> None:
    rows, columns = np.indices((60, 60))
    disk = 100 * np.exp(-(((rows - 30) / 6) ** 2) / 2 - (((columns - 30) / 20) ** 2) / 2)
    line = 1 - 0.4 * np.exp(-(((rows - 30) / 1.5) ** 2) / 2)
    assert dark_line(disk * line, disk, 3.3) > 15
    assert dark_line(0.6 * disk, disk, 3.3) == 0.0


def test_a_second_nucleus_makes_a_merger_only_if_it_can_be_told_apart() -> None:
    apart = Appearance(crowding=0.6, partner=20.0, dip=30.0)
    blurred = Appearance(crowding=0.6, partner=1.0, dip=0.0)
    assert share(apart, "Class8.6") > 0.7
    assert share(apart, "Class6.1") > 0.7
    assert share(blurred, "Class6.1") < 0.25


def test_quirks_spread_the_votes_of_galaxies_that_look_the_same() -> None:
    rng = np.random.default_rng(0)
    votes = np.array([cast_votes(SPIRAL, 0.02, 45, rng) for _ in range(300)])
    arms = as_columns(votes)[:, GZ2.place("arms_yes")]
    assert arms.mean() > 0.6
    alone = np.sqrt(arms.mean() * (1 - arms.mean()) / 45)
    assert arms.std() > 1.2 * alone
