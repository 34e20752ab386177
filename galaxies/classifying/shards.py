"""Shards: the parts of a long classification, written one by one."""

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from galaxies.errors import GalaxiesError
from galaxies.tables.sources import filesystem

STATE: Final = "images"
"""Metadata of a shard: the state of its image files, as in
`galaxies.classifying.inputs.files.images_state`."""

_JOB: Final = "job.json"
_SHARD_NAME: Final = re.compile(r"[0-9]{8}\.parquet")
_OURS: Final = re.compile(r"[0-9]{8}\.parquet|job\.json|\.([0-9]{8}\.parquet|job\.json)\.[0-9]+")

T = TypeVar("T")


@dataclass(frozen=True)
class Shards:
    """A folder with a Parquet file for each finished chunk.

    Parameters
    ----------
    folder : str
        A folder on disk, or an address that fsspec supports.

    Examples
    --------
    >>> import pyarrow as pa
    >>> shards = Shards("pieces")
    >>> shards.begin({"output": "classes.parquet"}, overwrite=False)
    >>> shards.write(3, pa.table({"galaxy_id": ["100008"]}))
    >>> shards.numbers(), shards.rows(3)
    ({3}, 1)
    """

    folder: str

    def write(self, number: int, table: pa.Table) -> None:
        """Write a shard, completely or not at all."""
        buffer = pa.BufferOutputStream()
        pq.write_table(table, buffer, compression="zstd")
        self._write(f"{number:08d}.parquet", buffer.getvalue().to_pybytes())

    def _write(self, name: str, data: bytes) -> None:
        fs, inside = filesystem(self.folder)
        # Objects in a bucket appear when they are complete; files on disk are renamed.
        local = "file" in fs.protocol
        partial = f"{inside}/.{name}.{os.getpid()}" if local else f"{inside}/{name}"
        try:
            fs.pipe_file(partial, data)
            if local:
                Path(partial).replace(f"{inside}/{name}")
        except OSError as error:
            reason = error.strerror or str(error)
            raise GalaxiesError(
                f"{self.folder}/{name}: {reason}; finished work is kept; the same command continues"
            ) from error

    def numbers(self) -> set[int]:
        """Return the numbers of the finished chunks."""
        return {int(name[:8]) for name in self._names() if _SHARD_NAME.fullmatch(name)}

    def _names(self) -> list[str]:
        fs, inside = filesystem(self.folder)
        return [str(path).rpartition("/")[2] for path in fs.ls(inside, detail=False)]

    def read(self, number: int) -> pa.Table:
        """Read a shard."""
        return self._look(number, pq.read_table)

    def rows(self, number: int) -> int:
        """Count the galaxies of a shard."""
        return self._look(number, lambda file: int(pq.read_metadata(file).num_rows))

    def state(self, number: int) -> str | None:
        """Return the state of the images of a shard when they were read, if it was recorded."""
        metadata = self._look(number, lambda file: pq.read_schema(file).metadata or {})
        state = metadata.get(STATE.encode())
        return None if state is None else state.decode()

    def _look(self, number: int, look: Callable[[Any], T]) -> T:
        fs, inside = filesystem(self.folder)
        path = f"{inside}/{number:08d}.parquet"
        try:
            with fs.open(path) as file:
                return look(file)
        except (pa.ArrowInvalid, OSError) as error:
            raise GalaxiesError(
                f"{path}: damaged shard ({error}); remove it and run the same command again"
            ) from error

    def begin(self, job: dict[str, Any], *, overwrite: bool) -> None:
        """Start a job here, or continue it.

        Raises
        ------
        GalaxiesError
            If the folder contains shards of another job, or other files.
        """
        fs, inside = filesystem(self.folder)
        if fs.isfile(inside):
            raise GalaxiesError(f"{self.folder}: is a file; give a new or empty folder")
        if begun := self.begun():
            changed = [key for key in job if key != "output" and begun.get(key) != job[key]]
            if not changed:
                return
            if not overwrite:
                raise GalaxiesError(
                    f"{self.folder}: started with {' and '.join(map(_other, changed))}; use the "
                    "same to continue, or --overwrite to start again"
                )
            self.remove()
        elif fs.exists(inside):
            strange = [name for name in self._names() if not name.startswith(f".{_JOB}")]
            if strange:
                raise GalaxiesError(
                    f"{self.folder}: contains other files, such as {min(strange)!r}; "
                    "give a new or empty folder"
                )
        fs.makedirs(inside, exist_ok=True)
        self._write(_JOB, json.dumps(job, indent=2).encode())

    def begun(self) -> dict[str, Any]:
        """Return the job that was started here; empty if there is none."""
        fs, inside = filesystem(self.folder)
        if not fs.exists(f"{inside}/{_JOB}"):
            return {}
        try:
            return dict(json.loads(fs.cat_file(f"{inside}/{_JOB}")))
        except (ValueError, TypeError) as error:
            raise GalaxiesError(
                f"{self.folder}/{_JOB}: damaged; remove the folder to start again"
            ) from error

    def remove(self) -> None:
        """Delete the shards, and the folder if it is empty then."""
        fs, inside = filesystem(self.folder)
        names = [name for name in self._names() if _OURS.fullmatch(name)]
        # The description of the job goes last; without it, remaining shards could not be
        # identified.
        for name in sorted(names, key=lambda name: name == _JOB):
            fs.rm_file(f"{inside}/{name}")
        if "file" in fs.protocol and not self._names():
            fs.rmdir(inside)


def _other(key: str) -> str:
    return "other options" if key == "options" else f"another {key}"
