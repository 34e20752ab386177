"""Tables say what made them, also after other programs have selected rows."""

import shutil
import subprocess
from functools import partial

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from galaxies import __version__
from galaxies.bundle.pretrained import PRETRAINED
from galaxies.classifying.engines import local_engine
from galaxies.classifying.job import run_job
from galaxies.classifying.options import Options, bundle_digest
from galaxies.classifying.provenance import describe_table, made_by, same_bundle
from galaxies.cli import app
from galaxies.errors import GalaxiesError
from galaxies.volunteers.samples import write_sample
from tests.conftest import WITHOUT_POSITIONS


@pytest.fixture(scope="module")
def made(tree_bundle, tiny_survey, tmp_path_factory):
    """Classify a survey; returns a function that gives the table in a format."""
    folder = tmp_path_factory.mktemp("tables")

    def table(suffix):
        path = folder / f"t{suffix}"
        if not path.exists():
            archive = str(tiny_survey / "images_training_rev1.zip")
            run_job([archive], path, tree_bundle, partial(local_engine, workers=2),
                    Options(agreement=0.9))  # fmt: skip
        return path

    return table


@pytest.mark.parametrize("suffix", WITHOUT_POSITIONS)
def test_every_format_says_what_made_it(made, suffix, tree_bundle):
    facts = describe_table(made(suffix))
    digest = bundle_digest(tree_bundle)
    if ".csv" in suffix:
        assert facts["bundle"].startswith(f"{digest[:12]}… (from the column")
        return
    assert facts["bundle"] == digest
    assert facts["creator"] == f"galaxies {__version__}"
    assert facts["agreement"] == "0.9"
    assert facts["threshold"] == "0.6"
    assert facts["calibration"] == "slope 1.5, intercept 0.25"
    assert facts["campaign"] in ("gz2", "kaggle")
    assert (facts["size"], facts["crop"], facts["views"]) == ("32", "0.5", "1")


def topcat(source, target):
    if shutil.which("stilts") is None:
        pytest.skip("stilts is not installed")
    command = ["stilts", "tpipe", f"in={source}", f"out={target}", "cmd=select p_spiral>0.3"]
    subprocess.run(command, check=True, capture_output=True)


def pandas(source, target):
    frame = pd.read_parquet(source)
    frame[frame["p_spiral"] > 0.3].to_parquet(target)


def without_metadata(source, target):
    """As polars and DuckDB write it."""
    table = pq.read_table(source)
    table = table.filter(pc.greater(table["p_spiral"], 0.3)).replace_schema_metadata(None)
    kinds = [pa.large_string() if pa.types.is_string(one) else one for one in table.schema.types]
    pq.write_table(table.cast(pa.schema(list(zip(table.schema.names, kinds, strict=True)))), target)


@pytest.mark.parametrize(
    ("program", "source", "target"),
    [
        (topcat, ".fits", ".fits"),
        (topcat, ".fits", ".vot"),
        (topcat, ".fits", ".csv"),
        (topcat, ".vot", ".vot"),
        (topcat, ".vot", ".fits"),
        (pandas, ".parquet", ".parquet"),
        (without_metadata, ".parquet", ".parquet"),
    ],
)
@pytest.mark.slow
def test_a_selection_still_says_what_made_it(program, source, target, made, tmp_path, tree_bundle):
    path = tmp_path / f"selected{target}"
    program(made(source), path)
    assert same_bundle(made_by(path), bundle_digest(tree_bundle))
    assert describe_table(path)["bundle"].startswith(bundle_digest(tree_bundle)[:12])
    drawn, decided = write_sample(path, tmp_path / "audit.csv", number=5, seed=0, agreement=0.9)
    assert drawn == min(5, decided) > 0


def test_rows_of_different_bundles_are_refused(made, tmp_path):
    table = pq.read_table(made(".parquet"))
    other = table.set_column(
        table.column_names.index("bundle"), "bundle", pa.array(["0" * 12] * len(table))
    )
    pq.write_table(pa.concat_tables([table, other]), tmp_path / "both.parquet")
    with pytest.raises(GalaxiesError, match="rows of different bundles"):
        made_by(tmp_path / "both.parquet")
    pq.write_table(other, tmp_path / "other.parquet")
    with pytest.raises(GalaxiesError, match=r"made by another bundle .0{12}. than its header"):
        made_by(tmp_path / "other.parquet")


def test_info_of_tables_and_bundles(made, tmp_path):
    def info(subject):
        return CliRunner().invoke(app, ["info", str(subject)])

    table = info(made(".fits"))
    assert table.exit_code == 0, table.output
    assert f"  creator      galaxies {__version__}\n" in table.output
    assert "  rows         60\n" in table.output
    bundle = info("real")
    assert bundle.exit_code == 0
    assert bundle_digest(PRETRAINED / "real") in bundle.output
    assert "  campaign" in bundle.output
    (tmp_path / "a.csv").write_text("id,ra\n1,2\n")
    with pytest.raises(GalaxiesError, match="does not say what made it"):
        describe_table(tmp_path / "a.csv")
    with pytest.raises(GalaxiesError, match="no such table or bundle"):
        describe_table(tmp_path / "none.csv")
