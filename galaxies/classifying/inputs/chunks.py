"""What every input is made of: images, and chunks of some thousand of them."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import PurePosixPath
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import pyarrow as pa
from fsspec.core import url_to_fs
from PIL import Image

IMAGE_SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".fits", ".fit", ".fits.gz")


TAR_SUFFIXES: Final = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


T = TypeVar("T")


class Item(NamedTuple):
    """One image to classify."""

    galaxy_id: str
    load: Callable[[], bytes | Image.Image]
    """Reads the file's bytes, or gives the frame where there is one already; raises
    `UnreadableImageError`."""


class Chunk(Protocol):
    """Some thousand images; can be pickled."""

    @property
    def carried(self) -> pa.Table | None:
        """Further columns of a catalogue, a row for each image."""

    def __len__(self) -> int: ...

    def items(self) -> Iterator[Item]:
        """Iterate over the images in their order."""


class Source(Protocol):
    """One input."""

    name: str
    count: int | None
    """How many images it has, or `None` where only reading all of it would tell."""
    carried: pa.Schema | None
    """Further columns of a catalogue."""

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Chunks of `size` images, the last one smaller."""

    def fingerprint(self) -> dict[str, Any]:
        """Say what changes when the input does."""


def is_local(fs: Any) -> bool:  # noqa: ANN401 - fsspec has no types
    return "file" in ((fs.protocol,) if isinstance(fs.protocol, str) else fs.protocol)


def stem(name: str) -> str:
    """Take a file's name without folders and suffix, which names the galaxy."""
    name = PurePosixPath(name.replace("\\", "/")).name
    found = next((end for end in (".fits.gz", ".fits.fz") if name.lower().endswith(end)), None)
    return name[: -len(found)] if found else PurePosixPath(name).stem


def is_image(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return name.lower().endswith(IMAGE_SUFFIXES) and not any(
        (part.startswith(".") and part != "..") or part == "__MACOSX" for part in parts[-2:]
    )


def batched(items: Iterable[T], size: int) -> Iterator[tuple[T, ...]]:
    """Cut into pieces of `size`, the last one smaller."""
    iterator = iter(items)
    while batch := tuple(islice(iterator, size)):
        yield batch


def file_state(path: str) -> dict[str, Any]:
    """Size and time of change of a file or object."""
    fs, inside = url_to_fs(path)
    info = fs.info(inside)
    marks = ("ETag", "etag", "mtime", "LastModified", "created")
    changed = next((info[key] for key in marks if key in info), None)
    return {"input": path, "size": info["size"], "changed": str(changed)}
