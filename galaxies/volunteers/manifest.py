"""The manifest of a subject set: which galaxies a folder asks volunteers about."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from galaxies.errors import GalaxiesError
from galaxies.volunteers.csv_rows import read_rows

MANIFEST: Final = "manifest.csv"

GALAXY: Final = "#galaxy_id"
"""Hidden metadata of a subject; it is returned in the classification export."""

IMAGE: Final = "#image"

_NEEDED: Final = (IMAGE, GALAXY, "#p_spiral", "#batch", "#bundle", "#chosen")

MANIFEST_COLUMNS: Final = (*_NEEDED, "#table", "#decided", "#agreement", "#campaign")
"""Columns of a manifest. Zooniverse does not show columns with `#` to volunteers."""

UNKNOWN: Final = "unknown"
"""If the table does not record the bundle. Zooniverse's program would take an empty cell for the
folder itself, and stop."""


class Subject(NamedTuple):
    """A row of a manifest."""

    galaxy_id: str
    image: Path
    batch: int
    line: int
    """Line in the manifest, from 1."""
    bundle: str
    """SHA-256 of the bundle that classified it, or `UNKNOWN`."""
    chosen: str
    """How it was chosen, as in `galaxies.volunteers.choosing.choose_galaxies`."""
    table: str
    """SHA-256 of the table that it was chosen from; `UNKNOWN` in folders of earlier versions."""
    agreement: str
    """Target agreement of that table, or `UNKNOWN`."""

    def is_meant(self, hidden: Mapping[str, object]) -> bool:
        """Whether the hidden columns of a subject at Zooniverse are not those of another set.

        Examples
        --------
        >>> from pathlib import Path
        >>> subject = read_manifest(Path("subjects"))[0]
        >>> subject.is_meant({"#bundle": subject.bundle, "#table": subject.table})
        True
        >>> subject.is_meant({"#bundle": subject.bundle, "#table": "that of another survey"})
        False
        """
        own = {"#bundle": self.bundle, "#table": self.table}
        told = {name: str(hidden[name]).strip() for name in own if hidden.get(name) is not None}
        return all(value in (own[name], UNKNOWN) for name, value in told.items())


def read_manifest(folder: Path) -> list[Subject]:
    """Read which galaxies a folder of `ask` asks about.

    Raises
    ------
    GalaxiesError
        If the folder has no manifest, or one that is not ours or damaged; the line is named.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise GalaxiesError(f"{path}: no such file; give a folder made by galaxies ask")
    subjects: dict[str, Subject] = {}
    for line, row in read_rows(path, _NEEDED, "give a folder made by galaxies ask"):
        galaxy_id, image = row[GALAXY] or "", row[IMAGE] or ""
        batch, bundle, chosen = row["#batch"] or "", row["#bundle"], row["#chosen"]
        whole = image and Path(image).name == image and batch.isdecimal()
        if not (galaxy_id.strip() and bundle and chosen and whole):
            raise GalaxiesError(f"{path}: line {line}: cut off or damaged; copy it again")
        if galaxy_id in subjects:
            raise GalaxiesError(f"{path}: line {line}: {GALAXY} {galaxy_id!r} occurs twice")
        subjects[galaxy_id] = Subject(
            galaxy_id,
            folder / image,
            int(batch),
            line,
            # The same few texts in every row.
            sys.intern(bundle),
            sys.intern(chosen),
            sys.intern(row.get("#table") or UNKNOWN),
            sys.intern(row.get("#agreement") or UNKNOWN),
        )
    return list(subjects.values())
