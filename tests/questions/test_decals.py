"""Galaxy Zoo DECaLS: another tree, fractions among those who were asked."""

import numpy as np
import pytest

from galaxies.dataset.votes import read_answers, read_votes
from galaxies.questions.decals import DECALS
from tests.conftest import HEADER

ASKED = ("smooth-or-featured", "disk-edge-on", "bar", "merging")


def test_there_are_ten_questions_with_34_answers():
    assert (len(DECALS.questions), len(DECALS.answers)) == (10, 34)
    assert len(set(DECALS.names)) == len(set(DECALS.columns)) == 34
    assert "bulge-size_dominant_fraction" in DECALS.columns
    assert DECALS.first.names == (
        "smooth_or_featured_smooth",
        "smooth_or_featured_featured_or_disk",
        "smooth_or_featured_artifact",
    )


def test_whoever_is_asked_has_given_the_answer_before():
    order = [question.name for question in DECALS.in_order_of_asking]
    assert len(order) == 10
    for question in DECALS.questions:
        if question.asked_after is not None:
            leader = next(one for one in DECALS.questions if question.asked_after in one.names)
            assert order.index(leader.name) < order.index(question.name)


def test_fractions_of_those_asked_become_fractions_of_all(tmp_path):
    columns = [c for c in DECALS.columns if c.startswith(ASKED)]
    values = dict.fromkeys(columns, "")
    values |= {
        "smooth-or-featured_smooth_fraction": "0.25",
        "smooth-or-featured_featured-or-disk_fraction": "0.5",
        "smooth-or-featured_artifact_fraction": "0.25",
        "disk-edge-on_yes_fraction": "0.5",
        "disk-edge-on_no_fraction": "0.5",
        "bar_strong_fraction": "0.5",
        "bar_weak_fraction": "0.25",
        "bar_no_fraction": "0.25",
    }
    table = tmp_path / "training_solutions_rev1.csv"
    table.write_text(f"GalaxyID,{','.join(columns)}\n7,{','.join(values.values())}\n")
    (tmp_path / "survey.yaml").write_text("campaign: decals\n")
    answers = read_answers(table).iloc[0]
    assert answers["decals.disk_edge_on_no"] == pytest.approx(0.25)
    assert answers["decals.bar_strong"] == pytest.approx(0.125)
    assert np.isnan(answers["decals.merging_merger"])
    assert read_votes(table)[["p_smooth", "p_features"]].to_numpy().tolist() == [[0.25, 0.5]]


def test_a_table_of_another_campaign_is_refused_by_name(tmp_path):
    table = tmp_path / "training_solutions_rev1.csv"
    table.write_text(f"{HEADER}\n7,1,0,0\n")
    (tmp_path / "survey.yaml").write_text("campaign: decals\n")
    with pytest.raises(Exception, match=r"no column of answers of decals, such as 'smooth-or-f"):
        read_answers(table)
