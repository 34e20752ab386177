"""Parquet tables of images."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from galaxies.classifying.inputs.catalogues import carried_fields, check_ids, is_bytes
from galaxies.classifying.inputs.chunks import Chunk, Item, container_state, stem
from galaxies.classifying.inputs.files import READ_AT_ONCE
from galaxies.images.decode import LARGEST_IMAGE, UnreadableImageError
from galaxies.tables.catalogue import read_catalogue
from galaxies.tables.columns import PATH_NAMES, ColumnNames
from galaxies.tables.parquet import open_parquet_file, parquet_rows, reading_parquet


@dataclass(frozen=True)
class TableChunk:
    """Rows of a Parquet table of images."""

    table: str
    image: str
    ids: str | None
    fields: tuple[pa.Field, ...]
    """The columns that go to the result."""
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def carried(self) -> pa.Table | None:
        """Other columns of the table, with a row for each image."""
        if not self.fields:
            return None
        schema = pa.schema(self.fields)
        with reading_parquet(self.table), open_parquet_file(self.table) as file:
            groups = list(self._groups(file))
        pieces = [schema.empty_table()]
        for place, rows in groups:
            row = 0
            for table in parquet_rows(self.table, schema.names, [place]):
                wanted = slice(max(rows.start - row, 0), max(rows.stop - row, 0))
                with reading_parquet(self.table):
                    pieces.append(table[wanted].cast(schema))
                row += len(table)
        return pa.concat_tables(pieces)

    def _groups(self, file: pq.ParquetFile) -> Iterator[tuple[int, slice]]:
        """Iterate over the row groups that have some of the rows, and which of theirs."""
        row = 0
        for place in range(file.num_row_groups):
            rows = file.metadata.row_group(place).num_rows
            if row + rows > self.start and row < self.stop:
                yield place, slice(max(self.start - row, 0), min(self.stop - row, rows))
            row += rows

    def items(self) -> Iterator[Item]:
        """Iterate over the images in order."""
        with reading_parquet(self.table):
            file = open_parquet_file(self.table)
            columns = [self.image, *([self.ids] if self.ids else [])]
            row = 0
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                if row + rows > self.start and row < self.stop:
                    for batch in file.iter_batches(READ_AT_ONCE, [group], columns):
                        wanted = slice(max(self.start - row, 0), max(self.stop - row, 0))
                        yield from self._rows(batch, row, wanted)
                        row += len(batch)
                else:
                    row += rows

    def _rows(self, batch: pa.RecordBatch, row: int, wanted: slice) -> Iterator[Item]:
        images = batch.column(self.image)
        for place in range(len(batch))[wanted]:
            cell = images[place].as_py()
            cell = cell if isinstance(cell, dict) else {"bytes": cell}
            if self.ids:
                galaxy_id = str(batch.column(self.ids)[place].as_py())
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


def image_column(schema: pa.Schema) -> str | None:
    """Find the first column of images: `{bytes, path}`, or plain bytes."""
    return next(iter(image_columns(schema)), None)


def image_columns(schema: pa.Schema) -> list[str]:
    """Find all columns of images."""
    columns = []
    for field in schema:
        if is_bytes(field.type):
            columns.append(str(field.name))
    return columns


class TableInput:
    """A Parquet table of images, in the layout of Hugging Face or as plain bytes."""

    def __init__(self, path: str, image: str, names: ColumnNames) -> None:
        self.name = path
        self._image = image
        catalogue = read_catalogue(path, names.ids)
        self._ids = catalogue.ids
        self.count: int | None = catalogue.count
        self.id_type = catalogue.schema.field(self._ids).type if self._ids else pa.string()
        self._fields = tuple(carried_fields(catalogue.schema, [self._ids] if self._ids else []))
        self.carried: pa.Schema | None = pa.schema(self._fields) if self._fields else None
        if self._ids:
            check_ids(catalogue)
        self.skipped: Counter[str] = Counter()
        self.remarks: list[str] = []
        with open_parquet_file(path) as file:
            columns = image_columns(file.schema_arrow)
        if len(columns) > 1:
            others = ", ".join(name for name in columns if name != image)
            self.remarks.append(f"{path}: the images are from the column {image}, not {others}")
        files = [name for name in catalogue.schema.names if name.lower() in PATH_NAMES]
        if files:
            self.remarks.append(
                f"{path}: the images are from the column {image}; the files in {files[0]} are not "
                "read"
            )

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Iterate over chunks of `size` images; the last may be smaller."""
        count = self.count or 0
        for start in range(0, count, size):
            stop = min(start + size, count)
            yield TableChunk(self.name, self._image, self._ids, self._fields, start, stop)

    def fingerprint(self) -> dict[str, Any]:
        """Return a description that changes with the input."""
        return container_state(self.name) | {"ids": self._ids}
