"""One survey made of several."""

import zipfile
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from typer.testing import CliRunner

from galaxies.cli import app
from galaxies.dataset.archive import list_images
from galaxies.dataset.layout import ABOUT, COUNTS, IMAGES, VOTES, read_campaign, write_campaign
from galaxies.dataset.votes import campaign_of, read_counts, read_survey_votes, read_votes
from galaxies.errors import GalaxiesError
from galaxies.questions.campaign import most_voted
from galaxies.questions.gz1 import GZ1
from galaxies.questions.gz2 import GZ2
from galaxies.questions.kaggle import KAGGLE
from galaxies.surveys.check import check_survey
from galaxies.surveys.merge import merge_surveys
from tests.conftest import HEADER, encode, real_data, write_survey

LARGE = 587722952767439450


def frame(side: int, level: int = 0) -> bytes:
    return encode(np.full((side, side, 3), level, np.uint8))


@pytest.fixture
def two(tmp_path) -> list[Path]:
    one = write_survey(
        tmp_path / "one", {"a/2.jpg": frame(16), "1.JPEG": frame(16, 90)}, ["1,1,0,0", "2,0,1,0"]
    )
    other = write_survey(
        tmp_path / "other", {f"b/{LARGE}.png": frame(32)}, [f"{LARGE},0.250,0.75,0.000"]
    )
    return [one, other]


def contents(survey: Path) -> dict[int, bytes]:
    with zipfile.ZipFile(survey / IMAGES) as archive:
        return {m.galaxy_id: archive.read(m.name) for m in list_images(survey / IMAGES)}


def test_images_keep_their_bytes_and_votes_their_digits(two, tmp_path):
    merged = merge_surveys(two, tmp_path / "both")
    assert merged == (3, 3, [*HEADER.split(","), "Survey"])
    assert contents(tmp_path / "both") == contents(two[0]) | contents(two[1])
    assert (tmp_path / "both" / VOTES).read_text(encoding="utf-8") == (
        f"{HEADER},Survey\n1,1,0,0,one\n2,0,1,0,one\n{LARGE},0.250,0.75,0.000,other\n"
    )
    assert check_survey(tmp_path / "both").frames == {"16x16": 2, "32x32": 1}


def test_every_column_stays_and_is_blank_where_a_survey_lacks_it(two, tmp_path):
    (two[0] / VOTES).write_text(
        "Class2.1,GalaxyID,note,Class1.1,Class1.2,Class1.3\n.5,1,x,1,0,0\n.6,2,y,0,1,0\n",
        encoding="utf-8-sig",
    )
    (two[1] / VOTES).write_text(
        f'GalaxyID,Class1.1,Class1.2,Class1.3,"Class6.1"\r\n{LARGE},1,0,0,0.10\r\n', newline=""
    )
    merge_surveys(two, tmp_path / "both")
    assert (tmp_path / "both" / VOTES).read_text().splitlines() == [
        "GalaxyID,Class1.1,Class1.2,Class1.3,Class2.1,Class6.1,Survey,note",
        "1,1,0,0,.5,,one,x",
        "2,0,1,0,.6,,one,y",
        f"{LARGE},1,0,0,,0.10,other,",
    ]


def test_the_bytes_do_not_depend_on_how_the_sources_are_stored(two, tmp_path):
    merge_surveys(two, tmp_path / "plain")
    for survey in two:
        images = contents(survey)
        with zipfile.ZipFile(survey / IMAGES, "w", zipfile.ZIP_DEFLATED) as archive:
            for galaxy_id in sorted(images, reverse=True):
                suffix = "png" if galaxy_id == LARGE else "jpg" if galaxy_id == 2 else "jpeg"
                archive.writestr(f"x/{galaxy_id}.{suffix}", images[galaxy_id])
    merge_surveys(two, tmp_path / "deflated")
    for name in (IMAGES, VOTES):
        assert (tmp_path / "plain" / name).read_bytes() == (
            tmp_path / "deflated" / name
        ).read_bytes()


@settings(max_examples=25)
@given(owners=st.lists(st.integers(0, 2), min_size=1, max_size=12))
def test_every_galaxy_is_there_once(owners, tmp_path_factory):
    folder = tmp_path_factory.mktemp("merge")
    surveys = []
    for owner in sorted(set(owners) | {0, 1}):
        ids = [place + 10 for place, name in enumerate(owners) if name == owner] or [owner]
        surveys.append(
            write_survey(
                folder / f"{owner}",
                {f"{galaxy_id}.jpg": bytes([galaxy_id]) for galaxy_id in ids},
                [f"{galaxy_id},{galaxy_id / 100},0,{1 - galaxy_id / 100}" for galaxy_id in ids],
            )
        )
    merge_surveys(surveys, folder / "all")
    expected = {key: value for survey in surveys for key, value in contents(survey).items()}
    assert contents(folder / "all") == expected
    votes = read_votes(folder / "all" / VOTES).set_index("galaxy_id")["p_smooth"]
    pd.testing.assert_index_equal(
        votes.index, pd.Index(sorted(expected)), check_names=False, exact=False
    )
    assert np.allclose(votes, votes.index / 100)


