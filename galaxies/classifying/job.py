"""A long classification: shards that are written one by one, and the table they make together."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
from tqdm import tqdm

from galaxies import __version__
from galaxies.classifying.classifier import COLUMNS
from galaxies.classifying.engines import Engine, Model
from galaxies.classifying.inputs.chunks import Chunk, Source
from galaxies.classifying.inputs.opening import open_sources
from galaxies.classifying.shards import Shards
from galaxies.classifying.table_files import TABLE_SUFFIXES, write_stream
from galaxies.errors import GalaxiesError
from galaxies.learning.bundle import read_description

SHARD: Final = 4096
"""Galaxies in a shard; a shard of another size would be another job."""


_FORMAT: Final = 1


def run_job(
    inputs: Sequence[str],
    output: Path,
    model: Model,
    engine: Engine,
    *,
    shards: str | None = None,
    overwrite: bool = False,
) -> Counter[str]:
    """Classify all images of some inputs into one table; continue where an earlier run stopped.

    Parameters
    ----------
    inputs
        As in `galaxies.classifying.inputs.opening.open_sources`.
    output
        The table to make: .parquet, .csv or .fits.
    model
        The bundle.
    engine
        `galaxies.classifying.engines.local_engine` or `galaxies.classifying.ray_engine.ray_engine`.
    shards
        Folder for the parts of the table, which all machines must see; beside the output unless
        given. It is removed when the table is whole.
    overwrite
        Replace an output, and discard parts of another job.

    Returns
    -------
    Counter
        How many galaxies got each decision, and how many images were `unreadable`.

    Raises
    ------
    GalaxiesError
        If an input, the bundle or the output cannot be used, or the parts are of another job.
    """
    if not output.name.lower().endswith(TABLE_SUFFIXES):
        raise GalaxiesError(f"{output}: unknown suffix; written are {', '.join(TABLE_SUFFIXES)}")
    read_description(model.folder)
    parts = Shards(shards or f"{output.absolute()}.shards")
    # Killed after the table was whole, before the shards were gone, the same command succeeds.
    ours = parts.begun().get("output") == str(output.absolute())
    if output.exists() and not overwrite and not ours:
        raise GalaxiesError(f"{output}: exists; --overwrite replaces it")
    sources = open_sources(inputs)
    carried = next((source.carried for source in sources if source.carried), pa.schema([]))
    taken = set(carried.names) & set(COLUMNS.names)
    if taken:
        raise GalaxiesError(
            f"{sources[0].name}: column {min(taken)!r} would be written twice; rename it"
        )
    job = {
        "format": _FORMAT,
        "version": __version__,
        "model": model.fingerprint(),
        "input": [source.fingerprint() for source in sources],
        "shard": SHARD,
        "output": str(output.absolute()),
    }
    parts.begin(job, overwrite=overwrite)
    number_of_shards = _run(sources, model, engine, parts)
    schema = pa.schema([*COLUMNS, *carried])
    found: Counter[str] = Counter()

    def tables() -> Iterator[pa.Table]:
        found.clear()  # FITS reads twice
        for number in range(number_of_shards):
            table = parts.read(number)
            found.update(table["decision"].drop_null().to_pylist())
            found["unreadable"] += len(table) - table["error"].null_count
            for field in schema:
                # Beside a catalogue, images that stand in none have no further columns.
                if field.name not in table.column_names:
                    table = table.append_column(field, pa.nulls(len(table), field.type))
            yield table.select(schema.names)

    write_stream(output, schema, tables)
    parts.remove()
    return found


def _run(sources: Sequence[Source], model: Model, engine: Engine, shards: Shards) -> int:
    """Make the shards that are missing; returns how many there are."""
    done = shards.numbers()
    counts = [source.count for source in sources]
    total = None if None in counts else sum(count or 0 for count in counts)
    chunks = 0

    def missing() -> Iterator[tuple[int, Chunk]]:
        nonlocal chunks
        for chunk in (chunk for source in sources for chunk in source.chunks(SHARD)):
            number, chunks = chunks, chunks + 1
            if number not in done:
                yield number, chunk

    first = sum(map(shards.rows, done))
    with tqdm(
        total=total, initial=first, desc="classify", unit=" galaxies", unit_scale=True
    ) as bar:
        engine(model, missing(), shards, bar.update)
    return chunks
