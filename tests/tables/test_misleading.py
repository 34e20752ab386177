"""Catalogues that other readers take for something else, without a word."""

import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits

from galaxies.errors import GalaxiesError
from galaxies.tables.catalogue import read_catalogue
from galaxies.tables.columns import exact_ids

SDSS = 587722981741363323


def held(path, columns=None):
    return pa.concat_tables(read_catalogue(str(path)).pieces(columns)).to_pydict()


def refused(path, match):
    with pytest.raises(GalaxiesError, match=match) as caught:
        list(read_catalogue(str(path)).pieces())
    assert "\n" not in str(caught.value)


def votable(path, *tables):
    """Write tables, each of fields and rows in XML."""
    namespace = "http://www.ivoa.net/xml/VOTable/v1.3"
    inside = "".join(
        f"<TABLE>{fields}<DATA><TABLEDATA>{rows}</TABLEDATA></DATA></TABLE>"
        for fields, rows in tables
    )
    path.write_text(
        f'<VOTABLE version="1.3" xmlns="{namespace}"><RESOURCE>{inside}</RESOURCE></VOTABLE>'
    )
    return path


def rows(*cells):
    return "".join(f"<TR>{''.join(f'<TD>{cell}</TD>' for cell in row)}</TR>" for row in cells)


ID = '<FIELD name="id" datatype="long"/>'
TEXT = '<FIELD name="{}" datatype="char" arraysize="*"/>'


def test_columns_of_a_votable_are_not_confused_by_their_ids(tmp_path):
    fields = (
        '<FIELD ID="id" name="plate" datatype="long"/><FIELD ID="plate" name="id" datatype="long"/>'
    )
    votable(tmp_path / "a.vot", (fields, rows((1, 901), (2, 902))))
    assert held(tmp_path / "a.vot") == {"plate": [1, 2], "id": [901, 902]}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ('"char" arraysize="8"', "J1234567+89"),
        ('"char"', "J1"),
        ('"unicodeChar" arraysize="4"', "J1234"),
        ('"int"', SDSS),
        ('"short"', 40000),
        ('"int" arraysize="2"', "1 2 3"),
        ('"float"', "n/a"),
    ],
)
def test_a_value_of_a_votable_that_does_not_fit_is_an_error(kind, value, tmp_path):
    votable(tmp_path / "a.vot", (f'{ID}<FIELD name="x" datatype={kind}/>', rows((7, value))))
    refused(tmp_path / "a.vot", r"a.vot: line 1, column 'x': .*; write the table again")


def test_lists_and_complex_numbers_of_a_votable_are_kept(tmp_path):
    fields = ID + '<FIELD name="v" datatype="int" arraysize="*"/>'
    fields += '<FIELD name="z" datatype="floatComplex"/>'
    long = list(range(2000))
    cells = (1, " ".join(map(str, long)), "1 2"), (2, "", "3 4")
    votable(tmp_path / "a.vot", (fields, rows(*cells)))
    found = held(tmp_path / "a.vot")
    assert found["v"][0] == long
    assert not found["v"][1]
    assert found["z"] == [[1.0, 2.0], [3.0, 4.0]]


def test_of_several_tables_of_a_votable_the_one_with_ids_and_files_is_read(tmp_path):
    other = ('<FIELD name="start" datatype="int"/>', rows((5,)))
    good = (ID + TEXT.format("path"), rows((1, "a.jpg")))
    votable(tmp_path / "a.vot", other, good)
    assert held(tmp_path / "a.vot") == {"id": [1], "path": ["a.jpg"]}
    votable(tmp_path / "b.vot", good, good)
    refused(tmp_path / "b.vot", r"b.vot: has 2 tables, and 2 of them may be the catalogue")


@pytest.mark.parametrize(
    "text",
    [
        "5.8772298174136E17",
        "5.8772e17",
        "5,8E+17",
        "5,8e17",
        ".58E18",
        "5.E5",
        "5.9D17",
        "100008,0",
    ],
)
def test_ids_that_another_program_rounded_are_refused(text):
    with pytest.raises(GalaxiesError, match=r"row 2: .* is a rounded number, and its other digits"):
        exact_ids("a.csv", "id", pa.chunked_array([["7", text]]), row=0)


