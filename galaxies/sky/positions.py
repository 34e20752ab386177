"""Lists of positions: tables with right ascension and declination, or names of galaxies."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.table import Column, Table

from galaxies.base.arrays import Floats
from galaxies.errors import GalaxiesError
from galaxies.sky.angles import (
    NAMED_UNIT,
    UNITS,
    angle_unit,
    iau_names,
    in_degrees,
    is_missing,
    is_text,
    may_be_hours,
)
from galaxies.sky.choosing import chosen, chosen_ids, named
from galaxies.tables.columns import DEC_NAMES, RA_NAMES
from galaxies.tables.hats import open_hats, properties_file

ID_NAMES: Final = (
    "galaxy_id", "id", "objid", "galaxyid", "dr7objid", "dr8objid", "specobjid", "id_str",
    "iauname", "source_id", "targetid", "name",
)  # fmt: skip
RADIUS_NAMES: Final = ("petror90_r", "petrorad90_r", "petror90")
"""Columns with the Petrosian 90% radius in the r band."""
HALF_LIGHT_NAMES: Final = ("shape_r", "petror50_r")
"""Columns with a half-light radius, of which `_R90` times is taken."""

_R90: Final = 2.6
"""petroR90 over the half-light radius: about 2.3 for an exponential disk and 3.3 for a de
Vaucouleurs profile; 2.6 parts spirals from ellipticals (Strateva et al. 2001, AJ 122, 1861)."""

_FORMATS: Final = {
    ".fits": "fits", ".fit": "fits", ".fits.gz": "fits", ".vot": "votable", ".xml": "votable",
    ".votable": "votable", ".ecsv": "ascii.ecsv",
}  # fmt: skip
TABLE_SUFFIXES: Final = (".csv", ".csv.gz", ".parquet", *_FORMATS)
_LIST_SUFFIXES: Final = (".txt", ".lst", ".list", ".dat")

Resolve = Callable[[Sequence[str]], list[tuple[float, float] | str]]
"""Returns for each name right ascension and declination in degrees, or why there are none."""


@dataclass(frozen=True)
class Positions:
    """Galaxies to cut out, in the order of their table.

    Parameters
    ----------
    name : str
        The file.
    ids : list of str
        IDs, all different.
    ra, dec : ndarray of shape (N,), float64
        ICRS, degrees; NaN if unknown.
    radius : ndarray of shape (N,), float64
        Petrosian 90% radius in arcsec; NaN if unknown.
    radius_from : str
        Where the radii are from; empty if there are none.
    reasons : list of str or None
        Why a galaxy has no position.
    carried : Table
        Other columns, with a row for each galaxy.
    remark : str
        What may be wrong with all of them; usually empty.

    Examples
    --------
    >>> import numpy as np
    >>> import pyarrow as pa
    >>> ra, dec, radius = np.array([[184.9511, np.nan], [-0.8754, np.nan], [7.5, np.nan]])
    >>> carried = pa.table({"z": [0.05, 0.1]})
    >>> reasons = [None, "has no position"]
    >>> len(Positions("list.csv", ["7", "8"], ra, dec, radius, "petroR90_r", reasons, carried))
    2
    """

    name: str
    ids: list[str]
    ra: Floats
    dec: Floats
    radius: Floats
    radius_from: str
    reasons: list[str | None]
    carried: pa.Table
    remark: str = ""

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Columns:
    r"""Names of columns, where they are not the usual ones.

    Parameters
    ----------
    galaxy_id, ra, dec : str, optional
        Names of the columns; by default the usual names, in any case, are looked for.
    radius : str, optional
        Column with the Petrosian 90% radius.
    radius_unit : str, optional
        Its unit; by default that of the column, or arcsec.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("mine.csv").write_text("number,alpha,delta,size\n7,184.9511,-0.8754,0.125\n")
    >>> columns = Columns("number", ra="alpha", dec="delta", radius="size", radius_unit="arcmin")
    >>> positions = read_positions(Path("mine.csv"), columns)
    >>> positions.ids, positions.ra.tolist(), positions.radius.tolist()
    (['7'], [184.9511], [7.5])
    """

    galaxy_id: str | None = None
    ra: str | None = None
    dec: str | None = None
    radius: str | None = None
    radius_unit: str | None = None


def read_positions(
    path: Path, columns: Columns | None = None, resolve: Resolve | None = None
) -> Positions:
    r"""Read a list of positions.

    Parameters
    ----------
    path : Path
        A table (CSV, Parquet, FITS, VOTable, ECSV) with right ascension and declination: in
        degrees, in another unit that the table or the column's name states, or as text, such as
        12:30:49.4 +12:23:28. Or a text file with the name of a galaxy on each line.
    columns : Columns, optional
        Names of columns.
    resolve : callable, optional
        Finds the positions of names.

    Returns
    -------
    Positions
        Galaxies without an ID get one from their position, such as J123049.42+122328.0. Those
        without a position keep their row, with the reason.

    Raises
    ------
    GalaxiesError
        If the file does not exist, is damaged, or lacks a column, if a unit is no angle, or if two
        galaxies have one ID.

    Examples
    --------
    >>> from pathlib import Path
    >>> rows = "objID,ra,dec,petroR90_r,z", "587722,184.9511,-0.8754,7.5,0.05"
    >>> Path("positions.csv").write_text("\n".join(rows))
    58
    >>> positions = read_positions(Path("positions.csv"))
    >>> positions.ids, positions.radius.tolist(), positions.carried.column_names
    (['587722'], [7.5], ['ra', 'dec', 'petroR90_r', 'z'])
    """
    columns = columns or Columns()
    if not path.exists():
        raise GalaxiesError(f"{path}: no such table of positions")
    lower = path.name.lower()
    if properties_file(str(path)):
        source = open_hats(str(path), ())
        table = pa.concat_tables(source.tables(source.schema.names))
        return _from_table(path, table, {}, columns)
    if lower.endswith(_LIST_SUFFIXES):
        return _from_names(path, resolve)
    if not lower.endswith(TABLE_SUFFIXES):
        raise GalaxiesError(
            f"{path}: unknown suffix; readable are {', '.join(TABLE_SUFFIXES)}, and .txt with a "
            "name on each line"
        )
    table, units_of = _read(path, lower)
    if twice := [name for name in table.column_names if table.column_names.count(name) > 1]:
        raise GalaxiesError(f"{path}: has two columns {twice[0]!r}; rename one")
    if len(table) == 0:
        raise GalaxiesError(f"{path}: contains no galaxy")
    return _from_table(path, table, units_of, columns)


def _from_names(path: Path, resolve: Resolve | None) -> Positions:
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    names = [line.strip() for line in text.splitlines()]
    names = [name for name in names if name and not name.startswith("#")]
    if not names:
        raise GalaxiesError(f"{path}: contains no name")
    _refuse_twice(path, names)
    if resolve is None:
        raise GalaxiesError(f"{path}: has names; nothing to resolve them with")
    ra, dec = np.full((2, len(names)), np.nan)
    reasons: list[str | None] = [None] * len(names)
    for place, position in enumerate(resolve(names)):
        if isinstance(position, str):
            reasons[place] = position
        else:
            ra[place], dec[place] = position
    carried = pa.table(
        {"ra": pa.array(ra, from_pandas=True), "dec": pa.array(dec, from_pandas=True)}
    )
    return Positions(str(path), names, ra, dec, np.full(len(names), np.nan), "", reasons, carried)


def _read(path: Path, lower: str) -> tuple[pa.Table, dict[str, units.UnitBase]]:
    """Read a table, and the units of its columns."""
    try:
        if lower.endswith(".parquet"):
            return pq.read_table(path).replace_schema_metadata(None), {}
        if lower.endswith((".csv", ".csv.gz")):
            return _read_csv(path), {}
        kind = next(kind for suffix, kind in _FORMATS.items() if lower.endswith(suffix))
        return _read_astropy(path, kind)
    except UnicodeDecodeError as error:
        raise GalaxiesError(f"{path}: not UTF-8 text at byte {error.start}") from error
    except (
        pa.ArrowException, pd.errors.ParserError, pd.errors.EmptyDataError, OSError, ValueError,
        IndexError, KeyError, TypeError,
    ) as error:  # fmt: skip
        reason = " ".join(str(error).split())[:200]
        raise GalaxiesError(f"{path}: damaged or not a table ({reason})") from error


def _read_csv(path: Path) -> pa.Table:
    # As text first: float64 would round the 18 digits of an SDSS object ID. The names are a row,
    # because pandas would rename the second of two.
    texts = pd.read_csv(
        path, dtype=str, encoding="utf-8-sig", keep_default_na=False, skipinitialspace=True,
        header=None,
    )  # fmt: skip
    names = [str(name).strip() for name in texts.iloc[0]]
    rows = texts.iloc[1:]
    return pa.table([_typed(rows[place].tolist()) for place in texts.columns], names)


_WHOLE: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_NO_NUMBER: Final = re.compile(r"[+-]?(0[0-9]+|[0-9]{19,})")


def _typed(texts: list[str]) -> pa.Array:
    """Make integers, floats or texts of a column; empty text is missing."""
    filled = [text for text in texts if text]
    if filled and all(map(_WHOLE.fullmatch, filled)):
        return pa.array([int(text) if text else None for text in texts], pa.int64())
    if filled and not any(map(_NO_NUMBER.fullmatch, filled)):
        numbers = pd.to_numeric(pd.Series(texts, dtype=str), errors="coerce")
        if numbers.notna().sum() == len(filled):
            return pa.array(numbers.to_numpy(), pa.float64(), from_pandas=True)
    return pa.array([text or None for text in texts], pa.string())


def _read_astropy(path: Path, kind: str) -> tuple[pa.Table, dict[str, units.UnitBase]]:
    table = Table.read(path, format=kind)
    stated: dict[str, units.UnitBase] = {}
    columns: dict[str, pa.Array] = {}
    for name in table.colnames:
        column = table[name]
        if column.ndim != 1:
            continue
        if isinstance(column, SkyCoord):
            # Beside a column of that name it is another candidate.
            of_ra = "ra" if "ra" not in table.colnames else "ra_icrs"
            of_dec = "dec" if "dec" not in table.colnames else "de_icrs"
            columns |= {of_ra: pa.array(column.icrs.ra.deg), of_dec: pa.array(column.icrs.dec.deg)}
        elif isinstance(column, Column | units.Quantity):
            columns[name] = _arrow(column)
            if column.unit is not None:
                stated[name] = column.unit
        else:  # such as times
            columns[name] = pa.array([str(value) for value in column])
    return pa.table(columns), stated


def _arrow(column: Any) -> pa.Array:  # noqa: ANN401 - astropy has no types
    values = np.ma.getdata(column)
    missing = np.ma.getmaskarray(column)
    values = np.asarray(values, values.dtype.newbyteorder("="))
    if values.dtype.kind in "SUO":
        texts = [
            (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)).strip()
            for value in values.tolist()
        ]
        return pa.array([None if no else text for text, no in zip(texts, missing, strict=True)])
    return pa.array(values, mask=missing if missing.any() else None)


def _from_table(
    path: Path, table: pa.Table, units_of: dict[str, units.UnitBase], columns: Columns
) -> Positions:
    ra_name = _angle_column(path, table, units_of, columns.ra, "--ra")
    dec_name = _angle_column(path, table, units_of, columns.dec, "--dec")
    if ra_name is None or dec_name is None:
        raise GalaxiesError(
            f"{path}: has no columns for right ascension and declination; name them with --ra and "
            f"--dec; found {', '.join(table.column_names[:8])}"
        )
    ra_unit = angle_unit(path, ra_name, units_of.get(ra_name))
    dec_unit = angle_unit(path, dec_name, units_of.get(dec_name))
    ra, dec = in_degrees(table[ra_name], ra_unit), in_degrees(table[dec_name], dec_unit, units.deg)
    reasons = _why_not(ra, dec, table[ra_name], table[dec_name])
    placed = np.array([reason is None for reason in reasons])
    if not placed.any():
        raise GalaxiesError(f"{path}: no row has a position; the first {reasons[0]}")
    remark = ""
    if ra_unit is None and may_be_hours(table[ra_name], ra[placed]):
        remark = (
            f"{path}: no right ascension is above 24; they are read as degrees; if they are hours, "
            "call the column ra_hours"
        )
    ra, dec = np.where(placed, ra, np.nan) % 360, np.where(placed, dec, np.nan)
    if columns.galaxy_id is None:
        id_name = chosen_ids(path, table, ID_NAMES)
    else:
        id_name = named(path, table, columns.galaxy_id, "--id")
    ids = iau_names(ra, dec) if id_name is None else _texts(path, id_name, table[id_name])
    _refuse_twice(path, ids)
    carried = table if id_name is None else table.drop_columns([id_name])
    plain = not (is_text(table[ra_name]) or is_text(table[dec_name])) and all(
        unit in (None, units.deg) for unit in (ra_unit, dec_unit)
    )
    if not plain:
        for name, values in (("ra_deg", ra), ("dec_deg", dec)):
            if name not in carried.column_names:
                carried = carried.append_column(name, pa.array(values, from_pandas=True))
    radius, radius_from = _radii(path, table, units_of, columns)
    return Positions(str(path), ids, ra, dec, radius, radius_from, reasons, carried, remark)


def _angle_column(
    path: Path,
    table: pa.Table,
    units_of: dict[str, units.UnitBase],
    wanted: str | None,
    option: str,
) -> str | None:
    """Find the column of an angle by the name that was given, or a usual one."""
    if wanted is not None:
        return named(path, table, wanted, option)
    usual, of_text, what = {
        "--ra": (RA_NAMES, units.hourangle, "right ascension"),
        "--dec": (DEC_NAMES, units.deg, "declination"),
    }[option]

    def values(name: str) -> Floats:
        unit = angle_unit(path, name, units_of.get(name))
        return in_degrees(table[name], unit, of_text)

    return chosen(path, table, usual, values, option, what)


def _why_not(
    ra: Floats, dec: Floats, ra_cells: pa.ChunkedArray, dec_cells: pa.ChunkedArray
) -> list[str | None]:
    """Say for each row why it has no position; `None` if it has one."""
    reasons: list[str | None] = [None] * len(ra)
    for place in np.flatnonzero(np.isnan(ra) | np.isnan(dec)):
        cells = ra_cells[place].as_py(), dec_cells[place].as_py()
        if any(map(is_missing, cells)):
            reasons[place] = "has no position"
        else:
            reasons[place] = f"has a position that cannot be read: ra {cells[0]}, dec {cells[1]}"
    with np.errstate(invalid="ignore"):
        wrong = (ra < -180) | (ra > 360) | (np.abs(dec) > 90)
    for place in np.flatnonzero(wrong & ~np.isnan(ra) & ~np.isnan(dec)):
        reasons[place] = f"is not on the sky: ra {ra[place]:.9g}, dec {dec[place]:.9g}"
    return reasons


def _radii(
    path: Path, table: pa.Table, units_of: dict[str, units.UnitBase], columns: Columns
) -> tuple[Floats, str]:
    """Read the radii in arcsec, NaN where a value is missing or impossible; and say where from."""
    name, factor = columns.radius, 1.0

    def values(name: str) -> Floats:
        return _arcsec(path, table, name, units_of, columns.radius_unit)

    if name is not None:
        named(path, table, name, "--radius-column")
    else:
        what = "Petrosian radius"
        name = chosen(path, table, RADIUS_NAMES, values, "--radius-column", what)
    if name is None:
        name, factor = chosen(path, table, HALF_LIGHT_NAMES, values, "", "half-light radius"), _R90
    if name is None:
        if columns.radius_unit:
            raise GalaxiesError(
                f"{path}: --radius-unit {columns.radius_unit}: there is no column of radii; name "
                "it with --radius-column"
            )
        return np.full(len(table), np.nan), ""
    return factor * values(name), name if factor == 1 else f"{factor:g} x {name}"


def _arcsec(
    path: Path,
    table: pa.Table,
    name: str,
    units_of: dict[str, units.UnitBase],
    stated: str | None,
) -> Floats:
    """Read radii in arcsec, NaN where a value is missing or impossible."""
    try:
        values = np.asarray(table[name].to_pandas(), np.float64)
        unit = units.Unit(stated) if stated else units_of.get(name)
        if unit is None and (parts := NAMED_UNIT.fullmatch(name)):
            unit = UNITS[parts["unit"].lower()]
        if unit is not None:
            values = (values * unit).to_value(units.arcsec)
    except (ValueError, TypeError, units.UnitsError) as error:
        raise GalaxiesError(
            f"{path}: column {name!r} is no radius: {error}; name another with --radius-column, or "
            "its unit with --radius-unit"
        ) from error
    return np.where(np.isfinite(values) & (values > 0), values, np.nan)


def _texts(path: Path, name: str, column: pa.ChunkedArray) -> list[str]:
    if pa.types.is_floating(column.type):
        raise GalaxiesError(
            f"{path}: column {name!r} has IDs as floating-point numbers, which round long IDs; "
            "store them as integers or text"
        )
    texts = ["" if value is None else str(value) for value in column.to_pylist()]
    if "" in texts:
        raise GalaxiesError(f"{path}: row {texts.index('') + 1} has no ID in column {name!r}")
    return texts


def _refuse_twice(path: Path, ids: Sequence[str]) -> None:
    seen: set[str] = set()
    for row, galaxy_id in enumerate(ids, 1):
        if galaxy_id in seen:
            raise GalaxiesError(
                f"{path}: row {row}: a second galaxy with the ID {galaxy_id}; keep one of them"
            )
        seen.add(galaxy_id)
