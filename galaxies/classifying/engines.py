"""Engines: what does the work of a long classification, here or on a cluster."""

import contextlib
import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from galaxies.classifying.classifier import BATCH, GalaxyClassifier
from galaxies.classifying.inputs.chunks import Chunk, batched
from galaxies.classifying.shards import Shards
from galaxies.learning.bundle import read_description


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
