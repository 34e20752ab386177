"""Tables of every format: read back, read by others, and checked by their programs."""

import datetime
import decimal
import shutil
import subprocess
from contextlib import nullcontext, suppress

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import Table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from galaxies.errors import GalaxiesError
from galaxies.tables.catalogue import read_catalogue
from galaxies.tables.columns import MAIN_ID, Words, described, words_of
from galaxies.tables.writing import write_table
from tests.conftest import WITHOUT_POSITIONS

METADATA = {"creator": "galaxies 1.0", "bundle": "ab" * 32, "threshold": "0.93", "campaign": "gz2"}
SCHEMA = pa.schema(
    [
        described("galaxy_id", pa.int64(), Words("ID in the catalogue", ucd=MAIN_ID)),
        described("p_spiral", pa.float32(), Words("calibrated", "", "stat.probability")),
        described("ra", pa.float64(), Words("right ascension", "deg", "pos.eq.ra")),
        described("familiar", pa.bool_(), Words("whether it looks familiar")),
        described("count", pa.int32(), Words()),
        described("error", pa.string(), Words("why it could not be read")),
    ],
    metadata=METADATA,
)
ROWS = {
    "galaxy_id": [587722981741363323, -1, 3],
    "p_spiral": [0.25, None, 1.0],
    "ra": [1.5, 359.0, None],
    "familiar": [True, None, False],
    "count": [None, 7, -(2**31)],
    "error": [None, 'is "damaged", <cut> & off', "NA"],
}
PIECES = [pa.table(ROWS, schema=SCHEMA).slice(0, 1), pa.table(ROWS, schema=SCHEMA).slice(1)]


@pytest.fixture(params=WITHOUT_POSITIONS)
def written(request, tmp_path):
    path = tmp_path / f"table{request.param}"
    write_table(path, SCHEMA, lambda: iter(PIECES))
    return path


def test_a_table_is_read_as_it_was_written(written):
    catalogue = read_catalogue(str(written))
    whole = pa.concat_tables(catalogue.pieces())
    assert whole.to_pydict() == ROWS
    assert catalogue.ids == "galaxy_id"
    if ".csv" not in written.name:
        assert [one.type for one in catalogue.schema] == SCHEMA.types
        assert [words_of(one) for one in catalogue.schema] == [words_of(one) for one in SCHEMA]
        assert {key: catalogue.metadata[key] for key in METADATA} == METADATA


def test_the_same_table_has_the_same_bytes(written, tmp_path):
    again = tmp_path / f"again{''.join(written.suffixes)}"
    write_table(again, SCHEMA, lambda: iter([pa.concat_tables(PIECES)]))
    assert again.read_bytes() == written.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([again.name, written.name])


FORMATS = {"vot": "votable", "ecsv": "ascii.ecsv", "fits": "fits", "parquet": "parquet"}


@pytest.mark.parametrize("suffix", FORMATS)
def test_astropy_reads_values_units_and_what_made_it(suffix, tmp_path):
    path = tmp_path / f"table.{suffix}"
    write_table(path, SCHEMA, lambda: iter(PIECES))
    # It has no missing logical value, and says so.
    context = pytest.warns(UserWarning, match="NULL") if suffix == "fits" else nullcontext()
    with context:
        table = Table.read(path, format=FORMATS[suffix])
    assert table["galaxy_id"].tolist() == ROWS["galaxy_id"]
    assert str(table["ra"].unit) == "deg"
    assert np.ma.filled(np.ma.masked_invalid(table["p_spiral"]), -1).tolist() == [0.25, -1, 1]
    if suffix in ("fits", "ecsv", "vot"):
        assert table["count"].mask.tolist() == [True, False, False]
        assert table["familiar"].dtype == bool
    held = {key.lower(): value for key, value in table.meta.items()}
    if suffix == "vot":
        held |= {param.name: param.value for param in held.pop("votable", {}).get("params", [])}
        held |= {one: METADATA[one] for one in METADATA if one not in held}
    assert held["bundle"] == METADATA["bundle"]


def test_pandas_keeps_what_made_a_table(tmp_path):
    write_table(tmp_path / "a.parquet", SCHEMA, lambda: iter(PIECES))
    frame = pd.read_parquet(tmp_path / "a.parquet")
    frame[frame["p_spiral"].notna()].to_parquet(tmp_path / "b.parquet")
    catalogue = read_catalogue(str(tmp_path / "b.parquet"))
    assert catalogue.count == 2
    assert {key: catalogue.metadata[key] for key in METADATA} == METADATA


