"""Where the images to classify lie: files, folders, archives, tables; on disk or in a bucket.

Every input is a sequence of chunks, the same in every run, so that a job that was interrupted needs
to know only which chunks are done. A chunk says where its images lie and, as a rule, holds none of
them, so that it can be sent to another machine.
"""

import hashlib
import os
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.core import url_to_fs
from PIL import Image

from galaxies.errors import GalaxiesError
from galaxies.images import LARGEST_IMAGE, UnreadableImageError
from galaxies.survey import open_archive

IMAGE_SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".fits", ".fit", ".fits.gz")
TAR_SUFFIXES: Final = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
KNOWN_SUFFIXES: Final = (*IMAGE_SUFFIXES, ".zip", *TAR_SUFFIXES, ".parquet", ".csv")
ID_COLUMNS: Final = ("galaxy_id", "id", "GalaxyID")
PATH_COLUMN: Final = "path"

_LOOKED_AT: Final = 100  # paths of a catalogue, before it is believed
_READ_AT_ONCE: Final = 64  # files, where each takes a journey to a bucket
_LARGEST_CHUNK: Final = 256_000_000  # bytes of a compressed tar archive that are held

T = TypeVar("T")


class Item(NamedTuple):
    """One image to classify."""

    galaxy_id: str
    load: Callable[[], bytes | Image.Image]
    """Reads the file's bytes, or gives the frame where there is one already; raises
    `UnreadableImageError`."""


class Chunk(Protocol):
    """Some thousand images; can be pickled."""

    @property
    def carried(self) -> pa.Table | None:
        """Further columns of a catalogue, a row for each image."""

    def __len__(self) -> int: ...

    def items(self) -> Iterator[Item]:
        """Iterate over the images in their order."""


class Source(Protocol):
    """One input."""

    name: str
    count: int | None
    """How many images it has, or `None` where only reading all of it would tell."""
    carried: pa.Schema | None
    """Further columns of a catalogue."""

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Chunks of `size` images, the last one smaller."""

    def fingerprint(self) -> dict[str, Any]:
        """Say what changes when the input does."""


def open_sources(inputs: Sequence[str]) -> list[Source]:
    """Find out what each input is.

    Parameters
    ----------
    inputs
        Paths, globs or addresses that fsspec knows, such as `s3://bucket/folder`. Image files that
        follow each other become one source.

    Raises
    ------
    GalaxiesError
        If one does not exist, has an unknown suffix or no image in it, or is damaged.
    """
    sources: list[Source] = []
    loose: list[str] = []

    def gather() -> None:
        if loose:
            sources.append(_Files(loose[0], partial(iter, tuple(loose))))
            loose.clear()

    for path in (path for text in inputs for path in _expanded(text)):
        if path.lower().endswith(IMAGE_SUFFIXES):
            loose.append(path)
            continue
        gather()
        sources.append(_open_source(path))
    gather()
    for source in sources:
        if source.count == 0:
            raise GalaxiesError(f"{source.name}: no image in it")
    if not sources:
        raise GalaxiesError("nothing to classify; name images, folders, archives or tables")
    carried = [source.carried for source in sources if source.carried]
    if any(schema != carried[0] for schema in carried):
        raise GalaxiesError("the catalogues have different columns; classify them one by one")
    return sources


def _expanded(text: str) -> list[str]:
    """Paths that an input stands for; local ones absolute."""
    fs, path = url_to_fs(text)
    if fs.exists(path):
        found = [path]
    elif set("*?[") & set(path):
        found = sorted(fs.glob(path))
        if not found:
            raise GalaxiesError(f"{text}: no file of that pattern")
    else:
        raise GalaxiesError(f"{text}: no such file or folder")
    return found if _is_local(fs) else [fs.unstrip_protocol(path) for path in found]


def _is_local(fs: Any) -> bool:  # noqa: ANN401 - fsspec has no types
    return "file" in ((fs.protocol,) if isinstance(fs.protocol, str) else fs.protocol)


def _open_source(path: str) -> Source:
    fs, inside = url_to_fs(path)
    lower = path.lower()
    if fs.isdir(inside):
        return _Files(path, partial(_images_below, path))
    if lower.endswith(".zip"):
        return _Zip(path)
    if lower.endswith(TAR_SUFFIXES):
        return _Tar(path) if lower.endswith(".tar") else _CompressedTar(path)
    if lower.endswith(".csv"):
        return _CsvCatalogue(path)
    if lower.endswith(".parquet"):
        with _reading_table(path):
            schema = _open_table(path).schema_arrow
        image = _image_column(schema)
        return _Table(path, image) if image else _ParquetCatalogue(path)
    raise GalaxiesError(f"{path}: unknown suffix; read are {', '.join(KNOWN_SUFFIXES)}")


def stem(name: str) -> str:
    """Take a file's name without folders and suffix, which names the galaxy."""
    name = PurePosixPath(name.replace("\\", "/")).name
    found = next((end for end in (".fits.gz", ".fits.fz") if name.lower().endswith(end)), None)
    return name[: -len(found)] if found else PurePosixPath(name).stem