@pytest.mark.parametrize("text", ["1e5", "7E3", "1.5E4", "5E17", "J1.5E17", "1.5", "12,000", "1.1"])
def test_names_that_only_look_like_numbers_stay(text):
    assert exact_ids("a.csv", "id", pa.chunked_array([[text]]), row=0) == [text]


PATHS = fits.Column("path", "9A", array=["a.jpg", "b.jpg"])


def fits_file(path, *tables, cards=(), **options):
    """Write tables, each of columns; cards are put into the first header."""
    hdus = [fits.BinTableHDU.from_columns(list(columns)) for columns in tables]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path, **options)
    content = path.read_bytes()
    end = content.index(b"END".ljust(80), 2880)
    added = b"".join(card.encode().ljust(80) for card in cards)
    path.write_bytes(
        content[:end] + added + content[end : end + 80] + content[end + 80 + len(added) :]
    )
    return path


def test_of_several_fits_tables_the_one_with_ids_and_files_is_read(tmp_path):
    ids = fits.Column("id", "K", array=[1, 2])
    other = [fits.Column("start", "J", array=[5])]
    fits_file(tmp_path / "a.fits", other, [ids], [ids, PATHS])
    assert held(tmp_path / "a.fits") == {"id": [1, 2], "path": ["a.jpg", "b.jpg"]}
    fits_file(tmp_path / "b.fits", [ids, PATHS], [ids, PATHS])
    refused(tmp_path / "b.fits", r"b.fits: has 2 tables, and 2 of them may be the catalogue")
    fits_file(tmp_path / "c.fits", other, other)
    refused(tmp_path / "c.fits", r"c.fits: has 2 tables")


@pytest.mark.parametrize(
    ("cards", "expected"),
    [
        (["TZERO1  = 1000"], [SDSS + 1000, 1001]),
        (["TZERO1  = 1000.0"], [SDSS + 1000, 1001]),
        (["TZERO1  = -7"], [SDSS - 7, -6]),
        (["TZERO1  = 9223372036854775808"], [SDSS + 2**63, 2**63 + 1]),
        (["TNULL1  = 1", "TZERO1  = 5"], [SDSS + 5, None]),
    ],
)
def test_integers_of_fits_are_never_rounded(cards, expected, tmp_path):
    ids = fits.Column("n", "K", array=[SDSS, 1])
    fits_file(tmp_path / "a.fits", [ids], cards=cards)
    assert held(tmp_path / "a.fits") == {"n": expected}


def test_scaled_integers_of_fits_are_numbers_and_no_ids(tmp_path):
    column = fits.Column("n", "J", array=[10, 20])
    fits_file(tmp_path / "a.fits", [column], cards=["TSCAL1  = 0.5", "TZERO1  = 1", "TNULL1  = 20"])
    assert held(tmp_path / "a.fits") == {"n": [6.0, None]}
    column = fits.Column("id", "J", array=[10, 20])
    fits_file(tmp_path / "b.fits", [column], cards=["TSCAL1  = 2"])
    refused(tmp_path / "b.fits", "column 'id', row 1 and on: IDs must be integers or text")
    column = fits.Column("n", "K", array=[2**63 - 1, 2])
    fits_file(tmp_path / "c.fits", [column], cards=["TZERO1  = 1000"])
    refused(tmp_path / "c.fits", "column 'n': TZERO 1000 leads beyond 64-bit integers")
    lists = np.array([np.array([1, 2]), np.array([3])], object)
    fits_file(tmp_path / "d.fits", [fits.Column("n", "PJ()", array=lists)], cards=["TZERO1  = 5"])
    refused(tmp_path / "d.fits", "column 'n': lists with TSCAL or TZERO are not read")


