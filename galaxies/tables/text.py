"""CSV and ECSV tables."""

import csv
import io
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from decimal import Context, Decimal
from typing import IO, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import yaml

from galaxies.errors import GalaxiesError
from galaxies.tables.columns import Words, described
from galaxies.tables.sources import Source, on_disk, opened

_WHOLE: Final = "^(0|-?[1-9][0-9]*)$"
# A name, such as 007, or more digits than float64 has.
_NO_NUMBER: Final = r"^[+-]?(0[0-9]+|[0-9]{16,})$"
_LONG: Final = r"[0-9](\.?[0-9]){15}"
"""Sixteen digits, which float64 may not hold."""
_YES: Final = ("true", "t", "yes", "1")
_NO: Final = ("false", "f", "no", "0")
_TRUTH: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False,
                 "FALSE": False}  # fmt: skip
_KINDS: Final = (pa.bool_(), pa.int64(), pa.uint64(), pa.float64())
"""Types that a column of a CSV table may have, the first that fits all rows; else text."""

_EXACT: Final = (pa.int64(), pa.uint64())
"""The same for IDs."""

_BLOCK: Final = 1 << 22
_LONGEST_HEADER: Final = 1 << 20
_ALIASES: Final = 8
_DEPTH: Final = 50
_ECSV: Final = "# %ECSV"
_BOM: Final = "\ufeff"

ECSV_NAMES: Final = {
    pa.bool_(): "bool", pa.int8(): "int8", pa.int16(): "int16", pa.int32(): "int32",
    pa.int64(): "int64", pa.uint8(): "uint8", pa.uint16(): "uint16", pa.uint32(): "uint32",
    pa.uint64(): "uint64", pa.float16(): "float16", pa.float32(): "float32",
    pa.float64(): "float64", pa.string(): "string",
}  # fmt: skip
"""Names of types in the headers of ECSV, and of astropy's Parquet tables."""
_ECSV_TYPES: Final = {name: kind for kind, name in ECSV_NAMES.items()}


def last_line_ends(path: str) -> bool:
    """Tell whether the last line of a text table ends; otherwise it may have been cut off.

    Compressed files have checksums, so they count as complete.

    Examples
    --------
    >>> last_line_ends("catalogue.csv")
    True
    """
    if path.lower().endswith(".gz"):
        return True
    with opened(path) as file:
        size = file.seek(0, 2)
        file.seek(max(size - 1, 0))
        return file.read(1) in (b"", b"\n", b"\r")


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
    _require_whole_cells(path, skip=0, delimiter=",")
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
            yield _typed(path, table, schema, columns)

    return Source(schema, rows, {}, tables)


def _as_text(file: IO[bytes], errors: str = "strict") -> io.TextIOWrapper:
    return io.TextIOWrapper(file, "utf-8-sig", errors, newline="")


def _refuse_twice(path: str, names: Sequence[str]) -> None:
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise GalaxiesError(f"{path}: has two columns {min(twice)!r}; rename one")