def _is_image(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return name.lower().endswith(IMAGE_SUFFIXES) and not any(
        (part.startswith(".") and part != "..") or part == "__MACOSX" for part in parts[-2:]
    )


def batched(items: Iterable[T], size: int) -> Iterator[tuple[T, ...]]:
    """Cut into pieces of `size`, the last one smaller."""
    iterator = iter(items)
    while batch := tuple(islice(iterator, size)):
        yield batch


def _state(path: str) -> dict[str, Any]:
    """Size and time of change of a file or object."""
    fs, inside = url_to_fs(path)
    info = fs.info(inside)
    marks = ("ETag", "etag", "mtime", "LastModified", "created")
    changed = next((info[key] for key in marks if key in info), None)
    return {"input": path, "size": info["size"], "changed": str(changed)}


# --- files, folders -------------------------------------------------------------------------------


@dataclass(frozen=True)
class FileChunk:
    """Images that are files of their own."""

    paths: tuple[str, ...]
    ids: tuple[str, ...]
    carried: pa.Table | None = None

    def __len__(self) -> int:
        return len(self.paths)

    def items(self) -> Iterator[Item]:
        """Iterate over the images in their order."""
        for start in range(0, len(self), _READ_AT_ONCE):
            paths = self.paths[start : start + _READ_AT_ONCE]
            far = {path: url_to_fs(path) for path in paths if "://" in path}
            found: dict[str, bytes | Exception] = {}
            if far:
                # All of a batch at once: each alone would wait for a journey to the bucket.
                fs, _ = next(iter(far.values()))
                found = fs.cat([inside for _, inside in far.values()], on_error="return")
            for galaxy_id, path in zip(self.ids[start : start + len(paths)], paths, strict=True):
                if path in far:
                    yield Item(galaxy_id, partial(_fetched, found[far[path][1]]))
                else:
                    yield Item(galaxy_id, partial(read_file, path))


def read_file(path: str) -> bytes:
    """Read an image file; raises `UnreadableImageError`."""
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


def _images_below(folder: str) -> Iterator[str]:
    """Paths of a folder's images, sorted within each folder."""
    fs, inside = url_to_fs(folder)
    if not _is_local(fs):
        for name in sorted(fs.find(inside)):
            if _is_image(name):
                yield fs.unstrip_protocol(name)
        return
    for where, folders, names in os.walk(folder):
        folders.sort()
        folders[:] = [name for name in folders if not name.startswith(".") and name != "__MACOSX"]
        for name in sorted(names):
            if _is_image(name):
                yield os.path.join(where, name)  # noqa: PTH118


class _Files:
    """A folder, or files named one by one."""

    carried = None

    def __init__(self, name: str, paths: Callable[[], Iterator[str]]) -> None:
        self.name = name
        self._paths = paths
        self.count: int | None = sum(1 for _ in paths())

    def chunks(self, size: int) -> Iterator[Chunk]:
        for paths in batched(self._paths(), size):
            yield FileChunk(paths, tuple(map(stem, paths)))

    def fingerprint(self) -> dict[str, Any]:
        digest = hashlib.sha256()
        for path in self._paths():
            if "://" in path:
                digest.update(repr(_state(path)).encode())
            else:
                found = os.stat(path)  # noqa: PTH116 - as above
                digest.update(f"{path}\t{found.st_size}\t{found.st_mtime_ns}\n".encode())
        return {"input": self.name, "images": self.count, "sha256": digest.hexdigest()}


# --- archives -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ZipChunk:
    """Members of a zip archive."""

    archive: str
    names: tuple[str, ...]
    carried = None

    def __len__(self) -> int:
        return len(self.names)

    def items(self) -> Iterator[Item]:
        """Iterate over the images in their order."""
        archive = _open_zip(self.archive)
        for name in self.names:
            yield Item(stem(name), partial(_read_member, archive, name))


@lru_cache(maxsize=2)
def _open_zip(path: str) -> zipfile.ZipFile:
    fs, inside = url_to_fs(path)
    if _is_local(fs):
        return open_archive(Path(path))
    try:
        return zipfile.ZipFile(fs.open(inside))
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError) as error:
        raise GalaxiesError(f"{path}: is cut off or no zip archive") from error


