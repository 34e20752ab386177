"""CSV and ECSV tables."""

import csv
import io
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from galaxies.errors import GalaxiesError
from galaxies.tables.columns import Words, described
from galaxies.tables.sources import Source, on_disk, opened

_WHOLE: Final = "^(0|-?[1-9][0-9]*)$"
# A name, such as 007, or more digits than float64 has.
_NO_NUMBER: Final = r"^[+-]?(0[0-9]+|[0-9]{16,})$"
_TRUTH: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False,
                 "FALSE": False}  # fmt: skip
_KINDS: Final = (pa.bool_(), pa.int64(), pa.uint64(), pa.float64())
"""Types that a column of a CSV table may have, the first that fits all rows; else text."""

_EXACT: Final = (pa.int64(), pa.uint64())
"""The same for IDs."""

_BLOCK: Final = 1 << 22
_ECSV: Final = "# %ECSV"

ECSV_NAMES: Final = {
    pa.bool_(): "bool", pa.int8(): "int8", pa.int16(): "int16", pa.int32(): "int32",
    pa.int64(): "int64", pa.uint8(): "uint8", pa.uint16(): "uint16", pa.uint32(): "uint32",
    pa.uint64(): "uint64", pa.float16(): "float16", pa.float32(): "float32",
    pa.float64(): "float64", pa.string(): "string",
}  # fmt: skip
"""Names of types in the headers of ECSV, and of astropy's Parquet tables."""
_ECSV_TYPES: Final = {name: kind for kind, name in ECSV_NAMES.items()}


def open_csv(path: str, exact: Collection[str]) -> Source:
    """Open a CSV table; a first pass counts its rows and finds the types of its columns.

    Parameters
    ----------
    path : str
        A path, or an address that fsspec supports; it may end in .gz.
    exact : collection of str
        Names of columns of IDs, in lower case; none becomes a number with a point.

    Returns
    -------
    Source

    Examples
    --------
    >>> source = open_csv("catalogue.csv", exact=["id"])
    >>> source.rows, [(field.name, str(field.type)) for field in source.schema]
    (6, [('id', 'int64'), ('path', 'string'), ('redshift', 'double')])
    """
    with _reading(path), opened(path) as file, _as_text(file) as text:
        names = next(csv.reader(text), None)
    if not names:
        raise GalaxiesError(f"{path}: not a CSV table: it is empty")
    _refuse_twice(path, names)
    possible: dict[str, list[pa.DataType]] = {
        name: list(_EXACT if name.lower() in exact else _KINDS) for name in names
    }
    filled = dict.fromkeys(names, False)
    rows = 0
    for table in _texts(path, names, skip=0, delimiter=","):
        rows += len(table)
        for name in names:
            values = _filled(table[name])
            filled[name] |= len(values) > 0
            possible[name] = [kind for kind in possible[name] if _fits(values, kind)]
    types = [
        possible[name][0] if possible[name] and filled[name] else pa.string() for name in names
    ]
    schema = pa.schema(list(zip(names, types, strict=True)))

    def tables(columns: Sequence[str]) -> Iterator[pa.Table]:
        for table in _texts(path, names, skip=0, delimiter=","):
            yield _typed(table, schema, columns)

    return Source(schema, rows, {}, tables)


def _as_text(file: IO[bytes]) -> io.TextIOWrapper:
    return io.TextIOWrapper(file, "utf-8-sig", newline="")


def _refuse_twice(path: str, names: Sequence[str]) -> None:
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise GalaxiesError(f"{path}: has two columns {min(twice)!r}; rename one")


def open_ecsv(path: str, exact: Collection[str]) -> Source:
    """Open an ECSV table; its header names the types. See `open_csv`."""
    from astropy.table.meta import get_header_from_yaml

    lines: list[str] = []
    with _reading(path), opened(path) as file, _as_text(file) as text:
        for line in text:
            if not line.startswith("#"):
                break
            lines.append(line.rstrip("\r\n"))
    if not lines or not lines[0].startswith(_ECSV):
        raise GalaxiesError(f"{path}: not an ECSV table: its first line is not '{_ECSV} …'")
    try:
        header = get_header_from_yaml([line[2:] for line in lines[1:]])
        fields = [_ecsv_field(column, exact) for column in header["datatype"]]
    except (ValueError, KeyError, TypeError) as error:
        raise GalaxiesError(f"{path}: damaged ECSV header ({error})") from error
    schema = pa.schema(fields)
    _refuse_twice(path, schema.names)
    delimiter = header.get("delimiter", " ")
    metadata = header.get("meta") or {}

    def tables(columns: Sequence[str]) -> Iterator[pa.Table]:
        for table in _texts(path, schema.names, skip=len(lines), delimiter=delimiter):
            yield _typed(table, schema, columns)

    with _reading(path):
        rows = sum(map(len, tables(schema.names[:1])))
    return Source(schema, rows, {str(k): str(v) for k, v in metadata.items()}, tables)


