"""Surveys from catalogues: labels or votes, any IDs, any image that can be classified."""

import io
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import Table
from PIL import Image
from typer.testing import CliRunner

from galaxies.cli import app
from galaxies.dataset.layout import IMAGES, VOTES, read_campaign
from galaxies.errors import GalaxiesError
from galaxies.questions.registry import CAMPAIGNS
from galaxies.surveys.check import check_survey
from galaxies.surveys.from_table import survey_from_table
from galaxies.tables.columns import ColumnNames
from tests.conftest import draw_galaxy, encode

FIRST = "Class1.1,Class1.2,Class1.3"


@pytest.fixture
def folder(tmp_path):
    random = np.random.default_rng(3)
    for n in range(4):
        frame = draw_galaxy(random, bool(n % 2))
        (tmp_path / f"g{n}.jpg").write_bytes(encode(frame))
        Image.fromarray(frame).save(tmp_path / f"g{n}.png")
        planes = np.moveaxis(frame.astype(np.float32), 2, 0) / 255
        fits.PrimaryHDU(planes).writeto(tmp_path / f"g{n}.fits")
    return tmp_path


def votes(survey):
    return pd.read_csv(survey / VOTES)


def test_labels_and_text_ids(folder):
    rows = ["id,path,label"]
    rows += ["J1+2,g0.jpg,elliptical", "NA,g1.png,Spiral", "007,g2.fits,artifact"]
    (folder / "a.csv").write_text("\n".join(rows))
    made = survey_from_table(str(folder / "a.csv"), folder / "mine")
    assert (made.galaxies, made.campaign, made.renumbered, made.unreadable) == (3, "gz2", True, ())
    table = votes(folder / "mine")
    first = list(CAMPAIGNS["gz2"].first.columns)
    assert table[first].to_numpy().tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    ids = pd.read_csv(folder / "mine/ids.csv", dtype=str, keep_default_na=False)
    assert ids["id"].tolist() == ["J1+2", "NA", "007"]
    assert ids["GalaxyID"].tolist() == ["1", "2", "3"]
    with zipfile.ZipFile(folder / "mine" / IMAGES) as archive:
        names = [name.rpartition("/")[2] for name in archive.namelist()]
        assert names == ["1.jpg", "2.png", "3.png"]
        assert archive.read(archive.namelist()[0]) == (folder / "g0.jpg").read_bytes()
        assert Image.open(io.BytesIO(archive.read(archive.namelist()[2]))).mode == "RGB"
    assert read_campaign(folder / "mine").name == "gz2"
    assert check_survey(folder / "mine").images == 3


@pytest.mark.parametrize("name", CAMPAIGNS)
def test_vote_fractions_of_every_campaign(folder, name):
    campaign = CAMPAIGNS[name]
    columns = {"GalaxyID": [587722981741363323, 5], "filename": ["g0.jpg", "g1.jpg"]}
    columns |= dict(
        zip(campaign.first.columns, ([0.5, 0.25], [0.5, 0.5], [0.0, 0.25]), strict=True)
    )
    pq.write_table(pa.table(columns), folder / "a.parquet")
    made = survey_from_table(str(folder / "a.parquet"), folder / "mine", campaign=name)
    assert (made.galaxies, made.campaign, made.renumbered) == (2, name, False)
    assert votes(folder / "mine")["GalaxyID"].tolist() == [587722981741363323, 5]
    assert votes(folder / "mine")[campaign.first.columns[0]].tolist() == [0.5, 0.25]
    assert check_survey(folder / "mine").common == 2


def test_other_names_formats_and_images_that_cannot_be_read(folder):
    table = Table({"NAME": [7, 8, 9], "CUTOUT": ["g0.jpg", "none.jpg", "a.fits"],
                   "label": ["smooth", "star", "disk"]})  # fmt: skip
    table.write(folder / "a.fits")
    command = ["survey", str(folder / "a.fits"), "-o", str(folder / "mine"), "--id", "NAME"]
    done = CliRunner().invoke(app, [*command, "--path", "CUTOUT"])
    assert done.exit_code == 0, done.output
    assert "1 galaxy with votes of the campaign gz2" in done.output
    assert "left out: 8 " in done.output
    assert votes(folder / "mine")["GalaxyID"].tolist() == [7]


