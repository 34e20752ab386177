"""Classify on many machines, with Ray Data."""

import logging
import os
import pickle
import re
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from galaxies.base.arrays import Device
from galaxies.base.pool import batched
from galaxies.classifying.classifier import Classifier
from galaxies.classifying.engines import Progress, classify_chunks
from galaxies.classifying.inputs.chunks import Chunk
from galaxies.classifying.options import Options
from galaxies.classifying.shards import Shards
from galaxies.errors import GalaxiesError, needs

_CORES: Final = 4
"""Largest number of cores per actor; more threads would wait for Python's lock."""

_WINDOW: Final = 500
"""Chunks in the cluster at a time, two million galaxies; those of a billion would fill it."""

_PATIENCE: Final = 20
"""Seconds to wait for a cluster's answer."""

Rows = dict[str, npt.NDArray[Any]]


class _Actors(NamedTuple):
    """Number of actors, and the resources of each."""

    number: int
    cores: int
    gpus: int


class _ChunkClassifier:
    """The model in one actor, which makes a shard from each chunk."""

    def __init__(self, bundle: Path, options: Options, shards: Shards, cores: int) -> None:
        self._classifier = Classifier(bundle, options)
        self._shards = shards
        self._cores = cores

    def __call__(self, rows: Rows) -> Rows:
        """Classify chunks; returns the number of `galaxies` in each."""
        # We have just pickled these ourselves; nothing comes from outside.
        chunks = [
            (int(n), pickle.loads(c)) for n, c in zip(rows["number"], rows["chunk"], strict=True)
        ]
        galaxies = []
        for number, table in classify_chunks(
            self._classifier, chunks, lambda _: None, workers=self._cores
        ):
            self._shards.write(number, table)
            galaxies.append(len(table))
        return {"galaxies": np.array(galaxies)}


def ray_engine(
    bundle: Path,
    options: Options,
    chunks: Iterable[tuple[int, Chunk]],
    shards: Shards,
    progress: Progress,
    *,
    address: str | None = None,
) -> None:
    """Classify on a Ray cluster; see `galaxies.classifying.engines.Engine`.

    Each actor has a few cores, or a GPU with cores, loads the model once and writes its own shards.
    Every machine must see the bundle, the inputs and the folder of the shards. If a worker dies, it
    is replaced and its chunk is repeated.

    Parameters
    ----------
    bundle : Path
        Its folder.
    options : Options
        How to classify.
    chunks : iterable of (int, Chunk)
        Numbered chunks.
    shards : Shards
        Folder for the shards.
    progress : Progress
        Called after each chunk.
    address : str, optional
        Address of a running cluster; starts one locally by default.

    Raises
    ------
    GalaxiesError
        If Ray is not installed, or if there is no cluster at the address.
    """
    with needs("ray"):
        import ray

    with _connected(address):
        try:
            for window in batched(chunks, _WINDOW):
                _classify_window(bundle, options, window, shards, progress)
        except ray.exceptions.RayError as error:
            cause: BaseException | None = error
            while cause and not isinstance(cause, GalaxiesError):
                cause = cause.__cause__
            raise GalaxiesError(str(cause or error).strip().splitlines()[-1]) from error


@contextmanager
def _connected(address: str | None) -> Iterator[None]:
    """Connect to a cluster, or start one here, unless this process is connected already."""
    import ray

    # Otherwise Ray would send usage statistics, and its messages would hide ours.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    if ray.is_initialized():
        yield
        return
    try:
        if address and re.fullmatch(r"[^:/]+:[0-9]+", address):
            host, _, port = address.partition(":")
            # Ray would try for minutes.
            socket.create_connection((host, int(port)), timeout=_PATIENCE).close()
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise GalaxiesError(f"no Ray cluster at {address or 'this machine'} ({reason})") from error
    try:
        yield
    finally:
        ray.shutdown()


def _classify_window(
    bundle: Path,
    options: Options,
    chunks: tuple[tuple[int, Chunk], ...],
    shards: Shards,
    progress: Progress,
) -> None:
    import ray.data

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False  # we have our own
    actors = _share_out(options.device)
    rows = [{"number": number, "chunk": pickle.dumps(chunk)} for number, chunk in chunks]
    done = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        _ChunkClassifier,
        fn_constructor_args=(bundle, options, shards, actors.cores),
        compute=ray.data.ActorPoolStrategy(size=min(actors.number, len(rows))),
        batch_size=1,
        num_cpus=actors.cores,
        num_gpus=actors.gpus,
    )
    for batch in done.iter_batches(batch_size=None, prefetch_batches=0):
        progress(int(batch["galaxies"].sum()))


def _share_out(device: Device) -> _Actors:
    """Divide the cluster among actors: a few cores each, or a GPU with cores."""
    import ray

    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    machines = [node["Resources"] for node in nodes if node["Alive"]]
    machines = [resources for resources in machines if resources.get("CPU", 0) >= 1]
    if not machines:
        raise GalaxiesError("no machine of the Ray cluster has a free core")
    if device == "gpu":
        machines = [resources for resources in machines if resources.get("GPU", 0) >= 1]
        if not machines:
            raise GalaxiesError("no machine of the Ray cluster has a GPU; omit --device gpu")
        gpus = sum(int(resources["GPU"]) for resources in machines)
        cores = min(int(resources["CPU"] // resources["GPU"]) for resources in machines)
        return _Actors(gpus, max(1, min(_CORES, cores)), 1)
    cores = min(_CORES, *(int(resources["CPU"]) for resources in machines))
    return _Actors(sum(int(resources["CPU"]) // cores for resources in machines), cores, 0)