def _ecsv_field(column: dict[str, Any], exact: Collection[str]) -> pa.Field:
    name = column["name"]
    kind = _ECSV_TYPES.get(column["datatype"], pa.string())
    if "subtype" in column or (name.lower() in exact and pa.types.is_floating(kind)):
        kind = pa.string()
    ucd = (column.get("meta") or {}).get("ucd", "")
    return described(name, kind, Words(column.get("description", ""), str(column.get("unit", "")),
                                       str(ucd)))  # fmt: skip


def _texts(path: str, names: Sequence[str], *, skip: int, delimiter: str) -> Iterator[pa.Table]:
    """Iterate over pieces of a table whose columns are all text."""
    read = pacsv.ReadOptions(use_threads=False, block_size=_BLOCK, skip_rows=skip)
    parse = pacsv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    convert = pacsv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
    )
    with _reading(path), _read_ahead(path) as file:
        for batch in pacsv.open_csv(file, read, parse, convert):
            yield pa.Table.from_batches([batch])


@contextmanager
def _read_ahead(path: str) -> Iterator[pa.NativeFile]:
    """Open a file for Arrow, whose threads read ahead, so that they do not need the interpreter.

    With a Python file, or one of fsspec, the process aborts if Python ends meanwhile.
    """
    with on_disk(path) as local, pa.OSFile(local) as file:
        if not path.lower().endswith(".gz"):
            yield file
            return
        try:
            with pa.CompressedInputStream(file, "gzip") as unpacked:
                yield unpacked
        except OSError as error:
            if error.errno is not None:
                raise
            raise GalaxiesError(f"{path}: damaged or cut off ({error}); copy it again") from error


@contextmanager
def _reading(path: str) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise GalaxiesError(f"{path}: not UTF-8 text at byte {error.start}") from error
    except pa.ArrowInvalid as error:
        reason = " ".join(str(error).split())[:200]
        if "invalid UTF8" in reason:
            raise GalaxiesError(f"{path}: not UTF-8 text ({reason})") from error
        raise GalaxiesError(f"{path}: not a CSV table, or cut off: {reason}") from error
    except (csv.Error, EOFError, StopIteration) as error:
        reason = " ".join(str(error).split())[:200]
        raise GalaxiesError(f"{path}: not a CSV table, or cut off: {reason}") from error


def _filled(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    return texts.filter(pc.not_equal(texts, ""))


def _fits(texts: pa.ChunkedArray, kind: pa.DataType) -> bool:
    """Whether text is the same value in a type: no digit of 18 is lost, and 007 stays a name."""
    if pa.types.is_boolean(kind):
        return set(pc.unique(texts).to_pylist()) <= set(_TRUTH)
    if pa.types.is_integer(kind):
        pattern = pc.match_substring_regex(texts, _WHOLE)
    else:
        pattern = pc.invert(pc.match_substring_regex(texts, _NO_NUMBER))
    if not pc.all(pattern).as_py():
        return False
    try:
        pc.cast(_number(texts), kind)
    except pa.ArrowInvalid:
        return False
    return True


def _number(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Remove what Arrow refuses in numbers: spaces around them, and a plus sign."""
    return pc.replace_substring_regex(pc.utf8_trim_whitespace(texts), r"^\+", "")


def _typed(table: pa.Table, schema: pa.Schema, columns: Sequence[str]) -> pa.Table:
    """Convert text to the types of a schema; empty text is missing."""
    arrays = []
    for name in columns:
        texts, kind = table[name], schema.field(name).type
        texts = pc.if_else(pc.equal(texts, ""), None, texts)
        if pa.types.is_boolean(kind):
            lower = pc.utf8_lower(texts)
            arrays.append(pc.or_(pc.equal(lower, "true"), pc.equal(lower, "1")))
        elif pa.types.is_string(kind):
            arrays.append(texts)
        else:
            arrays.append(pc.cast(_number(texts), kind))
    return pa.table(arrays, schema=pa.schema([schema.field(name) for name in columns]))
