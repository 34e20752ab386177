"""Galaxy images from compressed bytes to small arrays of pixels."""

import io
import lzma
import struct
import zipfile
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, ImageOps
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from tqdm import tqdm

from galaxies.errors import GalaxiesError
from galaxies.survey import Member, open_archive

Pixels = npt.NDArray[np.uint8]
"""An image (height, width, 3), red, green and blue; or several (N, height, width, 3)."""

LARGEST_IMAGE: Final = 64_000_000
"""Pixels; a larger image is taken for a decompression bomb and not decoded."""

_CHUNK: Final = 32


class UnreadableImageError(Exception):
    """The bytes are no image that we can decode; says why."""


def decode_image(data: bytes) -> Image.Image:
    """Decode a JPEG or PNG.

    Parameters
    ----------
    data
        The file's bytes. Grey, palette, CMYK, transparent and 16-bit images become RGB; of an
        animation the first frame is taken; an EXIF orientation is applied.

    Returns
    -------
    Image
        RGB.

    Raises
    ------
    UnreadableImageError
        If the bytes are cut off, no image, or an image beyond `LARGEST_IMAGE`.
    """
    if not data:
        raise UnreadableImageError("is empty")
    # Not by Image.open, which warns of large images before we refuse them.
    if data.startswith(b"\xff\xd8\xff"):
        reader: type[ImageFile.ImageFile] = JpegImageFile
    elif data.startswith(b"\x89PNG\r\n\x1a\n"):
        reader = PngImageFile
    else:
        raise UnreadableImageError("is no JPEG or PNG")
    try:
        image: Image.Image = reader(io.BytesIO(data))
        if image.width * image.height > LARGEST_IMAGE:
            raise UnreadableImageError(f"is too large: {image.width}x{image.height} pixels")
        image.load()
        if image.mode.startswith("I"):  # 16 bits a pixel, which convert("RGB") would clip
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        ImageOps.exif_transpose(image, in_place=True)
        return image if image.mode == "RGB" else image.convert("RGB")
    # Pillow's decoders raise any of these on damaged files.
    except (
        OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, struct.error, zlib.error
    ) as error:  # fmt: skip
        raise UnreadableImageError(f"cannot be decoded ({error})") from error


def read_image(archive: zipfile.ZipFile, name: str) -> Image.Image:
    """Decode a member of an archive.

    Raises
    ------
    UnreadableImageError
        As `decode_image` does, and if the member is damaged or too large.
    """
    try:
        if archive.getinfo(name).file_size > LARGEST_IMAGE:
            raise UnreadableImageError("is too large")
        return decode_image(archive.read(name))
    # What zipfile and the decompressors raise on damaged archives.
    except (
        zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, ValueError,
        NotImplementedError, RuntimeError, struct.error,
    ) as error:  # fmt: skip
        raise UnreadableImageError(f"is damaged in the archive ({error})") from error


def reduce_image(image: Image.Image, size: int, crop: float) -> Pixels:
    """Cut out the centre of a frame and average it down.

    Parameters
    ----------
    image
        A frame with the galaxy at its centre.
    size
        Side of the result in pixels.
    crop
        Side of the central square that is kept, as a share of the frame's shorter side.

    Returns
    -------
    ndarray of uint8 (size, size, 3)
        Each pixel is the mean of the frame's pixels whose centres fall into it.
    """
    half = crop * min(image.size) / 2
    x, y = image.width / 2, image.height / 2
    box = (x - half, y - half, x + half, y + half)
    return np.asarray(image.resize((size, size), Image.Resampling.BOX, box))


def read_images(
    path: Path,
    members: Sequence[Member],
    size: int,
    crop: float,
    *,
    workers: int,
    doing: str,
) -> Iterator[tuple[Member, Pixels | UnreadableImageError]]:
    """Stream an archive's images, decoded in threads (Pillow decodes outside Python's lock).

    Parameters
    ----------
    path
        The zip archive.
    members
        Which images, in the order wanted.
    size, crop
        As in `reduce_image`.
    workers
        Threads.
    doing
        What the progress bar says.

    Yields
    ------
    tuple
        The member, and its pixels (size, size, 3) or why it could not be read. At most a few
        hundred images are held at a time.
    """

    def read(archive: zipfile.ZipFile, member: Member) -> Pixels | UnreadableImageError:
        try:
            return reduce_image(read_image(archive, member.name), size, crop)
        except UnreadableImageError as error:
            return error

    def read_chunk(chunk: tuple[Member, ...]) -> list[Pixels | UnreadableImageError]:
        return [read(archive, member) for member in chunk]

    waiting: deque[tuple[tuple[Member, ...], Future[list[Pixels | UnreadableImageError]]]] = deque()
    with (
        open_archive(path) as archive,
        ThreadPoolExecutor(workers) as pool,
        tqdm(total=len(members), desc=doing, unit=" galaxies", unit_scale=True) as bar,
    ):

        def finished() -> Iterator[tuple[Member, Pixels | UnreadableImageError]]:
            chunk, future = waiting.popleft()
            yield from zip(chunk, future.result(), strict=True)
            bar.update(len(chunk))

        for start in range(0, len(members), _CHUNK):
            chunk = tuple(members[start : start + _CHUNK])
            waiting.append((chunk, pool.submit(read_chunk, chunk)))
            if len(waiting) > 2 * workers:
                yield from finished()
        while waiting:
            yield from finished()


class UnreadableImages:
    """Counts the images of an archive that could not be read, and stops when they are too many."""

    def __init__(self, path: Path, images: int, max_share: float) -> None:
        self._path = path
        self._images = images
        self._max_share = max_share
        self.names: list[str] = []

    def add(self, member: Member, error: UnreadableImageError) -> None:
        """Take note of one.

        Raises
        ------
        GalaxiesError
            If more than the tolerated share of the images are unreadable.
        """
        self.names.append(member.name)
        if len(self.names) > self._max_share * self._images:
            others = f" (after {', '.join(self.names[:-1])})" if len(self.names) > 1 else ""
            raise GalaxiesError(
                f"{self._path}: member {member.name!r} {error}{others}; "
                f"pack.max_unreadable tolerates {self._max_share:g} of {self._images} images"
            )
        tqdm.write(f"{self._path}: member {member.name!r} {error}; left out")