@pytest.mark.parametrize(
    ("suffix", "command"),
    [
        (".fits", ["fitsverify", "-q"]),
        (".fits", ["stilts", "tpipe", "omode=stats", "in="]),
        (".vot", ["stilts", "votlint", "ucd=true", "unit=true", "votable="]),
        (".csv", ["stilts", "tpipe", "ifmt=csv", "omode=stats", "in="]),
    ],
)
def test_the_programs_of_the_field_find_nothing_wrong(suffix, command, tmp_path):
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    path = tmp_path / f"table{suffix}"
    write_table(path, SCHEMA, lambda: iter(PIECES))
    last = [f"{command[-1]}{path}"] if command[-1].endswith("=") else [command[-1], str(path)]
    done = subprocess.run([*command[:-1], *last], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    if command[0] == "fitsverify":
        assert "OK" in done.stdout
    elif "votlint" in command:
        assert done.stdout + done.stderr == ""
    else:
        assert "galaxy_id" in done.stdout


def test_stilts_joins_by_integer_ids(tmp_path):
    if shutil.which("stilts") is None:
        pytest.skip("stilts is not installed")
    write_table(tmp_path / "a.fits", SCHEMA, lambda: iter(PIECES))
    Table({"objid": np.array([3, 587722981741363323, 9])}).write(tmp_path / "b.fits")
    command = ["stilts", "tmatch2", f"in1={tmp_path}/a.fits", f"in2={tmp_path}/b.fits",
               "matcher=exact", "values1=galaxy_id", "values2=objid",
               f"out={tmp_path}/c.csv"]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    assert read_catalogue(str(tmp_path / "c.csv")).count == 2


INTEGERS = [pa.int8(), pa.uint8(), pa.int16(), pa.uint16(), pa.int32(), pa.uint32(), pa.int64(),
            pa.uint64()]  # fmt: skip


@st.composite
def columns(draw):
    """Columns of every type, with nulls and extreme values."""
    rows = draw(st.integers(0, 4))
    texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1)
    kinds = {
        pa.float32(): st.floats(width=32, allow_nan=False),
        pa.float64(): st.floats(allow_nan=False),
        pa.bool_(): st.booleans(),
        pa.string(): texts,
    } | {kind: st.integers(*_limits(kind)) for kind in INTEGERS}
    picked = draw(st.lists(st.sampled_from(list(kinds)), min_size=1, max_size=5))
    return pa.table(
        [
            pa.array(draw(st.lists(st.none() | kinds[kind], min_size=rows, max_size=rows)), kind)
            for kind in picked
        ],
        names=[f"column{place}" for place in range(len(picked))],
    )


def _limits(kind):
    found = np.iinfo(kind.to_pandas_dtype())
    return int(found.min), int(found.max)


@given(table=columns())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".fits", ".vot", ".ecsv"])
def test_values_survive_every_format(suffix, table, tmp_path_factory):
    path = tmp_path_factory.mktemp("any") / f"table{suffix}"
    write_table(path, table.schema, lambda: iter([table]))
    catalogue = read_catalogue(str(path))
    found = pa.concat_tables([pa.schema(catalogue.schema).empty_table(), *catalogue.pieces()])
    for field in table.schema:
        expected, values = table[field.name].to_pylist(), found[field.name].to_pylist()
        if field.type == pa.string():
            if suffix == ".fits":  # ASCII, filled up with blanks
                expected = [
                    (one or "").encode("ascii", "backslashreplace").decode().rstrip() or None
                    for one in expected
                ]
            if suffix == ".vot":  # whose readers take the blanks around a text away
                expected = [(one or "").strip() or None for one in expected]
            if suffix in (".csv", ".vot"):
                values = [None if one is None else str(one) for one in values]
                expected = list(map(_plain, expected))
                values = list(map(_plain, values))
        elif suffix == ".fits" and field.type == pa.uint64() and None in expected:
            values = [None if one is None else int(one) for one in values]  # they may be text
        elif suffix in (".csv", ".vot"):  # which lacks some types, or has none
            number = np.float32 if field.type == pa.float32() else float
            expected = [None if one is None else number(one) for one in expected]
            values = [None if one is None else number(one) for one in values]
        assert values == expected


