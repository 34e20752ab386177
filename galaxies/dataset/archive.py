"""The zip archive with the images of a survey: read in place, never unpacked."""

import bz2
import copy
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
"""Images per batch of a thread."""

_END: Final = struct.Struct("<4s6xH10x")
"""The end of an archive without comment: its mark and the number of members."""
_END64: Final = struct.Struct("<4s28xQ16x")
"""The same of a larger one, which stands before it and a locator."""
_LOCATOR: Final = 20
_MORE: Final = 0xFFFF


class Member(NamedTuple):
    """One image in the archive."""

    galaxy_id: int
    name: str


def list_images(path: Path) -> list[Member]:
    """List the images of a zip archive without extracting them.

    Parameters
    ----------
    path : Path
        The archive. The name of each image, without folder and suffix, is its GalaxyID.

    Returns
    -------
    list of Member
        In order of GalaxyID, so that nothing depends on the archive's order.

    Raises
    ------
    GalaxiesError
        If the archive is empty, cut off or not a zip archive, or if a member points outside it,
        does not have the suffix of an image, is encrypted, or has no GalaxyID or one that occurs
        twice.

    Examples
    --------
    >>> from pathlib import Path
    >>> members = list_images(Path("data/simulated/images_training_rev1.zip"))
    >>> len(members), members[0]
    (40, Member(galaxy_id=..., name='images_training_rev1/....jpg'))
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
        raise GalaxiesError(f"{path}: contains no image")
    return [members[galaxy_id] for galaxy_id in sorted(members)]


def _as_member(path: Path, info: zipfile.ZipInfo) -> Member | None:
    """Check an entry of the archive's directory; `None` for files that macOS adds."""
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
            f"{path}: member {info.filename!r} is not named by a GalaxyID, such as 100008.jpg"
        )
    return Member(int(name.stem), info.filename)


def open_archive(path: Path) -> zipfile.ZipFile:
    """Open a zip archive for reading; if it is damaged, this is a `GalaxiesError`."""
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError) as error:
        what = "is empty" if path.stat().st_size == 0 else "is cut off or not a zip archive"
        raise GalaxiesError(f"{path}: {what}; copy or download it again") from error
    require_whole(str(path), archive)
    return archive


def require_whole(path: str, archive: zipfile.ZipFile) -> None:
    """Raise a `GalaxiesError` if an archive has more or fewer members than its list.

    `zipfile` reads the last list of members. What stands before the first of these, or behind the
    list, may be another archive; it happens when archives are joined.
    """
    file = archive.fp
    assert file is not None
    end = file.seek(0, 2) - _END.size - len(archive.comment)
    before = _END64.size + _LOCATOR
    file.seek(max(end - before, 0))
    data = file.read(min(end, before) + _END.size)
    mark, said = _END.unpack(data[-_END.size :])
    first = min((info.header_offset for info in archive.filelist), default=0)
    if mark != b"PK\5\6" or first:
        where = (
            f"{first:,} bytes stand before its first member"
            if first
            else "more stands behind its end"
        )
        raise GalaxiesError(
            f"{path}: {where}, as if archives were joined; unpack each, and give the folder"
        )
    listed = len(archive.filelist)
    if said == _MORE and len(data) == before + _END.size:
        mark, more = _END64.unpack(data[: _END64.size])
        said = more if mark == b"PK\6\6" else said
    # Old programs count to 65,535 and begin again.
    if said not in (_MORE, listed, listed % (_MORE + 1)):
        raise GalaxiesError(
            f"{path}: lists {listed:,} members, but its end says {said:,}; copy or download it "
            "again"
        )


