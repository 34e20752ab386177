"""Engines, which classify many images: on this machine or on a cluster."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, count
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from galaxies.base.pool import batched, in_order
from galaxies.classifying.classifier import BATCH, Classifier
from galaxies.classifying.inputs.chunks import Chunk, Item
from galaxies.classifying.inputs.files import images_state
from galaxies.classifying.options import Options
from galaxies.classifying.result import renamed
from galaxies.classifying.shards import STATE, Shards

Progress = Callable[[int], object]
"""Called with the number of galaxies that were finished."""

Engine = Callable[[Path, Options, Iterable[tuple[int, Chunk]], Shards, Progress], None]
"""Classifies numbered chunks and writes their shards."""


def local_engine(
    bundle: Path,
    options: Options,
    chunks: Iterable[tuple[int, Chunk]],
    shards: Shards,
    progress: Progress,
    *,
    workers: int,
) -> None:
    """Classify on this machine.

    Parameters
    ----------
    bundle : Path
        Its folder. It is not loaded if there are no chunks.
    options : Options
        How to classify.
    chunks : iterable of (int, Chunk)
        Numbered chunks.
    shards : Shards
        Folder for the shards.
    progress : Progress
        Called after each batch.
    workers : int
        Number of threads.

    Examples
    --------
    >>> from pathlib import Path
    >>> from galaxies.classifying.inputs.opening import open_inputs
    >>> from galaxies.classifying.shards import Shards
    >>> from galaxies.classifying.options import Options
    >>> [archive] = open_inputs(["survey.zip"])
    >>> shards = Shards("pieces")
    >>> shards.begin({"output": "classes.parquet"}, overwrite=False)
    >>> bundle, options = Path("models/cnn"), Options(agreement=0.9)
    >>> local_engine(bundle, options, enumerate(archive.chunks(16)), shards, print, workers=2)
    16
    16
    8
    >>> sorted(shards.numbers())
    [0, 1, 2]
    """
    first = next(iterator := iter(chunks), None)
    if first is not None:
        chunks = chain([first], iterator)
        classifier = Classifier(bundle, options)
        for number, table in classify_chunks(classifier, chunks, progress, workers=workers):
            shards.write(number, table)


class _Batch(NamedTuple):
    """Images of a chunk that go through the model together."""

    number: int
    chunk: Chunk
    last: bool
    items: tuple[Item, ...]
    state: str | None
    """Of the images, before the first is read."""


def classify_chunks(
    classifier: Classifier,
    chunks: Iterable[tuple[int, Chunk]],
    progress: Progress,
    *,
    workers: int,
) -> Iterator[tuple[int, pa.Table]]:
    """Classify chunks one after another, without pauses.

    Each thread reads, decodes and classifies whole batches; Pillow and ONNX Runtime run without
    Python's lock. No batch spans two chunks, so the table of a chunk depends only on the chunk.

    Parameters
    ----------
    classifier : Classifier
        The bundle.
    chunks : iterable of (int, Chunk)
        Numbered chunks.
    progress : callable
        Called with the size of each batch.
    workers : int
        Number of threads; at most two batches wait for each.

    Yields
    ------
    number : int
        Number of the chunk.
    table : Table
        A row for each of its images.

    Examples
    --------
    >>> from pathlib import Path
    >>> from galaxies.classifying.classifier import Classifier
    >>> from galaxies.classifying.inputs.opening import open_inputs
    >>> from galaxies.classifying.options import Options
    >>> [archive] = open_inputs(["survey.zip"])
    >>> classifier = Classifier(Path("models/cnn"), Options(agreement=0.9))
    >>> chunks = enumerate(archive.chunks(25))
    >>> [
    ...     (number, len(table))
    ...     for number, table in classify_chunks(classifier, chunks, lambda images: None, workers=2)
    ... ]
    [(0, 25), (1, 15)]
    """

    def classify(batch: _Batch) -> tuple[_Batch, pa.Table]:
        return batch, classifier.classify_batch(batch.items)

    pieces: list[pa.Table] = []
    with ThreadPoolExecutor(workers) as pool:
        for batch, piece in in_order(pool, classify, _batches(chunks), 2 * workers):
            pieces.append(piece)
            progress(len(piece))
            if batch.last:
                table = pa.concat_tables(pieces).combine_chunks()
                if batch.state is not None:
                    table = table.replace_schema_metadata({STATE: batch.state})
                yield batch.number, _with_carried(table, batch.chunk)
                pieces.clear()


def _batches(chunks: Iterable[tuple[int, Chunk]]) -> Iterator[_Batch]:
    for number, chunk in chunks:
        state = images_state(chunk)
        for start, items in zip(count(0, BATCH), batched(chunk.items(), BATCH), strict=False):
            yield _Batch(number, chunk, start + BATCH >= len(chunk), items, state)


def _with_carried(table: pa.Table, chunk: Chunk) -> pa.Table:
    """Append the other columns of a catalogue."""
    if carried := chunk.carried:
        for name, new in renamed(carried.column_names, table.column_names).items():
            table = table.append_column(carried.field(name).with_name(new), carried[name])
    return table
