"""Zip archives."""

import hashlib
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from galaxies.classifying.inputs.chunks import Chunk, Item, file_state, stem, why_skipped
from galaxies.dataset.archive import open_archive, read_member, require_whole
from galaxies.errors import GalaxiesError
from galaxies.tables.sources import filesystem, is_local

_LARGEST: Final = 2**63 - 1

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
        archive = _open_zip(self.archive, _version(self.archive))
        for name, place in zip(self.names, self.places.tolist(), strict=True):
            info = zipfile.ZipInfo(name)
            for key, value in zip(_PLACE, place, strict=True):
                setattr(info, key, value)
            yield Item(stem(name), partial(read_member, archive, info))


def _version(path: str) -> tuple[int, ...]:
    """Tell an archive from another one that has its name later."""
    fs, inside = filesystem(path)
    if not is_local(fs):
        return ()
    status = Path(inside).stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


@lru_cache(maxsize=2)
def _open_zip(path: str, _changed: tuple[int, ...]) -> zipfile.ZipFile:
    """Open an archive to read members with known places, without its list of members."""
    archive = _open_whole_zip(path)
    archive.filelist.clear()
    archive.NameToInfo.clear()
    return archive


def _open_whole_zip(path: str) -> zipfile.ZipFile:
    fs, inside = filesystem(path)
    if is_local(fs):
        return open_archive(Path(path))
    try:
        archive = zipfile.ZipFile(fs.open(inside))
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError) as error:
        raise GalaxiesError(f"{path}: is cut off or not a zip archive") from error
    require_whole(path, archive)
    return archive


class ZipInput:
    """A zip archive, on disk or in a bucket."""

    carried = None
    id_type = pa.string()

    def __init__(self, path: str) -> None:
        self.name = path
        self.skipped: Counter[str] = Counter()
        self.remarks: list[str] = []
        names, places = self._images(self.skipped)
        self.count: int | None = len(names)
        digest = hashlib.sha256(places.tobytes())
        for buffer in filter(None, names.buffers()):
            digest.update(buffer)
        self._digest = digest.hexdigest()

    def _images(self, skipped: Counter[str]) -> tuple[pa.LargeStringArray, npt.NDArray[np.int64]]:
        """Return names (N,) and places (N, 6) of all images, and count other members.

        Arrays need much less memory than the strings of `zipfile`.
        """
        images: list[zipfile.ZipInfo] = []
        with _open_whole_zip(self.name) as archive:
            for info in archive.infolist():
                if info.is_dir():
                    continue
                if reason := why_skipped(info.filename):
                    skipped[reason] += 1
                else:
                    images.append(info)
        names = pa.array(
            (info.orig_filename.encode("utf-8", "backslashreplace").decode() for info in images),
            pa.large_string(),
        )
        places = np.empty((len(images), len(_PLACE)), np.int64)
        for row, info in zip(places, images, strict=True):
            # Such sizes are refused when the member is read.
            row[:] = [min(getattr(info, key), _LARGEST) for key in _PLACE]
        return names, places

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Iterate over chunks of `size` images; the last may be smaller."""
        names, places = self._images(Counter())
        for start in range(0, len(names), size):
            members = tuple(names.slice(start, size).to_pylist())
            yield ZipChunk(self.name, members, places[start : start + size])

    def fingerprint(self) -> dict[str, Any]:
        """Return a description that changes with the input."""
        # With the checksums of all members: a copy may keep size and time.
        return file_state(self.name) | {"members": self._digest}