def test_the_same_table_gives_the_same_bytes(folder):
    (folder / "a.csv").write_text("id,path,label\n1,g0.jpg,disk\n2,g1.fits,smooth\n")
    for name in ("one", "two"):
        survey_from_table(str(folder / "a.csv"), folder / name)
    for path in (folder / "one").iterdir():
        assert path.read_bytes() == (folder / "two" / path.name).read_bytes()


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["id,path", "1,g0.jpg"], "needs a column 'label', or the vote fractions of a campaign"),
        (["id,label", "1,disk"], r"needs a column of IDs .* and one of files \(path, file_loc"),
        (["id,path,label", "1,g0.jpg,round"], "row 1: label is 'round', not one of elliptical"),
        (["id,path,label", "1,g0.jpg,"], "row 1: label is None, not one of"),
        (["id,path,label", "1,g0.jpg,disk", "1,g1.jpg,disk"], "galaxy '1' occurs twice, in rows 1"),
        (["id,path,label", "1,none.jpg,disk"], "no image can be read: 1 "),
        (["id,path,label", "5.9E+17,g0.jpg,disk"], "row 1: 5.9E[+]17 is a rounded number"),
        (["id,path,label,Label", "1,g0.jpg,disk,smooth"], "columns 'label' and 'Label': which"),
        (["id,path,label,decision", "1,g0.jpg,spiral,spiral"], "is what the machine said"),
        (["id,path,label,p_spiral", "1,g0.jpg,spiral,0.9"], "has 'p_spiral'.*labels that people"),
        (["id,path,label,bundle", "1,g0.jpg,spiral,c2a1"], "has 'bundle'"),
        (
            ["id,path,label,decision,input_label", "1,g0.jpg,spiral,spiral,elliptical"],
            "remove 'label' and 'decision', and rename 'input_label' to 'label'",
        ),
        ([f"id,path,{FIRST}", "1,g0.jpg,60,40,0"], "row 1: Class1.1 is 60, not between 0 and 1"),
        ([f"id,path,{FIRST}", "1,g0.jpg,nan,0.4,0"], "row 1: Class1.1 is nan, not between"),
        ([f"id,path,{FIRST}", "1,g0.jpg,,0.4,0"], "row 1: Class1.1 has no value, but other"),
        ([f"id,path,{FIRST}", "1,g0.jpg,0.1,0.1,0"], "row 1: .* sum to 0.2, not to 1"),
        (
            [f"id,path,{FIRST},label", "1,g0.jpg,.9,.1,0,spiral"],
            "row 1: label is 'spiral', but most votes are for Class1.1; remove",
        ),
        (
            ["id,path,Class1.1,Class1.2,label", "1,g0.jpg,.9,.1,spiral"],
            "has 'label' and 'Class1.1', but not 'Class1.3' of the same question",
        ),
    ],
)
def test_tables_that_cannot_be_a_survey(folder, rows, expected):
    (folder / "a.csv").write_text("\n".join(rows))
    with pytest.raises(GalaxiesError, match=expected):
        survey_from_table(str(folder / "a.csv"), folder / "mine", names=ColumnNames())
    assert not (folder / "mine").exists()


def test_peoples_labels_beside_those_of_the_machine_are_used_once_renamed(folder):
    (folder / "a.csv").write_text("id,path,label,familiar\n1,g0.jpg,disk,true\n")
    survey_from_table(str(folder / "a.csv"), folder / "mine")
    assert votes(folder / "mine")["Class1.2"].tolist() == [1]


def test_labels_may_stand_beside_the_votes_that_they_sum_up(folder):
    (folder / "a.csv").write_text(f"id,path,label,{FIRST}\n1,g0.jpg,disk,.3,.7,0\n2,g1.jpg,,,,\n")
    survey_from_table(str(folder / "a.csv"), folder / "mine")
    assert votes(folder / "mine")["Class1.2"].tolist()[:1] == [0.7]