def test_every_element_of_a_fits_column_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("galaxies.tables.fits.ROWS", 1)
    ragged = [np.array([1, 2]), np.array([3])]
    columns = [
        fits.Column("names", "8A", dim="(4,2)", array=np.array([["aa", "bb"], ["aa", "cc"]])),
        fits.Column("flags", "2L", array=np.array([[True, False], [False, True]])),
        fits.Column("bits", "3X", array=np.array([[1, 0, 1], [0, 0, 1]], bool)),
        fits.Column("z", "C", array=np.array([1 + 2j, 3 + 4j])),
        fits.Column("list", "PJ()", array=np.array(ragged, object)),
        fits.Column("real", "QD()", array=np.array([one / 2 for one in ragged], object)),
        fits.Column("text", "PA()", array=np.array(["abc", "de"], object)),
        fits.Column("pairs", "PC()", array=np.array([one + 1j for one in ragged], object)),
    ]
    fits_file(tmp_path / "a.fits", columns)
    assert held(tmp_path / "a.fits") == {
        "names": [["aa", "bb"], ["aa", "cc"]],
        "flags": [[True, False], [False, True]],
        "bits": [[True, False, True], [False, False, True]],
        "z": [[1.0, 2.0], [3.0, 4.0]],
        "list": [[1, 2], [3]],
        "real": [[0.5, 1.0], [1.5]],
        "text": ["abc", "de"],
        "pairs": [[[1.0, 1.0], [2.0, 1.0]], [[3.0, 1.0]]],
    }
    texts = fits.Column("id", "8A", dim="(4,2)", array=np.array([["aa", "bb"], ["aa", "cc"]]))
    fits_file(tmp_path / "b.fits", [texts, PATHS])
    refused(tmp_path / "b.fits", "column 'id', row 1 and on: IDs must be integers or text, but are")


def test_a_text_of_fits_ends_at_a_zero(tmp_path):
    fits_file(tmp_path / "a.fits", [fits.Column("n", "8A", array=np.array([b"12\x0034", b"12"]))])
    assert held(tmp_path / "a.fits") == {"n": ["12", "12"]}


def test_a_fits_table_in_ascii(tmp_path):
    columns = [
        fits.Column("id", "I20", array=np.array([SDSS, SDSS + 2])),
        fits.Column("path", "A80", array=["a.jpg", "b.jpg"]),
        fits.Column("mag", "F10.3", array=np.array([1.5, 2.25])),
    ]
    fits.TableHDU.from_columns(columns).writeto(tmp_path / "a.fits")
    assert held(tmp_path / "a.fits") == {
        "id": [SDSS, SDSS + 2], "path": ["a.jpg", "b.jpg"], "mag": [1.5, 2.25],
    }  # fmt: skip


@pytest.mark.parametrize("spoilt", [b"\x00\xc8a.jpg", b"'path"])
def test_a_fits_table_that_does_not_match_its_checksum_is_refused(spoilt, tmp_path):
    ids = fits.Column("id", "K", array=[100, 200])
    paths = fits.Column("path", "9A", array=["x.jpg", "a.jpg"])
    path = fits_file(tmp_path / "a.fits", [ids, paths], checksum=True)
    assert held(path)["id"] == [100, 200]
    content = bytearray(path.read_bytes())
    content[content.index(spoilt) + 1] ^= 1
    path.write_bytes(content)
    refused(path, "a.fits: its table does not match .*CHECKSUM of its header; copy it again")


def test_a_parquet_table_that_does_not_match_its_checksums_is_refused(tmp_path):
    table = pa.table({"id": [1001, 1002, 1003]})
    path = tmp_path / "a.parquet"
    options = {"compression": "none", "use_dictionary": False, "write_page_checksum": True}
    pq.write_table(table, path, **options)
    assert held(path) == table.to_pydict()
    content = bytearray(path.read_bytes())
    content[content.index((1002).to_bytes(8, "little")) + 1] = 9
    path.write_bytes(content)
    refused(path, "a.parquet: damaged or not a Parquet table .*CRC")


