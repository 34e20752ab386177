"""Images, and chunks of a few thousand of them."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Final, NamedTuple, Protocol

import pyarrow as pa

from galaxies.images.pixels import AnyImage
from galaxies.tables.sources import filesystem, is_local

_FITS: Final = (".fits", ".fit", ".fts")
_PACKED: Final = (".gz", ".fz")
IMAGE_SUFFIXES: Final = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", *_FITS,
    *(fits + packed for fits in _FITS for packed in _PACKED),
)  # fmt: skip
TAR_SUFFIXES: Final = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")

UNREADABLE_FOLDERS: Final = "folders that cannot be read"
HIDDEN: Final = "hidden files and folders"


class Item(NamedTuple):
    """One image to classify."""

    galaxy_id: str
    load: Callable[[], AnyImage]
    """Returns the contents of the file, or the frame; may raise `UnreadableImageError`."""


class Chunk(Protocol):
    """A few thousand images; can be pickled."""

    @property
    def carried(self) -> pa.Table | None:
        """Other columns of a catalogue, with a row for each image."""

    def __len__(self) -> int: ...

    def items(self) -> Iterator[Item]:
        """Iterate over the images in order."""


class Input(Protocol):
    """A folder, an archive or a table with images."""

    name: str
    count: int | None
    """Number of images; `None` if it is unknown before all are read."""
    carried: pa.Schema | None
    """Other columns of a catalogue."""
    id_type: pa.DataType
    """Type of the IDs: an integer if they are integers in a catalogue, else text."""
    skipped: Counter[str]
    """What is in it and is not classified, and how often."""
    remarks: list[str]
    """What else the user should know."""

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Iterate over chunks of `size` images; the same at every call."""

    def fingerprint(self) -> dict[str, Any]:
        """Return a description that changes with the input."""


def stem(name: str) -> str:
    """Return a file name without folders and suffix, the ID of the galaxy.

    Examples
    --------
    >>> stem("s3://bucket/J1234+56.7.fits.gz")
    'J1234+56.7'
    """
    name = PurePosixPath(name.replace("\\", "/")).name
    # A table has only Unicode; names of files may have any bytes.
    name = name.encode("utf-8", "backslashreplace").decode()
    packed = (end for end in IMAGE_SUFFIXES if end.endswith(_PACKED))
    suffix = next((end for end in packed if name.lower().endswith(end)), None)
    return name[: -len(suffix)] if suffix else PurePosixPath(name).stem


def is_image(name: str) -> bool:
    """Whether a file has the suffix of an image, and is neither hidden nor made by macOS."""
    return why_skipped(name) is None


def why_skipped(name: str) -> str | None:
    """Say what kind of file this is, if it is not classified.

    Examples
    --------
    >>> why_skipped("notes.TXT"), why_skipped("sky/.galaxy.jpg"), why_skipped("./galaxy.jpg")
    ('.txt files', 'hidden files and folders', None)
    """
    levels = name.replace("\\", "/").split("/")
    # Tar archives of a whole folder have members such as ./galaxy.jpg.
    hidden = (part for part in levels[-2:] if part not in (".", ".."))
    if any(part.startswith(".") or part == "__MACOSX" for part in hidden):
        return HIDDEN
    if name.lower().endswith(IMAGE_SUFFIXES):
        return None
    suffix = PurePosixPath(levels[-1]).suffix.lower()
    return f"{suffix} files" if suffix else "files without a suffix"


def file_state(path: str) -> dict[str, Any]:
    """Return size and time of modification of a file or object."""
    fs, inside = filesystem(path)
    info = fs.info(inside)
    marks = ("ETag", "etag", "mtime", "LastModified", "created")
    changed = next((info[key] for key in marks if key in info), None)
    return {"input": path, "size": info["size"], "changed": str(changed)}


def container_state(path: str) -> dict[str, Any]:
    """Return what changes with a file of many images, which would take too long to read.

    Its time of change cannot be set, but also changes if the file is moved.
    """
    state = file_state(path)
    fs, inside = filesystem(path)
    return state | ({"ctime": Path(inside).stat().st_ctime_ns} if is_local(fs) else {})


def content_state(path: str) -> dict[str, Any]:
    """Return what changes with the contents of a catalogue, also if it keeps size and time."""
    state = file_state(path)
    fs, inside = filesystem(path)
    if not is_local(fs):
        return state  # what a bucket says of it changes with the contents
    with Path(inside).open("rb") as file:
        return state | {"sha256": hashlib.file_digest(file, "sha256").hexdigest()}
