"""Catalogues of every format give the same columns, types and rows."""

import gzip
import string
import subprocess
import sys

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import MaskedColumn, Table
from hypothesis import given
from hypothesis import strategies as st

from galaxies.errors import GalaxiesError
from galaxies.tables.catalogue import read_catalogue
from galaxies.tables.columns import ID_NAMES, Rebatched, choose_column, exact_ids, words_of

SDSS = 587722981741363323
IN_A_LINE = string.printable.replace("\n", "").replace("\r", "")
FORMATS = {"fits": "fits", "vot": "votable", "ecsv": "ascii.ecsv", "parquet": "parquet",
           "csv": "ascii.csv"}  # fmt: skip


def write(path, table):
    """Write a table of astropy; a second suffix .gz compresses it."""
    name, compressed = (path.stem, True) if path.suffix == ".gz" else (path.name, False)
    plain = path.with_name(name)
    table.write(plain, format=FORMATS[plain.suffix[1:]])
    if compressed:
        path.write_bytes(gzip.compress(plain.read_bytes()))
    return str(path)


@pytest.fixture
def galaxies():
    table = Table(
        {
            "objID": np.array([SDSS, SDSS + 2, 3]),
            "ra": [1.5, 2.25, 359.0],
            "field": MaskedColumn([1, 2, 3], mask=[False, True, False]),
            "name": ["NA", "null", "007"],
            "barred": [True, False, True],
        }
    )
    table["ra"].unit = "deg"
    return table


@pytest.mark.parametrize(
    "suffix", [*FORMATS, "csv.gz", "fits.gz", "vot.gz", "ecsv.gz"]
)  # fmt: skip
def test_every_format_keeps_values_and_types(suffix, galaxies, tmp_path):
    if suffix == "parquet":  # astropy writes masks as separate columns
        galaxies["field"] = [1, 2, 3]
    catalogue = read_catalogue(write(tmp_path / f"galaxies.{suffix}", galaxies))
    assert (catalogue.count, catalogue.ids) == (3, "objID")
    kinds = {one.name: one.type for one in catalogue.schema}
    assert kinds["objID"] == kinds["field"] == pa.int64()
    assert kinds["ra"] == pa.float64()
    assert kinds["name"] == pa.string()
    assert kinds["barred"] == pa.bool_()
    [rows] = catalogue.pieces()
    assert rows.to_pydict() == {
        "objID": [SDSS, SDSS + 2, 3],
        "ra": [1.5, 2.25, 359.0],
        "field": [1, 2 if suffix == "parquet" else None, 3],
        "name": ["NA", "null", "007"],
        "barred": [True, False, True],
    }
    unit = "" if suffix.startswith("csv") else "deg"
    assert words_of(catalogue.schema.field("ra")).unit == unit
    assert [len(piece) for piece in catalogue.pieces(["ra"], rows=2)] == [2, 1]


@pytest.mark.parametrize("suffix", ["csv", "fits", "vot.gz", "parquet"])
def test_a_catalogue_in_a_bucket(suffix, galaxies, tmp_path):
    path = write(tmp_path / f"galaxies.{suffix}", galaxies)
    address = f"memory://survey/galaxies.{suffix}"
    with fsspec.open(address, "wb") as file, open(path, "rb") as source:  # noqa: PTH123
        file.write(source.read())
    assert next(read_catalogue(address).pieces(["objID"]))["objID"].to_pylist()[0] == SDSS


def test_unsigned_and_small_integers_of_fits(tmp_path):
    columns = [
        fits.Column("id", "K", bzero=2**63, array=np.array([2**64 - 1, 1], np.uint64)),
        fits.Column("field", "I", null=-9, array=np.array([4, -9], np.int16)),
        fits.Column("flags", "2J", array=np.array([[1, 2], [3, 4]], np.int32)),
        fits.Column("kind", "4A", array=["", "S0"]),
    ]
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "a.fits")
    [rows] = read_catalogue(str(tmp_path / "a.fits")).pieces()
    assert rows.to_pydict() == {
        "id": [2**64 - 1, 1], "field": [4, None], "flags": [[1, 2], [3, 4]], "kind": [None, "S0"],
    }  # fmt: skip


