"""Zip and tar archives."""

import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from fsspec.core import url_to_fs

from galaxies.base.pool import batched
from galaxies.classifying.inputs.chunks import Chunk, Item, file_state, is_image, stem
from galaxies.dataset.archive import open_archive, read_member
from galaxies.errors import GalaxiesError
from galaxies.images.decode import LARGEST_IMAGE, UnreadableImageError
from galaxies.tables.sources import is_local

_LARGEST_CHUNK: Final = 256_000_000  # bytes of a compressed tar archive in memory


_PLACE: Final = (
    "header_offset",
    "compress_size",
    "file_size",
    "CRC",
    "compress_type",
    "flag_bits",
)  # fmt: skip
"""The attributes needed to read a member of a zip archive. The whole entry of `zipfile` takes half
a kilobyte."""


@dataclass(frozen=True)
class ZipChunk:
    """Members of a zip archive."""

    archive: str
    names: tuple[str, ...]
    places: npt.NDArray[np.int64]
    """(N, 6), the attributes in `_PLACE`."""
    carried = None

    def __len__(self) -> int:
        return len(self.names)

    def items(self) -> Iterator[Item]:
        """Iterate over the images in order."""
        archive = _open_zip(self.archive)
        for name, place in zip(self.names, self.places.tolist(), strict=True):
            info = zipfile.ZipInfo(name)
            for key, value in zip(_PLACE, place, strict=True):
                setattr(info, key, value)
            yield Item(stem(name), partial(read_member, archive, info))


@lru_cache(maxsize=2)
def _open_zip(path: str) -> zipfile.ZipFile:
    """Open an archive to read members with known places, without its list of members."""
    archive = _open_whole_zip(path)
    archive.filelist.clear()
    archive.NameToInfo.clear()
    return archive


def _open_whole_zip(path: str) -> zipfile.ZipFile:
    fs, inside = url_to_fs(path)
    if is_local(fs):
        return open_archive(Path(path))
    try:
        return zipfile.ZipFile(fs.open(inside))
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError) as error:
        raise GalaxiesError(f"{path}: is cut off or not a zip archive") from error


class ZipInput:
    """A zip archive, on disk or in a bucket."""

    carried = None
    id_type = pa.string()

    def __init__(self, path: str) -> None:
        self.name = path
        names, _ = self._images()
        self.count: int | None = len(names)

    def _images(self) -> tuple[npt.NDArray[np.bytes_], npt.NDArray[np.int64]]:
        """Return names (N,) and places (N, 6) of all images.

        Arrays need much less memory than the strings of `zipfile`.
        """
        with _open_whole_zip(self.name) as archive:
            images = [info for info in archive.infolist() if is_image(info.filename)]
        names = np.array([info.orig_filename.encode() for info in images], np.bytes_)
        places = np.empty((len(images), len(_PLACE)), np.int64)
        for row, info in zip(places, images, strict=True):
            row[:] = [getattr(info, key) for key in _PLACE]
        return names, places

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Iterate over chunks of `size` images; the last may be smaller."""
        names, places = self._images()
        for start in range(0, len(names), size):
            piece = slice(start, start + size)
            found = tuple(name.decode() for name in names[piece].tolist())
            yield ZipChunk(self.name, found, places[piece])

    def fingerprint(self) -> dict[str, Any]:
        """Return a description that changes with the input."""
        return file_state(self.name)


@dataclass(frozen=True)
class TarChunk:
    """Members of an uncompressed tar archive, by their positions."""

    archive: str
    ids: tuple[str, ...]
    starts: tuple[int, ...]
    sizes: tuple[int, ...]
    carried = None

    def __len__(self) -> int:
        return len(self.ids)

    def items(self) -> Iterator[Item]:
        """Iterate over the images in order."""
        fs, inside = url_to_fs(self.archive)
        for galaxy_id, start, size in zip(self.ids, self.starts, self.sizes, strict=True):
            yield Item(galaxy_id, partial(_read_range, fs, inside, start, size))


def _read_range(fs: Any, path: str, start: int, size: int) -> bytes:  # noqa: ANN401
    if size > LARGEST_IMAGE:
        raise UnreadableImageError("is too large")
    try:
        return bytes(fs.cat_file(path, start=start, end=start + size))
    except OSError as error:
        raise UnreadableImageError(f"cannot be read ({error})") from error


def _tar_members(path: str) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    fs, inside = url_to_fs(path)
    try:
        with fs.open(inside) as file, tarfile.open(fileobj=file, mode="r:*") as archive:
            while member := archive.next():
                if member.isfile() and is_image(member.name):
                    yield archive, member
                archive.members = []  # type: ignore[attr-defined]  # it would keep all members
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise GalaxiesError(
            f"{path}: is cut off or not a tar archive ({error}); copy or download it again"
        ) from error


class TarInput:
    """An uncompressed tar archive; a first pass finds the position of each image."""

    carried = None
    id_type = pa.string()

    def __init__(self, path: str) -> None:
        self.name = path
        self.count: int | None = sum(1 for _ in _tar_members(path))

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Iterate over chunks of `size` images; the last may be smaller."""
        places = ((m.name, m.offset_data, m.size) for _, m in _tar_members(self.name))
        for batch in batched(places, size):
            names, starts, sizes = zip(*batch, strict=True)
            yield TarChunk(self.name, tuple(map(stem, names)), starts, sizes)

    def fingerprint(self) -> dict[str, Any]:
        """Return a description that changes with the input."""
        return file_state(self.name)


@dataclass(frozen=True)
class LoadedChunk:
    """Images in memory, because they can only be read in sequence."""

    ids: tuple[str, ...]
    data: tuple[bytes | None, ...]
    carried = None

    def __len__(self) -> int:
        return len(self.ids)

    def items(self) -> Iterator[Item]:
        """Iterate over the images in order."""
        for galaxy_id, data in zip(self.ids, self.data, strict=True):
            yield Item(galaxy_id, partial(_held, data))


def _held(data: bytes | None) -> bytes:
    if data is None:
        raise UnreadableImageError("is too large")
    return data


class CompressedTarInput:
    """A compressed tar archive; without random access, every run unpacks it from the start."""

    carried = None
    id_type = pa.string()
    count: int | None = None

    def __init__(self, path: str) -> None:
        self.name = path
        if next(_tar_members(path), None) is None:
            raise GalaxiesError(f"{path}: contains no image")

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Iterate over chunks of `size` images; the last may be smaller."""
        ids: list[str] = []
        data: list[bytes | None] = []
        held = 0
        for archive, member in _tar_members(self.name):
            file = archive.extractfile(member) if member.size <= LARGEST_IMAGE else None
            ids.append(stem(member.name))
            data.append(file.read() if file else None)
            held += member.size if file else 0
            if len(ids) == size or held > _LARGEST_CHUNK:
                yield LoadedChunk(tuple(ids), tuple(data))
                ids, data, held = [], [], 0
        if ids:
            yield LoadedChunk(tuple(ids), tuple(data))

    def fingerprint(self) -> dict[str, Any]:
        """Return a description that changes with the input."""
        return file_state(self.name)
