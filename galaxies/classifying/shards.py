"""Shards: the pieces of a long classification, written one by one."""

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.core import url_to_fs

from galaxies.errors import GalaxiesError

_JOB: Final = "job.json"
_SHARD_NAME: Final = re.compile(r"[0-9]{8}\.parquet")
_OURS: Final = re.compile(r"[0-9]{8}\.parquet|job\.json|\.([0-9]{8}\.parquet|job\.json)\.[0-9]+")

T = TypeVar("T")


@dataclass(frozen=True)
class Shards:
    """A folder with a Parquet file for each chunk that is done.

    Parameters
    ----------
    folder : str
        On disk, or an address in a bucket that fsspec knows.
    """

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
            reason = error.strerror or str(error)
            raise GalaxiesError(
                f"{self.folder}/{name}: {reason}; finished work is kept; the same command continues"
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
                f"{path}: damaged shard ({error}); remove it and run the same command again"
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
            raise GalaxiesError(f"{self.folder}: is a file; give a new or empty folder")
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
                    "give a new or empty folder"
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
                f"{self.folder}/{_JOB}: damaged; remove the folder to start again"
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
