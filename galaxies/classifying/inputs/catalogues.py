"""Catalogues: tables of IDs and image files, of every format."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa

from galaxies.classifying.inputs.chunks import container_state, content_state
from galaxies.classifying.inputs.files import FileChunk
from galaxies.errors import GalaxiesError
from galaxies.tables.catalogue import Catalogue, read_catalogue
from galaxies.tables.columns import (
    DEC_NAMES,
    ID_NAMES,
    PATH_NAMES,
    RA_NAMES,
    ColumnNames,
    choose_column,
    exact_ids,
    is_text,
    plain_type,
)
from galaxies.tables.hats import partitions_of, properties_file
from galaxies.tables.sources import filesystem, reaching
from galaxies.tables.text import last_line_ends

_LOOKED_AT: Final = 100  # paths of a catalogue that are checked
_TEXT: Final = (".csv", ".ecsv")


def carried_fields(schema: pa.Schema, but: Sequence[str]) -> list[pa.Field]:
    """Return the columns that go to the result unchanged: all but some, and but images."""
    return [
        field.with_type(plain_type(field.type))
        for field in schema
        if field.name not in but and not is_bytes(field.type)
    ]


def is_bytes(kind: pa.DataType) -> bool:
    """Whether a type is plain bytes, or `{bytes, path}` as in tables of Hugging Face."""
    if pa.types.is_struct(kind):
        return {"bytes", "path"} <= {kind.field(place).name for place in range(kind.num_fields)}
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_binary_view(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


def check_ids(catalogue: Catalogue) -> None:
    """Make sure that each row has an ID that has kept all its digits."""
    row = 0
    assert catalogue.ids is not None
    for piece in catalogue.pieces([catalogue.ids]):
        exact_ids(catalogue.name, catalogue.ids, piece[catalogue.ids], row)
        row += len(piece)


def _exists(path: str) -> bool:
    try:
        fs, inside = filesystem(path)
        with reaching(path):
            return bool(fs.exists(inside))
    except GalaxiesError:  # an error in its row
        return False


def _of_positions(columns: Sequence[str]) -> str:
    """Say how positions are classified, if a table has these and no files."""
    lower = {name.lower() for name in columns}
    if lower & set(map(str.lower, RA_NAMES)) and lower & set(map(str.lower, DEC_NAMES)):
        return "; to cut the galaxies out at their positions: --images sdss"
    return ""


class CatalogueInput:
    """A table of IDs and paths; paths are relative to its folder."""

    def __init__(self, path: str, names: ColumnNames) -> None:
        self.name = path
        self._catalogue = read_catalogue(path, names.ids)
        columns = self._catalogue.schema.names
        place = choose_column(path, columns, PATH_NAMES, "--path", names.paths)
        if self._catalogue.ids is None or place is None:
            raise GalaxiesError(
                f"{path}: needs a column of IDs ({', '.join(ID_NAMES)}, or --id) and one of files "
                f"({', '.join(PATH_NAMES)}, or --path), or a column of images; it has "
                f"{', '.join(columns[:8])}{_of_positions(columns)}"
            )
        kind = self._catalogue.schema.field(place).type
        if not is_text(kind):
            raise GalaxiesError(
                f"{path}: column {place!r}, row 1 and on: files must be text, one for each row, "
                f"but are {kind}; choose another with --path, or make the column again as text"
            )
        self._ids, self._paths = self._catalogue.ids, place
        self._folder = path.rstrip("/").rpartition("/")[0]
        self.id_type = self._catalogue.schema.field(self._ids).type
        self.carried: pa.Schema | None = pa.schema(
            carried_fields(self._catalogue.schema, (self._ids, self._paths))
        )
        self.count: int | None = self._catalogue.count
        self.skipped: Counter[str] = Counter()
        self.remarks: list[str] = []
        if path.lower().endswith(_TEXT) and not last_line_ends(path):
            self.remarks.append(
                f"{path}: its last line has no end; if the file was cut off there, its last row is "
                "wrong and others are missing"
            )
        check_ids(self._catalogue)
        if self.count:
            self._believe(next(self.chunks(_LOOKED_AT)))

    def _resolved(self, path: str | None) -> str:
        if not path:
            return ""
        return path if path.startswith("/") or "://" in path else f"{self._folder}/{path}"

    def chunks(self, size: int) -> Iterator[FileChunk]:
        """Iterate over chunks of `size` images; the last may be smaller."""
        carried = self.carried or pa.schema([])
        row = 0
        columns = [self._ids, self._paths, *carried.names]
        for table in self._catalogue.pieces(columns, size):
            ids = exact_ids(self.name, self._ids, table[self._ids], row)
            paths = map(self._resolved, table[self._paths].to_pylist())
            yield FileChunk(tuple(paths), tuple(ids), table.select(carried.names))
            row += len(table)

    def _believe(self, first: FileChunk) -> None:
        paths = [path for path in first.paths[:_LOOKED_AT] if path]
        if not any(map(_exists, paths)):
            example = f", such as {paths[0]}" if paths else ""
            raise GalaxiesError(
                f"{self.name}: none of the first {_LOOKED_AT} paths exists{example}; "
                "relative paths start at the catalogue's folder"
            )

    def fingerprint(self) -> dict[str, Any]:
        """Return a description that changes with the input."""
        named = {"ids": self._ids, "paths": self._paths}
        properties = properties_file(self.name)
        if properties is None:
            return content_state(self.name) | named
        digest = hashlib.sha256()
        for partition in partitions_of(properties):
            digest.update(repr(container_state(partition)).encode())
        return content_state(properties) | named | {"partitions": digest.hexdigest()}