@pytest.mark.parametrize("spoilt", ["a value", "a column"])
@pytest.mark.parametrize("dictionary", [True, False])
def test_text_of_a_parquet_table_that_is_not_utf8_is_refused(spoilt, dictionary, tmp_path):
    table = pa.table({"id": ["1", "a value", "3"], "a column": [1, 2, 3]})
    path = tmp_path / "a.parquet"
    options = {"compression": "none", "use_dictionary": dictionary, "store_schema": False}
    pq.write_table(table, path, **options)
    content = path.read_bytes()
    assert spoilt.encode() in content
    path.write_bytes(content.replace(spoilt.encode(), b"\xe9" + spoilt.encode()[1:]))
    refused(path, r"a.parquet: damaged or not a Parquet table \(.*(?i:utf-?8)")


def test_metadata_of_a_parquet_table_that_are_not_utf8_are_refused(tmp_path):
    path = tmp_path / "a.parquet"
    table = pa.table({"id": ["1"]}).replace_schema_metadata({b"remark": b"caf\xe9"})
    pq.write_table(table, path)
    refused(path, r"a.parquet: damaged or not a Parquet table \(.*utf-8")


@pytest.mark.parametrize("dictionary", [True, False])
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_a_text_of_a_megabyte_is_refused_before_it_is_repeated(dictionary, kind, tmp_path):
    """A few kilobytes would become 20 GB."""
    notes = pa.DictionaryArray.from_arrays(
        pa.array([0] * 5 + [1] * (20_000 if dictionary else 1), pa.int32()),
        pa.array(["short", "x" * 1_000_000], kind),
    )
    table = pa.table({"id": range(len(notes)), "note": notes if dictionary else notes.cast(kind)})
    if dictionary:  # so that only the pages of the file are a dictionary
        pq.write_table(table, tmp_path / "a.parquet", store_schema=False, compression="zstd")
    else:
        pq.write_table(table, tmp_path / "a.parquet", use_dictionary=False, compression="zstd")
    assert (tmp_path / "a.parquet").stat().st_size < 100_000
    refused(
        tmp_path / "a.parquet",
        "a.parquet: column 'note', row 6: a text of 1,000,000 bytes; 65,536 are possible; leave",
    )
    assert held(tmp_path / "a.parquet", ["id"])["id"][:2] == [0, 1]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ('id,path,note\n1,a.jpg,"big\n2,b.jpg,\n3,c.jpg,small"\n', 2),
        ('id,path,note\n1,a.jpg,\n2,"b.jpg,x\n3,c.jpg",y\n', 3),
        ('id,path,note\n1,a.jpg,"big"ger\n', 2),
        ('id,path,note\n1,a.jpg,"big\r2,b.jpg,small"\n', 2),
        ('id,path,note\r\n1,a.jpg,"big', 2),
        ("id,path,note\n1,a.jpg,x\n\ufeff2,b.jpg,y\n", 3),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "ecsv", "csv.gz"])
def test_rows_cannot_disappear_in_a_cell(content, line, suffix, tmp_path):
    header = ["%ECSV 1.0", "---", "delimiter: ','", "datatype:"]
    header += [f"- {{name: {name}, datatype: string}}" for name in ("id", "path", "note")]
    if suffix == "ecsv":
        content = "".join(f"# {one}\n" for one in header) + content
        line += len(header)
    data = content.encode()
    (tmp_path / f"a.{suffix}").write_bytes(gzip.compress(data) if suffix == "csv.gz" else data)
    refused(
        tmp_path / f"a.{suffix}", f"a.{suffix}: line {line}: (a quoted cell|begins with a byte)"
    )


def test_quotes_in_a_csv_that_are_no_riddle(tmp_path):
    (tmp_path / "a.csv").write_text(
        '\ufeff"id",path,note\r\n"1","a,b.jpg","say ""yes"""\r\n2,5" wide.jpg,""\r\n'
    )
    assert held(tmp_path / "a.csv") == {
        "id": [1, 2], "path": ["a,b.jpg", '5" wide.jpg'], "note": ['say "yes"', None],
    }  # fmt: skip


