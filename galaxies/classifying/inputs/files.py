"""Folders and single files."""

import hashlib
import itertools
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import pyarrow as pa

from galaxies.base.pool import batched
from galaxies.classifying.inputs.chunks import (
    HIDDEN,
    UNREADABLE_FOLDERS,
    Chunk,
    Item,
    file_state,
    stem,
    why_skipped,
)
from galaxies.errors import GalaxiesError
from galaxies.images.decode import LARGEST_IMAGE, UnreadableImageError
from galaxies.images.filters import meanings
from galaxies.tables.sources import filesystem, is_local

_BAND: Final = re.compile(r"(.*[_.-])([A-Za-z0-9]+)(\.(?:fits|fit|fts)(?:\.gz|\.fz)?)", re.I)

READ_AT_ONCE: Final = 64  # files per request to a bucket


@dataclass(frozen=True)
class FileChunk:
    """Images in separate files."""

    paths: tuple[str, ...]
    ids: tuple[str, ...]
    carried: pa.Table | None = None

    def __len__(self) -> int:
        return len(self.paths)

    def items(self) -> Iterator[Item]:
        """Iterate over the images in order."""
        for start in range(0, len(self), READ_AT_ONCE):
            paths = self.paths[start : start + READ_AT_ONCE]
            fetched = _fetch([path for path in paths if "://" in path])
            for galaxy_id, path in zip(self.ids[start : start + len(paths)], paths, strict=True):
                if path in fetched:
                    yield Item(galaxy_id, partial(_fetched, fetched[path]))
                else:
                    yield Item(galaxy_id, partial(read_file, path))


