"""Tar archives."""

import bz2
import gzip
import lzma
import posixpath
import tarfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import IO, Any, Final, NamedTuple

import pyarrow as pa

from galaxies.base.pool import batched
from galaxies.classifying.inputs.chunks import (
    Chunk,
    Item,
    container_state,
    stem,
    why_skipped,
)
from galaxies.errors import GalaxiesError
from galaxies.images.decode import LARGEST_IMAGE, UnreadableImageError
from galaxies.tables.sources import filesystem, reaching

_LARGEST_CHUNK: Final = 256_000_000  # bytes of a compressed tar archive in memory
_LARGEST_NAME: Final = 1_000_000  # bytes of a header
_LONGEST_NAME: Final = 4096  # as on a disk
_STEP: Final = 1 << 20
_MOST_ZEROS: Final = 1024 + 10_240
"""Bytes at the end of an archive: two blocks, and what fills the last record of 20 blocks."""
_LINKS: Final = 40  # followed one after another, as by Linux
_OPENERS: Final[dict[bytes, Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}


class _Place(NamedTuple):
    """Where an image is in an archive."""

    name: str
    start: int
    size: int
    problem: str | None = None
    """Why it cannot be read."""


class _Linked(NamedTuple):
    """A member that links lead to; an archive may have several of one name."""

    offset: int
    place: _Place
    target: str | None
    """Where it leads itself, if it is a link."""
    hard: bool


class _Headers:
    """What `tarfile` reads: headers, which may promise a name of any length."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int) -> bytes:
        if size > _LARGEST_NAME:
            raise tarfile.ReadError(f"a name of {size:,} bytes")
        return self._file.read(size)


@contextmanager
def _opened(path: str) -> Iterator[IO[bytes]]:
    """Open an archive, and unpack it if it is compressed, whatever its suffix."""
    fs, inside = filesystem(path)
    with reaching(path):
        opened = fs.open(inside)
    with opened as file:
        start = file.read(6)
        file.seek(0)
        opener = next(
            (opening for mark, opening in _OPENERS.items() if start.startswith(mark)), None
        )
        if opener is None:
            yield file
        else:
            with opener(file) as unpacked:
                yield unpacked


def is_compressed(path: str) -> bool:
    """Whether a tar archive is compressed."""
    with _opened(path) as file:
        return isinstance(file, gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile)


@contextmanager
def _whole(path: str) -> Iterator[None]:
    """Say that an archive is damaged, whatever `tarfile` or a decompressor raises."""
    try:
        yield
    except (
        tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OSError, ValueError,
        ArithmeticError,
    ) as error:  # fmt: skip
        raise GalaxiesError(
            f"{path}: is cut off or not a tar archive ({error}); copy or download it again"
        ) from error


def _members(path: str, file: IO[bytes]) -> Iterator[tarfile.TarInfo]:
    """Iterate over the members; it is an error if the archive ends before its end."""
    with _whole(path):
        archive = tarfile.TarFile(fileobj=_Headers(file))  # type: ignore[arg-type]
        last = 0
        while member := archive.next():
            if len(member.name) > _LONGEST_NAME:
                raise tarfile.ReadError(f"a name of {len(member.name):,} letters")
            if member.size < 0 or archive.offset <= last:
                raise tarfile.ReadError("a header leads back")
            last = archive.offset
            yield member
            archive.members = []  # type: ignore[attr-defined]  # it would keep all members
        # `tarfile` also stops at a damaged header, and where the file was cut between two members.
        file.seek(archive.offset)
        end = file.read(2 * tarfile.BLOCKSIZE)
        if len(end) < 2 * tarfile.BLOCKSIZE or end.strip(b"\0"):
            raise tarfile.ReadError("its end is missing, or a header damaged")
        zeros = len(end)
        while padding := file.read(_STEP):
            if padding.strip(b"\0"):
                raise tarfile.ReadError("there is more after its end")
            zeros += len(padding)
        if zeros >= _MOST_ZEROS:
            # Space for a download is often reserved before it is filled.
            raise tarfile.ReadError(f"its last {zeros:,} bytes are zeros")


def _images(path: str, file: IO[bytes], skipped: Counter[str]) -> Iterator[tarfile.TarInfo]:
    for member in _members(path, file):
        if member.isdir():
            continue
        if reason := why_skipped(member.name):
            skipped[reason] += 1
        else:
            yield member


def _place(member: tarfile.TarInfo) -> _Place:
    problem = None
    if member.issparse():
        problem = "is stored with holes in the archive"
    elif member.size > LARGEST_IMAGE:
        problem = "is too large"
    elif not member.isfile():
        problem = "is not a file"
    return _Place(member.name, member.offset_data, member.size, problem)


@dataclass(frozen=True)
class TarChunk:
    """Members of an uncompressed tar archive, by their positions."""

    archive: str
    places: tuple[_Place, ...]
    carried = None

    def __len__(self) -> int:
        return len(self.places)

    def items(self) -> Iterator[Item]:
        """Iterate over the images in order."""
        fs, inside = filesystem(self.archive)
        for place in self.places:
            yield Item(stem(place.name), partial(_read_range, fs, inside, place))


def _read_range(fs: Any, path: str, place: _Place) -> bytes:  # noqa: ANN401
    if place.problem:
        raise UnreadableImageError(place.problem)
    try:
        data = bytes(fs.cat_file(path, start=place.start, end=place.start + place.size))
    except OSError as error:
        raise UnreadableImageError(f"cannot be read ({error})") from error
    if len(data) < place.size:
        raise UnreadableImageError("is cut off")
    return data


class TarInput:
    """An uncompressed tar archive; a first pass finds the position of each image."""

    carried = None
    id_type = pa.string()

    def __init__(self, path: str) -> None:
        self.name = path
        self.skipped: Counter[str] = Counter()
        self.remarks: list[str] = []
        self.count: int | None = 0
        targets: set[str] = set()
        with _opened(path) as file:
            for member in _images(path, file, self.skipped):
                self.count += 1
                if _is_link(member):
                    targets.add(_target(member))
        self._linked: dict[str, list[_Linked]] = {}
        """By name, in the order of the archive."""
        if targets:
            with _opened(path) as file:
                for member in _members(path, file):
                    name = posixpath.normpath(member.name)
                    if name in targets:
                        self._linked.setdefault(name, []).append(_linked(member))

    def _followed(self, member: tarfile.TarInfo) -> _Place:
        """Find the image that a member is, or is a link to."""
        link = _linked(member)
        for _ in range(_LINKS):
            if link.target is None:
                return link.place._replace(name=member.name)
            # A hard link is to what is unpacked before it, a symbolic one to what remains at last.
            found = [
                one
                for one in self._linked.get(link.target, ())
                if not link.hard or one.offset < link.offset
            ]
            if not found:
                break
            link = found[-1]
        problem = f"is a link to {_target(member)}, which is not in the archive"
        return _Place(posixpath.normpath(member.name), 0, 0, problem)

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Iterate over chunks of `size` images; the last may be smaller."""
        with _opened(self.name) as file:
            places = (self._followed(place) for place in _images(self.name, file, Counter()))
            for batch in batched(places, size):
                yield TarChunk(self.name, batch)

    def fingerprint(self) -> dict[str, Any]:
        """Return a description that changes with the input."""
        return container_state(self.name)


def _is_link(member: tarfile.TarInfo) -> bool:
    return member.islnk() or member.issym()


def _linked(member: tarfile.TarInfo) -> _Linked:
    target = _target(member) if _is_link(member) else None
    return _Linked(member.offset, _place(member), target, member.islnk())


def _target(member: tarfile.TarInfo) -> str:
    # A hard link is relative to the archive, a symbolic one to its own folder.
    folder = posixpath.dirname(member.name) if member.issym() else ""
    return posixpath.normpath(posixpath.join(folder, member.linkname))


@dataclass(frozen=True)
class LoadedChunk:
    """Images in memory, because they can only be read in sequence."""

    images: tuple[Item, ...]
    carried = None

    def __len__(self) -> int:
        return len(self.images)

    def items(self) -> Iterator[Item]:
        """Iterate over the images in order."""
        return iter(self.images)


def _held(data: bytes | str) -> bytes:
    """Return the contents, or raise why there are none."""
    if isinstance(data, str):
        raise UnreadableImageError(data)
    return data


class CompressedTarInput:
    """A compressed tar archive; without random access, every run unpacks it from the start."""

    carried = None
    id_type = pa.string()
    count: int | None = None

    def __init__(self, path: str) -> None:
        self.name = path
        self.skipped: Counter[str] = Counter()
        """Complete when all chunks have been read."""
        self.remarks: list[str] = []
        with _opened(path) as file:
            if next(_images(path, file, Counter()), None) is None:
                raise GalaxiesError(f"{path}: contains no image")

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Iterate over chunks of `size` images; the last may be smaller."""
        self.skipped.clear()
        images: list[Item] = []
        held = 0
        with _opened(self.name) as file:
            for member in _images(self.name, file, self.skipped):
                content = self._content(file, member)
                images.append(Item(stem(member.name), partial(_held, content)))
                held += len(content)
                if len(images) == size or held > _LARGEST_CHUNK:
                    yield LoadedChunk(tuple(images))
                    images, held = [], 0
        if images:
            yield LoadedChunk(tuple(images))

    def _content(self, file: IO[bytes], member: tarfile.TarInfo) -> bytes | str:
        if _is_link(member):
            return f"is a link to {_target(member)}; unpack the archive, or only its compression"
        place = _place(member)
        if place.problem:
            return place.problem
        with _whole(self.name):
            file.seek(place.start)
            content = file.read(place.size)
            if len(content) < place.size:
                raise tarfile.ReadError("unexpected end of data")
        return content

    def fingerprint(self) -> dict[str, Any]:
        """Return a description that changes with the input."""
        return container_state(self.name)