def test_numbers_in_a_csv_that_float64_cannot_hold_stay_text(tmp_path):
    (tmp_path / "a.csv").write_text(
        "id,point,power,decimal,saved,repr\n"
        f"1,{SDSS}.0,5.87722981741363325e17,0.12345678901234567890,{0.1:.18e},{1 / 3!r}\n"
        f"2,1.0,1.5,1.5,{1.5:.18e},{2e-7 / 3!r}\n"
    )
    found = held(tmp_path / "a.csv")
    assert found["point"] == [f"{SDSS}.0", "1.0"]
    assert found["power"][0] == "5.87722981741363325e17"
    assert found["decimal"][0] == "0.12345678901234567890"
    assert found["saved"] == [0.1, 1.5]
    assert found["repr"] == [1 / 3, 2e-7 / 3]


def ecsv(path, kinds, rows, more=()):
    names = [kind.split(":")[0] for kind in kinds]
    datatype = [
        f"# - {{name: {name}, datatype: {kind.split(':')[1]}}}"
        for name, kind in zip(names, kinds, strict=True)
    ]
    lines = ["# %ECSV 1.0", "# ---", "# datatype:", *datatype, *more, " ".join(names), *rows]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_logical_values_of_ecsv(tmp_path):
    rows = [f"1 {text}" for text in ("T", "yes", "True", "1", "F", "no", "false", '""')]
    ecsv(tmp_path / "a.ecsv", ["id:int64", "ok:bool"], rows)
    assert held(tmp_path / "a.ecsv")["ok"] == [True] * 4 + [False] * 3 + [None]
    ecsv(tmp_path / "b.ecsv", ["id:int64", "ok:bool"], ["1 maybe"])
    refused(tmp_path / "b.ecsv", "b.ecsv: column 'ok': 'maybe' is not a logical value")


def test_an_ecsv_that_does_not_fit_its_header_is_refused(tmp_path):
    ecsv(tmp_path / "a.ecsv", ["id:int64", "n:int32"], [f"1 {SDSS}"])
    refused(tmp_path / "a.ecsv", "a.ecsv: column 'n': ")
    path = ecsv(tmp_path / "b.ecsv", ["id:int64", "n:int32"], ["1 2"])
    path.write_text(path.read_text().replace("id n", "id m"))
    refused(path, "b.ecsv: line 6: has other columns than the header above it")
    ecsv(tmp_path / "c.ecsv", ["id:float64"], ["5.8772298174136E17"])
    with pytest.raises(GalaxiesError, match="is a rounded number"):
        exact_ids("c", "id", next(read_catalogue(str(tmp_path / "c.ecsv")).pieces())["id"], 0)


def test_a_header_that_multiplies_itself_takes_no_memory(tmp_path):
    meta = ["# meta:", "#   a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for level in range(1, 9):
        meta.append(f"#   a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]")
    ecsv(tmp_path / "a.ecsv", ["id:int64"], ["1"], meta)
    refused(tmp_path / "a.ecsv", r"a.ecsv: damaged ECSV header \(too many references")
    ecsv(tmp_path / "b.ecsv", ["id:int64"], ["1"], ["# meta: " + "[" * 9999])
    refused(tmp_path / "b.ecsv", "b.ecsv: damaged ECSV header")
    header = gzip.compress(b"# %ECSV 1.0\n" + b"#" * 50_000_000)
    (tmp_path / "c.ecsv.gz").write_bytes(header)
    refused(tmp_path / "c.ecsv.gz", "c.ecsv.gz: an ECSV header of more than 1,048,576 letters")
    ecsv(tmp_path / "d.ecsv", ["id:int64"], ["1"], ["# meta:", "#   a: &x [1]", "#   b: *x"])
    assert read_catalogue(str(tmp_path / "d.ecsv")).metadata == {"a": "[1]", "b": "[1]"}
