"""Parquet tables."""

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from fsspec.core import url_to_fs

from galaxies.errors import GalaxiesError
from galaxies.tables.columns import (
    ROWS,
    Rebatched,
    Words,
    described,
    is_text,
    plain,
    plain_type,
    require_short,
    words_of,
)
from galaxies.tables.pieces import Pieces, measure, most_letters
from galaxies.tables.rows import text_metadata
from galaxies.tables.sources import Source
from galaxies.tables.text import ECSV_NAMES, read_header

PANDAS: Final = "PANDAS_ATTRS"
"""Metadata that pandas reads into `DataFrame.attrs`, and writes again."""

_ROWS: Final = 4096
"""Rows that are unpacked together."""

_LARGEST_GROUP: Final = 1 << 28
"""Bytes above which a row group ends early."""

_LENGTH: Final = "table::len::"

ASTROPY: Final = "table_meta_yaml"
"""Metadata in which astropy keeps units, descriptions and the metadata of a table."""


@contextmanager
def reading_parquet(path: str) -> Iterator[None]:
    """Turn errors about a damaged Parquet file into one line with its name."""
    try:
        yield
    # Whatever Arrow raises, also OSError; but not what the disk says.
    except (pa.ArrowException, OSError, ValueError, MemoryError, OverflowError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise GalaxiesError(f"{path}: damaged or not a Parquet table ({reason})") from error


def open_parquet_file(path: str, packed: Sequence[str] = ()) -> pq.ParquetFile:
    """Open a Parquet table, on disk or in a bucket, to read it piece by piece.

    The columns in `packed` are read as dictionaries, in which a text that is repeated is held once.
    """
    fs, inside = url_to_fs(path)
    # With a pre-buffer, all data would stay in memory until the end.
    return pq.ParquetFile(
        fs.open(inside),
        buffer_size=1 << 20,
        pre_buffer=False,
        read_dictionary=list(packed),
        page_checksum_verification=True,
    )


def parquet_rows(
    path: str, columns: Sequence[str], groups: Sequence[int] | None = None
) -> Iterator[pa.Table]:
    """Iterate over the rows of a Parquet table, or of some row groups, in plain types.

    It is an error if a text is longer than `galaxies.tables.columns.LONGEST_TEXT`.
    """
    with reading_parquet(path), open_parquet_file(path) as file:
        texts = [one.name for one in file.schema_arrow if one.name in columns and is_text(one.type)]
    with reading_parquet(path), open_parquet_file(path, texts) as file:
        places = range(file.num_row_groups) if groups is None else groups
        row = sum(
            file.metadata.row_group(place).num_rows for place in range(min(places, default=0))
        )
        for batch in file.iter_batches(_ROWS, list(places), columns=list(columns)):
            batch.validate(full=True)  # text that is not UTF-8 would fail where it is used
            table = pa.Table.from_batches([batch]).select(list(columns))
            # Before a kilobyte that is repeated a million times is unpacked.
            require_short(path, table, row)
            row += len(table)
            yield plain(table)


def open_parquet(path: str, exact: Collection[str]) -> Source:
    """Open a Parquet table; see `galaxies.tables.text.open_csv`."""
    with reading_parquet(path):
        file = open_parquet_file(path)
        stored, rows = file.schema_arrow, file.metadata.num_rows
        metadata = {key.decode(): value.decode() for key, value in (stored.metadata or {}).items()
                    if not key.startswith(b"ARROW:")}  # fmt: skip
        names = list(stored.names)
    if twice := {name for name in names if names.count(name) > 1}:
        raise GalaxiesError(f"{path}: has two columns {min(twice)!r}; rename one")
    words = _words(metadata.pop(ASTROPY, ""))
    metadata |= _attributes(metadata.pop(PANDAS, ""))
    metadata.pop("pandas", None)
    metadata = {key: text for key, text in metadata.items() if not key.startswith(_LENGTH)}
    schema = pa.schema(
        [
            described(field.name, plain_type(field.type), words.get(field.name, words_of(field)))
            for field in stored
        ]
    )

    def tables(columns: Sequence[str]) -> Iterator[pa.Table]:
        wanted = pa.schema([schema.field(name) for name in columns])
        for table in parquet_rows(path, columns):
            with reading_parquet(path):
                yield table.cast(wanted)

    return Source(schema, rows, metadata, tables)


def write_parquet(path: Path, schema: pa.Schema, pieces: Pieces) -> None:
    """Write a Parquet table, in row groups of `ROWS`.

    Its metadata let pandas and astropy find those of the table, and astropy the units, the
    descriptions and, in a first pass, the lengths of texts, without which it cannot read nulls.
    """
    plain_metadata = text_metadata(schema)
    longest = measure(schema, pieces, most_letters).longest
    held = {
        **plain_metadata,
        **{f"{_LENGTH}{name}": str(max(1, letters)) for name, letters in longest.items()},
        ASTROPY: _astropy_header(schema),
        PANDAS: json.dumps(plain_metadata),
    }
    schema = schema.with_metadata(held)
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        # Many small row groups would be slow to read.
        for table in Rebatched(pieces(), ROWS, _LARGEST_GROUP):
            writer.write_table(table.cast(schema))


def _astropy_header(schema: pa.Schema) -> str:
    """Write the header that astropy reads, without importing it, which would take seconds."""
    columns = []
    for field in schema:
        words = words_of(field)
        entries = {
            "name": field.name,
            "unit": words.unit,
            "datatype": ECSV_NAMES.get(field.type, "string"),
            "description": words.description,
            "meta": {"ucd": words.ucd} if words.ucd else None,
        }
        columns.append({key: value for key, value in entries.items() if value})
    header = {"datatype": columns, "meta": text_metadata(schema)}
    return yaml.safe_dump(header, allow_unicode=True, sort_keys=False).rstrip("\n")


def _attributes(pandas: str) -> dict[str, str]:
    """Read the metadata that pandas has kept."""
    try:
        held = json.loads(pandas or "{}")
    except ValueError:
        return {}
    return {str(key): str(value) for key, value in held.items()} if isinstance(held, dict) else {}


def _words(astropy: str) -> dict[str, Words]:
    """Read the units and descriptions that astropy has written."""
    if not astropy:
        return {}
    try:
        header = read_header(astropy.split("\n"))
        return {
            column["name"]: Words(
                column.get("description", ""),
                str(column.get("unit", "")),
                str((column.get("meta") or {}).get("ucd", "")),
            )
            for column in header["datatype"]
        }
    except (ValueError, KeyError, TypeError):
        return {}  # only words are lost
