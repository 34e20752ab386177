import pytest

from galaxies.dataset.layout import ABOUT, IMAGES, VOTES, read_campaign, survey_file
from galaxies.errors import GalaxiesError


def test_an_absent_survey_says_what_belongs_there(tmp_path):
    with pytest.raises(GalaxiesError, match=r"no such folder; put images_training_rev1\.zip"):
        survey_file(tmp_path / "none", IMAGES)
    with pytest.raises(GalaxiesError, match="no such file; a survey consists of"):
        survey_file(tmp_path, VOTES)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"campaign: gz3", "campaign: must be gz1 or gz2, got 'gz3'"),
        (b"campaign: [gz1]", r"must be gz1 or gz2, got \['gz1'\]"),
        (b"campaign: gz1\nvolunteers: 40", "must contain only campaign: gz1 or campaign: gz2"),
        (b"gz1", "must contain only"),
        (b"", "must contain only"),
        (b"campaign: gz1: x\n  y", "not YAML: "),
        (b"campaign: \xff", "not YAML: "),
    ],
)
def test_a_survey_that_names_no_campaign_is_refused_in_one_line(tmp_path, content, said):
    assert read_campaign(tmp_path) == "gz2"
    (tmp_path / ABOUT).write_bytes(content)
    with pytest.raises(GalaxiesError, match=rf"survey\.yaml: .*{said}") as refused:
        read_campaign(tmp_path)
    assert "\n" not in str(refused.value)
