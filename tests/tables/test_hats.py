"""HATS catalogues: written with hats-import where it is installed, read without."""

import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from galaxies.classifying.engines import local_engine
from galaxies.classifying.inputs.opening import open_inputs
from galaxies.classifying.job import run_job
from galaxies.classifying.options import bundle_digest
from galaxies.classifying.provenance import describe_table
from galaxies.errors import GalaxiesError
from galaxies.sky.positions import read_positions
from galaxies.tables.catalogue import read_catalogue
from galaxies.tables.columns import Words, described, words_of
from galaxies.tables.writing import write_table
from stand_ins import draw_galaxy, encode

FIELDS = (
    described("galaxy_id", pa.int64(), Words("ID", "", "meta.id;meta.main")),
    described("ra", pa.float64(), Words("right ascension", "deg", "pos.eq.ra")),
    described("dec", pa.float64(), Words("declination", "deg", "pos.eq.dec")),
    described("label", pa.string(), Words("class")),
)
SCHEMA = pa.schema(FIELDS, {"bundle": "ab" * 32, "calibration": "slope 1.5: x=2, é"})


def sky(count: int, seed: int = 1) -> pa.Table:
    """Galaxies all over the sky; every third has no label."""
    random = np.random.default_rng(seed)
    ra, dec = random.uniform(0, 360, count), np.degrees(np.arcsin(random.uniform(-1, 1, count)))
    labels = [None if row % 3 == 0 else "spiral" for row in range(count)]
    return pa.table([np.arange(count) + 587722981741363323, ra, dec, labels], schema=SCHEMA)


def by_hand(folder: Path, table: pa.Table) -> Path:
    """A catalogue of two partitions, as a survey offers it."""
    half = len(table) // 2
    for number, part in enumerate((table.slice(half), table.slice(0, half))):
        path = folder / f"dataset/Norder=1/Dir=0/Npix={10 - number}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        part = part.add_column(0, "_healpix_29", pa.array(range(len(part)), pa.int64()))
        pq.write_table(part, path)
    (folder / "hats.properties").write_text(
        f"#HATS\nobs_collection=survey\nhats_nrows={len(table)}\ngalaxies_campaign=gz2\n"
        "galaxies_calibration=slope 1.5\\: x\\=2\\, \\u00e9\n",
        encoding="utf-8",
    )
    (folder / "partition_info.csv").write_text("Norder,Npix\n1,9\n1,10\n", encoding="utf-8")
    return folder


def test_a_catalogue_without_a_partition_or_some_of_its_rows_is_refused(tmp_path):
    folder = by_hand(tmp_path / "survey", sky(10))
    partition = folder / "dataset/Norder=1/Dir=0/Npix=10.parquet"
    whole = pq.read_table(partition)
    pq.write_table(whole.slice(0, 1), partition)
    said = "survey: has 6 rows, but its properties say 10"
    with pytest.raises(GalaxiesError, match=said):
        read_catalogue(str(folder))
    with pytest.raises(GalaxiesError, match=said):
        read_positions(folder)
    partition.unlink()
    with pytest.raises(GalaxiesError, match="partition Norder=1, Npix=10 of partition_info"):
        read_catalogue(str(folder))
    (folder / "partition_info.csv").unlink()
    with pytest.raises(GalaxiesError, match="survey: has 5 rows, but its properties say 10"):
        read_catalogue(str(folder))


def test_a_catalogue_is_read_in_the_order_of_the_sky_without_its_index(tmp_path):
    table = sky(10)
    catalogue = read_catalogue(str(by_hand(tmp_path / "survey", table)))
    assert (catalogue.count, catalogue.ids) == (10, "galaxy_id")
    assert catalogue.schema.names == SCHEMA.names
    read = pa.concat_tables(catalogue.pieces(rows=4))
    assert read["galaxy_id"].to_pylist() == table["galaxy_id"].to_pylist()
    assert words_of(catalogue.schema.field("ra")).unit == "deg"
    assert catalogue.metadata == {"campaign": "gz2", "calibration": "slope 1.5: x=2, é"}


def test_of_a_collection_the_main_catalogue_is_read(tmp_path):
    by_hand(tmp_path / "all/main", sky(10))
    text = "obs_collection=all\nhats_primary_table_url=main\n"
    (tmp_path / "all/collection.properties").write_text(text, encoding="utf-8")
    assert read_catalogue(str(tmp_path / "all")).count == 10


def test_a_catalogue_has_positions_to_cut_out(tmp_path):
    table = sky(10)
    positions = read_positions(by_hand(tmp_path / "survey", table))
    assert positions.ids == [str(one) for one in table["galaxy_id"].to_pylist()]
    np.testing.assert_array_equal(positions.ra, table["ra"].to_numpy())


