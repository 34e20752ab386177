"""Weights for galaxies that were selected by their answers."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from galaxies.cli import app
from galaxies.dataset.layout import VOTES, write_campaign
from galaxies.dataset.votes import read_survey_votes
from galaxies.errors import GalaxiesError
from galaxies.questions.gz1 import GZ1
from galaxies.questions.kaggle import KAGGLE
from galaxies.surveys.merge import merge_surveys
from galaxies.surveys.weighing import Sample, weigh
from tests.conftest import encode, write_survey

ROUND, UNCLEAR = ("Class7.1", 0.8), ("Class1.1", 0.4)


def survey(folder: Path, start: int, rounds: int, unclear: int) -> Path:
    ids = range(start, start + rounds + unclear)
    write_survey(folder, {f"{one}.jpg": encode(np.zeros((8, 8, 3), np.uint8)) for one in ids}, [])
    table = pd.DataFrame(0.1, index=pd.Index(ids, name="GalaxyID"), columns=list(KAGGLE.columns))
    table.iloc[:rounds, KAGGLE.columns.index(ROUND[0])] = ROUND[1]
    table.iloc[:rounds, KAGGLE.columns.index("Class1.1")] = 0.8
    table.iloc[rounds:, KAGGLE.columns.index(UNCLEAR[0])] = UNCLEAR[1]
    table.to_csv(folder / VOTES)
    return folder


@pytest.fixture
def folders(tmp_path):
    return survey(tmp_path / "clear", 1, 90, 10), survey(tmp_path / "sample", 1000, 60, 60)


def test_merged_galaxies_are_weighed_like_the_sample(folders, tmp_path):
    other = write_survey(tmp_path / "other", {"5000.jpg": b""}, ["5000,1,0,0"])
    write_campaign(other, GZ1)
    clear, sample = folders
    result = CliRunner().invoke(
        app,
        [
            "merge",
            *map(str, (sample, clear, other)),
            "-o",
            str(tmp_path / "all"),
            "--like",
            str(sample),
        ],
    )
    assert result.exit_code == 0, result.output
    votes = read_survey_votes(tmp_path / "all", volunteers=45).set_index("galaxy_id")
    assert votes.loc[5000, "weight"] == 1
    weighed = votes.loc[votes.index != 5000]
    # Half of the sample is round, 150 of all 220 are. Together they count as much as the other one.
    assert weighed.loc[1, "weight"] == pytest.approx(0.5 / 150, rel=1e-4)
    assert weighed.loc[100, "weight"] == pytest.approx(0.5 / 70, rel=1e-4)
    assert weighed["weight"].sum() == pytest.approx(1, rel=1e-4)


def test_galaxies_of_one_campaign_count_one_on_average(folders, tmp_path):
    merge_surveys(folders, tmp_path / "both", like=folders[1])
    votes = read_survey_votes(tmp_path / "both", volunteers=45)
    assert votes["weight"].mean() == pytest.approx(1, rel=1e-4)


def test_galaxies_without_all_answers_have_no_weight(folders):
    sample = Sample(folders[1])
    shares = np.full((2, 37), 0.1)
    shares[1, 5] = np.nan
    assert np.isnan(weigh(shares, sample)).tolist() == [False, True]


def test_a_sample_must_be_large_and_ask_for_kinds(folders, tmp_path):
    few = survey(tmp_path / "few", 1, 50, 49)
    with pytest.raises(GalaxiesError, match=r"99 galaxies .* at least 100"):
        Sample(few)
    write_campaign(folders[1], GZ1)
    with pytest.raises(GalaxiesError, match="does not ask for the kinds"):
        Sample(folders[1])


def test_no_galaxy_of_the_campaign_is_an_error(folders, tmp_path):
    others = [
        write_survey(tmp_path / f"other{one}", {f"{one}.jpg": b""}, [f"{one},1,0,0"])
        for one in (1, 2)
    ]
    with pytest.raises(GalaxiesError, match="none can be weighed"):
        merge_surveys(others, tmp_path / "all", like=folders[1])


@pytest.mark.parametrize("weight", ["0", "-1", "nan", "inf", "much", "1e300", "1e-300"])
def test_a_weight_must_be_a_number_above_zero(folders, weight):
    path = folders[0] / VOTES
    table = pd.read_csv(path, dtype=str).assign(Weight="2")
    table.loc[3, "Weight"] = weight
    table.to_csv(path, index=False)
    with pytest.raises(GalaxiesError, match=r"line 5: Weight .* is not a number above 0"):
        read_survey_votes(folders[0], volunteers=45)


def test_weights_are_one_where_the_survey_has_none(folders):
    assert (read_survey_votes(folders[0], volunteers=45)["weight"] == 1).all()
