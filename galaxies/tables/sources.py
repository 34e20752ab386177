"""Files of tables, on disk or in a bucket, compressed or not."""

import gzip
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import pyarrow as pa
from fsspec.core import url_to_fs

from galaxies.errors import GalaxiesError


class Source(NamedTuple):
    """A table that one of the formats has opened."""

    schema: pa.Schema
    """Columns; the metadata of each field are those of `galaxies.tables.columns.Words`."""
    rows: int
    metadata: dict[str, str]
    tables: Callable[[Sequence[str]], Iterator[pa.Table]]
    """Iterates over pieces of any size of the given columns."""


@contextmanager
def opened(path: str) -> Iterator[IO[bytes]]:
    """Open a file for reading; one whose name ends in .gz is decompressed.

    Raises
    ------
    GalaxiesError
        If it cannot be read, or if the compressed data are damaged or cut off.
    """
    fs, inside = filesystem(path)
    try:
        with Path(inside).open("rb") if is_local(fs) else fs.open(inside, "rb") as file:
            if path.lower().endswith(".gz"):
                with gzip.open(file) as inner:
                    yield cast("IO[bytes]", inner)
            else:
                yield file
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise GalaxiesError(f"{path}: damaged or cut off ({error}); copy it again") from error
    except OSError as error:
        if error.strerror is None:
            raise  # from whoever reads the contents
        raise GalaxiesError(f"{path}: cannot be read: {error.strerror}") from error


@contextmanager
def on_disk(path: str) -> Iterator[str]:
    """Get a file on this machine: the file itself, or a temporary copy of one in a bucket.

    Raises
    ------
    GalaxiesError
        If it cannot be read, or if there is no room for the copy.

    Examples
    --------
    >>> with on_disk("catalogue.csv") as local:
    ...     local.endswith("/catalogue.csv")
    True
    """
    fs, inside = filesystem(path)
    if is_local(fs):
        yield inside
        return
    with tempfile.NamedTemporaryFile(suffix=".partial") as copy:
        with reaching(path), fs.open(inside, "rb") as file:
            shutil.copyfileobj(file, copy)
        copy.flush()
        yield copy.name


def filesystem(address: str) -> tuple[Any, str]:
    """Find the file system of an address, and the path on it.

    Raises
    ------
    GalaxiesError
        If the address is of an unknown kind, or needs a package that is not installed.

    Examples
    --------
    >>> filesystem("gopher://sky/galaxy.jpg")
    Traceback (most recent call last):
    galaxies.errors.GalaxiesError: gopher://sky/galaxy.jpg: Protocol not known: gopher
    """
    with reaching(address):
        fs, path = url_to_fs(address)
        return fs, path


@contextmanager
def reaching(address: str) -> Iterator[None]:
    """Name the address in whatever a file system raises.

    Each has its own errors: for a missing package, an unknown host, missing credentials.
    """
    try:
        yield
    except GalaxiesError:
        raise
    except Exception as error:
        what = error.strerror if isinstance(error, OSError) else None
        reason = (what or str(error)).strip().partition("\n")[0] or type(error).__name__
        raise GalaxiesError(f"{address}: {reason}") from error


def is_local(fs: Any) -> bool:  # noqa: ANN401 - fsspec has no types
    """Whether a file system of fsspec is on this machine."""
    return "file" in ((fs.protocol,) if isinstance(fs.protocol, str) else fs.protocol)


def is_plain_file(path: str) -> bool:
    """Whether a file can be mapped into memory: on this machine, not compressed."""
    return is_local(url_to_fs(path)[0]) and not path.lower().endswith(".gz")