def test_a_clash_names_the_galaxy_and_both_surveys(two, tmp_path):
    # One knows it by its votes alone, the other by its image alone.
    write_survey(two[1], {"7.jpg": frame(8), "8.jpg": frame(8)}, ["7,1,0,0", "2,1,0,0", "1,1,0,0"])
    with pytest.raises(GalaxiesError) as caught:
        merge_surveys(two, tmp_path / "both")
    assert str(caught.value).startswith(f"GalaxyID 1 (and 1 more) is in {two[0]} and in {two[1]}; ")
    assert not (tmp_path / "both").exists()


def test_what_is_there_is_replaced_only_on_demand(two, tmp_path):
    output = tmp_path / "both"
    merge_surveys(two, output)
    before = (output / IMAGES).read_bytes()
    with pytest.raises(GalaxiesError, match="both: exists; --overwrite replaces it"):
        merge_surveys(two, output)
    write_survey(two[1], {"9.jpg": b"nine"}, ["9,1,0,0"])
    merge_surveys(two, output, overwrite=True)
    assert contents(output) == contents(two[0]) | {9: b"nine"} != before
    (output / "notes.txt").write_text("dear")
    with pytest.raises(GalaxiesError, match=r"contains 'notes\.txt', which would be lost"):
        merge_surveys(two, output, overwrite=True)
    assert (output / "notes.txt").read_text() == "dear"
    with pytest.raises(GalaxiesError, match="cannot be merged into itself"):
        merge_surveys(two, two[0], overwrite=True)
    with pytest.raises(GalaxiesError, match="is a file; give another folder"):
        merge_surveys(two, output / "notes.txt", overwrite=True)
    (tmp_path / "empty").mkdir()
    assert merge_surveys(two, tmp_path / "empty").images == 3


def test_a_damaged_member_leaves_nothing_behind(two, tmp_path):
    path = two[1] / IMAGES
    data = bytearray(path.read_bytes())
    data[100] ^= 255
    path.write_bytes(data)
    with pytest.raises(GalaxiesError, match=rf"other/{IMAGES}: member 'b/{LARGE}.png' is damaged"):
        merge_surveys(two, tmp_path / "both")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "other"]


def test_what_cannot_be_merged_is_refused(two, tmp_path):
    with pytest.raises(GalaxiesError, match="merge needs at least two surveys"):
        merge_surveys(two[:1], tmp_path / "both")
    (two[1] / VOTES).write_text(f"GalaxyID,Class1.1,Class1.2,Class1.3,a,a\n{LARGE},1,0,0,1,2\n")
    with pytest.raises(GalaxiesError, match="a column occurs twice"):
        merge_surveys(two, tmp_path / "both")
    with pytest.raises(GalaxiesError, match="none: no such folder"):
        merge_surveys([two[0], tmp_path / "none"], tmp_path / "both")


def test_the_command_says_what_it_made_and_what_comes_next(two, tmp_path):
    output = tmp_path / "real"
    done = CliRunner().invoke(app, ["merge", *map(str, two), "-o", str(output)])
    assert done.exit_code == 0
    assert "3 images, 3 rows of votes with 5 columns" in done.output
    assert f"galaxies check {output}" in done.output
    assert "galaxies merge data/gz1" in CliRunner().invoke(app, ["merge", "--help"]).output


def test_the_real_surveys_merge(tmp_path):
    merge_surveys([real_data() / name for name in ("gz2", "kaggle")], tmp_path / "real")
    report = check_survey(tmp_path / "real")
    assert report.campaigns == (KAGGLE, GZ2)
    # The classes are those of the first campaign.
    assert report.classes == {"elliptical": 414, "spiral": 362, "artifact": 0}
    votes = read_votes(tmp_path / "real" / VOTES, GZ2)
    shares = votes[["p_smooth", "p_features", "p_artifact"]].to_numpy()
    assert np.bincount(most_voted(shares)).tolist() == [365, 120, 1]


def test_answers_of_two_campaigns_stand_apart(two, tmp_path):
    (two[0] / ABOUT).write_text("campaign: gz1\n")
    (two[0] / VOTES).write_text(f"{HEADER},note\n1,1,0,0,x\n2,0,1,0,y\n,,,,\n")
    merged = merge_surveys(two, tmp_path / "both")
    assert merged.votes == 3
    assert (tmp_path / "both" / VOTES).read_text().splitlines() == [
        f"{HEADER},Survey,Campaign,note",
        "1,1,0,0,one,gz1,x",
        "2,0,1,0,one,gz1,y",
        f"{LARGE},0.250,0.75,0.000,other,kaggle,",
    ]
    assert not (tmp_path / "both" / ABOUT).exists()
    votes = read_survey_votes(tmp_path / "both", 45)
    assert votes["gz1.type_spiral"].tolist()[:2] == [0, 1]
    assert votes["kaggle.features_or_disk"].tolist()[2:] == [0.75]
    assert votes["gz1.type_spiral"].isna().tolist() == [False, False, True]
    assert votes["kaggle.smooth"].isna().tolist() == [True, True, False]
    assert votes["volunteers"].tolist() == [0, 0, 45]
    assert campaign_of(votes) == KAGGLE
    # What is merged can be merged again.
    third = write_survey(tmp_path / "third", {"9.jpg": frame(8)}, ["9,1,0,0"])
    assert merge_surveys([tmp_path / "both", third], tmp_path / "all").columns == merged.columns
    again = read_survey_votes(tmp_path / "all", 45).set_index("galaxy_id")["survey"]
    assert again.to_dict() == {1: "one", 2: "one", 9: "third", LARGE: "other"}