def test_columns_of_csv_get_the_first_type_that_fits(tmp_path):
    (tmp_path / "a.csv").write_text(
        "plus,big,text,blank,truth,mixed,spaced\n"
        "+1.5,18446744073709551615,007,,true,1, 2\n-2,1,8,,False,x,3\n"
    )
    catalogue = read_catalogue(str(tmp_path / "a.csv"))
    assert [str(one.type) for one in catalogue.schema] == [
        "double", "uint64", "string", "string", "bool", "string", "double",
    ]  # fmt: skip
    [rows] = catalogue.pieces()
    assert rows["plus"].to_pylist() == [1.5, -2.0]
    assert rows["truth"].to_pylist() == [True, False]
    assert rows["text"].to_pylist() == ["007", "8"]


@given(
    ids=st.lists(
        st.one_of(
            st.integers(-(2**63), 2**64 - 1).map(str),
            st.text(IN_A_LINE, min_size=1, max_size=9).filter(str.strip),
            st.sampled_from(["NA", "null", "None", "nan", "-0", "+1", "1_0", "0x1", "1e5", "é"]),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_ids_in_csv_never_change(ids, tmp_path_factory):
    path = tmp_path_factory.mktemp("ids") / "a.csv"
    table = pa.table({"id": ids, "ra": [1.0] * len(ids)})
    pacsv.write_csv(table, path, pacsv.WriteOptions(quoting_style="all_valid"))
    found = []
    try:
        for piece in read_catalogue(str(path)).pieces(["id"], rows=4):
            found += exact_ids("a.csv", "id", piece["id"], row=len(found))
    except GalaxiesError as error:
        assert "is a rounded number" in str(error)  # noqa: PT017
    else:
        assert found == ids


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "5.87723E+17"], r"column 'id', row 12: 5.87723E\+17 is a rounded number"),
        (["100008.0"], r"row 11: 100008.0 is a rounded number"),
        (["a", "", "c"], "row 12: has no ID"),
        (["a", " ", "c"], "row 12: has no ID"),
        ([1, None], "row 12: has no ID"),
    ],
)
def test_ids_that_have_lost_digits_are_refused(values, expected):
    with pytest.raises(GalaxiesError, match=expected):
        exact_ids("a.csv", "id", pa.chunked_array([values]), row=10)


def test_ids_that_are_numbers_with_a_point_are_refused(tmp_path):
    pq.write_table(pa.table({"id": [5.9e17]}), tmp_path / "a.parquet")
    with pytest.raises(GalaxiesError, match=r"a.parquet: column 'id', row 1 and on: .*int64 or te"):
        read_catalogue(str(tmp_path / "a.parquet"))


