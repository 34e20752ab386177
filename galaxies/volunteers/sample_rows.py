"""The rows of a random sample: all that were drawn, unchanged, beside the answers."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Self

from galaxies.errors import GalaxiesError
from galaxies.questions.campaign import VOTED
from galaxies.volunteers.csv_rows import read_rows

ANSWERS: Final = VOTED
"""Possible answers. An artifact agrees with no decision."""

ANY_TIME: Final = "any time"

ONCE: Final = "once"


class Told(NamedTuple):
    """What each row says about the whole sample; its columns."""

    drawn: str
    """Number of galaxies in the sample."""
    decided: str
    """Number of galaxies that the machine decided."""
    agreement: str
    """The target to be proven."""
    confidence: str
    """The confidence of the proof."""
    judged: str
    """`ANY_TIME` or `ONCE`."""
    campaign: str
    """Whose votes the table promises."""
    table: str
    """SHA-256 of the table."""
    sample: str = ""
    """SHA-256 of the other columns and of the IDs in the order of the draw."""

    def of(self, galaxy_ids: Sequence[str]) -> Self:
        """Say it about galaxies in the order of the draw.

        Examples
        --------
        >>> told = Told("2", "9", "0.9", "0.9", "once", "gz2", "c2a1")
        >>> told.of(["7", "8"]) == told.of(["8", "7"])
        False
        """
        whole = "\n".join([*self[:-1], *galaxy_ids])
        return self._replace(sample=hashlib.sha256(whole.encode()).hexdigest())


class Row(NamedTuple):
    """A galaxy of a sample."""

    place: int
    """Place in the draw, from 1."""
    galaxy_id: str
    """Exactly as in the table."""
    answer: str
    """One of `ANSWERS`, or empty."""
    told: Told


_REQUIRED: Final = ("galaxy_id", "answer", "place", *Told._fields)


def read_sample(path: Path) -> list[Row]:
    """Read a sample in the order of the draw.

    Parameters
    ----------
    path : Path
        A CSV made by `galaxies audit`, with answers.

    Returns
    -------
    list of Row

    Raises
    ------
    GalaxiesError
        If an answer is unknown, if a row is missing or occurs twice, if rows are of different
        samples, or if an ID or what is told was altered: the answers would prove nothing.

    Examples
    --------
    >>> from pathlib import Path
    >>> from galaxies.volunteers.samples import write_sample
    >>> _ = write_sample(Path("classes.parquet"), Path("audit.csv"), number=5, seed=0)
    >>> [row.place for row in read_sample(Path("audit.csv"))]
    [1, 2, 3, 4, 5]
    """
    rows = read_rows(
        path, _REQUIRED, "keep all columns that galaxies audit wrote, or draw a new sample"
    )
    sample = {line: _row(path, line, cells) for line, cells in rows}
    if not sample:
        raise GalaxiesError(f"{path}: empty; draw a sample with galaxies audit")
    first = min(sample)
    told = sample[first].told
    names: set[str] = set()
    places: dict[int, int] = {}
    for line, row in sample.items():
        if row.galaxy_id in names:
            raise GalaxiesError(f"{path}: line {line}: galaxy {row.galaxy_id} occurs twice")
        if row.told != told:
            raise GalaxiesError(
                f"{path}: line {line}: from another sample than line {first}; judge each sample "
                "alone"
            )
        if row.place in places:
            raise GalaxiesError(
                f"{path}: lines {places[row.place]} and {line}: both have the place {row.place}; "
                "keep the places that galaxies audit wrote"
            )
        names.add(row.galaxy_id)
        places[row.place] = line
    drawn = int(told.drawn) if told.drawn.isdecimal() else len(sample)
    lacking = next((place for place in range(1, drawn + 1) if place not in places), None)
    if lacking is not None:
        raise GalaxiesError(
            f"{path}: the galaxy with place {lacking} of {drawn:,} is missing; keep all rows, also "
            "those without an answer, or the others are not a random sample"
        )
    whole = sorted(sample.values())
    if told.of([row.galaxy_id for row in whole]) != told:
        raise GalaxiesError(
            f"{path}: a galaxy_id, place, {', '.join(Told._fields[:-2])} or table is not as "
            "galaxies audit wrote it; draw the sample again with the same --seed and --number, and "
            "copy only the answers into it"
        )
    return whole


def _row(path: Path, line: int, row: Mapping[str, str | None]) -> Row:
    values = {name: (row[name] or "").strip() for name in _REQUIRED}
    galaxy_id = row["galaxy_id"] or ""
    answer = values["answer"].lower()
    if answer and answer not in ANSWERS:
        raise GalaxiesError(
            f"{path}: line {line}: answer {row['answer']!r} of galaxy {galaxy_id} must be one of "
            f"{', '.join(ANSWERS)}"
        )
    try:
        place = int(values["place"])
        # Other programs write numbers with other digits.
        numbers = {name: f"{float(values[name]):g}" for name in ("agreement", "confidence")}
    except ValueError as error:
        raise GalaxiesError(
            f"{path}: line {line}: place, agreement and confidence must be numbers as galaxies "
            "audit wrote them; copy them from its CSV"
        ) from error
    told = Told(**{name: values[name] for name in Told._fields} | numbers)
    return Row(place, galaxy_id, answer, told)
