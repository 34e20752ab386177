"""The zip archive that holds a survey's images: read in place, never unpacked."""

import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

from PIL import Image
from tqdm import tqdm

from galaxies.base.arrays import Decoding, Pixels
from galaxies.base.pool import batched, in_order
from galaxies.dataset.layout import LARGEST_ID, WHOLE_ID
from galaxies.errors import GalaxiesError
from galaxies.images.decode import (
    LARGEST_IMAGE,
    UnreadableImageError,
    decode_image,
    decode_reduced,
)

IMAGE_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png"})

_BATCH: Final = 32
"""Images that a thread reads at a time."""


class Member(NamedTuple):
    """One image in the archive."""

    galaxy_id: int
    name: str


def list_images(path: Path) -> list[Member]:
    """List the images of a zip archive without extracting them.

    Parameters
    ----------
    path : Path
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

    Examples
    --------
    >>> list_images(Path("data/simulated/images_training_rev1.zip"))[0]  # doctest: +SKIP
    Member(galaxy_id=100161, name='images_training_rev1/100161.jpg')
    """
    members: dict[int, Member] = {}
    with open_archive(path) as archive:
        for info in archive.infolist():
            member = _as_member(path, info)
            if member and (first := members.setdefault(member.galaxy_id, member)) is not member:
                raise GalaxiesError(
                    f"{path}: GalaxyID {member.galaxy_id} twice: {first.name!r} and {member.name!r}"
                )
    if not members:
        raise GalaxiesError(f"{path}: holds no image")
    return [members[galaxy_id] for galaxy_id in sorted(members)]


def _as_member(path: Path, info: zipfile.ZipInfo) -> Member | None:
    """Check what the archive's directory says of a member; `None` for what macOS leaves there."""
    name = PurePosixPath(info.filename.replace("\\", "/"))
    if name.is_absolute() or ".." in name.parts or ":" in str(name).split("/")[0]:
        raise GalaxiesError(f"{path}: member {info.filename!r} points outside the archive")
    if info.is_dir() or "__MACOSX" in name.parts or name.name == ".DS_Store":
        return None
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
    return Member(int(name.stem), info.filename)


def open_archive(path: Path) -> zipfile.ZipFile:
    """Open a zip archive for reading; one that is cut off or none at all is a `GalaxiesError`."""
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError) as error:
        what = "is empty" if path.stat().st_size == 0 else "is cut off or no zip archive"
        raise GalaxiesError(f"{path}: {what}; copy or download it again") from error


def read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Read an image file out of an archive.

    Raises
    ------
    UnreadableImageError
        If it is damaged, encrypted or too large.
    """
    if info.file_size > LARGEST_IMAGE:
        raise UnreadableImageError("is too large")
    if info.flag_bits & 0x1:
        raise UnreadableImageError("is encrypted")
    try:
        return archive.read(info)
    # What zipfile and the decompressors raise on damaged archives.
    except (
        zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, ValueError,
        NotImplementedError, RuntimeError, struct.error,
    ) as error:  # fmt: skip
        raise UnreadableImageError(f"is damaged in the archive ({error})") from error


def read_image(archive: zipfile.ZipFile, name: str) -> Image.Image:
    """Decode an image of an archive, the whole frame.

    Raises
    ------
    UnreadableImageError
        As `read_member` and `decode_image` do.
    """
    return decode_image(read_member(archive, archive.getinfo(name)))


def read_images(
    path: Path,
    members: Sequence[Member],
    size: int,
    crop: float,
    decoding: Decoding,
    *,
    workers: int,
    doing: str,
) -> Iterator[tuple[Member, Pixels | UnreadableImageError]]:
    """Stream an archive's images, decoded in threads (Pillow decodes outside Python's lock).

    Parameters
    ----------
    path : Path
        The zip archive.
    members : sequence of Member
        Which images, in the order wanted.
    size : int
    crop : float
    decoding : {"scaled", "whole"}
        As in `decode_reduced`.
    workers : int
        Threads.
    doing : str
        What the progress bar says.

    Yields
    ------
    member : Member
    pixels : ndarray of shape (size, size, 3), uint8, or UnreadableImageError
        The error says why the image could not be read. At most a few hundred images are held at
        a time.
    """

    def read(archive: zipfile.ZipFile, member: Member) -> Pixels | UnreadableImageError:
        try:
            return decode_reduced(
                read_member(archive, archive.getinfo(member.name)), size, crop, decoding
            )
        except UnreadableImageError as error:
            return error

    with (
        open_archive(path) as archive,
        ThreadPoolExecutor(workers) as pool,
        tqdm(total=len(members), desc=doing, unit=" galaxies", unit_scale=True) as bar,
    ):

        def read_batch(
            batch: tuple[Member, ...],
        ) -> list[tuple[Member, Pixels | UnreadableImageError]]:
            return [(member, read(archive, member)) for member in batch]

        for batch in in_order(pool, read_batch, batched(members, _BATCH), 2 * workers):
            yield from batch
            bar.update(len(batch))


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
