"""Parquet tables of images, and catalogues of IDs and paths."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.core import url_to_fs

from galaxies.classifying.inputs.chunks import Chunk, Item, file_state, stem
from galaxies.classifying.inputs.files import READ_AT_ONCE, FileChunk
from galaxies.errors import GalaxiesError
from galaxies.images.decode import LARGEST_IMAGE, UnreadableImageError

ID_COLUMNS: Final = ("galaxy_id", "id", "GalaxyID")
PATH_COLUMN: Final = "path"

_WHOLE: Final = re.compile(r"-?(0|[1-9][0-9]{0,18})")
# A name, such as 007, or more digits than float64 has.
_NO_NUMBER: Final = re.compile(r"[+-]?(0[0-9]+|[0-9]{16,})")
_LARGEST: Final = 2**63
_LOOKED_AT: Final = 100  # paths of a catalogue that are checked


@dataclass(frozen=True)
class TableChunk:
    """Rows of a Parquet table of images."""

    table: str
    image: str
    start: int
    stop: int
    carried = None

    def __len__(self) -> int:
        return self.stop - self.start

    def items(self) -> Iterator[Item]:
        """Iterate over the images in order."""
        with reading_table(self.table):
            file = open_table(self.table)
            named = next((name for name in ID_COLUMNS if name in file.schema_arrow.names), None)
            columns = [self.image, *([named] if named else [])]
            row = 0
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                if row + rows > self.start and row < self.stop:
                    for batch in file.iter_batches(READ_AT_ONCE, [group], columns):
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


@contextmanager
def reading_table(path: str) -> Iterator[None]:
    """Turn errors about a damaged Parquet file into one line with its name."""
    try:
        yield
    # Whatever Arrow raises, also OSError; but not what the disk says.
    except (pa.ArrowException, OSError, ValueError, MemoryError, OverflowError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise GalaxiesError(f"{path}: damaged or not a Parquet table ({reason})") from error


def open_table(path: str) -> pq.ParquetFile:
    """Open a Parquet table, on disk or in a bucket, to read it piece by piece."""
    fs, inside = url_to_fs(path)
    return pq.ParquetFile(fs.open(inside), buffer_size=1 << 20, pre_buffer=False)


def image_column(schema: pa.Schema) -> str | None:
    """Find the first column of images: `{bytes, path}`, or plain bytes."""
    return next(iter(image_columns(schema)), None)


def image_columns(schema: pa.Schema) -> list[str]:
    """Find all columns of images."""
    columns = []
    for field in schema:
        kind = field.type
        inside = (
            [kind.field(i).name for i in range(kind.num_fields)] if pa.types.is_struct(kind) else []
        )
        if {"bytes", "path"} <= set(inside) or (
            pa.types.is_binary(kind)
            or pa.types.is_large_binary(kind)
            or pa.types.is_binary_view(kind)
        ):
            columns.append(str(field.name))
    return columns


class TableInput:
    """A Parquet table of images, in the layout of Hugging Face or as plain bytes."""

    carried = None

    def __init__(self, path: str, image: str) -> None:
        self.name = path
        self._image = image
        file = open_table(path)
        self.count: int | None = file.metadata.num_rows
        self.skipped: Counter[str] = Counter()
        self.remarks: list[str] = []
        if len(columns := image_columns(file.schema_arrow)) > 1:
            others = ", ".join(name for name in columns if name != image)
            self.remarks.append(f"{path}: the images are from the column {image}, not {others}")

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Iterate over chunks of `size` images; the last may be smaller."""
        count = self.count or 0
        for start in range(0, count, size):
            yield TableChunk(self.name, self._image, start, min(start + size, count))

    def fingerprint(self) -> dict[str, Any]:
        """Return a description that changes with the input."""
        return file_state(self.name)


class _Catalogue:
    """A table of IDs and paths; paths are relative to its folder."""

    def __init__(self, path: str, columns: Sequence[str]) -> None:
        self.name = path
        self.skipped: Counter[str] = Counter()
        self.remarks: list[str] = []
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
                f"{self.name}: none of the first {_LOOKED_AT} paths exists{example}; "
                "relative paths start at the catalogue's folder"
            )

    def fingerprint(self) -> dict[str, Any]:
        """Return a description that changes with the input."""
        return file_state(self.name)


class ParquetCatalogue(_Catalogue):
    """A catalogue in Parquet; the columns keep their types."""

    def __init__(self, path: str) -> None:
        file = open_table(path)
        super().__init__(path, file.schema_arrow.names)
        schema = file.schema_arrow.remove_metadata()
        kept = [field for field in schema if field.name not in (self._id, PATH_COLUMN)]
        self.carried: pa.Schema | None = pa.schema(kept)
        self.count: int | None = file.metadata.num_rows
        if self.count:
            self._believe(next(self.chunks(_LOOKED_AT)))

    def chunks(self, size: int) -> Iterator[FileChunk]:
        """Iterate over chunks of `size` images; the last may be smaller."""
        waiting: list[pa.RecordBatch] = []
        with reading_table(self.name):
            for batch in open_table(self.name).iter_batches(size):
                waiting.append(batch)
                while sum(map(len, waiting)) >= size:
                    table = pa.Table.from_batches(waiting)
                    yield self._chunk(table.slice(0, size).replace_schema_metadata(None))
                    waiting = table.slice(size).to_batches()
            if sum(map(len, waiting)):
                yield self._chunk(pa.Table.from_batches(waiting).replace_schema_metadata(None))


class CsvCatalogue(_Catalogue):
    """A catalogue in CSV; a first pass finds the types of the columns, for all chunks."""

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
        for name in {self._id, PATH_COLUMN} & set(columns):
            del columns[name]
        self.carried: pa.Schema | None = pa.schema(columns)
        if self.count:
            self._believe(next(self.chunks(_LOOKED_AT)))

    def _texts(self, size: int) -> Iterator[pd.DataFrame]:
        fs, inside = url_to_fs(self.name)
        try:
            with fs.open(inside) as file:
                # As text first: float64 would round the 18 digits of an SDSS object ID.
                yield from pd.read_csv(
                    file, dtype=str, encoding="utf-8-sig", keep_default_na=False, chunksize=size
                )
        except (pd.errors.EmptyDataError, pd.errors.ParserError) as error:
            raise GalaxiesError(f"{self.name}: not a CSV table: {str(error).strip()}") from error
        except UnicodeDecodeError as error:
            raise GalaxiesError(f"{self.name}: not UTF-8 text at byte {error.start}") from error

    def chunks(self, size: int) -> Iterator[FileChunk]:
        """Iterate over chunks of `size` images; the last may be smaller."""
        for texts in self._texts(size):
            kinds = {field.name: field.type for field in self.carried or ()}
            columns = {name: _typed(texts[name], kinds.get(name)) for name in texts.columns}
            yield self._chunk(pa.table(columns))


def _typed(texts: "pd.Series[str]", kind: pa.DataType | None) -> pa.Array:
    """Convert text to a type; empty text is missing."""
    if kind == pa.int64():
        return pa.array([int(text) if text else None for text in texts], kind)
    if kind == pa.float64():
        return pa.array(pd.to_numeric(texts), kind, from_pandas=True)
    return pa.array(texts.tolist(), pa.string())


def _kind(texts: "pd.Series[str]", kind: pa.DataType) -> pa.DataType:
    """Find the narrowest type (integer, float, text) for these and earlier values."""
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
