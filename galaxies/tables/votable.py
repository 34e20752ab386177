"""VOTables, which need memory for the whole table."""

import math
import re
import traceback
import warnings
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from galaxies.errors import GalaxiesError
from galaxies.tables.columns import Words, choose_table, described
from galaxies.tables.sources import Source, opened

_SAID: Final = re.compile(r".*?(\d+)?:[\d?]+: [WE]\d\d: (.*)", re.DOTALL)
"""What astropy says: file, line, column of the line, code, reason."""


def open_votable(path: str, exact: Collection[str]) -> Source:
    """Open the only table of a VOTable with IDs; see `galaxies.tables.text.open_csv`.

    It is in memory as a whole.
    """
    element = _parsed(path, exact)
    names = [field.name for field in element.fields]
    if twice := {name for name in names if names.count(name) > 1}:
        raise GalaxiesError(f"{path}: has two columns {min(twice)!r}; rename one")
    arrays, fields = [], []
    # By place: the ID of one column may be the name of another.
    for field, stored in zip(element.fields, element.array.dtype.names or (), strict=True):
        array = _values(element.array[stored])
        words = Words(
            " ".join(str(field.description or "").split()),
            str(field.unit or ""),
            str(field.ucd or ""),
        )
        arrays.append(array)
        fields.append(described(field.name, array.type, words))
    table = pa.table(arrays, schema=pa.schema(fields))
    metadata = {param.name: str(param.value) for param in element.params}

    def tables(columns: Sequence[str]) -> Iterator[pa.Table]:
        yield table.select(list(columns))

    return Source(table.schema, len(table), metadata, tables)


def _parsed(path: str, exact: Collection[str]) -> Any:  # noqa: ANN401 - astropy has no types
    from astropy.io import votable
    from astropy.io.votable import exceptions as said
    from astropy.utils.exceptions import AstropyWarning

    # Astropy warns and goes on with another value, or with fewer rows.
    changed = (said.W18, said.W30, said.W36, said.W37, said.W39, said.W46, said.W49, said.W51,
               said.E02)  # fmt: skip
    try:
        with opened(path) as file, warnings.catch_warnings():
            # Services write VOTables that depart from the standard in small things.
            warnings.simplefilter("ignore", AstropyWarning)
            for kind in changed:
                warnings.simplefilter("error", kind)
            document = votable.parse(file, verify="warn")
    except changed as error:
        place = _SAID.match(str(error))
        reason = " ".join((place[2] if place else str(error)).split()).rstrip(".")
        raise GalaxiesError(
            f"{path}: line {(place and place[1]) or '?'}{_column_of(error)}: {reason}; write the "
            "table again with types that hold its values"
        ) from error
    except (OSError, ValueError, IndexError, said.VOTableSpecError) as error:
        reason = " ".join(str(error).split())[:200]
        raise GalaxiesError(f"{path}: damaged or not a VOTable ({reason})") from error
    elements = [element for element in document.iter_tables() if element.fields]
    if not elements:
        raise GalaxiesError(f"{path}: has no table")
    # A table without data describes others.
    elements = [element for element in elements if len(element.array)] or elements[:1]
    held = [[field.name for field in element.fields] for element in elements]
    return elements[choose_table(path, held, exact)]


def _column_of(error: Exception) -> str:
    """Name the column of a value; astropy knows it where it reads a row, and does not say it."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        fields, place = frame.f_locals.get("fields"), frame.f_locals.get("i")
        if isinstance(fields, list) and isinstance(place, int) and place < len(fields):
            return f", column {fields[place].name!r}"
    return ""


def _values(column: Any) -> pa.Array:  # noqa: ANN401 - a masked array of numpy
    data = np.ma.getdata(column)
    missing = np.ma.getmaskarray(column)
    if data.dtype.kind == "O" and any(isinstance(value, np.ndarray) for value in data):
        return pa.array([_list(value) for value in data])
    if data.dtype.kind in "OUS" and data.ndim == 1:
        texts = [_text(value) for value in data.tolist()]
        return pa.array(texts, pa.string())
    if data.dtype.kind in "OUS":
        return pa.array([[_text(text) for text in row.ravel()] for row in data])
    if data.dtype.kind == "c":  # real and imaginary part
        data = np.ascontiguousarray(data).view(data.real.dtype).reshape(*data.shape, 2)
    if data.ndim > 1:
        return pa.FixedSizeListArray.from_arrays(pa.array(data.ravel()), math.prod(data.shape[1:]))
    # NaN is how the format writes a missing number.
    if data.dtype.kind == "f":
        missing = missing | np.isnan(data)
    return pa.array(data, mask=missing)


def _list(value: Any) -> list[Any] | None:  # noqa: ANN401
    """Return the elements of an array of variable length."""
    return value.ravel().tolist() if isinstance(value, np.ndarray) else None


def _text(value: Any) -> str | None:  # noqa: ANN401
    if isinstance(value, bytes):
        value = value.decode()
    return str(value) if value is not None and str(value) else None