def _plain(text):
    """Text that a CSV table may show to be a number or a logical value, as such."""
    try:
        return float(text)
    except (TypeError, ValueError):
        return text and text.lower()


def test_values_without_a_place_in_a_format_become_text(tmp_path):
    table = pa.table(
        {
            "when": [datetime.date(2013, 12, 20), None],
            "mag": pa.array([decimal.Decimal("17.50"), None], pa.decimal128(6, 2)),
            "bands": [["g", "r"], None],
            "flags": pa.array([[1, 2], [3, 4]], pa.list_(pa.int32(), 2)),
        }
    )
    for suffix in (".csv", ".fits", ".vot", ".ecsv"):
        write_table(tmp_path / f"t{suffix}", table.schema, lambda: iter([table]))
        [rows] = read_catalogue(str(tmp_path / f"t{suffix}")).pieces()
        first = rows.to_pylist()[0]
        assert first["when"] == "2013-12-20"
        assert float(first["mag"]) == 17.5
        assert first["bands"] == '["g", "r"]'
        assert first["flags"] == ([1, 2] if suffix == ".fits" else "[1, 2]")


@pytest.mark.parametrize(
    ("suffix", "name"),
    [
        (".fits", "\u03b11"),
        (".fits", "a "),
        (".vot", "a\x01"),
        (".fits", "a\x01"),
        (".vot", " a"),
        (".vot", "a\n"),
        (".vot", "a\xa0"),
        (".ecsv", " a"),
        (".ecsv", "a "),
        (".ecsv", "a\t"),
        (".ecsv", "\u3000a"),
        (".ecsv", "a\nb"),
        (".ecsv", "a\rb"),
        (".ecsv", "a\x0cb"),
        (".ecsv", "a\x85b"),
        (".ecsv", "a\u2028b"),
        (".ecsv", "a\0"),
        (".ecsv", "\ufeffa"),
    ],
)
def test_ids_that_would_change_are_refused(suffix, name, tmp_path):
    schema = pa.schema([described("galaxy_id", pa.string(), Words(ucd=MAIN_ID))])
    table = pa.table({"galaxy_id": ["fine", name]}, schema=schema)
    with pytest.raises(GalaxiesError, match=r"has letters that (FITS|ECSV|a VOTable) cannot hold"):
        write_table(tmp_path / f"t{suffix}", schema, lambda: iter([table]))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", ["vot", "ecsv"])
def test_ids_with_any_letter_are_kept_or_refused(suffix, tmp_path):
    schema = pa.schema([described("galaxy_id", pa.string(), Words(ucd=MAIN_ID))])
    letters = [chr(number) for number in (*range(0x180), 0x1680, 0x2028, 0x3000, 0xFEFF, 0x1F600)]
    kept = []
    for name in (text.replace("-", letter) for letter in letters for text in ("-a", "a-", "a-b")):
        table = pa.table({"galaxy_id": [name]}, schema=schema)
        with suppress(GalaxiesError):
            write_table(tmp_path / f"t.{suffix}", schema, lambda table=table: iter([table]))
            kept.append(name)
    table = pa.table({"galaxy_id": kept}, schema=schema)
    write_table(tmp_path / f"t.{suffix}", schema, lambda: iter([table]))
    read = Table.read(tmp_path / f"t.{suffix}", format=FORMATS[suffix])
    assert read["galaxy_id"].tolist() == kept
    [rows] = read_catalogue(str(tmp_path / f"t.{suffix}")).pieces()
    assert rows["galaxy_id"].to_pylist() == kept
    assert len(kept) > 900


@pytest.mark.parametrize("suffix", ["vot", "ecsv"])
def test_no_letter_of_a_text_takes_the_table_apart(suffix, tmp_path):
    schema = pa.schema([("id", pa.int64()), ("note", pa.string())])
    notes = [f"a{chr(number)}b" for number in (*range(0xA1), 0x2028, 0x2029, 0xFEFF)]
    table = pa.table({"id": range(len(notes)), "note": notes}, schema=schema)
    write_table(tmp_path / f"t.{suffix}", schema, lambda: iter([table]))
    read = Table.read(tmp_path / f"t.{suffix}", format=FORMATS[suffix])
    assert read["id"].tolist() == list(range(len(notes)))


