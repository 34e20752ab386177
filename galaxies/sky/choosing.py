"""Which column of a list has the right ascension, the declination, the radius or the ID."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from galaxies.base.arrays import Floats
from galaxies.errors import GalaxiesError
from galaxies.sky.angles import NAMED_UNIT

ALIKE: Final = 1 / 3600
"""Degrees; two columns of one position differ by less, as text and number of a catalogue do."""
_RADII_ALIKE: Final = 0.01  # of the radius

Values = Callable[[str], Floats]
"""Returns the values of a column, in one unit, NaN where there is none."""


def named(path: Path, table: pa.Table, wanted: str, option: str) -> str:
    """Return the column that the user named.

    Raises
    ------
    GalaxiesError
        If there is none.
    """
    if wanted not in table.column_names:
        raise GalaxiesError(
            f"{path}: {option} {wanted}: no such column; found {', '.join(table.column_names[:12])}"
        )
    return wanted


def candidates(columns: Sequence[str], usual: Sequence[str]) -> list[str]:
    """List columns with one of the usual names, in any case, with or without a unit.

    Examples
    --------
    >>> candidates(["RAJ2000", "DEC", "RA [deg]"], ["ra", "raj2000"])
    ['RA [deg]', 'RAJ2000']
    """
    found: list[str] = []
    for name in usual:
        found += [column for column in columns if column.lower() == name]
        for column in columns:
            parts = NAMED_UNIT.fullmatch(column)
            if parts and parts["name"].lower() == name:
                found.append(column)
    return list(dict.fromkeys(found))


def chosen(
    path: Path, table: pa.Table, usual: Sequence[str], values: Values, option: str, what: str
) -> str | None:
    """Choose the column of a quantity; of several, the first, if they have the same values.

    Parameters
    ----------
    path : Path
        Of the table, for errors.
    table : Table
    usual : sequence of str
        Names, in lower case; the first counts.
    values : callable
        Angles are compared in degrees, or radii, if `option` is not of an angle, in proportion.
    option : {"--ra", "--dec", "--radius-column", ""}
        The option that names a column.
    what : str
        What the column has.

    Returns
    -------
    str or None
        `None` if no column has such a name.

    Raises
    ------
    GalaxiesError
        If two columns may have it, and differ; a value that only one has is a difference too.

    Examples
    --------
    >>> from pathlib import Path
    >>> import pyarrow as pa
    >>> table = pa.table({"ra": [10.0, 20.0], "RAJ2000": [10.0, 20.5]})
    >>> values = lambda name: table[name].to_numpy()
    >>> chosen(Path("a.csv"), table, ["ra", "raj2000"], values, "--ra", "right ascension")
    Traceback (most recent call last):
    galaxies.errors.GalaxiesError: a.csv: columns ra and RAJ2000 may both ...
    """
    found = candidates(table.column_names, usual)
    if len(found) < 2:
        return found[0] if found else None
    held = {name: values(name) for name in found}
    # An empty column says nothing.
    full = [name for name in found if not np.isnan(held[name]).all()] or found[:1]
    first = held[full[0]]
    for name in full[1:]:
        if option in ("--ra", "--dec"):
            apart = np.abs((held[name] - first + 180) % 360 - 180) < ALIKE
        else:
            apart = np.abs(held[name] - first) <= _RADII_ALIKE * np.abs(first)
        different = ~(apart | (np.isnan(first) & np.isnan(held[name])))
        if different.any():
            row = int(different.argmax())
            advice = f"choose with {option}, or rename one" if option else "rename one"
            raise GalaxiesError(
                f"{path}: columns {full[0]} and {name} may both be the {what}, but differ in row "
                f"{row + 1} ({table[full[0]][row]} and {table[name][row]}); {advice}"
            )
    return full[0]


def chosen_ids(path: Path, table: pa.Table, usual: Sequence[str]) -> str | None:
    """Choose the column of IDs: the first of the usual names, which only one column may have.

    Raises
    ------
    GalaxiesError
        If two columns differ only in case, and have different IDs.

    Examples
    --------
    >>> from pathlib import Path
    >>> import pyarrow as pa
    >>> chosen_ids(Path("a.csv"), pa.table({"name": ["M 87"], "objID": [7]}), ["objid", "name"])
    'objID'
    """
    for name in usual:
        same = [column for column in table.column_names if column.lower() == name]
        for other in same[1:]:
            if table[other].to_pylist() != table[same[0]].to_pylist():
                raise GalaxiesError(
                    f"{path}: columns {same[0]} and {other} may both be the ID, but differ; choose "
                    "with --id, or rename one"
                )
        if same:
            return str(same[0])
    return None
