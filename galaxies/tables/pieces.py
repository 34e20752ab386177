"""Tables that come in pieces, and what must be known of all pieces before the first is written."""

import json
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

Pieces = Callable[[], Iterator[pa.Table]]
"""Returns an iterator over the pieces of a table, the same each time it is called."""

Length = Callable[[pa.Field, pa.ChunkedArray], int]
"""Measures the longest text of a column; raises `GalaxiesError` for one that a format lacks."""


class Extent(NamedTuple):
    """What a first pass over a table finds."""

    rows: int
    longest: dict[str, int]
    """Length of the longest text in each column of text."""
    lowest: dict[str, int]
    """Smallest value in each column of integers."""
    highest: dict[str, int]
    blank: frozenset[str]
    """Columns of integers with missing values."""


def measure(schema: pa.Schema, pieces: Pieces, length: Length) -> Extent:
    """Find the number of rows, the longest texts and the range of the integers.

    Parameters
    ----------
    schema : Schema
        Columns of the table.
    pieces : callable
        Returns an iterator over the pieces.
    length : callable
        Measures the longest text of a column.

    Returns
    -------
    Extent

    Examples
    --------
    >>> import pyarrow as pa
    >>> table = pa.table({"galaxy_id": [7, 9], "label": ["spiral", None]})
    >>> extent = measure(table.schema, lambda: iter([table]), most_letters)
    >>> extent.rows, extent.longest, extent.lowest, extent.highest
    (2, {'label': 6}, {'galaxy_id': 7}, {'galaxy_id': 9})
    """
    rows = 0
    longest = {field.name: 0 for field in schema if is_written_as_text(field.type)}
    lowest: dict[str, int] = {}
    highest: dict[str, int] = {}
    blank: set[str] = set()
    for piece in pieces():
        rows += len(piece)
        for field in schema:
            name = field.name
            if name in longest:
                longest[name] = max(longest[name], length(field, as_text(piece[name])))
            elif pa.types.is_integer(field.type):
                ends = pc.min_max(piece[name])
                low, high = ends["min"].as_py(), ends["max"].as_py()
                if low is not None:
                    lowest[name] = min(low, lowest.get(name, low))
                    highest[name] = max(high, highest.get(name, high))
                if piece[name].null_count:
                    blank.add(name)
    return Extent(rows, longest, lowest, highest, frozenset(blank))


def most_letters(field: pa.Field, texts: pa.ChunkedArray) -> int:
    """Count the letters of the longest text."""
    return int(pc.max(pc.utf8_length(texts)).as_py() or 0)


def is_written_as_text(kind: pa.DataType) -> bool:
    """Whether a type is text, or has no place of its own in FITS, VOTable and ECSV."""
    return not (
        pa.types.is_floating(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_boolean(kind)
        or (pa.types.is_fixed_size_list(kind) and pa.types.is_primitive(kind.value_type))
    )


def as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Convert a column to text: dates as ISO 8601, lists and structures as JSON.

    Examples
    --------
    >>> import pyarrow as pa
    >>> as_text(pa.chunked_array([[{"g": 17.5, "bands": ["g", "r"]}, None]])).to_pylist()
    ['{"bands": ["g", "r"], "g": 17.5}', None]
    """
    if pa.types.is_string(column.type):
        return column
    if not pa.types.is_nested(column.type):
        return pc.cast(column, pa.string())
    texts = [
        None if value is None else json.dumps(value, default=str, sort_keys=True)
        for value in column.to_pylist()
    ]
    return pa.chunked_array([pa.array(texts, pa.string())])
