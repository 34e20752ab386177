"""Read a table from `galaxies classify` piece by piece."""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from galaxies.classifying.provenance import THRESHOLD, recorded
from galaxies.errors import GalaxiesError
from galaxies.judgement.promises import UNDECIDED
from galaxies.questions.campaign import CLASSES
from galaxies.tables.catalogue import read_catalogue

ID: Final = "galaxy_id"

NEEDED: Final = ("galaxy_id", "p_spiral", "spread", "decision")
"""Columns that are read."""

_TEXTS: Final = ("galaxy_id", "decision")

_ROUNDING: Final = 2e-6
"""Certainties and thresholds are recorded with six digits or more."""


def read_columns(path: Path, columns: Sequence[str]) -> Iterator[pd.DataFrame]:
    """Read some columns of a table from `galaxies classify`, piece by piece.

    Parameters
    ----------
    path : Path
        The table, in any format of `galaxies.tables.catalogue.read_catalogue`.
    columns : sequence of str
        The columns; `galaxy_id` is read as text.

    Yields
    ------
    DataFrame
        At most 131,072 rows.

    Raises
    ------
    GalaxiesError
        If the file does not exist, is damaged or of another format, or lacks a column.

    Examples
    --------
    >>> from pathlib import Path
    >>> [piece] = read_columns(Path("classes.parquet"), ["galaxy_id", "label"])
    >>> piece.shape
    (40, 2)
    """
    if not path.is_file():
        raise GalaxiesError(f"{path}: no such table; create it with galaxies classify")
    catalogue = read_catalogue(str(path))
    lacking = [name for name in columns if name not in catalogue.schema.names]
    if lacking:
        raise GalaxiesError(
            f"{path}: not a table from galaxies classify: it has no column {lacking[0]!r}"
        )
    for piece in catalogue.pieces(columns):
        yield plain_ids(piece).to_pandas()


def refuse_twice(path: Path, ids: Collection[str]) -> None:
    r"""Make sure that galaxies occur once in a table, before people are asked about them.

    Parameters
    ----------
    path : Path
        The table.
    ids : collection of str
        IDs of the galaxies.

    Raises
    ------
    GalaxiesError
        If one of them occurs in two rows: an answer would belong to either.

    Examples
    --------
    >>> from pathlib import Path
    >>> refuse_twice(Path("classes.parquet"), ["1", "2"])
    >>> _ = Path("twice.csv").write_text("galaxy_id\n7\n7\n")
    >>> refuse_twice(Path("twice.csv"), ["7"])
    Traceback (most recent call last):
    galaxies.errors.GalaxiesError: twice.csv: galaxy_id '7' occurs twice, in rows 1 and 2; ...
    """
    wanted, seen, row = frozenset(ids), dict[str, int](), 0
    for piece in read_columns(path, [ID]):
        column = piece[ID]
        for place in np.flatnonzero(column.isin(wanted)).tolist():
            galaxy_id = str(column.iloc[place])
            if galaxy_id in seen:
                raise GalaxiesError(
                    f"{path}: galaxy_id {galaxy_id!r} occurs twice, in rows {seen[galaxy_id]} and "
                    f"{row + place + 1}; give each galaxy its own, with a catalogue of id and path"
                )
            seen[galaxy_id] = row + place + 1
        row += len(piece)


def plain_ids(piece: pa.Table) -> pa.Table:
    """Convert the IDs of a table to text."""
    place = piece.column_names.index(ID) if ID in piece.column_names else None
    if place is None:
        return piece
    return piece.set_column(place, ID, pc.cast(piece[ID], pa.string()))