def open_ecsv(path: str, exact: Collection[str]) -> Source:
    """Open an ECSV table; its header names the types. See `open_csv`."""
    lines, first = _ecsv_header(path)
    try:
        header = read_header([line[2:] for line in lines[1:]])
        fields = [_ecsv_field(column, exact) for column in header["datatype"]]
    except (ValueError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise GalaxiesError(f"{path}: damaged ECSV header ({reason})") from error
    schema = pa.schema(fields)
    _refuse_twice(path, schema.names)
    delimiter = header.get("delimiter", " ")
    if sorted(next(csv.reader([first], delimiter=delimiter), [])) != sorted(schema.names):
        raise GalaxiesError(
            f"{path}: line {len(lines) + 1}: has other columns than the header above it; write the "
            "table again"
        )
    _require_whole_cells(path, skip=len(lines), delimiter=delimiter)
    metadata = header.get("meta") or {}

    def tables(columns: Sequence[str]) -> Iterator[pa.Table]:
        for table in _texts(path, schema.names, skip=len(lines), delimiter=delimiter):
            yield _typed(path, table, schema, columns)

    with _reading(path):
        rows = sum(map(len, tables(schema.names[:1])))
    return Source(schema, rows, {str(k): str(v) for k, v in metadata.items()}, tables)


def _ecsv_header(path: str) -> tuple[list[str], str]:
    """Read the lines of the header, and the one with the names of the columns."""
    lines: list[str] = []
    left = _LONGEST_HEADER
    with _reading(path), opened(path) as file, _as_text(file) as text:
        while (line := text.readline(left)).startswith("#"):
            left -= len(line)
            if left <= 0:
                raise GalaxiesError(
                    f"{path}: an ECSV header of more than {_LONGEST_HEADER:,} letters"
                )
            lines.append(line.rstrip("\r\n"))
    if not lines or not lines[0].startswith(_ECSV):
        raise GalaxiesError(f"{path}: not an ECSV table: its first line is not '{_ECSV} …'")
    return lines, line.rstrip("\r\n")


def read_header(lines: Sequence[str]) -> dict[str, Any]:
    """Read a header that astropy or another program has written in YAML.

    Raises
    ------
    ValueError
        If it is not YAML, or would take gigabytes or hours: it refers to its own parts, or has
        lists in lists, many times.
    """
    from astropy.table.meta import YamlParseError, get_header_from_yaml

    try:
        aliases = depth = 0
        for token in yaml.scan("\n".join(lines)):
            aliases += isinstance(token, yaml.AliasToken)
            depth += isinstance(token, yaml.FlowSequenceStartToken | yaml.FlowMappingStartToken)
            depth -= isinstance(token, yaml.FlowSequenceEndToken | yaml.FlowMappingEndToken)
            if aliases > _ALIASES or depth > _DEPTH:
                raise ValueError("too many references (*) to its own parts, or lists in lists")
        header: dict[str, Any] = get_header_from_yaml(lines)
    except (yaml.YAMLError, YamlParseError, RecursionError) as error:
        raise ValueError(str(error)) from error
    return header


def _ecsv_field(column: dict[str, Any], exact: Collection[str]) -> pa.Field:
    name = column["name"]
    kind = _ECSV_TYPES.get(column["datatype"], pa.string())
    if "subtype" in column or (name.lower() in exact and pa.types.is_floating(kind)):
        kind = pa.string()
    ucd = (column.get("meta") or {}).get("ucd", "")
    return described(name, kind, Words(column.get("description", ""), str(column.get("unit", "")),
                                       str(ucd)))  # fmt: skip


def _require_whole_cells(path: str, *, skip: int, delimiter: str) -> None:
    """Refuse a quote that is not closed in its line: rows could disappear in a cell.

    So that no damaged table is read as a shorter one, this also concerns cells that are meant to
    have line breaks.
    """
    cell = rf'(?:"(?:[^"]|"")*"|[^"{delimiter}][^{delimiter}]*|)'
    whole = re.compile(rf"{cell}(?:{delimiter}{cell})*")
    with opened(path) as file, _as_text(file, errors="surrogateescape") as text:
        number = 0
        while line := text.readline(_BLOCK):
            number += 1
            if len(line) == _BLOCK:
                raise GalaxiesError(f"{path}: line {number}: is longer than {_BLOCK:,} letters")
            if line.startswith(_BOM):
                raise GalaxiesError(
                    f"{path}: line {number}: begins with a byte-order mark, as where two files "
                    "were joined; remove it, and the second header"
                )
            if '"' in line and number > skip and not whole.fullmatch(line.rstrip("\r\n")):
                raise GalaxiesError(
                    f"{path}: line {number}: a quoted cell does not end with its quote in this "
                    "line; mend the quotes, or write tables with line breaks in cells as .parquet"
                )


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
    return not pa.types.is_floating(kind) or _comes_back(texts)


def _comes_back(texts: pa.ChunkedArray) -> bool:
    """Whether float64 holds every digit of numbers."""
    long = _number(texts.filter(pc.match_substring_regex(texts, _LONG)))
    again = pc.cast(pc.cast(long, pa.float64()), pa.string())
    return all(map(_is_held, long.filter(pc.not_equal(again, long)).to_pylist()))


def _is_held(text: str) -> bool:
    """Whether a float64, written with as many digits, is this text."""
    written = Decimal(text)
    digits = len(written.as_tuple().digits)
    return Context(prec=digits).create_decimal(Decimal(float(text))) == written


def _number(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Remove what Arrow refuses in numbers: spaces around them, and a plus sign."""
    return pc.replace_substring_regex(pc.utf8_trim_whitespace(texts), r"^\+", "")


def _typed(path: str, table: pa.Table, schema: pa.Schema, columns: Sequence[str]) -> pa.Table:
    """Convert text to the types of a schema; empty text is missing."""
    arrays = []
    for name in columns:
        texts, kind = table[name], schema.field(name).type
        texts = pc.if_else(pc.equal(texts, ""), None, texts)
        if pa.types.is_string(kind):
            arrays.append(texts)
        elif pa.types.is_boolean(kind):
            arrays.append(_logical(path, name, texts))
        else:
            try:
                arrays.append(pc.cast(_number(texts), kind))
            except pa.ArrowInvalid as error:
                raise GalaxiesError(f"{path}: column {name!r}: {error}") from error
    return pa.table(arrays, schema=pa.schema([schema.field(name) for name in columns]))


def _logical(path: str, name: str, texts: pa.ChunkedArray) -> pa.ChunkedArray:
    lower = pc.utf8_lower(texts)
    yes = pc.is_in(lower, pa.array(_YES))
    strange = pc.invert(pc.or_(yes, pc.is_in(lower, pa.array([*_NO, None], pa.string()))))
    if pc.any(strange).as_py():
        text = texts[pc.index(strange, True).as_py()]
        raise GalaxiesError(
            f"{path}: column {name!r}: {text.as_py()!r} is not a logical value; write True or False"
        )
    return pc.if_else(pc.is_null(lower), None, yes)
