"""Columns of tables: what describes them, and which have the IDs and the files."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from galaxies.errors import GalaxiesError

ROWS: Final = 131_072
"""Rows of a table that are in memory together."""

LONGEST_TEXT: Final = 65_536
"""Bytes of a text in a cell; a few kilobytes of a compressed table may hold gigabytes."""

ID_NAMES: Final = ("galaxy_id", "GalaxyID", "id", "objid", "id_str")
"""Names of a column of IDs, in upper or lower case; the first that a catalogue has counts."""

PATH_NAMES: Final = ("path", "file_loc", "filename")
"""Names of a column of image files, in upper or lower case."""

RA_NAMES: Final = ("ra", "raj2000", "_raj2000", "ra_icrs", "ramean", "ra_deg", "target_ra")
DEC_NAMES: Final = ("dec", "dej2000", "decj2000", "_dej2000", "de_icrs", "decmean", "dec_deg",
                    "target_dec", "decl")  # fmt: skip
"""Names of columns of positions, in upper or lower case."""

_ROUNDED: Final = (
    r"^\s*[+-]?([0-9]+(\.0*|,0|([.,][0-9]+)?[eE]\+[0-9]+)"
    r"|([0-9]+[.,][0-9]*|[.,][0-9]+)[eEdD]\+?0*([5-9]|[1-9][0-9]+))\s*$"
)
"""What spreadsheets, pandas and Java make of integers: 5.9E+17, 5,9E17, 100008.0; 1e5 is a name."""


class ColumnNames(NamedTuple):
    """Names that the user gives to columns of a catalogue; `None` for the usual ones."""

    ids: str | None = None
    paths: str | None = None


class Words(NamedTuple):
    """What a column means; empty where nothing is known."""

    description: str = ""
    unit: str = ""
    ucd: str = ""
    """Unified Content Descriptor of the IVOA, such as `meta.id;meta.main`."""


def described(name: str, kind: pa.DataType, words: Words) -> pa.Field:
    """Make a field; the metadata of a field hold its description, unit and UCD.

    Parameters
    ----------
    name : str
        Name of the column.
    kind : DataType
        Type of its values.
    words : Words
        What it means.

    Returns
    -------
    Field

    Examples
    --------
    >>> import pyarrow as pa
    >>> field = described("ra", pa.float64(), Words("right ascension", "deg", "pos.eq.ra"))
    >>> words_of(field).unit
    'deg'
    """
    return pa.field(name, kind, metadata={k: v for k, v in words._asdict().items() if v})


def words_of(field: pa.Field) -> Words:
    """Return what a column means, from the metadata of its field."""
    held = field.metadata or {}
    return Words(*(held.get(key.encode(), b"").decode() for key in Words._fields))


MAIN_ID: Final = "meta.id;meta.main"
"""UCD of the column that identifies a row."""


def is_main_id(field: pa.Field) -> bool:
    """Whether a column identifies the rows: none of its letters may change."""
    return words_of(field).ucd == MAIN_ID


@dataclass(frozen=True)
class Rebatched:
    """Tables cut and joined into pieces of `rows` rows; the last may be smaller."""

    tables: Iterable[pa.Table]
    rows: int
    largest: int | None = None
    """Bytes above which a piece ends early."""

    def __iter__(self) -> Iterator[pa.Table]:
        waiting: list[pa.Table] = []
        held = size = 0
        for table in self.tables:
            waiting.append(table)
            held += len(table)
            size += table.nbytes
            if held >= self.rows:
                whole, start = pa.concat_tables(waiting), 0
                while held - start >= self.rows:
                    yield whole.slice(start, self.rows)
                    start += self.rows
                waiting, held = [whole.slice(start)], held - start
                size = waiting[0].nbytes
            elif self.largest is not None and size > self.largest and held:
                yield pa.concat_tables(waiting)
                waiting, held, size = [], 0, 0
        if held:
            yield pa.concat_tables(waiting)


def choose_column(
    source: str, columns: Sequence[str], names: Sequence[str], option: str, given: str | None = None
) -> str | None:
    """Find the column with one of several names, in upper or lower case.

    Parameters
    ----------
    source : str
        Name of the table, for errors.
    columns : sequence of str
        The columns that it has.
    names : sequence of str
        Names to look for; the first counts.
    option : str
        The option that names another, for errors.
    given : str, optional
        The name that the user gave; it must exist.

    Returns
    -------
    str or None

    Raises
    ------
    GalaxiesError
        If there is no column `given`, or if two columns differ only in case.

    Examples
    --------
    >>> from galaxies.tables.columns import ID_NAMES
    >>> choose_column("sdss.fits", ["RA", "DEC", "OBJID"], ID_NAMES, "--id")
    'OBJID'
    """
    if given is not None:
        if given not in columns:
            raise GalaxiesError(
                f"{source}: has no column {given!r} ({option}); it has {_listed(columns)}"
            )
        return given
    for name in names:
        if name in columns:
            return name
        same = [column for column in columns if column.lower() == name.lower()]
        if len(same) > 1:
            raise GalaxiesError(
                f"{source}: columns {' and '.join(same)} differ only in case; choose with {option}"
            )
        if same:
            return same[0]
    return None


def choose_table(source: str, tables: Sequence[Sequence[str]], exact: Collection[str]) -> int:
    """Find the table of a file with several that is the catalogue.

    Parameters
    ----------
    source : str
        Name of the file, for errors.
    tables : sequence of sequence of str
        Names of the columns of each table.
    exact : collection of str
        Names of columns of IDs, in lower case.

    Returns
    -------
    int
        The only table, or the only one with IDs and files, or the only one with IDs.

    Raises
    ------
    GalaxiesError
        If it could be one or another.

    Examples
    --------
    >>> choose_table("a.fits", [["start", "stop"], ["ID", "path"]], ["id"])
    1
    """
    held = [{name.lower() for name in names} for names in tables]
    with_ids = [place for place, names in enumerate(held) if names & set(exact)]
    with_files = [place for place in with_ids if held[place] & set(PATH_NAMES)]
    possible = with_files or with_ids or list(range(len(tables)))
    if len(possible) > 1:
        raise GalaxiesError(
            f"{source}: has {len(tables)} tables, and {len(possible)} of them may be the "
            f"catalogue (tables {possible[0] + 1} and {possible[1] + 1}); write each to a file"
        )
    return possible[0]


def _listed(columns: Sequence[str]) -> str:
    more = f" and {len(columns) - 8} more" if len(columns) > 8 else ""
    return ", ".join(columns[:8]) + more


def require_exact(source: str, field: pa.Field) -> None:
    """Refuse a column of IDs that cannot hold them exactly.

    Raises
    ------
    GalaxiesError
        If it has numbers with a point: float64 rounds the 18 digits of an SDSS object ID.
    """
    if not (pa.types.is_integer(field.type) or is_text(field.type)):
        why = ", which cannot hold 18 digits" if pa.types.is_floating(field.type) else ""
        raise GalaxiesError(
            f"{source}: column {field.name!r}, row 1 and on: IDs must be integers or text, but are "
            f"{field.type}{why}; make the column again as int64 or text"
        )


def require_short(source: str, table: pa.Table, row: int) -> None:
    """Refuse texts that are longer than `LONGEST_TEXT`.

    Parameters
    ----------
    source : str
        Name of the table, for errors.
    table : Table
        Some of its rows; columns of text may be dictionaries.
    row : int
        Rows of the table before these.

    Raises
    ------
    GalaxiesError
        If there is one.

    Examples
    --------
    >>> import pyarrow as pa
    >>> require_short("a.csv", pa.table({"note": ["", "x" * 70_000]}), row=100)
    Traceback (most recent call last):
    ...
    galaxies.errors.GalaxiesError: a.csv: column 'note', row 102: a text of 70,000 bytes; 65,536...
    """
    for field, column in zip(table.schema, table.columns, strict=True):
        held = pa.types.is_dictionary(field.type)
        if not is_text(field.type.value_type if held else field.type):
            continue
        for chunk in column.chunks:
            longest = pc.max(pc.binary_length(chunk.dictionary if held else chunk)).as_py() or 0
            if longest > LONGEST_TEXT:
                lengths = pc.binary_length(chunk.dictionary if held else chunk)
                lengths = lengths.take(chunk.indices) if held else lengths
                long = pc.fill_null(pc.greater(lengths, LONGEST_TEXT), False)
                place = pc.index(long, True).as_py()
                if place >= 0:
                    raise GalaxiesError(
                        f"{source}: column {field.name!r}, row {row + place + 1}: a text of "
                        f"{lengths[place].as_py():,} bytes; {LONGEST_TEXT:,} are possible; leave "
                        "the column out"
                    )


def exact_ids(source: str, name: str, values: pa.ChunkedArray, row: int) -> list[str]:
    """Return IDs as text, letter for letter.

    Parameters
    ----------
    source : str
        Name of the table, for errors.
    name : str
        Name of the column.
    values : ChunkedArray of shape (N,)
        Integers or text.
    row : int
        Rows of the table before these.

    Returns
    -------
    list of str

    Raises
    ------
    GalaxiesError
        If an ID is blank, or a rounded number such as 5.9E+17.

    Examples
    --------
    >>> import pyarrow as pa
    >>> exact_ids("a.csv", "id", pa.chunked_array([["NA", "587722981741363323"]]), row=0)
    ['NA', '587722981741363323']
    >>> exact_ids("a.csv", "id", pa.chunked_array([["5.87723E+17"]]), row=100)
    Traceback (most recent call last):
    ...
    galaxies.errors.GalaxiesError: a.csv: column 'id', row 101: 5.87723E+17 is a rounded number...
    """
    texts = values if pa.types.is_string(values.type) else pc.cast(values, pa.string())
    blank = pc.fill_null(pc.equal(pc.utf8_trim_whitespace(texts), ""), True)
    if pc.any(blank).as_py():
        place = pc.index(blank, True).as_py()
        raise GalaxiesError(f"{source}: column {name!r}, row {row + place + 1}: has no ID")
    if is_text(values.type):
        rounded = pc.match_substring_regex(texts, _ROUNDED)
        if pc.any(rounded).as_py():
            place = pc.index(rounded, True).as_py()
            raise GalaxiesError(
                f"{source}: column {name!r}, row {row + place + 1}: {texts[place]} is a rounded "
                "number, and its other digits are lost; export the IDs again as text or integers"
            )
    ids: list[str] = texts.to_pylist()
    return ids


def is_text(kind: pa.DataType) -> bool:
    """Whether a type is text, in any of Arrow's layouts."""
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the plain type for the same values: dictionaries unpacked, one layout of text.

    Examples
    --------
    >>> import pyarrow as pa
    >>> plain_type(pa.dictionary(pa.int8(), pa.large_string()))
    DataType(string)
    """
    if pa.types.is_dictionary(kind):
        return plain_type(kind.value_type)
    return pa.string() if is_text(kind) or pa.types.is_null(kind) else kind


def plain(table: pa.Table) -> pa.Table:
    """Convert the columns of a table to `plain_type`."""
    for place, field in enumerate(table.schema):
        kind = plain_type(field.type)
        if kind != field.type:
            table = table.set_column(place, field.with_type(kind), pc.cast(table[place], kind))
    return table