def _read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    info = archive.getinfo(name)
    if info.file_size > LARGEST_IMAGE:
        raise UnreadableImageError("is too large")
    if info.flag_bits & 0x1:
        raise UnreadableImageError("is encrypted")
    try:
        return archive.read(info)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise UnreadableImageError(f"is damaged in the archive ({error})") from error


class _Zip:
    carried = None

    def __init__(self, path: str) -> None:
        self.name = path
        self.count: int | None = sum(1 for _ in self._names())

    def _names(self) -> Iterator[str]:
        return (name for name in _open_zip(self.name).namelist() if _is_image(name))

    def chunks(self, size: int) -> Iterator[Chunk]:
        for names in batched(self._names(), size):
            yield ZipChunk(self.name, names)

    def fingerprint(self) -> dict[str, Any]:
        return _state(self.name)


@dataclass(frozen=True)
class TarChunk:
    """Members of a tar archive that is not compressed, by their places in it."""

    archive: str
    ids: tuple[str, ...]
    starts: tuple[int, ...]
    sizes: tuple[int, ...]
    carried = None

    def __len__(self) -> int:
        return len(self.ids)

    def items(self) -> Iterator[Item]:
        """Iterate over the images in their order."""
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
                if member.isfile() and _is_image(member.name):
                    yield archive, member
                archive.members = []  # type: ignore[attr-defined]  # it would keep them all
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise GalaxiesError(
            f"{path}: is cut off or no tar archive ({error}); copy or download it again"
        ) from error


class _Tar:
    carried = None

    def __init__(self, path: str) -> None:
        self.name = path
        self.count: int | None = sum(1 for _ in _tar_members(path))

    def chunks(self, size: int) -> Iterator[Chunk]:
        places = ((m.name, m.offset_data, m.size) for _, m in _tar_members(self.name))
        for batch in batched(places, size):
            names, starts, sizes = zip(*batch, strict=True)
            yield TarChunk(self.name, tuple(map(stem, names)), starts, sizes)

    def fingerprint(self) -> dict[str, Any]:
        return _state(self.name)


@dataclass(frozen=True)
class LoadedChunk:
    """Images that can be read only in passing, and so are held."""

    ids: tuple[str, ...]
    data: tuple[bytes | None, ...]
    carried = None

    def __len__(self) -> int:
        return len(self.ids)

    def items(self) -> Iterator[Item]:
        """Iterate over the images in their order."""
        for galaxy_id, data in zip(self.ids, self.data, strict=True):
            yield Item(galaxy_id, partial(_held, data))


def _held(data: bytes | None) -> bytes:
    if data is None:
        raise UnreadableImageError("is too large")
    return data


class _CompressedTar:
    """Has no places to jump to: it is unpacked from its start in every run."""

    carried = None
    count: int | None = None

    def __init__(self, path: str) -> None:
        self.name = path
        if next(_tar_members(path), None) is None:
            raise GalaxiesError(f"{path}: no image in it")

    def chunks(self, size: int) -> Iterator[Chunk]:
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
        return _state(self.name)