def test_votes_of_kaggle_and_of_galaxy_zoo_2_on_the_same_questions_stand_apart(two, tmp_path):
    write_campaign(two[1], GZ2)
    merge_surveys(two, tmp_path / "both")
    votes = read_survey_votes(tmp_path / "both", 45).set_index("galaxy_id")
    assert votes["kaggle.smooth"].isna().to_dict() == {1: False, 2: False, LARGE: True}
    assert votes["gz2.smooth"].isna().to_dict() == {1: True, 2: True, LARGE: False}
    assert votes.loc[LARGE, "gz2.features_or_disk"] == 0.75
    path = tmp_path / "both" / VOTES
    assert read_votes(path, GZ2)["galaxy_id"].tolist() == [LARGE]
    assert read_votes(path, KAGGLE)["galaxy_id"].tolist() == [1, 2]
    assert read_votes(path)["galaxy_id"].tolist() == [1, 2]


def test_counts_are_those_of_the_campaign_of_each_galaxy(two, tmp_path):
    write_campaign(two[1], GZ2)
    for survey, galaxy_id in zip(two, (1, LARGE), strict=True):
        counts = {"galaxy_id": [galaxy_id], "Class1.1": [9], "Class1.2": [27], "Class1.3": [0]}
        pd.DataFrame(counts).to_parquet(survey / COUNTS)
    merge_surveys(two, tmp_path / "both")
    votes = read_survey_votes(tmp_path / "both", 45).set_index("galaxy_id")
    assert votes["volunteers"].to_dict() == {1: 36, 2: 0, LARGE: 36}


def test_surveys_of_galaxy_zoo_1_make_one_of_galaxy_zoo_1(two, tmp_path):
    for survey in two:
        (survey / ABOUT).write_text("campaign: gz1\n")
    assert merge_surveys(two, tmp_path / "both").columns == [*HEADER.split(","), "Survey"]
    assert read_campaign(tmp_path / "both") == GZ1
    merge_surveys(two, tmp_path / "both", overwrite=True)


def test_counts_of_answers_are_kept(two, tmp_path):
    counts = pd.DataFrame({"galaxy_id": [LARGE], "Class1.1": [9], "Class1.2": [27]})
    counts["Class1.3"] = 0
    counts.to_parquet(two[1] / COUNTS)
    merge_surveys(two, tmp_path / "both")
    assert read_counts(tmp_path / "both" / COUNTS).equals(counts)
    assert read_survey_votes(tmp_path / "both", 45)["volunteers"].tolist()[2] == 36


def test_galaxies_that_an_earlier_survey_has_can_be_left_out(two, tmp_path):
    write_survey(
        two[1], {"2.jpg": frame(16), "3.jpg": frame(16)}, ["1,0,0,1", "2,0,0,1", "3,1,0,0"]
    )
    counts = pd.DataFrame({"galaxy_id": [1, 3], "Class1.1": 1, "Class1.2": 2, "Class1.3": 3})
    counts.to_parquet(two[1] / COUNTS)
    merged = merge_surveys(two, tmp_path / "both", skip_known=True)
    assert merged[:2] == (3, 3)
    assert (tmp_path / "both" / VOTES).read_text() == (
        f"{HEADER},Survey\n1,1,0,0,one\n2,0,1,0,one\n3,1,0,0,other\n"
    )
    assert contents(tmp_path / "both") == contents(two[0]) | {3: contents(two[1])[3]}
    assert read_counts(tmp_path / "both" / COUNTS)["galaxy_id"].tolist() == [3]
    done = CliRunner().invoke(
        app, ["merge", *map(str, two), "-o", str(tmp_path / "again"), "--skip-known"]
    )
    assert "3 images, 3 rows of votes" in done.output


def test_hard_votes_that_are_merged_into_counted_ones_stay_hard(tmp_path):
    counted = write_survey(
        tmp_path / "mine", {"1.jpg": frame(16), "2.jpg": frame(16, 9)}, ["1,0.7,0.3,0", "2,1,0,0"]
    )
    # Another folder of the same name.
    hard = write_survey(
        tmp_path / "labels/mine", {"3.jpg": frame(16, 5), "4.jpg": frame(16, 7)},
        ["3,1,0,0", "4,0,1,0"],
    )  # fmt: skip
    merge_surveys([counted, hard], tmp_path / "both")
    votes = read_survey_votes(tmp_path / "both", 45)
    assert votes["volunteers"].tolist() == [45, 45, 0, 0]
    assert sorted(set(votes["survey"])) == sorted({f"{tmp_path.name}/mine", "labels/mine"})
