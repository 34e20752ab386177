"""Catalogues that other readers take for something else, without a word."""

import pyarrow as pa
import pytest

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
    with pytest.raises(GalaxiesError, match="row 2: .* is a rounded number, and its other digits"):
        exact_ids("a.csv", "id", pa.chunked_array([["7", text]]), row=0)


@pytest.mark.parametrize("text", ["1e5", "7E3", "1.5E4", "5E17", "J1.5E17", "1.5", "12,000", "1.1"])
def test_names_that_only_look_like_numbers_stay(text):
    assert exact_ids("a.csv", "id", pa.chunked_array([[text]]), row=0) == [text]
