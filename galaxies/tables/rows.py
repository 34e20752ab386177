"""Tables written as rows of text: CSV, ECSV and VOTable."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from galaxies.errors import GalaxiesError
from galaxies.tables.columns import is_main_id, words_of
from galaxies.tables.pieces import Pieces, as_text, is_written_as_text

_QUOTED: Final = '[,"\r\n]|^#|^ | $'
_NOT_IN_XML: Final = "[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]"
_NOT_IN_ECSV: Final = "[\x00\x0b\x0c\x1c-\x1e\x85\u2028\u2029]"
"""A zero, and letters at which Python ends a line, so that astropy finds more rows."""
_CHANGED: Final = r"^[\s\p{Z}]|[\s\p{Z}]$|[\x00-\x08\x0a-\x1f\x{85}\x{feff}]"
"""Blanks at the ends of a text, which readers take away, and letters that some change."""

Cell = Callable[[pa.Field, pa.ChunkedArray], pa.ChunkedArray]


def write_csv(path: Path, schema: pa.Schema, pieces: Pieces) -> None:
    """Write a CSV table; missing values are blank, logical values True and False."""
    with path.open("w", encoding="utf-8", newline="") as file:
        _write_csv_rows(file, schema, pieces, _csv_cell)


def _write_csv_rows(file: IO[str], schema: pa.Schema, pieces: Pieces, cell: Cell) -> None:
    csv.writer(file, lineterminator="\n").writerow(schema.names)
    for piece in pieces():
        _write_rows(file, schema, piece, cell, ",", "", "\n")


def _write_rows(
    file: IO[str],
    schema: pa.Schema,
    piece: pa.Table,
    cell: Cell,
    between: str,
    before: str,
    after: str,
) -> None:
    """Write rows, each column converted as a whole."""
    cells = [
        pc.fill_null(cell(field, column), "")
        for field, column in zip(schema, piece.columns, strict=True)
    ]
    cells = [column.combine_chunks() for column in cells]
    rows = pc.binary_join_element_wise(*cells, between)
    if not between.strip(",") and len(cells) == 1:
        # An empty line would be no row.
        rows = pc.if_else(pc.equal(rows, ""), '""', rows)
    if len(rows):
        file.write(before + f"{after}{before}".join(rows.to_pylist()) + after)


def _csv_cell(field: pa.Field, column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_boolean(field.type):
        return _truth(column, "True", "False")
    texts = as_text(column)
    if pa.types.is_integer(field.type):
        return texts
    if pa.types.is_floating(field.type):
        # With a point, so that whoever reads it gets numbers of this type.
        pointed = pc.binary_join_element_wise(texts, "0", ".")
        return pc.if_else(pc.match_substring_regex(texts, "^-?[0-9]+$"), pointed, texts)
    doubled = pc.replace_substring(texts, '"', '""')
    quoted = pc.binary_join_element_wise('"', doubled, '"', "")
    return pc.if_else(pc.match_substring_regex(texts, _QUOTED), quoted, texts)


def _ecsv_cell(field: pa.Field, column: pa.ChunkedArray) -> pa.ChunkedArray:
    if is_written_as_text(field.type):
        said = "ECSV cannot hold; write .parquet or .csv"
        column = _without(field, as_text(column), _NOT_IN_ECSV, said)
        field = field.with_type(pa.string())
    return _csv_cell(field, column)


def _without(field: pa.Field, texts: pa.ChunkedArray, letters: str, why: str) -> pa.ChunkedArray:
    """Replace letters that a format lacks; of IDs, refuse whatever its readers would change."""
    if is_main_id(field):
        strange = pc.match_substring_regex(texts, f"{letters}|{_CHANGED}")
        if pc.any(strange).as_py():
            place = pc.index(strange, True).as_py()
            raise GalaxiesError(f"{field.name} {texts[place].as_py()!r} has letters that {why}")
        return texts
    if pc.any(pc.match_substring_regex(texts, letters)).as_py():
        return pc.replace_substring_regex(texts, letters, "\ufffd")
    return texts


def _truth(column: pa.ChunkedArray, yes: str, no: str) -> pa.ChunkedArray:
    return pc.if_else(column, pa.scalar(yes), pa.scalar(no))


def write_ecsv(path: Path, schema: pa.Schema, pieces: Pieces) -> None:
    """Write an ECSV table; its header has types, units, descriptions and metadata."""
    from astropy.table.meta import get_yaml_from_header

    header = {
        "cols": list(empty_astropy_table(schema).columns.values()),
        "delimiter": ",",
        "meta": text_metadata(schema),
    }
    lines = ["%ECSV 1.0", "---", *get_yaml_from_header(header)]
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(f"# {line}\n" for line in lines)
        _write_csv_rows(file, schema, pieces, _ecsv_cell)


def text_metadata(schema: pa.Schema) -> dict[str, str]:
    """Return the metadata of a table as text."""
    return {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()}


def empty_astropy_table(schema: pa.Schema) -> Any:  # noqa: ANN401 - astropy has no types
    """Make a table of astropy with columns, units and descriptions, but without rows."""
    from astropy.table import Column, Table

    columns = []
    for field in schema:
        words = words_of(field)
        text = pa.types.is_nested(field.type) or not pa.types.is_primitive(field.type)
        text = text or pa.types.is_temporal(field.type)
        columns.append(
            Column(
                name=field.name,
                dtype="U1" if text else field.type.to_pandas_dtype(),
                unit=words.unit or None,
                description=words.description or None,
                meta={"ucd": words.ucd} if words.ucd else None,
            )
        )
    return Table(columns)


def write_votable(path: Path, schema: pa.Schema, pieces: Pieces) -> None:
    """Write a VOTable with its data as text (TABLEDATA), row by row."""
    start, end = _around_rows(schema)
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(f"{start}<DATA>\n<TABLEDATA>\n")
        for piece in pieces():
            _write_rows(file, schema, piece, _xml_cell, "</TD><TD>", "<TR><TD>", "</TD></TR>\n")
        file.write(f"</TABLEDATA>\n</DATA>\n{end}")


def _around_rows(schema: pa.Schema) -> tuple[str, str]:
    """Return what stands before and after the data of a VOTable, written by astropy."""
    from astropy.io.votable import from_table
    from astropy.io.votable.tree import Param

    document = from_table(empty_astropy_table(_without_unsigned(schema)))
    table = document.get_first_table()
    for field, column in zip(table.fields, schema, strict=True):
        if pa.types.is_boolean(column.type):
            field.datatype = "boolean"
        elif field.datatype == "unicodeChar":
            field.arraysize = "*"
        field.ucd = words_of(column).ucd or None
    for name, value in text_metadata(schema).items():
        param = Param(document, name=name, datatype="char", arraysize="*", value=value)
        table.params.append(param)
    written = io.BytesIO()
    document.to_xml(written)
    # Astropy's own version in a comment would change the bytes with every release.
    text = written.getvalue().decode()
    first, last = text.index("<!--"), text.index("-->") + len("-->\n")
    start, end = (text[:first] + text[last:]).split("  </TABLE>")
    return start, f"  </TABLE>{end}"


def _without_unsigned(schema: pa.Schema) -> pa.Schema:
    """Replace types that VOTable lacks: unsigned 64-bit integers are text, small ones wider."""
    wider = {pa.int8(): pa.int16(), pa.uint16(): pa.int32(), pa.uint32(): pa.int64(),
             pa.uint64(): pa.string(), pa.float16(): pa.float32()}  # fmt: skip
    return pa.schema([field.with_type(wider.get(field.type, field.type)) for field in schema])


def _xml_cell(field: pa.Field, column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_boolean(field.type):
        return _truth(column, "true", "false")
    texts = as_text(column)
    if pa.types.is_integer(field.type):
        return texts
    if pa.types.is_floating(field.type):
        return pc.if_else(pc.is_nan(column), "NaN", texts)
    texts = _without(field, texts, _NOT_IN_XML, "a VOTable cannot hold; write .parquet or .csv")
    for letter, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\r", "&#13;")):
        texts = pc.replace_substring(texts, letter, entity)
    return texts
