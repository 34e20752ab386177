"""The same classification on many machines, by Ray Data."""

import logging
import os
from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from galaxies.errors import GalaxiesError
from galaxies.jobs import Model, Progress, Shards, classify_chunks
from galaxies.sources import Chunk, batched

_CORES: Final = 4
"""Of one actor at most; beyond that its threads would wait for Python's lock."""

_WINDOW: Final = 2000
"""Chunks that are known to the cluster at a time: some million galaxies."""

Rows = dict[str, npt.NDArray[Any]]


class _ChunkClassifier:
    """Holds the model in one actor, and turns each chunk into a shard."""

    def __init__(self, model: Model, shards: Shards, cores: int) -> None:
        self._classifier = model.load()
        self._shards = shards
        self._cores = cores

    def __call__(self, rows: Rows) -> Rows:
        done = []
        numbered = zip(rows["number"].tolist(), rows["chunk"].tolist(), strict=True)
        for number, table in classify_chunks(
            self._classifier, numbered, lambda _: None, workers=self._cores
        ):
            self._shards.write(number, table)
            done.append(len(table))
        return {"galaxies": np.array(done)}


def ray_engine(
    model: Model,
    chunks: Iterable[tuple[int, Chunk]],
    shards: Shards,
    progress: Progress,
    *,
    address: str | None = None,
) -> None:
    """Classify on a Ray cluster; see `galaxies.jobs.Engine`.

    Each actor has a few cores, and a GPU where there are some, loads the model once and writes its
    shards itself. Every machine must see the bundle, the inputs and the folder of the shards. A
    worker that dies is replaced and its chunk made again.

    Parameters
    ----------
    model, chunks, shards, progress
        As in `Engine`.
    address
        Of a running cluster; `None` starts one on this machine.

    Raises
    ------
    GalaxiesError
        If Ray is not installed, or there is no cluster at the address.
    """
    try:
        import ray
    except ImportError as error:
        raise GalaxiesError("Ray is not installed; pip install 'galaxies[ray]'") from error

    iterator = iter(chunks)
    first = list(batched(iterator, 1))
