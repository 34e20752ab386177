"""Outputs that are whole or absent, and that have the same bytes in every run."""

import contextlib
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

_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`, renamed into place when the block succeeds.

    Parameters
    ----------
    path : Path
        The file or folder to make; one that is there is replaced as a whole.

    Yields
    ------
    Path
        Where to write, under the same name. It does not exist yet, and is removed if the block
        fails.

    Raises
    ------
    GalaxiesError
        If the folder cannot be written to, or the disk is full.
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
                shutil.rmtree(path)
            (folder / path.name).replace(path)
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise GalaxiesError(
                    f"{path}: {os.strerror(error.errno)}; free some space and run again"
                ) from error
            raise
        finally:
            shutil.rmtree(folder)


@contextmanager
def _owned(folder: Path) -> Iterator[None]:
    """Mark a folder as in use until the block or the process ends; `BlockingIOError` if it is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _clear_abandoned(path: Path) -> None:
    """Remove what killed runs left beside `path`."""
    for folder in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        with contextlib.suppress(BlockingIOError, FileNotFoundError), _owned(folder):
            shutil.rmtree(folder)


def zip_member(name: str) -> zipfile.ZipInfo:
    """Describe a member of an archive, so that the archive has the same bytes in every run.

    The date is that on which the Galaxy Zoo challenge began.
    """
    member = zipfile.ZipInfo(name, (2013, 12, 20, 0, 0, 0))
    member.external_attr = 0o644 << 16
    return member


def write_json(path: Path, content: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
    """Write JSON, floats rounded to six decimals; NaN and infinity are refused."""
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
        Kept in the file's metadata, for readers that show what the table is about.
    """
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    if title is not None:
        arrow = arrow.replace_schema_metadata({**(arrow.schema.metadata or {}), "title": title})
    with written_beside(path) as beside:
        pq.write_table(arrow, beside)


def table_title(path: Path) -> str:
    """Read back the title that `write_table` kept."""
    return str((pq.read_schema(path).metadata or {})[b"title"].decode())


def write_records(path: Path, table: pd.DataFrame) -> None:
    """Write a table as a JSON list of rows, as `dvc plots` reads curves."""
    write_json(path, table.to_dict("records"))


def write_text_table(path: Path, table: pd.DataFrame) -> None:
    """Write a CSV table, without the index."""
    with written_beside(path) as beside:
        table.to_csv(beside, index=False, lineterminator="\n")
