"""The description of a bundle: its campaigns, its judgements, and its earlier format."""

import json

import pytest
from pydantic import ValidationError

from galaxies.bundle.description import Description, read_description
from galaxies.bundle.folder import copy_recalibrated, describe
from galaxies.errors import GalaxiesError
from galaxies.judgement.calibration import Calibration
from galaxies.questions.gz1 import GZ1
from galaxies.questions.gz2 import GZ2
from galaxies.questions.kaggle import KAGGLE
from tests.conftest import PROMISES, judgement

OWN = judgement()
OTHER = judgement(calibration=Calibration(slope=2, intercept=1), triage=PROMISES[:1])


def described(**changes) -> Description:
    entries = {
        "model": "cnn",
        "title": "CNN",
        "size": 32,
        "crop": 0.5,
        "decoding": "scaled",
        "views": 1,
        "campaign": "gz2",
        "campaigns": (GZ2, GZ1),
        "questions": {"gz2": ("smooth", "odd"), "gz1": ("type",)},
        "judgements": {"gz2": OWN, "gz1": OTHER},
        "survey": "drawn",
        "galaxies": 80,
    }
    return Description(**entries | changes)


def as_format_5(description: Description) -> dict:
    """The same as the earlier format had it, which knew two campaigns."""
    contents = json.loads(description.model_dump_json())
    judgements = contents.pop("judgements")
    for one in judgements.values():
        del one["answers_of"]
    contents |= judgements.pop(contents["campaign"])
    contents["others"] = judgements
    for one in contents["others"].values():
        del one["calibrated"]
    contents["questions"] = [name for names in contents["questions"].values() for name in names]
    del contents["campaigns"]
    return contents | {"format": 5}


def test_a_description_is_read_back(tmp_path):
    before = described()
    describe(tmp_path, before)
    found = read_description(tmp_path)
    assert found == before
    # Campaigns are read from the bundle, and equal ours.
    assert found.campaigns == (GZ2, GZ1)
    assert found.layout.outputs == 52


def test_a_campaign_is_changed_there_and_back():
    both = described()
    assert both.by("gz2") == both
    other = both.by("gz1")
    assert (other.campaign, list(other.judgements)) == ("gz1", ["gz2", "gz1"])
    assert (other.calibration, other.triage) == (OTHER.calibration, OTHER.triage)
    assert (both.answered, other.answered) == (("smooth", "odd"), ("type",))
    assert (both.class_places.spiral, other.class_places.spiral) == (1, 38)
    assert (other.survey, other.size) == (both.survey, both.size)
    assert other.by("gz2") == both
    with pytest.raises(
        GalaxiesError, match=r"^this bundle is calibrated for gz2, gz1, not for the votes of kag"
    ):
        both.by("kaggle")


def test_a_new_judgement_is_that_of_the_campaign_in_use():
    made = judgement(calibration=Calibration(slope=3, intercept=0))
    changed = described().by("gz1").judged(made)
    assert changed.judgements == {"gz2": OWN, "gz1": made}


def test_answers_may_be_those_of_another_campaign():
    borrowed = judgement(answers_of="gz2")
    description = described(campaign="kaggle", judgements={"kaggle": borrowed})
    assert description.answers_of == GZ2
    assert description.answered == ("smooth", "odd")
    assert description.class_places == described().class_places


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"campaign": "kaggle"}, "no calibration for kaggle"),
        ({"judgements": {"gz2": OWN, "kaggle": OWN}}, "no answers of kaggle"),
        ({"judgements": {"gz2": judgement(answers_of="kaggle")}}, "no answers of kaggle"),
        ({"judgements": {}}, "judgements"),
        ({"campaigns": ()}, "campaigns"),
    ],
)
def test_a_description_that_contradicts_itself_is_refused(changes, said):
    with pytest.raises(ValidationError, match=said):
        described(**changes)


@pytest.mark.parametrize("campaign", ["gz2", "gz1"])
def test_a_bundle_of_the_earlier_format_is_read(tmp_path, campaign):
    before = described().by(campaign)
    (tmp_path / "bundle.json").write_text(json.dumps(as_format_5(before)))
    assert read_description(tmp_path) == before


def test_the_earlier_format_had_answers_of_both_campaigns_whatever_it_was_taught(tmp_path):
    before = described(questions={"gz2": ("smooth",)}, judgements={"gz2": OWN})
    (tmp_path / "bundle.json").write_text(json.dumps(as_format_5(before)))
    found = read_description(tmp_path)
    assert found.layout.outputs == 52
    assert found == before


@pytest.mark.parametrize("campaign", [GZ2, GZ1], ids=lambda one: one.name)
def test_a_model_of_the_class_alone_had_one_campaign(tmp_path, campaign):
    before = described(
        campaign=campaign.name,
        campaigns=(campaign,),
        questions={},
        judgements={campaign.name: OWN},
    )
    contents = as_format_5(before)
    if campaign == GZ2:
        del contents["campaign"]  # as in the oldest ones
    (tmp_path / "bundle.json").write_text(json.dumps(contents))
    assert read_description(tmp_path) == before


def test_an_unknown_campaign_travels_with_its_bundle(tmp_path):
    from dataclasses import replace

    mine = replace(KAGGLE, name="mine", title="Mine")
    describe(tmp_path, described(campaigns=(mine,), campaign="mine", judgements={"mine": OWN}))
    assert read_description(tmp_path).answers_of == mine


@pytest.mark.parametrize("other", [4, 7, "x", None])
def test_a_bundle_of_another_format_is_refused_in_one_line(tree_bundle, tmp_path, other):
    old = tmp_path / "old"
    copy_recalibrated(tree_bundle, old, read_description(tree_bundle))
    contents = json.loads((old / "bundle.json").read_text(encoding="utf-8"))
    (old / "bundle.json").write_text(json.dumps(contents | {"format": other}))
    with pytest.raises(
        GalaxiesError, match=rf"bundle\.json: format {other}, but .* reads 5 and 6; "
    ):
        read_description(old)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"format": 5}',
        '{"format": 5, "others": 3, "questions": 1}',
        '{"format": 5, "campaign": ["gz2"]}',
        "[" * 10**5,
    ],
)
def test_a_damaged_description_is_refused_in_one_line(tmp_path, text):
    (tmp_path / "bundle.json").write_text(text)
    with pytest.raises(GalaxiesError, match=r"bundle\.json: .*train the model again") as refused:
        read_description(tmp_path)
    assert "\n" not in str(refused.value)
