"""The zip archive that holds a survey's images: read in place, never unpacked."""

import lzma
import struct
import zipfile
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

from PIL import Image
from tqdm import tqdm

from galaxies.base.arrays import Pixels
from galaxies.dataset.layout import LARGEST_ID, WHOLE_ID
from galaxies.errors import GalaxiesError
from galaxies.images.decode import (
    LARGEST_IMAGE,
    UnreadableImageError,
    decode_image,
    reduce_image,
)

IMAGE_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png"})


class Member(NamedTuple):
    """One image in the archive."""

    galaxy_id: int
    name: str


def list_images(path: Path) -> list[Member]:
    """List the images of a zip archive without extracting them.

    Parameters
    ----------
    path
        The archive. Folders in it do not matter; a member's stem is its GalaxyID.

    Returns
    -------
    list of Member
        In order of GalaxyID, so that nothing depends on the archive's order.

    Raises
    ------
    GalaxiesError
        If the archive is empty, cut off or not a zip, or if a member climbs out of its folder,
        is no image by its suffix, has no GalaxyID, is encrypted or repeats a GalaxyID.
    """
    members: dict[int, Member] = {}
    with open_archive(path) as archive:
        for info in archive.infolist():
            name = PurePosixPath(info.filename.replace("\\", "/"))
            if name.is_absolute() or ".." in name.parts or ":" in str(name).split("/")[0]:
                raise GalaxiesError(f"{path}: member {info.filename!r} points outside the archive")
            if info.is_dir() or "__MACOSX" in name.parts or name.name == ".DS_Store":
                continue
            if name.suffix.lower() not in IMAGE_SUFFIXES:
                raise GalaxiesError(
                    f"{path}: member {info.filename!r} is not an image; "
                    "remove it (.jpg, .jpeg and .png are read)"
                )
            if info.flag_bits & 0x1:
                raise GalaxiesError(f"{path}: member {info.filename!r} is encrypted")
            if not WHOLE_ID.fullmatch(name.stem) or int(name.stem) > LARGEST_ID:
                raise GalaxiesError(
                    f"{path}: member {info.filename!r} is not named by a GalaxyID, as 100008.jpg is"
                )
            member = Member(int(name.stem), info.filename)
            first = members.setdefault(member.galaxy_id, member)
            if first is not member:
                raise GalaxiesError(
                    f"{path}: GalaxyID {member.galaxy_id} twice: {first.name!r} and {member.name!r}"
                )
    if not members:
        raise GalaxiesError(f"{path}: holds no image")
    return [members[galaxy_id] for galaxy_id in sorted(members)]


def open_archive(path: Path) -> zipfile.ZipFile:
    """Open a zip archive for reading; one that is cut off or none at all is a `GalaxiesError`."""
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError) as error:
        what = "is empty" if path.stat().st_size == 0 else "is cut off or no zip archive"
        raise GalaxiesError(f"{path}: {what}; copy or download it again") from error


_CHUNK: Final = 32


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