def fingerprint(classes: Path) -> str:
    """Compute the SHA-256 of a table, by which a sample recognises it."""
    with classes.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_classes(path: Path) -> Iterator[pd.DataFrame]:
    """Read the class of each galaxy.

    Parameters
    ----------
    path : Path
        A table from `galaxies classify`.

    Yields
    ------
    DataFrame
        About a hundred thousand rows at a time, in order: `galaxy_id` and `decision` text,
        `p_spiral` and `spread` float32, NaN if the image could not be read.

    Raises
    ------
    GalaxiesError
        If the file is not such a table, if a probability is not between 0 and 1, or if a decision
        is not the one that `galaxies classify` makes of it.

    Examples
    --------
    >>> from pathlib import Path
    >>> sum(len(piece) for piece in read_classes(Path("classes.parquet")))
    40
    """
    row, threshold = 0, recorded_threshold(path)
    with tqdm(desc="read classes", unit=" galaxies", unit_scale=True) as bar:
        for piece in read_columns(path, NEEDED):
            for name in _TEXTS:
                piece[name] = piece[name].astype("str").fillna("")
            for name in ("p_spiral", "spread"):
                numbers = pd.to_numeric(piece[name], errors="coerce").astype(np.float32)
                _refuse(path, piece[name], numbers, row)
                piece[name] = numbers
            refuse_edited(path, piece, row, threshold)
            row += len(piece)
            bar.update(len(piece))
            yield piece.reset_index(drop=True)


def _refuse(path: Path, column: "pd.Series[Any]", numbers: "pd.Series[float]", row: int) -> None:
    """Raise an error for the first value that is not between 0 and 1."""
    bad = ~numbers.between(0, 1) & column.notna() & (column.astype("str") != "")
    if bad.any():
        place = int(np.argmax(bad.to_numpy()))
        raise GalaxiesError(
            f"{path}: row {row + place + 1}: {column.name} is {str(column.iloc[place])[:40]!r}, "
            "not between 0 and 1"
        )


def recorded_threshold(path: Path) -> float | None:
    """Find the certainty from which the machine decided; `None` if a table does not record it."""
    told = recorded(path, THRESHOLD) if path.is_file() else None
    if told == "none":
        return np.inf  # it decided nothing
    if told is None:
        return None
    try:
        return float(told)
    except ValueError as error:
        raise GalaxiesError(
            f"{path}: records the threshold {told[:40]!r}, which is no number; give the table that "
            "galaxies classify made"
        ) from error


def refuse_edited(path: Path, piece: pd.DataFrame, row: int, threshold: float | None) -> None:
    r"""Refuse a table with decisions that `galaxies classify` does not make.

    Rows were edited, or tables for different targets or campaigns joined: the decisions would not
    be those that are audited.

    Parameters
    ----------
    path : Path
        The table.
    piece : DataFrame
        Some of its rows, with `decision` and `p_spiral`.
    row : int
        Number of rows before these.
    threshold : float, optional
        The output of `recorded_threshold`.

    Raises
    ------
    GalaxiesError
        If a decision is none, or has no probability or one of another class, or one that is less
        certain than the threshold.

    Examples
    --------
    >>> from pathlib import Path
    >>> import pandas as pd
    >>> piece = pd.DataFrame({"decision": ["spiral", "spiral"], "p_spiral": [0.9, 0.4]})
    >>> refuse_edited(Path("classes.csv"), piece, 0, None)
    Traceback (most recent call last):
    galaxies.errors.GalaxiesError: classes.csv: row 2: decision is 'spiral', but p_spiral is 0.4...
    """
    decisions = piece["decision"].astype("object").fillna("")
    decided = ~decisions.isin(["", UNDECIDED]).to_numpy()
    p = pd.to_numeric(piece["p_spiral"], errors="coerce").to_numpy(np.float64)
    elliptical, spiral = ((decisions == name).to_numpy() for name in CLASSES)
    # Each comparison is false for a missing probability.
    right = (spiral & (p > 0.5 - _ROUNDING) & (p <= 1)) | (
        elliptical & (p < 0.5 + _ROUNDING) & (p >= 0)
    )
    wrong = decided & ~right
    unsure = np.zeros(len(piece), bool)
    if threshold is not None:
        unsure = decided & right & (np.maximum(p, 1 - p) < threshold - _ROUNDING)
    for place in np.flatnonzero(wrong | unsure)[:1].tolist():
        why = ""
        if unsure[place]:
            why = f", less certain than its threshold of {threshold:.6g}"
            if threshold == np.inf:
                why = ", though the table decides nothing"
        raise GalaxiesError(
            f"{path}: row {row + place + 1}: decision is {str(decisions.iloc[place])[:40]!r}, but "
            f"p_spiral is {str(piece['p_spiral'].iloc[place])[:40]}{why}; give the table that "
            "galaxies classify made, unchanged"
        )
