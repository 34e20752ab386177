"""Outputs that are complete or absent, and identical in every run."""

import contextlib
import ctypes
import errno
import fcntl
import glob
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from galaxies.errors import GalaxiesError

_HERE: Final = -100  # AT_FDCWD
_EXCHANGE: Final = 2  # RENAME_EXCHANGE
_REPLACED: Final = "replaced.old"
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """Write to a temporary path beside `path`, and rename it if the block succeeds.

    Parameters
    ----------
    path : Path
        The file or folder to make. An existing one is replaced.

    Yields
    ------
    Path
        The temporary path. It does not exist yet, and is removed if the block fails.

    Raises
    ------
    GalaxiesError
        If the folder cannot be written to, or the disk is full.

    Examples
    --------
    >>> from pathlib import Path
    >>> with written_beside(Path("notes.txt")) as beside:
    ...     _ = beside.write_text("complete")
    ...     Path("notes.txt").exists()
    False
    >>> Path("notes.txt").read_text()
    'complete'
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _clear_abandoned(path)
        # A folder for each run: one that outlived the DVC which started it may still be writing.
        folder = Path(tempfile.mkdtemp(".partial", f".{path.name}.", path.parent))
    except OSError as error:
        raise GalaxiesError(f"{path}: cannot be written: {error.strerror}") from error
    with _owned(folder):
        try:
            yield folder / path.name
            if path.is_dir():
                _exchange(folder / path.name, path)
            else:
                (folder / path.name).replace(path)
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise GalaxiesError(
                    f"{path}: {os.strerror(error.errno)}; free some space and run again"
                ) from error
            raise
        finally:
            shutil.rmtree(folder)


def _exchange(new: Path, old: Path) -> None:
    """Put a new folder in the place of an old one, so that one of them is always there.

    The old folder is left where the new one was.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        result = libc.renameat2(
            _HERE, os.fsencode(new.absolute()), _HERE, os.fsencode(old.absolute()), _EXCHANGE
        )
    except AttributeError:  # no such function in this C library
        result = -1
    if result == 0:
        return
    # Some file systems cannot exchange, such as NFS. A run that is killed between these two lines
    # leaves the old folder for the next one to put back.
    old.replace(new.parent / _REPLACED)
    new.replace(old)


@contextmanager
def _owned(folder: Path) -> Iterator[None]:
    """Lock a folder until the block or the process ends; `BlockingIOError` if it is in use."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _is_open(path: Path, handle: int) -> bool:
    """Whether a handle is of the file that has this path now."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(path.stat(), os.fstat(handle))
    return False


@contextmanager
def sole_writer(path: Path) -> Iterator[None]:
    """Refuse a second process that writes the same output, until the block or the process ends.

    The lock is the kernel's: whatever ends the process, no lock stays behind. Other machines see it
    if the file system supports that, as NFS does.

    Parameters
    ----------
    path : Path
        The file or folder to make.

    Raises
    ------
    GalaxiesError
        If another process is writing it, or if its folder cannot be written to.

    Examples
    --------
    >>> from pathlib import Path
    >>> with sole_writer(Path("classes.csv")), sole_writer(Path("classes.csv")):
    ...     pass
    Traceback (most recent call last):
    galaxies.errors.GalaxiesError: classes.csv: another process is writing it; wait until it ends...
    """
    lock = path.with_name(f".{path.name}.lock")
    handle = -1
    while handle < 0:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(lock, os.O_CREAT | os.O_RDWR)
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(handle)
            raise GalaxiesError(
                f"{path}: another process is writing it; wait until it ends, or give another output"
            ) from error
        except OSError as error:
            if handle < 0:
                raise GalaxiesError(f"{path}: cannot be written: {error.strerror}") from error
            # A file system without locks.
        # The last process may have removed the file between these lines.
        if not _is_open(lock, handle):
            os.close(handle)
            handle = -1
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(handle)


def _clear_abandoned(path: Path) -> None:
    """Remove temporary folders that killed runs have left beside `path`.

    If one was killed while it replaced a folder that cannot be exchanged, the folder is put back.
    """
    for folder in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        with contextlib.suppress(BlockingIOError, FileNotFoundError), _owned(folder):
            if (folder / _REPLACED).exists() and not path.exists():
                (folder / _REPLACED).replace(path)
            shutil.rmtree(folder)


def zip_member(name: str) -> zipfile.ZipInfo:
    """Describe a member of a zip archive so that the archive is identical in every run.

    All members have the date on which the Galaxy Zoo challenge began.
    """
    member = zipfile.ZipInfo(name, (2013, 12, 20, 0, 0, 0))
    member.external_attr = 0o644 << 16
    return member


def write_json(path: Path, content: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
    """Write JSON, with floats rounded to six decimals; NaN and infinity are errors."""
    text = json.dumps(_rounded(content), indent=2, allow_nan=False, ensure_ascii=False)
    with written_beside(path) as beside:
        beside.write_text(text + "\n", encoding="utf-8")


def _rounded(content: Any) -> Any:  # noqa: ANN401
    if isinstance(content, dict):
        return {key: _rounded(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_rounded(value) for value in content]
    return round(content, 6) if isinstance(content, float) else content


def write_table(path: Path, table: pd.DataFrame, title: str | None = None) -> None:
    """Write a Parquet table, without the index.

    Parameters
    ----------
    path : Path
        The file to make.
    table : DataFrame
        The rows.
    title : str, optional
        Stored in the metadata of the file; `table_title` reads it.

    Examples
    --------
    >>> from pathlib import Path
    >>> import pandas as pd
    >>> path = Path("redshifts.parquet")
    >>> write_table(path, pd.DataFrame({"galaxy_id": [100008], "z": [0.05]}), title="Redshifts")
    >>> table_title(path), pd.read_parquet(path).to_dict("list")
    ('Redshifts', {'galaxy_id': [100008], 'z': [0.05]})
    """
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    if title is not None:
        arrow = arrow.replace_schema_metadata({**(arrow.schema.metadata or {}), "title": title})
    with written_beside(path) as beside:
        pq.write_table(arrow, beside)


def table_title(path: Path) -> str:
    """Read the title that `write_table` has stored."""
    return str((pq.read_schema(path).metadata or {})[b"title"].decode())


def write_records(path: Path, table: pd.DataFrame) -> None:
    """Write a table as a JSON list of rows, the format that `dvc plots` reads."""
    write_json(path, table.to_dict("records"))


def write_text_table(path: Path, table: pd.DataFrame) -> None:
    """Write a CSV table, without the index."""
    with written_beside(path) as beside:
        table.to_csv(beside, index=False, lineterminator="\n")
