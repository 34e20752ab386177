"""Answers of services, kept so that none is asked twice."""

import hashlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from galaxies.base.arrays import Floats
from galaxies.errors import GalaxiesError
from galaxies.sky.manners import Answer

_TABLE: Final = """
create table if not exists answers (
    url text primary key,
    ra real not null,
    dec real not null,
    date text not null,
    sha256 text,
    image blob,
    reason text,
    final integer not null,
    radius real
);
"""
_INDEX: Final = "create index if not exists same on answers (sha256) where sha256 is not null;"
_COMMIT: Final = 1.0  # seconds of work that a kill may cost
_APART: Final = np.radians(5 / 3600)  # between positions that cannot have the same image


class Kept(NamedTuple):
    """An answer from the cache."""

    url: str
    """The request."""
    answer: Answer
    date: str
    """Day on which it came, UTC."""
    sha256: str | None
    """Of the image."""
    radius: float | None
    """Radius of the galaxy that was measured on it, in arcsec; 0 if none could be."""


def usual_cache() -> Path:
    """Return the folder of the cache: `$XDG_CACHE_HOME/galaxies`, or `~/.cache/galaxies`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "galaxies"


class Cache:
    """Answers in one SQLite file, by the request; several threads may use it.

    An image counts only if its SHA-256 still fits; otherwise it is asked for again. A killed
    process loses at most the last second.

    Parameters
    ----------
    path : Path
        The file; it is made if it does not exist.

    Examples
    --------
    >>> from pathlib import Path
    >>> from galaxies.sky.manners import Answer
    >>> cache = Cache(Path("answers.sqlite"))
    >>> cache.put("http://x/?ra=10&dec=41", 10, 41, Answer(b"JPEG", None, True))
    >>> cache.get("http://x/?ra=10&dec=41").answer.data
    b'JPEG'
    >>> cache.close()
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._last = time.monotonic()
        with self._damage_named():
            # Not WAL, which network file systems cannot do.
            self._db = sqlite3.connect(path, timeout=60, check_same_thread=False)
            self._db.execute("pragma journal_mode = truncate")
            self._db.execute(_TABLE)
            self._db.execute(_INDEX)
            self._db.commit()

    @contextmanager
    def _damage_named(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise GalaxiesError(
                f"{self.path}: cannot be used as a cache ({error}); remove it, or name another "
                "folder with --cache"
            ) from error

    def get(self, url: str) -> Kept | None:
        """Return the answer to a request; `None` if there is none, or it has rotted."""
        with self._lock, self._damage_named():
            row = self._db.execute(
                "select image, sha256, reason, final, date, radius from answers where url = ?",
                (url,),
            ).fetchone()
        if row is None:
            return None
        data, digest, reason, final, date, radius = row
        if data is not None and hashlib.sha256(data).hexdigest() != digest:
            return None
        return Kept(url, Answer(data, reason, bool(final)), date, digest, radius)

    def put(self, url: str, ra: float, dec: float, answer: Answer) -> None:
        """Keep an answer."""
        digest = None if answer.data is None else hashlib.sha256(answer.data).hexdigest()
        date = datetime.now(UTC).date().isoformat()
        row = (url, ra, dec, date, digest, answer.data, answer.reason, answer.final, None)
        self._write("insert or replace into answers values (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def put_radius(self, url: str, radius: float) -> None:
        """Keep the radius that was measured on an image; 0 if none could be."""
        self._write("update answers set radius = ? where url = ?", (radius, url))

    def _write(self, command: str, values: tuple[object, ...]) -> None:
        with self._lock, self._damage_named():
            self._db.execute(command, values)
            if time.monotonic() - self._last > _COMMIT:
                self._db.commit()
                self._last = time.monotonic()

    def placeholders(self) -> frozenset[str]:
        """Return the SHA-256 of all images that came for more than one place in the sky."""
        with self._lock, self._damage_named():
            rows = self._db.execute(
                "select sha256, ra, dec from answers where sha256 in (select sha256 from answers "
                "where sha256 is not null group by sha256 having count(*) > 1)"
            ).fetchall()
        firsts: dict[str, Floats] = {}
        apart: set[str] = set()
        for digest, ra, dec in rows:
            place = _direction(ra, dec)
            first = firsts.setdefault(digest, place)
            if np.linalg.norm(place - first) > _APART:
                apart.add(digest)
        return frozenset(apart)

    def commit(self) -> None:
        """Write what came last to the disk."""
        with self._lock, self._damage_named():
            self._db.commit()

    def close(self) -> None:
        """Write what is left."""
        with self._lock, self._damage_named():
            self._db.commit()
            self._db.close()


def _direction(ra: float, dec: float) -> Floats:
    """Return a unit vector (3,): near a pole, degrees of right ascension say nothing."""
    longitude, latitude = np.radians([ra, dec])
    flat = np.cos(latitude)
    return np.array([flat * np.cos(longitude), flat * np.sin(longitude), np.sin(latitude)])