def images_state(chunk: Chunk) -> str | None:
    """Return a text that changes when an image file of a chunk on this machine is replaced.

    An archive or a table changes as a whole, which its input notices.

    Returns
    -------
    str or None
        `None` if the images are in an archive or a table.

    Examples
    --------
    >>> from pathlib import Path
    >>> path = next(Path("cutouts").iterdir())
    >>> chunk = FileChunk((str(path),), ("7",))
    >>> before = images_state(chunk)
    >>> _ = path.write_bytes(b"another")
    >>> images_state(chunk) == before
    False
    """
    if not isinstance(chunk, FileChunk):
        return None
    digest = hashlib.sha256()
    for path in chunk.paths:
        try:
            status = os.stat(path)  # noqa: PTH116 - no Path for each of a billion files
            state = f"{path}\t{status.st_size}\t{status.st_mtime_ns}\t{status.st_ctime_ns}\n"
        except (OSError, ValueError):  # it is absent, or in a bucket
            state = f"{path}\n"
        digest.update(state.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _fetch(addresses: Sequence[str]) -> dict[str, bytes | Exception]:
    """Fetch files, those of each bucket together, because each request takes long."""
    places: dict[Any, list[tuple[str, str]]] = {}
    fetched: dict[str, bytes | Exception] = {}
    for address in addresses:
        try:
            fs, inside = filesystem(address)
        except GalaxiesError as error:
            fetched[address] = error
        else:
            places.setdefault(fs, []).append((address, inside))
    for fs, ours in places.items():
        contents = fs.cat([inside for _, inside in ours], on_error="return")
        fetched |= {address: contents[inside] for address, inside in ours}
    return fetched


def read_file(path: str) -> bytes:
    """Read an image file; may raise `UnreadableImageError`."""
    if not path:
        raise UnreadableImageError("has no path")
    try:
        # Without waiting for a pipe. No Path: one for each of a billion files is slow.
        with open(path, "rb", opener=_opened) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise UnreadableImageError("cannot be read (not a file)")
            data = file.read(LARGEST_IMAGE + 1)
    except OSError as error:
        raise UnreadableImageError(f"cannot be read ({error.strerror})") from error
    except ValueError as error:  # a zero byte in the path
        raise UnreadableImageError(f"cannot be read ({error})") from error
    return _fetched(data)


def _opened(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _fetched(data: bytes | Exception) -> bytes:
    if isinstance(data, Exception):
        raise UnreadableImageError(f"cannot be read ({data})")
    if len(data) > LARGEST_IMAGE:
        raise UnreadableImageError("is too large")
    return data


def images_below(folder: str, skipped: Counter[str] | None = None) -> Iterator[str]:
    """Iterate over the images below a folder, sorted in each folder.

    Parameters
    ----------
    folder : str
        Path or address. Links to folders are followed, but no folder is listed twice.
    skipped : Counter, optional
        Counts what is not an image, by reason.

    Yields
    ------
    str
        Path or address.

    Examples
    --------
    >>> from collections import Counter
    >>> skipped = Counter()
    >>> len(list(images_below("cutouts", skipped))), len(list(images_below("data", skipped)))
    (6, 0)
    >>> skipped[".csv files"] > 0
    True
    """
    skipped = Counter() if skipped is None else skipped
    fs, inside = filesystem(folder)
    if not is_local(fs):
        for name in sorted(fs.find(inside)):
            if reason := why_skipped(name):
                skipped[reason] += 1
            else:
                yield fs.unstrip_protocol(name)
        return

    def unreadable(_error: OSError) -> None:
        skipped[UNREADABLE_FOLDERS] += 1

    listed: set[tuple[int, int]] = set()
    for where, folders, names in os.walk(folder, onerror=unreadable, followlinks=True):
        state = os.stat(where)  # noqa: PTH116 - as above
        if (state.st_dev, state.st_ino) in listed:
            skipped["links to folders that are listed already"] += 1
            folders.clear()
            continue
        listed.add((state.st_dev, state.st_ino))
        # What is linked comes last, so that a galaxy is named by its own folder.
        folders.sort(key=lambda name: (os.path.islink(f"{where}/{name}"), name))  # noqa: PTH114
        hidden = [name for name in folders if name.startswith(".") or name == "__MACOSX"]
        skipped[HIDDEN] += len(hidden)
        folders[:] = [name for name in folders if name not in hidden]
        for name in sorted(names):
            if reason := why_skipped(name):
                skipped[reason] += 1
            else:
                yield os.path.join(where, name)  # noqa: PTH118


def one_file_per_band(paths: Iterable[str]) -> tuple[str, str] | None:
    """Find two FITS files of one galaxy in different bands.

    Parameters
    ----------
    paths : iterable of str
        Only consecutive FITS files of one folder are compared.

    Returns
    -------
    tuple of str or None
        Their paths.

    Examples
    --------
    >>> one_file_per_band(["sky/J1_g.fits", "sky/J1_r.fits", "sky/J2.fits"])
    ('sky/J1_g.fits', 'sky/J1_r.fits')
    >>> one_file_per_band(["J1.fits", "J2.fits", "m31_g.jpg", "m31_r.jpg"])
    """
    for path, other in itertools.pairwise(paths):
        first, second = _BAND.fullmatch(path), _BAND.fullmatch(other)
        if first and second and (first[1], first[3]) == (second[1], second[3]):
            lengths = meanings(first[2]), meanings(second[2])
            if all(lengths) and lengths[0] != lengths[1]:
                return path, other
    return None


class FilesInput:
    """A folder, or single files.

    Parameters
    ----------
    name : str
        Of the folder, or the first file.
    paths : callable
        Lists the files, and counts in its argument what it skips.

    Examples
    --------
    >>> given = FilesInput("cutouts", lambda skipped: images_below("cutouts", skipped))
    >>> given.count, [len(chunk) for chunk in given.chunks(4)]
    (6, [4, 2])
    """

    carried = None
    id_type = pa.string()

    def __init__(self, name: str, paths: Callable[[Counter[str]], Iterator[str]]) -> None:
        self.name = name
        self._paths = paths
        self.skipped: Counter[str] = Counter()
        self.count: int | None = sum(1 for _ in paths(self.skipped))
        self.remarks: list[str] = []
        if pair := one_file_per_band(paths(Counter())):
            self.remarks.append(
                f"{pair[0]} and {pair[1]} seem to be bands of one galaxy, but each file is "
                "classified alone; put the bands of a galaxy into one file"
            )

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Iterate over chunks of `size` images; the last may be smaller."""
        for paths in batched(self._paths(Counter()), size):
            yield FileChunk(paths, tuple(map(stem, paths)))

    def fingerprint(self) -> dict[str, Any]:
        """Return a description that changes with the input."""
        digest = hashlib.sha256()
        for path in self._paths(Counter()):
            if "://" in path:
                digest.update(repr(file_state(path)).encode())
            else:
                try:
                    status = os.stat(path)  # noqa: PTH116 - as above
                    state = f"{path}\t{status.st_size}\t{status.st_mtime_ns}\n"
                except OSError:  # a link to nothing, an error in its row
                    state = f"{path}\n"
                digest.update(state.encode("utf-8", "surrogateescape"))
        return {"input": self.name, "images": self.count, "sha256": digest.hexdigest()}