def test_a_table_without_rows(tmp_path):
    for suffix in WITHOUT_POSITIONS:
        write_table(tmp_path / f"t{suffix}", SCHEMA, lambda: iter([SCHEMA.empty_table()]))
        catalogue = read_catalogue(str(tmp_path / f"t{suffix}"))
        assert (catalogue.count, catalogue.schema.names) == (0, SCHEMA.names)


def test_types_in_fits_do_not_depend_on_the_data(tmp_path):
    for name, pieces in (("some", PIECES), ("none", [SCHEMA.empty_table()])):
        write_table(tmp_path / f"{name}.fits", SCHEMA, lambda pieces=pieces: iter(pieces))
    some, none = (fits.getheader(tmp_path / f"{name}.fits", 1) for name in ("some", "none"))
    assert [some[f"TFORM{n}"] for n in range(1, 6)] == [none[f"TFORM{n}"] for n in range(1, 6)]
    assert some["TFORM4"] == "L"
    assert some["TUCD1"] == MAIN_ID
    # The smallest integer of the type is in the data, so that another one means a missing value.
    assert (some["TNULL5"], none["TNULL5"]) == (2**31 - 1, -(2**31))


@pytest.mark.parametrize("blank", [[], [None]])
@pytest.mark.parametrize("kind", INTEGERS, ids=str)
def test_integers_of_fits_are_read_by_every_program(kind, blank, tmp_path):
    low, high = _limits(kind)
    for place, values in enumerate(([5, high - 1, low + 1], [5, 0, 100])):
        path = tmp_path / f"{place}.fits"
        schema = pa.schema([described("galaxy_id", kind, Words(ucd=MAIN_ID)), pa.field("n", kind)])
        rows = pa.table([range(3 + len(blank)), values + blank], schema=schema)
        write_table(path, schema, lambda rows=rows: iter([rows.slice(0, 2), rows.slice(2)]))
        read = Table.read(path)
        if read["n"].dtype.kind in "SU":  # unsigned integers that are too large
            assert kind == pa.uint64()
            assert blank
            assert [int(one) for one in read["n"][:3]] == values
        else:
            assert read["n"][:3].tolist() == values
            assert fits.getdata(path)["n"][:3].tolist() == values
        assert np.ma.getmaskarray(read["n"]).tolist() == [False] * 3 + [True] * len(blank)
        assert read["galaxy_id"].tolist() == rows["galaxy_id"].to_pylist()
        header = fits.getheader(path, 1)
        if kind != pa.uint64():
            assert "TZERO2" not in header
            assert header["TNULL2"] == -(1 << (8 * read["n"].dtype.itemsize - 1))
        if shutil.which("fitsverify"):
            subprocess.run(["fitsverify", "-q", path], check=True, capture_output=True)


def test_stilts_reads_every_integer_of_fits(tmp_path):
    if shutil.which("stilts") is None:
        pytest.skip("stilts is not installed")
    big = [5, 2**64 - 1, 2**63]
    columns = {"whole": big, "some": [5, None, 2**63 - 1], "large": [None, 2**64 - 1, 5]}
    arrays = [pa.array(values, pa.uint64()) for values in columns.values()]
    columns |= {f"{kind}": [5, None, _limits(kind)[1]] for kind in INTEGERS[:-1]}
    arrays += [pa.array(columns[f"{kind}"], kind) for kind in INTEGERS[:-1]]
    table = pa.table(arrays, names=list(columns))
    write_table(tmp_path / "t.fits", table.schema, lambda: iter([table]))
    command = ["stilts", "tcopy", f"in={tmp_path}/t.fits", f"out={tmp_path}/t.csv"]
    subprocess.run(command, check=True, capture_output=True)
    read = pd.read_csv(tmp_path / "t.csv", dtype=object)
    for name, values in columns.items():
        assert [None if pd.isna(one) else int(one) for one in read[name]] == values


def test_row_groups_are_large(tmp_path):
    piece = pa.table({"n": np.arange(50_000)})
    write_table(tmp_path / "t.parquet", piece.schema, lambda: iter([piece] * 3))
    file = pq.ParquetFile(tmp_path / "t.parquet")
    groups = [file.metadata.row_group(place).num_rows for place in range(file.num_row_groups)]
    assert groups == [131_072, 18_928]


def test_an_unknown_suffix(tmp_path):
    with pytest.raises(GalaxiesError, match=r"t.txt: unknown suffix; possible are .parquet, .csv"):
        write_table(tmp_path / "t.txt", SCHEMA, lambda: iter(PIECES))
