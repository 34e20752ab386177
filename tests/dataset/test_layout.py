import pytest

from galaxies.dataset.layout import IMAGES, VOTES, survey_file
from galaxies.errors import GalaxiesError


def test_an_absent_survey_says_what_belongs_there(tmp_path):
    with pytest.raises(GalaxiesError, match=r"no such folder; put images_training_rev1\.zip"):
        survey_file(tmp_path / "none", IMAGES)
    with pytest.raises(GalaxiesError, match="no such file; a survey holds"):
        survey_file(tmp_path, VOTES)
