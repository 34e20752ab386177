"""A long classification: shards that are written one by one, and the table they make together."""

import contextlib
import hashlib
import json
import os
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.core import url_to_fs
from tqdm import tqdm

from galaxies import __version__
from galaxies.bundle import read_description
from galaxies.classification import BATCH, COLUMNS, GalaxyClassifier
from galaxies.errors import GalaxiesError
from galaxies.sources import Chunk, Source, batched, open_sources
from galaxies.tables import TABLE_SUFFIXES, write_stream

SHARD: Final = 4096
"""Galaxies in a shard; a shard of another size would be another job."""

_FORMAT: Final = 1
_JOB: Final = "job.json"
_SHARD_NAME: Final = re.compile(r"[0-9]{8}\.parquet")
_OURS: Final = re.compile(r"[0-9]{8}\.parquet|job\.json|\.([0-9]{8}\.parquet|job\.json)\.[0-9]+")

T = TypeVar("T")


@dataclass(frozen=True)
class Model:
    """A bundle and how it is to be used; can be sent to another machine that sees the folder."""

    folder: Path
    views: Literal[1, 8] | None = None
    agreement: float = 0.99
    bfloat16: bool = False

    def load(self) -> GalaxyClassifier:
        """Load the bundle in this process.

        Each of the job's threads runs the model for itself, so TensorFlow needs no further ones:
        small batches side by side are faster than one that is cut up.
        """
        if read_description(self.folder).model != "tree":
            one_thread_each(bfloat16=self.bfloat16)
        return GalaxyClassifier(self.folder, self.views, self.agreement)

    def fingerprint(self) -> dict[str, Any]:
        """Say what makes its answers."""
        digest = hashlib.sha256()
        for path in sorted(self.folder.iterdir()):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
        return {
            "sha256": digest.hexdigest(),
            "views": self.views,
            "agreement": self.agreement,
            "bfloat16": self.bfloat16,
        }


def one_thread_each(*, bfloat16: bool) -> None:
    """Tell TensorFlow, before it starts, to compute within the thread that asks it."""
    import tensorflow as tf

    if bfloat16:
        tf.config.optimizer.set_experimental_options({"auto_mixed_precision_onednn_bfloat16": True})
    # In a process that is not ours alone it may run already.
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(1)


Progress = Callable[[int], object]
"""Is told how many more galaxies are done."""

Engine = Callable[[Model, Iterable[tuple[int, Chunk]], "Shards", Progress], None]
"""Classifies numbered chunks and writes their shards."""