def test_the_column_of_ids():
    assert choose_column("a", ["OBJID", "id"], ID_NAMES, "--id") == "id"
    assert choose_column("a", ["ObjId", "ra"], ID_NAMES, "--id") == "ObjId"
    assert choose_column("a", ["ra"], ID_NAMES, "--id") is None
    assert choose_column("a", ["ra", "id"], ID_NAMES, "--id", "ra") == "ra"
    with pytest.raises(GalaxiesError, match=r"a: has no column 'x' \(--id\); it has ra, id"):
        choose_column("a", ["ra", "id"], ID_NAMES, "--id", "x")
    with pytest.raises(GalaxiesError, match="a: columns ID and Id differ only in case"):
        choose_column("a", ["ID", "Id"], ID_NAMES, "--id")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.csv", b"", "not a CSV table: it is empty"),
        ("a.csv", b"id,path\n1,a.jpg\n2\n", "not a CSV table, or cut off: .*Expected 2 columns"),
        ("a.csv", b"id,path\n1,\xff\n", "not UTF-8 text at byte 10"),
        ("a.csv", b"id\n" + b"1\n" * 9999 + b"\xff\n", "not UTF-8 text"),
        ("a.csv", b"id,id\n1,2\n", "has two columns 'id'"),
        ("a.csv.gz", gzip.compress(b"id,path\n" * 9, mtime=0)[:-9], "damaged or cut off"),
        ("a.csv.gz", b"id,path\n", "damaged or cut off"),
        ("a.fits", b"SIMPLE  = T", "damaged or not a FITS table"),
        ("a.vot", b"<VOTABLE>", "damaged or not a VOTable"),
        ("a.ecsv", b"id,path\n", "not an ECSV table"),
        ("a.ecsv", b"# %ECSV 1.0\n# ---\n# datatype: 7\nid\n", "damaged ECSV header"),
        ("a.parquet", b"PAR1", "damaged or not a Parquet table"),
        ("a.xlsx", b"", "unknown suffix of a table; readable are .parquet, .csv"),
        ("a.parquet.gz", b"", "unknown suffix of a table"),
    ],
)
def test_a_damaged_catalogue_is_named(name, content, expected, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(GalaxiesError, match=rf"{name}: {expected}"):
        list(read_catalogue(str(tmp_path / name)).pieces())


def test_a_fits_table_that_ends_early_is_refused(tmp_path):
    column = fits.Column("id", "K", array=np.arange(9999))
    fits.BinTableHDU.from_columns([column]).writeto(tmp_path / "a.fits")
    content = (tmp_path / "a.fits").read_bytes()
    (tmp_path / "a.fits").write_bytes(content[:40000])
    with pytest.raises(GalaxiesError, match=r"a.fits: cut off"):
        read_catalogue(str(tmp_path / "a.fits"))


def test_a_fits_image_is_not_a_table(tmp_path):
    fits.PrimaryHDU(np.zeros((4, 4))).writeto(tmp_path / "a.fits")
    with pytest.raises(GalaxiesError, match=r"a.fits: has no table"):
        read_catalogue(str(tmp_path / "a.fits"))


@given(st.lists(st.integers(0, 7)), st.integers(1, 5))
def test_pieces_have_the_rows_in_order(lengths, rows):
    numbers = iter(range(1000))
    tables = [pa.table({"n": pa.array([next(numbers) for _ in range(n)], pa.int64())})
              for n in lengths]  # fmt: skip
    pieces = [piece["n"].to_pylist() for piece in Rebatched(tables, rows)]
    assert [n for piece in pieces for n in piece] == list(range(sum(lengths)))
    assert all(len(piece) == rows for piece in pieces[:-1])
    assert not pieces or 0 < len(pieces[-1]) <= rows
    small = [piece["n"].to_pylist() for piece in Rebatched(tables, 99, largest=8)]
    assert [n for piece in small for n in piece] == list(range(sum(lengths)))
    assert all(small)
    assert len(small) >= sum(n > 1 for n in lengths)


@pytest.fixture(scope="module")
def million_rows() -> str:
    return "".join(f"{n},p{n}.jpg\n" for n in range(1_000_000))


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".ecsv.gz"])
@pytest.mark.parametrize("place", ["", "memory://"])
def test_python_may_end_while_a_catalogue_is_read(tmp_path, suffix, place, million_rows):
    """Arrow's threads read ahead; with a Python file the process would abort."""
    kinds = "{name: id, datatype: int64}", "{name: path, datatype: string}"
    header = "# %ECSV 1.0\n# ---\n# datatype:\n" + "".join(f"# - {kind}\n" for kind in kinds)
    header += "# delimiter: ','\n" if suffix.startswith(".ecsv") else ""
    text = f"{header if suffix.startswith('.ecsv') else ''}id,path\n{million_rows}".encode()
    path = tmp_path / f"catalogue{suffix}"
    path.write_bytes(gzip.compress(text, 1) if suffix.endswith(".gz") else text)
    code = (
        "import sys, fsspec; from galaxies.tables.catalogue import read_catalogue\n"
        "name = sys.argv[2] + sys.argv[1]\n"
        "if sys.argv[2]: fsspec.filesystem('memory').put(sys.argv[1], name)\n"
        "catalogue = read_catalogue(name)\n"
        "pieces = catalogue.pieces(rows=10)\n"
        "print(catalogue.count, next(pieces).num_rows); sys.exit(7)"
    )
    command = [sys.executable, "-c", code, str(path), place]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (7, "1000000 10\n"), done.stderr
    assert done.stderr == ""
