"""No command writes over one of its inputs, or into one that would then be another."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from galaxies.bundle.pretrained import PRETRAINED
from galaxies.cli import app
from galaxies.dataset.layout import IMAGES, VOTES
from galaxies.errors import GalaxiesError
from tests.conftest import write_tiny_survey


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """A folder with an input of every kind."""
    monkeypatch.chdir(tmp_path)
    write_tiny_survey(Path("mine"), 4)
    write_tiny_survey(Path("other"), 4, seed=9)
    shutil.unpack_archive(Path("mine", IMAGES), "pictures")
    shutil.copytree(PRETRAINED / "real", "model")
    Path("subjects").mkdir()
    Path("subjects/manifest.csv").write_text("#image\n")
    for name in ("classes.csv", "export.csv", "answers.yaml", "table.csv", "positions.parquet"):
        Path(name).write_text("galaxy_id\n")
    Path("link.csv").symlink_to("classes.csv")
    Path("tables").mkdir()
    Path("tables/part.parquet").write_bytes(b"PAR1")
    (tmp_path / "galaxy.png").write_bytes(next(Path("pictures/images").iterdir()).read_bytes())
    return tmp_path


IS_INPUT, INSIDE, FOLDER = "is also an input", "lies inside the input", "is the folder of the input"


@pytest.mark.parametrize(
    ("command", "output", "said"),
    [
        ("classify table.csv", "table.csv", IS_INPUT),
        ("classify *.csv", "table.csv", IS_INPUT),
        ("classify table.csv", "../{here}/table.csv", IS_INPUT),
        ("classify classes.csv", "link.csv", IS_INPUT),
        ("classify mine --model model", "model/classes.csv", INSIDE),
        ("classify pictures", "pictures/classes.fits", INSIDE),
        ("classify pictures/images", "pictures/images/x.fits.gz", INSIDE),
        ("classify tables", "tables/classes.parquet", INSIDE),
        ("submission mine/images_training_rev1.zip", "mine/images_training_rev1.zip", IS_INPUT),
        ("export --model model", "model/network.onnx", INSIDE),
        ("calibrate mine --model model", "model", IS_INPUT),
        ("calibrate mine --model model", "mine", IS_INPUT),
        ("calibrate mine --model model", "model/new", INSIDE),
        ("calibrate mine --model model", "mine/new", INSIDE),
        ("calibrate pictures --model model --shares-only", "pictures/new", INSIDE),
        ("audit classes.csv", "classes.csv", IS_INPUT),
        ("merge mine other", "mine", IS_INPUT),
        ("merge mine other", "other/new", INSIDE),
        ("merge mine other --like mine", "mine/both", INSIDE),
        ("survey mine/training_solutions_rev1.csv", "mine", FOLDER),
        ("export-folders mine", "mine", IS_INPUT),
        ("export-folders mine", "mine/folders", INSIDE),
        ("ask classes.csv pictures", "pictures/subjects", INSIDE),
        ("ask classes.csv pictures --earlier subjects", "subjects", IS_INPUT),
        ("votes export.csv --answers answers.yaml --subjects subjects", "subjects", IS_INPUT),
        ("votes export.csv --answers answers.yaml --subjects subjects", "subjects/new", INSIDE),
        ("label pictures", "pictures/mine", INSIDE),
        ("inside pictures", "pictures/all.pdf", INSIDE),
        ("inside galaxy.png", "galaxy.png", IS_INPUT),
        ("cutouts positions.parquet", "positions.zip", IS_INPUT),
        ("cutouts table.csv --images pictures", "pictures/cutouts.zip", INSIDE),
    ],
)
def test_an_output_over_an_input_is_refused(place, command, output, said):
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    words = [*command.split(), "-o", output.format(here=place.name)]
    if command.partition(" ")[0] not in ("ask", "label"):
        words.append("--overwrite")
    done = CliRunner().invoke(app, words)
    assert isinstance(done.exception, GalaxiesError), (done.output, done.exception)
    assert said in str(done.exception)
    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before


def test_a_table_beside_its_images_is_written(place):
    command = ["classify", "pictures", "-o", "pictures/classes.csv"]
    for more in ([], ["--overwrite"]):
        done = CliRunner().invoke(app, [*command, *more])
        assert done.exit_code == 0, done.output
    assert len(Path("pictures/classes.csv").read_text().splitlines()) == 5
    assert Path("mine", VOTES).is_file()