@dataclass(frozen=True)
class Shards:
    """A folder with a Parquet file for each chunk that is done; on disk or in a bucket."""

    folder: str

    def write(self, number: int, table: pa.Table) -> None:
        """Write a shard, whole or not at all."""
        buffer = pa.BufferOutputStream()
        pq.write_table(table, buffer, compression="zstd")
        self._write(f"{number:08d}.parquet", buffer.getvalue().to_pybytes())

    def _write(self, name: str, data: bytes) -> None:
        fs, inside = url_to_fs(self.folder)
        # An object in a bucket appears whole; a file on disk is renamed into place.
        local = "file" in fs.protocol
        partial = f"{inside}/.{name}.{os.getpid()}" if local else f"{inside}/{name}"
        try:
            fs.pipe_file(partial, data)
            if local:
                Path(partial).replace(f"{inside}/{name}")
        except OSError as error:
            said = error.strerror or str(error)
            raise GalaxiesError(
                f"{self.folder}/{name}: {said}; what is done is kept, the same command continues"
            ) from error

    def numbers(self) -> set[int]:
        """Chunks that are done."""
        return {int(name[:8]) for name in self._names() if _SHARD_NAME.fullmatch(name)}

    def _names(self) -> list[str]:
        fs, inside = url_to_fs(self.folder)
        return [str(path).rpartition("/")[2] for path in fs.ls(inside, detail=False)]

    def read(self, number: int) -> pa.Table:
        """Read a shard back."""
        return self._look(number, pq.read_table)

    def rows(self, number: int) -> int:
        """Count a shard's galaxies."""
        return self._look(number, lambda file: int(pq.read_metadata(file).num_rows))

    def _look(self, number: int, look: Callable[[Any], T]) -> T:
        fs, inside = url_to_fs(self.folder)
        path = f"{inside}/{number:08d}.parquet"
        try:
            with fs.open(path) as file:
                return look(file)
        except (pa.ArrowInvalid, OSError) as error:
            raise GalaxiesError(
                f"{path}: damaged shard ({error}); remove it, and the same command makes it again"
            ) from error

    def begin(self, job: dict[str, Any], *, overwrite: bool) -> None:
        """Begin a job here, or continue the one that was begun.

        Raises
        ------
        GalaxiesError
            If the folder holds shards of another job, or files that are no shards.
        """
        fs, inside = url_to_fs(self.folder)
        if fs.isfile(inside):
            raise GalaxiesError(f"{self.folder}: is a file; name a new or empty folder")
        if begun := self.begun():
            changed = [key for key in job if key != "output" and begun.get(key) != job[key]]
            if not changed:
                return
            if not overwrite:
                raise GalaxiesError(
                    f"{self.folder}: begun with another {' and another '.join(changed)}; give what "
                    "it was begun with to continue it, or --overwrite to begin again"
                )
            self.remove()
        elif fs.exists(inside):
            strange = [name for name in self._names() if not name.startswith(f".{_JOB}")]
            if strange:
                raise GalaxiesError(
                    f"{self.folder}: holds other files, such as {min(strange)!r}; "
                    "name a new or empty folder"
                )
        fs.makedirs(inside, exist_ok=True)
        self._write(_JOB, json.dumps(job, indent=2).encode())

    def begun(self) -> dict[str, Any]:
        """Return the job that was begun here, empty if there is none."""
        fs, inside = url_to_fs(self.folder)
        if not fs.exists(f"{inside}/{_JOB}"):
            return {}
        try:
            return dict(json.loads(fs.cat_file(f"{inside}/{_JOB}")))
        except (ValueError, TypeError) as error:
            raise GalaxiesError(
                f"{self.folder}/{_JOB}: damaged; remove the folder to begin again"
            ) from error

    def remove(self) -> None:
        """Delete the shards, and the folder if nothing else is in it."""
        fs, inside = url_to_fs(self.folder)
        names = [name for name in self._names() if _OURS.fullmatch(name)]
        # The job's name goes last: without it, shards that are left would be nobody's.
        for name in sorted(names, key=lambda name: name == _JOB):
            fs.rm_file(f"{inside}/{name}")
        if "file" in fs.protocol and not self._names():
            fs.rmdir(inside)


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
        As in `galaxies.sources.open_sources`.
    output
        The table to make: .parquet, .csv or .fits.
    model
        The bundle.
    engine
        `galaxies.jobs.local_engine` or `galaxies.cluster.ray_engine`.
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


def local_engine(
    model: Model,
    chunks: Iterable[tuple[int, Chunk]],
    shards: Shards,
    progress: Progress,
    *,
    workers: int,
) -> None:
    """Classify on this machine, in `workers` threads; see `Engine`."""
    first = next(iterator := iter(chunks), None)
    if first is not None:
        chunks = chain([first], iterator)
        for number, table in classify_chunks(model.load(), chunks, progress, workers=workers):
            shards.write(number, table)


def classify_chunks(
    classifier: GalaxyClassifier,
    chunks: Iterable[tuple[int, Chunk]],
    progress: Progress,
    *,
    workers: int,
) -> Iterator[tuple[int, pa.Table]]:
    """Classify chunks one after the other, without a pause between them.

    Each thread reads, decodes and classifies a batch by itself; Pillow and TensorFlow work outside
    Python's lock. Batches begin anew with every chunk, so that a chunk's table depends on nothing
    but the chunk.

    Parameters
    ----------
    classifier
        The model.
    chunks
        Numbered.
    progress
        Is told of every batch.
    workers
        Threads; two batches for each wait at most.

    Yields
    ------
    tuple
        A chunk's number and its table.
    """
    waiting: deque[tuple[int, Chunk, bool, Future[pa.Table]]] = deque()
    parts: list[pa.Table] = []

    def finished() -> Iterator[tuple[int, pa.Table]]:
        number, chunk, last, future = waiting.popleft()
        parts.append(future.result())
        progress(len(parts[-1]))
        if last:
            table = pa.concat_tables(parts).combine_chunks()
            parts.clear()
            if carried := chunk.carried:
                for name in carried.column_names:
                    table = table.append_column(carried.field(name), carried[name])
            yield number, table

    pool = ThreadPoolExecutor(workers)
    try:
        for number, chunk in chunks:
            for start, items in zip(count(0, BATCH), batched(chunk.items(), BATCH), strict=False):
                future = pool.submit(classifier.classify_batch, items)
                waiting.append((number, chunk, start + BATCH >= len(chunk), future))
                if len(waiting) > 2 * workers:
                    yield from finished()
        while waiting:
            yield from finished()
    finally:
        pool.shutdown(cancel_futures=True)
