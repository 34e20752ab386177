"""VOTables, which need memory for the whole table."""

import math
import warnings
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from galaxies.errors import GalaxiesError
from galaxies.tables.columns import Words, described
from galaxies.tables.sources import Source, opened


def open_votable(path: str, exact: Collection[str]) -> Source:
    """Open the first table of a VOTable; see `galaxies.tables.text.open_csv`.

    It is in memory as a whole.
    """
    from astropy.io import votable
    from astropy.utils.exceptions import AstropyWarning

    try:
        with opened(path) as file, warnings.catch_warnings():
            # Services write VOTables that depart from the standard in small things.
            warnings.simplefilter("ignore", AstropyWarning)
            element = votable.parse_single_table(file)
    except (OSError, ValueError, IndexError, votable.exceptions.VOTableSpecError) as error:
        reason = " ".join(str(error).split())[:200]
        raise GalaxiesError(f"{path}: damaged or not a VOTable ({reason})") from error
    names = [field.name for field in element.fields]
    if twice := {name for name in names if names.count(name) > 1}:
        raise GalaxiesError(f"{path}: has two columns {min(twice)!r}; rename one")
    arrays, fields = [], []
    for field in element.fields:
        array = _values(element.array[field.ID if field.name not in element.array.dtype.names
                                    else field.name])  # fmt: skip
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


def _values(column: Any) -> pa.Array:  # noqa: ANN401 - a masked array of numpy
    data = np.ma.getdata(column)
    missing = np.ma.getmaskarray(column)
    if data.dtype.kind in "OUS":
        texts = [_text(value) for value in data.tolist()]
        return pa.array(texts, pa.string())
    if data.ndim > 1:
        return pa.FixedSizeListArray.from_arrays(pa.array(data.ravel()), math.prod(data.shape[1:]))
    # NaN is how the format writes a missing number.
    if data.dtype.kind == "f":
        missing = missing | np.isnan(data)
    return pa.array(data, mask=missing)


def _text(value: Any) -> str | None:  # noqa: ANN401
    if isinstance(value, bytes):
        value = value.decode()
    return str(value) if value is not None and str(value) else None