# --- tables ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TableChunk:
    """Rows of a Parquet table with the images in it."""

    table: str
    image: str
    start: int
    stop: int
    carried = None

    def __len__(self) -> int:
        return self.stop - self.start

    def items(self) -> Iterator[Item]:
        """Iterate over the images in their order."""
        with _reading_table(self.table):
            file = _open_table(self.table)
            named = next((name for name in ID_COLUMNS if name in file.schema_arrow.names), None)
            columns = [self.image, *([named] if named else [])]
            row = 0
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                if row + rows > self.start and row < self.stop:
                    for batch in file.iter_batches(_READ_AT_ONCE, [group], columns):
                        wanted = slice(max(self.start - row, 0), max(self.stop - row, 0))
                        yield from self._rows(batch, named, row, wanted)
                        row += len(batch)
                else:
                    row += rows

    def _rows(
        self, batch: pa.RecordBatch, named: str | None, row: int, wanted: slice
    ) -> Iterator[Item]:
        images = batch.column(self.image)
        for place in range(len(batch))[wanted]:
            cell = images[place].as_py()
            cell = cell if isinstance(cell, dict) else {"bytes": cell}
            if named:
                galaxy_id = str(batch.column(named)[place].as_py())
            elif cell.get("path"):
                galaxy_id = stem(cell["path"])
            else:
                galaxy_id = f"{stem(self.table)}-{row + place}"
            yield Item(galaxy_id, partial(_cell, cell.get("bytes")))


def _cell(data: bytes | None) -> bytes:
    if data is None:
        raise UnreadableImageError("has no bytes")
    if len(data) > LARGEST_IMAGE:
        raise UnreadableImageError("is too large")
    return data