def read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Read an image file from an archive.

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
        return _unpacked(archive, info)
    # What zipfile and the decompressors raise on damaged archives.
    except (
        zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, ValueError,
        NotImplementedError, RuntimeError, struct.error, OverflowError, MemoryError,
    ) as error:  # fmt: skip
        raise UnreadableImageError(f"is damaged in the archive ({error})") from error


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Read a member of the size that the header says, and no more memory than that."""
    if info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        with archive.open(info) as file:
            # With a size, because zipfile unpacks all before it cuts off what is too much.
            return file.read(info.file_size + 1)
    if info.compress_type not in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        raise NotImplementedError(f"compressed by method {info.compress_type}")
    # zipfile unpacks these without a limit: 40 kB may become 4 GB.
    packed = copy.copy(info)
    packed.compress_type, packed.file_size = zipfile.ZIP_STORED, info.compress_size
    packed.CRC = None  # type: ignore[assignment]  # it is that of the unpacked data
    if packed.file_size > LARGEST_IMAGE:
        raise ValueError("too large")
    with archive.open(packed) as file:
        data = file.read(packed.file_size)
    if info.compress_type == zipfile.ZIP_BZIP2:
        unpacked = bz2.BZ2Decompressor().decompress(data, info.file_size + 1)
    else:
        unpacked = _lzma(data).decompress(data[9:], info.file_size + 1)
    if len(unpacked) != info.file_size or zlib.crc32(unpacked) != info.CRC:
        raise zipfile.BadZipFile(f"Bad CRC-32 for file {info.filename!r}")
    return unpacked


def _lzma(data: bytes) -> lzma.LZMADecompressor:
    """Read the header of a member: a version, the length 5, and the settings of LZMA."""
    length, settings, dictionary = struct.unpack("<xxHBI", data[:9])
    if length != 5 or settings >= 225 or dictionary > LARGEST_IMAGE:
        raise lzma.LZMAError("Unsupported settings")
    rest, lc = divmod(settings, 9)
    pb, lp = divmod(rest, 5)
    filters = [
        {"id": lzma.FILTER_LZMA1, "dict_size": dictionary or 4096, "lc": lc, "lp": lp, "pb": pb}
    ]
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters)


def read_image(archive: zipfile.ZipFile, name: str) -> Image.Image:
    """Decode the whole frame of an image in an archive.

    Raises
    ------
    UnreadableImageError
        If the image cannot be read or decoded.
    """
    return decode_image(read_member(archive, archive.getinfo(name)))


def read_images(
    path: Path,
    members: Sequence[Member],
    size: int,
    crop: float,
    decoding: Decoding,
    *,
    max_unreadable: float = 0.0,
    workers: int,
    doing: str,
) -> Iterator[tuple[Member, Pixels]]:
    """Stream the images of an archive that can be read, decoded in threads.

    Parameters
    ----------
    path : Path
        The zip archive.
    members : sequence of Member
        The images to read, in this order.
    size : int
    crop : float
    decoding : {"scaled", "whole"}
        As in `decode_reduced`.
    max_unreadable : float
        Share of the images that may be unreadable; they are named and left out.
    workers : int
        Number of threads.
    doing : str
        Text of the progress bar.

    Yields
    ------
    member : Member
    pixels : ndarray of shape (size, size, 3), uint8
        At most a few hundred images are in memory at a time.

    Raises
    ------
    GalaxiesError
        If the archive cannot be used, or if more of the images are unreadable.

    Examples
    --------
    >>> from pathlib import Path
    >>> path = Path("data/simulated/images_training_rev1.zip")
    >>> members = list_images(path)[:3]
    >>> read = read_images(path, members, 64, 0.5, "scaled", workers=2, doing="read")
    >>> for member, pixels in read:
    ...     print(pixels.shape, pixels.dtype)
    (64, 64, 3) uint8
    (64, 64, 3) uint8
    (64, 64, 3) uint8
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

        unreadable: list[str] = []
        for batch in in_order(pool, read_batch, batched(members, _BATCH), 2 * workers):
            for member, pixels in batch:
                if not isinstance(pixels, UnreadableImageError):
                    yield member, pixels
                    continue
                what = f"{path}: member {member.name!r} {pixels}"
                unreadable.append(member.name)
                if len(unreadable) > max_unreadable * len(members):
                    others = f" (after {', '.join(unreadable[:-1])})" if unreadable[:-1] else ""
                    raise GalaxiesError(
                        f"{what}{others}; pack.max_unreadable allows {max_unreadable:g} of "
                        f"{len(members)} images"
                    )
                tqdm.write(f"{what}; left out")
            bar.update(len(batch))