def test_damaged_catalogues_are_named(tmp_path):
    folder = by_hand(tmp_path / "survey", sky(10))
    (folder / "dataset/Norder=1/Dir=0/Npix=10.parquet").write_bytes(b"PAR1")
    with pytest.raises(GalaxiesError, match=r"Npix=10\.parquet: damaged"):
        read_catalogue(str(folder))
    pq.write_table(pa.table({"id": [1]}), folder / "dataset/Norder=1/Dir=0/Npix=10.parquet")
    with pytest.raises(GalaxiesError, match="other columns"):
        read_catalogue(str(folder))
    shutil.rmtree(folder / "dataset")
    with pytest.raises(GalaxiesError, match="has no partitions"):
        read_catalogue(str(folder))


@pytest.fixture
def cutouts(tmp_path) -> pd.DataFrame:
    """Images, and a catalogue of them with positions."""
    random = np.random.default_rng(3)
    rows = sky(12).to_pandas()[["galaxy_id", "ra", "dec"]]
    rows["path"] = [f"{number}.jpg" for number in range(len(rows))]
    for number, path in enumerate(rows["path"]):
        (tmp_path / path).write_bytes(encode(draw_galaxy(random, spiral=number % 2 == 1)))
    rows.to_csv(tmp_path / "catalogue.csv", index=False)
    return rows


def test_a_catalogue_is_an_input(tmp_path, cutouts):
    by_hand(tmp_path / "survey", pa.Table.from_pandas(cutouts, preserve_index=False))
    (one,) = open_inputs([str(tmp_path / "survey")])
    assert (one.count, one.carried.names) == (12, ["ra", "dec"])
    (chunk,) = one.chunks(100)
    assert set(chunk.paths) == {f"{tmp_path}/{path}" for path in cutouts["path"]}


# What hats-import writes.


@pytest.fixture
def hats_import():
    return pytest.importorskip("hats_import", reason="hats-import is not installed")


@pytest.mark.usefixtures("hats_import")
def test_what_is_written_is_read_again(tmp_path):
    table = sky(1000)
    path = tmp_path / "my classes.hats"
    write_table(path, SCHEMA, lambda: iter([table.slice(0, 400), table.slice(400)]))
    catalogue = read_catalogue(str(path))
    read = pa.concat_tables(catalogue.pieces()).sort_by("galaxy_id")
    assert read.to_pydict() == table.to_pydict()
    assert [words_of(field) for field in catalogue.schema] == [words_of(field) for field in FIELDS]
    assert catalogue.metadata == {key.decode(): v.decode() for key, v in SCHEMA.metadata.items()}
    assert sorted(one.name for one in tmp_path.iterdir()) == [path.name]


@pytest.mark.usefixtures("hats_import", "cutouts")
def test_a_table_from_classify_says_what_made_it(tmp_path, tree_bundle):
    output = tmp_path / "classes.hats"
    engine = partial(local_engine, workers=1)
    done = run_job([str(tmp_path / "catalogue.csv")], output, tree_bundle, engine)
    facts = describe_table(output)
    assert (facts["rows"], facts["bundle"]) == ("12", bundle_digest(tree_bundle))
    assert done.decisions.total() == 12
    with pytest.raises(GalaxiesError, match="exists; --overwrite"):
        run_job([str(tmp_path / "catalogue.csv")], output, tree_bundle, engine)


@pytest.mark.usefixtures("hats_import")
@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        ("ra", None, "no column 'ra'"),
        ("dec", ["+12:23:28"] * 4, "'dec' must be a number of degrees"),
        ("dec", [1.0, 2.0, None, 3.0], "row 3: .* no position"),
        ("dec", [1.0, 90.5, 0.0, 3.0], "row 2: .* no position"),
        ("ra", [1.0, 2.0, 3.0, np.nan], "row 4: .* no position"),
    ],
)
def test_without_positions_there_is_no_catalogue(column, values, said, tmp_path):
    table = sky(4).drop_columns([column])
    if values is not None:
        table = table.append_column(column, pa.array(values))
    with pytest.raises(GalaxiesError, match=said):
        write_table(tmp_path / "a.hats", table.schema, lambda: iter([table]))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings(
    "ignore:The inplace keyword in NestedFrame:pandas.errors.Pandas4Warning"  # LSDB's own call
)
@pytest.mark.usefixtures("hats_import")
def test_lsdb_finds_every_row_in_both(tmp_path):
    lsdb = pytest.importorskip("lsdb", reason="lsdb is not installed")
    table = sky(2000)
    write_table(tmp_path / "classes.hats", SCHEMA, lambda: iter([table]))
    survey = lsdb.from_dataframe(
        table.select(["galaxy_id", "ra", "dec"]).to_pandas(),
        highest_order=4,
        margin_threshold=10,
    )
    classes = lsdb.open_catalog(tmp_path / "classes.hats")
    matched = classes.crossmatch(
        survey,
        radius_arcsec=0.1,
        suffixes=("", "_survey"),
        suffix_method="overlapping_columns",
    ).compute()
    assert len(matched) == 2000
    assert (matched["galaxy_id"] == matched["galaxy_id_survey"]).all()