class _reading_table:  # noqa: N801 - used as a function
    """Say in one line which Parquet file is damaged."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:  # noqa: ANN401
        if isinstance(error, pa.ArrowInvalid | pa.ArrowNotImplementedError):
            said = str(error).splitlines()[0]
            raise GalaxiesError(f"{self._path}: damaged or no Parquet table ({said})") from error


def _open_table(path: str) -> pq.ParquetFile:
    fs, inside = url_to_fs(path)
    return pq.ParquetFile(fs.open(inside), buffer_size=1 << 20, pre_buffer=False)


def _image_column(schema: pa.Schema) -> str | None:
    for field in schema:
        kind = field.type
        inside = (
            [kind.field(i).name for i in range(kind.num_fields)] if pa.types.is_struct(kind) else []
        )
        if {"bytes", "path"} <= set(inside):
            return str(field.name)
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            return str(field.name)
    return None


class _Table:
    """A Parquet table with the images in it, in the layout of Hugging Face or as plain bytes."""

    carried = None

    def __init__(self, path: str, image: str) -> None:
        self.name = path
        self._image = image
        self.count: int | None = _open_table(path).metadata.num_rows

    def chunks(self, size: int) -> Iterator[Chunk]:
        count = self.count or 0
        for start in range(0, count, size):
            yield TableChunk(self.name, self._image, start, min(start + size, count))

    def fingerprint(self) -> dict[str, Any]:
        return _state(self.name)


class _Catalogue:
    """A table of IDs and paths; paths are relative to its own folder."""

    def __init__(self, path: str, columns: Sequence[str]) -> None:
        self.name = path
        named = next((name for name in ID_COLUMNS if name in columns), None)
        if named is None or PATH_COLUMN not in columns:
            raise GalaxiesError(
                f"{path}: needs the columns 'id' and 'path', or a column of images; "
                f"found {', '.join(columns[:8])}"
            )
        self._id = named
        self._folder = path.rpartition("/")[0]

    def _resolved(self, path: str | None) -> str:
        if not path:
            return ""
        return path if path.startswith("/") or "://" in path else f"{self._folder}/{path}"

    def _chunk(self, table: pa.Table) -> FileChunk:
        paths = tuple(map(self._resolved, table[PATH_COLUMN].to_pylist()))
        ids = tuple(map(str, table[self._id].to_pylist()))
        return FileChunk(paths, ids, table.drop_columns([self._id, PATH_COLUMN]))

    def _believe(self, first: FileChunk) -> None:
        paths = [path for path in first.paths[:_LOOKED_AT] if path]
        if not any(url_to_fs(path)[0].exists(path) for path in paths):
            example = f", such as {paths[0]}" if paths else ""
            raise GalaxiesError(
                f"{self.name}: none of its first {_LOOKED_AT} paths exists{example}; "
                "relative paths start at the catalogue's folder"
            )

    def fingerprint(self) -> dict[str, Any]:
        return _state(self.name)


class _ParquetCatalogue(_Catalogue):
    def __init__(self, path: str) -> None:
        file = _open_table(path)
        super().__init__(path, file.schema_arrow.names)
        schema = file.schema_arrow.remove_metadata()
        kept = [field for field in schema if field.name not in (self._id, PATH_COLUMN)]
        self.carried: pa.Schema | None = pa.schema(kept)
        self.count: int | None = file.metadata.num_rows
        if self.count:
            self._believe(next(self.chunks(_LOOKED_AT)))

    def chunks(self, size: int) -> Iterator[FileChunk]:
        waiting: list[pa.RecordBatch] = []
        with _reading_table(self.name):
            for batch in _open_table(self.name).iter_batches(size):
                waiting.append(batch)
                while sum(map(len, waiting)) >= size:
                    table = pa.Table.from_batches(waiting)
                    yield self._chunk(table.slice(0, size).replace_schema_metadata(None))
                    waiting = table.slice(size).to_batches()
            if sum(map(len, waiting)):
                yield self._chunk(pa.Table.from_batches(waiting).replace_schema_metadata(None))


_WHOLE: Final = re.compile(r"-?(0|[1-9][0-9]{0,18})")
# A name, such as 007, or more digits than a float64 keeps.
_NO_NUMBER: Final = re.compile(r"[+-]?(0[0-9]+|[0-9]{16,})")
_LARGEST: Final = 2**63


class _CsvCatalogue(_Catalogue):
    """Its columns' types are found in a first pass, so that every chunk has the same."""

    def __init__(self, path: str) -> None:
        columns: dict[str, pa.DataType] = {}
        self.count: int | None = 0
        self.name = path
        for table in self._texts(5000):
            if not columns:
                super().__init__(path, list(table.columns))
                columns = dict.fromkeys(table.columns, pa.int64())
            self.count += len(table)
            for name, kind in columns.items():
                if name not in (self._id, PATH_COLUMN):
                    columns[name] = _kind(table[name], kind)
        kept = {
            n: k for n, k in columns.items() if n not in (getattr(self, "_id", ""), PATH_COLUMN)
        }
        self.carried: pa.Schema | None = pa.schema(kept)
        if self.count:
            self._believe(next(self.chunks(_LOOKED_AT)))

    def _texts(self, size: int) -> Iterator[pd.DataFrame]:
        fs, inside = url_to_fs(self.name)
        try:
            with fs.open(inside) as file:
                # As text first: a float64 would round the 18 digits of an SDSS objID.
                yield from pd.read_csv(
                    file, dtype=str, encoding="utf-8-sig", keep_default_na=False, chunksize=size
                )
        except (pd.errors.EmptyDataError, pd.errors.ParserError) as error:
            raise GalaxiesError(f"{self.name}: not a CSV table: {str(error).strip()}") from error
        except UnicodeDecodeError as error:
            raise GalaxiesError(f"{self.name}: not UTF-8 text at byte {error.start}") from error

    def chunks(self, size: int) -> Iterator[FileChunk]:
        for texts in self._texts(size):
            columns = {}
            for name in texts.columns:
                values = pa.array(texts[name].tolist(), pa.string())
                if self.carried and name in self.carried.names:
                    kind = self.carried.field(name).type
                    if kind == pa.int64():
                        values = pa.array([int(text) if text else None for text in texts[name]])
                    elif kind == pa.float64():
                        values = pa.array(pd.to_numeric(texts[name]), from_pandas=True)
                    values = values.cast(kind)
                columns[name] = values
            yield self._chunk(pa.table(columns))


def _kind(texts: "pd.Series[str]", kind: pa.DataType) -> pa.DataType:
    """Find the narrowest of whole number, number and text for these and earlier values."""
    filled = [text for text in texts if text]
    if kind == pa.int64() and not all(
        _WHOLE.fullmatch(text) and abs(int(text)) < _LARGEST for text in filled
    ):
        kind = pa.float64()
    if kind == pa.float64() and (
        any(_NO_NUMBER.fullmatch(text) for text in filled)
        or pd.to_numeric(pd.Series(filled, dtype=str), errors="coerce").isna().any()
    ):
        kind = pa.string()
    return kind
