import pytest

from galaxies.dataset.layout import ABOUT, IMAGES, VOTES, read_campaign, survey_file, write_campaign
from galaxies.errors import GalaxiesError
from galaxies.questions.kaggle import KAGGLE
from galaxies.questions.registry import CAMPAIGNS


def test_an_absent_survey_says_what_belongs_there(tmp_path):
    with pytest.raises(GalaxiesError, match=r"no such folder; put images_training_rev1\.zip"):
        survey_file(tmp_path / "none", IMAGES)
    with pytest.raises(GalaxiesError, match="no such file; a survey consists of"):
        survey_file(tmp_path, VOTES)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"campaign: gz3", "campaign: must be kaggle or gz2 or gz1 or decals, got 'gz3'"),
        (b"campaign: [gz1]", r"must be kaggle or gz2 or gz1 or decals, got \['gz1'\]"),
        (
            b"campaign: gz1\nvolunteers: 40",
            "must contain only campaign: and one of kaggle or gz2 or gz1 or decals",
        ),
        (b"gz1", "must contain only"),
        (b"", "must contain only"),
        (b"campaign: gz1: x\n  y", "not YAML: "),
        (b"campaign: 2020-13-45", "not YAML: month must be in 1..12"),
        (b"campaign: \xff", "not UTF-8 text at byte 10"),
    ],
)
def test_a_survey_that_names_no_campaign_is_refused_in_one_line(tmp_path, content, said):
    assert read_campaign(tmp_path) == KAGGLE
    (tmp_path / ABOUT).write_bytes(content)
    with pytest.raises(GalaxiesError, match=rf"survey\.yaml: .*{said}") as refused:
        read_campaign(tmp_path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("campaign", CAMPAIGNS.values(), ids=CAMPAIGNS)
def test_the_campaign_of_a_survey_is_read_back(tmp_path, campaign):
    write_campaign(tmp_path, campaign)
    assert read_campaign(tmp_path) == campaign
