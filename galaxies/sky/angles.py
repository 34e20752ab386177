"""Angles in tables of positions: numbers with a unit, or sexagesimal text."""

import re
import warnings
from collections import Counter
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from astropy import units
from astropy.coordinates import Angle
from astropy.utils.exceptions import AstropyWarning

from galaxies.base.arrays import Floats
from galaxies.errors import GalaxiesError

UNITS: Final = {
    "deg": units.deg, "degree": units.deg, "degrees": units.deg, "d:m:s": units.deg,
    "h": units.hourangle, "hr": units.hourangle, "hour": units.hourangle,
    "hours": units.hourangle, "hourangle": units.hourangle, "h:m:s": units.hourangle,
    "rad": units.rad, "radian": units.rad, "radians": units.rad,
    "arcmin": units.arcmin, "arcsec": units.arcsec,
}  # fmt: skip
"""Angles, as tables and names of columns call them; an hour is no time here."""
NAMED_UNIT: Final = re.compile(
    r"(?P<name>.+?)(?:\s*[\[(]\s*|_)(?P<unit>" + "|".join(map(re.escape, UNITS)) + r")\s*[\])]?",
    re.IGNORECASE,
)
"""`RA [deg]`, `Dec (degrees)`, `ra_hours`."""

_NO_VALUE: Final = frozenset({"", "nan", "null", "none", "na", "n/a", "-", "--"})
_MANY: Final = 5
"""Galaxies of which some are above 24 degrees, if their right ascensions are in degrees."""


def angle_unit(path: Path, name: str, stated: units.UnitBase | None) -> units.UnitBase | None:
    """Find the unit of a column of angles, by the table or else by the column's name.

    Raises
    ------
    GalaxiesError
        If the table says that the column has no angles.

    Examples
    --------
    >>> from pathlib import Path
    >>> angle_unit(Path("positions.csv"), "ra_hours", stated=None)
    Unit("hourangle")
    """
    if stated is None or str(stated) == "":
        parts = NAMED_UNIT.fullmatch(name)
        return UNITS[parts["unit"].lower()] if parts else None
    if stated.is_equivalent(units.deg):
        return stated
    unit = UNITS.get(str(stated).strip("'\" ").lower())
    if unit is None:
        raise GalaxiesError(
            f"{path}: column {name!r} has the unit {stated}, which is no angle; correct it, or "
            "name another column"
        )
    return unit


def is_text(column: pa.ChunkedArray) -> bool:
    """Whether a column has text."""
    return bool(pa.types.is_string(column.type) or pa.types.is_large_string(column.type))


def in_degrees(
    column: pa.ChunkedArray,
    unit: units.UnitBase | None,
    of_text: units.UnitBase = units.hourangle,
) -> Floats:
    """Convert a column (N,) of angles to degrees.

    Parameters
    ----------
    column : ChunkedArray
        Numbers, or text: numbers or sexagesimal.
    unit : Unit, optional
        Without one, numbers are degrees.
    of_text : Unit
        That of sexagesimal text without a unit.

    Returns
    -------
    ndarray of shape (N,), float64
        NaN where a cell has no angle.

    Examples
    --------
    >>> import pyarrow as pa
    >>> in_degrees(pa.chunked_array([["10h00m00s", "150.5", "?"]]), unit=None).round(6).tolist()
    [150.0, 150.5, nan]
    """
    of_numbers = float((unit or units.deg).to(units.deg))
    if not is_text(column):
        return np.asarray(column.to_pandas(), np.float64) * of_numbers
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)  # 60 seconds come from rounding
        texts = column.to_pylist()
        return np.array([_angle(text, unit or of_text, of_numbers) for text in texts], np.float64)


def _angle(text: str | None, unit: units.UnitBase, of_numbers: float) -> float:
    """Read an angle from text: a number, or sexagesimal; NaN if it is none."""
    if is_missing(text):
        return np.nan
    assert text is not None
    try:
        return float(text) * of_numbers
    except ValueError:
        pass
    try:
        return float(Angle(text.strip(), unit).to_value(units.deg))
    except (ValueError, units.UnitsError, TypeError):
        return np.nan


def is_missing(value: object) -> bool:
    """Whether a cell has no value, or a word for none."""
    return value is None or value != value or str(value).strip().lower() in _NO_VALUE


def may_be_hours(column: pa.ChunkedArray, ra: Floats) -> bool:
    """Whether numbers without a unit could be right ascensions in hours."""
    return not is_text(column) and len(ra) >= _MANY and bool(((ra >= 0) & (ra <= 24)).all())


def iau_names(ra: Floats, dec: Floats) -> list[str]:
    """Name galaxies after their positions, truncated as the IAU asks; no name comes twice.

    Examples
    --------
    >>> import numpy as np
    >>> iau_names(np.array([187.70593]), np.array([12.39112]))
    ['J123049.42+122328.0']
    """
    names: list[str] = []
    times: Counter[str] = Counter()
    for alpha, delta in zip(ra, dec, strict=True):
        if np.isnan(alpha):
            names.append(f"row{len(names) + 1}")
            continue
        centiseconds = int(alpha / 15 * 3600 * 100 + 1e-6)
        hours, rest = divmod(centiseconds, 360_000)
        deciseconds = int(abs(delta) * 3600 * 10 + 1e-6)
        degrees, below = divmod(deciseconds, 36_000)
        name = (
            f"J{hours:02d}{rest // 6000:02d}{rest % 6000 / 100:05.2f}"
            f"{'-' if delta < 0 else '+'}{degrees:02d}{below // 600:02d}{below % 600 / 10:04.1f}"
        )
        times[name] += 1
        names.append(name if times[name] == 1 else f"{name}_{times[name]}")
    return names
