"""Engines: what does the work of a long classification, here or on a cluster."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pyarrow as pa

from galaxies.base.arrays import Device
from galaxies.base.pool import batched, in_order
from galaxies.base.questions import Campaign
from galaxies.classifying.classifier import BATCH, Classifier, Questions
from galaxies.classifying.inputs.chunks import Chunk, Item
from galaxies.classifying.shards import Shards


@dataclass(frozen=True)
class BundleUse:
    """A bundle and how it is to be used; can be sent to another machine that sees the folder.

    Parameters
    ----------
    folder : Path
        The bundle.
    views : {1, 8}, optional
        Views to average instead of those that the bundle names.
    agreement : float
        How often the machine must agree with the volunteers where it decides alone.
    device : {"cpu", "gpu"}
        What computes.
    campaign : {"gz1", "gz2"}, optional
        By whose first question the classes are told, instead of the bundle's own.
    questions : {"first", "all"}
        Which answers the table holds.
    anyway : bool
        Decide also where the images are not familiar.
    """

    folder: Path
    views: Literal[1, 8] | None = None
    agreement: float = 0.99
    device: Device = "cpu"
    campaign: Campaign | None = None
    questions: Questions = "first"
    anyway: bool = False

    def load(self) -> Classifier:
        """Load the bundle in this process."""
        return Classifier(
            self.folder,
            self.views,
            self.agreement,
            self.device,
            self.campaign,
            self.questions,
            self.anyway,
        )

    def fingerprint(self) -> dict[str, Any]:
        """Say what makes its answers."""
        digest = hashlib.sha256()
        for path in sorted(self.folder.iterdir()):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
        return {
            "sha256": digest.hexdigest(),
            "views": self.views,
            "agreement": self.agreement,
            "device": self.device,
            "campaign": self.campaign,
            "questions": self.questions,
            "anyway": self.anyway,
        }


Progress = Callable[[int], object]
"""Is told how many more galaxies are done."""

Engine = Callable[[BundleUse, Iterable[tuple[int, Chunk]], Shards, Progress], None]
"""Classifies numbered chunks and writes their shards."""


def local_engine(
    use: BundleUse,
    chunks: Iterable[tuple[int, Chunk]],
    shards: Shards,
    progress: Progress,
    *,
    workers: int,
) -> None:
    """Classify on this machine.

    Parameters
    ----------
    use, chunks, shards, progress
        As in `Engine`. Without any chunk, the bundle is not loaded.
    workers : int
        Threads.
    """
    first = next(iterator := iter(chunks), None)
    if first is not None:
        chunks = chain([first], iterator)
        for number, table in classify_chunks(use.load(), chunks, progress, workers=workers):
            shards.write(number, table)


class _Batch(NamedTuple):
    """Some images of a chunk, which go through the model together."""

    number: int
    chunk: Chunk
    last: bool
    items: tuple[Item, ...]


def classify_chunks(
    classifier: Classifier,
    chunks: Iterable[tuple[int, Chunk]],
    progress: Progress,
    *,
    workers: int,
) -> Iterator[tuple[int, pa.Table]]:
    """Classify chunks one after the other, without a pause between them.

    Each thread reads, decodes and classifies a batch by itself; Pillow and ONNX Runtime work
    outside Python's lock. Batches begin anew with every chunk, so that a chunk's table depends on
    nothing but the chunk.

    Parameters
    ----------
    classifier : Classifier
    chunks : iterable of (int, Chunk)
        Numbered.
    progress : callable
        Is told of every batch.
    workers : int
        Threads; two batches for each wait at most.

    Yields
    ------
    number : int
        The chunk's.
    table : Table
        A row for each of its images.
    """

    def classify(batch: _Batch) -> tuple[int, Chunk, bool, pa.Table]:
        return batch.number, batch.chunk, batch.last, classifier.classify_batch(batch.items)

    pieces: list[pa.Table] = []
    with ThreadPoolExecutor(workers) as pool:
        for number, chunk, last, piece in in_order(pool, classify, _batches(chunks), 2 * workers):
            pieces.append(piece)
            progress(len(piece))
            if last:
                yield number, _with_carried(pa.concat_tables(pieces).combine_chunks(), chunk)
                pieces.clear()


def _batches(chunks: Iterable[tuple[int, Chunk]]) -> Iterator[_Batch]:
    for number, chunk in chunks:
        for start, items in zip(count(0, BATCH), batched(chunk.items(), BATCH), strict=False):
            yield _Batch(number, chunk, start + BATCH >= len(chunk), items)


def _with_carried(table: pa.Table, chunk: Chunk) -> pa.Table:
    """Put a catalogue's further columns beside the answers."""
    if carried := chunk.carried:
        for name in carried.column_names:
            table = table.append_column(carried.field(name), carried[name])
    return table
