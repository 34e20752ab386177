"""Images, and chunks of a few thousand of them."""

from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any, Final, NamedTuple, Protocol

import pyarrow as pa
from fsspec.core import url_to_fs
from PIL import Image

IMAGE_SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".fits", ".fit", ".fits.gz")
TAR_SUFFIXES: Final = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


class Item(NamedTuple):
    """One image to classify."""

    galaxy_id: str
    load: Callable[[], bytes | Image.Image]
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
    suffix = next((end for end in (".fits.gz", ".fits.fz") if name.lower().endswith(end)), None)
    return name[: -len(suffix)] if suffix else PurePosixPath(name).stem


def is_image(name: str) -> bool:
    """Whether a file has the suffix of an image, and is neither hidden nor made by macOS."""
    levels = name.replace("\\", "/").split("/")
    return name.lower().endswith(IMAGE_SUFFIXES) and not any(
        (level.startswith(".") and level != "..") or level == "__MACOSX" for level in levels[-2:]
    )


def file_state(path: str) -> dict[str, Any]:
    """Return size and time of modification of a file or object."""
    fs, inside = url_to_fs(path)
    info = fs.info(inside)
    marks = ("ETag", "etag", "mtime", "LastModified", "created")
    changed = next((info[key] for key in marks if key in info), None)
    return {"input": path, "size": info["size"], "changed": str(changed)}
