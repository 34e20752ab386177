"""Folders and single files."""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import pyarrow as pa
from fsspec.core import url_to_fs

from galaxies.base.pool import batched
from galaxies.classifying.inputs.chunks import Chunk, Item, file_state, is_image, stem
from galaxies.images.decode import LARGEST_IMAGE, UnreadableImageError
from galaxies.tables.sources import is_local

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
            far = {path: url_to_fs(path) for path in paths if "://" in path}
            found: dict[str, bytes | Exception] = {}
            if far:
                # Together, because each request to a bucket takes long.
                fs, _ = next(iter(far.values()))
                found = fs.cat([inside for _, inside in far.values()], on_error="return")
            for galaxy_id, path in zip(self.ids[start : start + len(paths)], paths, strict=True):
                if path in far:
                    yield Item(galaxy_id, partial(_fetched, found[far[path][1]]))
                else:
                    yield Item(galaxy_id, partial(read_file, path))


def read_file(path: str) -> bytes:
    """Read an image file; may raise `UnreadableImageError`."""
    if not path:
        raise UnreadableImageError("has no path")
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - a Path for each of a billion files is slow
            data = file.read(LARGEST_IMAGE + 1)
    except OSError as error:
        raise UnreadableImageError(f"cannot be read ({error.strerror})") from error
    return _fetched(data)


def _fetched(data: bytes | Exception) -> bytes:
    if isinstance(data, Exception):
        raise UnreadableImageError(f"cannot be read ({data})")
    if len(data) > LARGEST_IMAGE:
        raise UnreadableImageError("is too large")
    return data


def images_below(folder: str) -> Iterator[str]:
    """Iterate over the images below a folder, sorted in each folder."""
    fs, inside = url_to_fs(folder)
    if not is_local(fs):
        for name in sorted(fs.find(inside)):
            if is_image(name):
                yield fs.unstrip_protocol(name)
        return
    for where, folders, names in os.walk(folder):
        folders.sort()
        folders[:] = [name for name in folders if not name.startswith(".") and name != "__MACOSX"]
        for name in sorted(names):
            if is_image(name):
                yield os.path.join(where, name)  # noqa: PTH118


class FilesInput:
    """A folder, or single files."""

    carried = None
    id_type = pa.string()

    def __init__(self, name: str, paths: Callable[[], Iterator[str]]) -> None:
        self.name = name
        self._paths = paths
        self.count: int | None = sum(1 for _ in paths())

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Iterate over chunks of `size` images; the last may be smaller."""
        for paths in batched(self._paths(), size):
            yield FileChunk(paths, tuple(map(stem, paths)))

    def fingerprint(self) -> dict[str, Any]:
        """Return a description that changes with the input."""
        digest = hashlib.sha256()
        for path in self._paths():
            if "://" in path:
                digest.update(repr(file_state(path)).encode())
            else:
                found = os.stat(path)  # noqa: PTH116 - as above
                digest.update(f"{path}\t{found.st_size}\t{found.st_mtime_ns}\n".encode())
        return {"input": self.name, "images": self.count, "sha256": digest.hexdigest()}
