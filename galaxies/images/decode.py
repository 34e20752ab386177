"""Decode images of galaxies into small arrays of pixels."""

import contextlib
import io
import math
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final, NoReturn

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image, ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from galaxies.base.arrays import Decoding, Pixels
from galaxies.images.complete import Header, check_jpeg, check_png, png_header

LARGEST_IMAGE: Final = 64_000_000
"""Pixels; a larger image could be a decompression bomb and is not decoded."""

_SMALLEST_SIDE: Final = 16
_LONGEST: Final = 2
"""Times the shorter side; the galaxy at the centre of a longer frame is cut off."""

_JPEG: Final = b"\xff\xd8\xff"
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_TURNED: Final = (b"Exif", b"tiff:Orientation")
"""One of these is in every file whose frame may have to be rotated."""
_EXIF_ORIENTATION: Final = 0x0112
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_CMYK: Final = ("CMYK", "YCCK")
_STRIP: Final = 256  # rows

_SCAN: Final = b"\xff\xda"
_SCANS: Final = 100
"""A progressive JPEG has about ten scans. Each costs as much time as a whole baseline JPEG."""
_SCANNED: Final = 10 * LARGEST_IMAGE
"""Pixels of all scans together."""
_CHUNKS: Final = 100_000
"""A PNG has a chunk for every few thousand bytes."""


class UnreadableImageError(Exception):
    """The image cannot be read; the message says why."""


def decode_image(data: bytes) -> Image.Image:
    """Decode a JPEG or PNG, the whole frame at full scale.

    Parameters
    ----------
    data : bytes
        Contents of the file. Grey, palette, CMYK, transparent and 16-bit images become RGB as in
        `as_rgb`; of an animation the first frame is used; an EXIF orientation is applied.

    Returns
    -------
    Image
        RGB.

    Raises
    ------
    UnreadableImageError
        If the file is cut off, damaged, not an image, or larger than `LARGEST_IMAGE`. Whatever a
        decoder warns of is damage: it would fill in pixels of its own.

    Examples
    --------
    >>> import io
    >>> from PIL import Image
    >>> file = io.BytesIO()
    >>> Image.new("L", (60, 40)).save(file, "PNG")
    >>> frame = decode_image(file.getvalue())
    >>> frame.mode, frame.size
    ('RGB', (60, 40))
    """
    with damage_named():
        if data.startswith(_JPEG):
            frame, _, exif_orientation = _decode_jpeg(data, None)
            return _upright(frame, exif_orientation)
        image = _open_png(data)
        frame = as_rgb(image)
        _check_depth(png_header(data), image)
        return frame


def decode_reduced(data: bytes, size: int, crop: float, decoding: Decoding) -> Pixels:
    """Decode the centre of a JPEG or PNG, and reduce it.

    A JPEG stores blocks of 8 x 8 pixels as cosine waves. If the result needs only half, a quarter
    or an eighth as many pixels along each side, blocks of 4, 2 or 1 pixels can be computed from the
    longest waves, in half the time. The result differs a little from the mean of the full-scale
    pixels, so a model must be trained on images that were decoded in the same way.

    Parameters
    ----------
    data : bytes
        As in `decode_image`.
    size : int
        As in `reduce_image`.
    crop : float
        As in `reduce_image`.
    decoding : {"scaled", "whole"}
        Whether a JPEG is decoded at reduced scale.

    Returns
    -------
    ndarray of shape (size, size, 3), uint8
        Identical in every run.

    Raises
    ------
    UnreadableImageError
        As in `decode_image`.

    Examples
    --------
    >>> import io
    >>> from PIL import Image
    >>> file = io.BytesIO()
    >>> Image.new("RGB", (424, 424), "navy").save(file, "JPEG")
    >>> decode_reduced(file.getvalue(), 64, 0.5, "scaled").shape
    (64, 64, 3)
    """
    if not data.startswith(_JPEG):
        return reduce_image(decode_image(data), size, crop, decoding)
    with damage_named():
        wanted = math.ceil(size / crop) if decoding == "scaled" else None
        frame, (width, height, scale), exif_orientation = _decode_jpeg(data, wanted)
        # The scaled frame is rounded up on the right and below; these pixels do not count.
        half = crop * min(width, height) / scale / 2
        x, y = width / scale / 2, height / scale / 2
        if scale > 1:
            # Pillow copies its input, so it gets only the pixels that its filter uses.
            reach = half * (1 + 2 / size) + 1
            left, top = max(0, int(x - reach)), max(0, int(y - reach))
            right = min(frame.width, int(x + reach) + 1)
            low = min(frame.height, int(y + reach) + 1)
            frame = frame.crop((left, top, right, low))
            x, y = x - left, y - top
        # The centre of a frame stays the centre when the frame is rotated.
        return np.asarray(_upright(_centre(frame, (x, y), half, size, scale), exif_orientation))


def _decode_jpeg(data: bytes, wanted: int | None) -> tuple[Image.Image, tuple[int, int, int], int]:
    """Decode a JPEG at the smallest scale that leaves `wanted` pixels along each side.

    Returns the frame, not yet rotated; the width and height of the whole frame, and the factor by
    which they were reduced; and the EXIF orientation.
    """
    height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
    check_size(width, height)
    scans = data.count(_SCAN)
    if scans > _SCANS or scans * width * height > _SCANNED:
        raise UnreadableImageError(f"has too many scans: {scans} of {width}x{height} pixels")
    check_jpeg(data)
    scale = 1 if wanted is None else _scale((width, height), wanted)
    least = {"min_height": -(-height // scale), "min_width": -(-width // scale)}
    exif_orientation = 1
    if any(mark in data for mark in _TURNED):
        exif_orientation = JpegImageFile(io.BytesIO(data)).getexif().get(_EXIF_ORIENTATION, 1)
    if colours in _CMYK:
        # Only Pillow knows that Adobe inverts CMYK, but it does not report damage.
        simplejpeg.decode_jpeg(data, "CMYK", min_factor=1, **least)
        image = JpegImageFile(io.BytesIO(data))
        image.draft(None, (width // scale, height // scale))
        return image.convert("RGB"), (width, height, scale), exif_orientation
    # The library is the same as Pillow's, and so are the pixels, but it reports damage.
    pixels = simplejpeg.decode_jpeg(data, "RGB", min_factor=1, **least)
    return Image.fromarray(pixels), (width, height, scale), exif_orientation


def _scale(frame: tuple[int, int], wanted: int) -> int:
    """Find the largest reduction that leaves `wanted` pixels along each side of a frame."""
    possible = min(frame) // wanted
    return next((scale for scale in (8, 4, 2) if scale <= possible), 1)


def reduce_image(
    image: Image.Image, size: int, crop: float, decoding: Decoding = "whole"
) -> Pixels:
    """Cut out the centre of a frame and reduce it.

    Parameters
    ----------
    image : Image
        RGB, with the galaxy at the centre.
    size : int
        Side of the result in pixels.
    crop : float
        Side of the central square that is kept, as a fraction of the shorter side of the frame.
    decoding : {"scaled", "whole"}
        With "scaled", the frame is first averaged in blocks of 2, 4 or 8 pixels where a JPEG of
        this size would be decoded at that scale, so that both give nearly the same pixels. With
        "whole", each pixel is the mean of the pixels of the frame whose centres are in it.

    Returns
    -------
    ndarray of shape (size, size, 3), uint8

    Examples
    --------
    >>> from PIL import Image
    >>> reduce_image(Image.new("RGB", (424, 424), "navy"), 64, 0.5).shape
    (64, 64, 3)
    """
    scale = _scale(image.size, math.ceil(size / crop)) if decoding == "scaled" else 1
    width, height = image.width / scale, image.height / scale
    half = crop * min(width, height) / 2
    reduced = image if scale == 1 else image.reduce(scale)
    return np.asarray(_centre(reduced, (width / 2, height / 2), half, size, scale))


def _centre(
    image: Image.Image, middle: tuple[float, float], half: float, size: int, scale: int
) -> Image.Image:
    """Reduce the square within `half` pixels of the middle of a frame."""
    x, y = middle
    # In a scaled JPEG one or two pixels make one, and a box filter would shift them.
    means = Image.Resampling.BOX if scale == 1 else Image.Resampling.HAMMING
    return image.resize((size, size), means, (x - half, y - half, x + half, y + half))


def _open_png(data: bytes) -> ImageFile.ImageFile:
    """Read the header of a PNG, and check every byte, but do not read the pixels."""
    if not data:
        raise UnreadableImageError("is empty")
    if not data.startswith(_PNG):
        raise UnreadableImageError("is not a JPEG or PNG")
    parts = _checked_chunks(data)
    image = PngImageFile(io.BytesIO(data))
    check_size(*image.size)
    check_png(png_header(data), parts)
    return image


def _check_depth(header: Header, image: Image.Image) -> None:
    """Refuse of 16-bit colours what `eight_bits` refuses of greys: Pillow drops the lower bits."""
    if header.depth != 16 or image.mode not in ("RGB", "RGBA"):
        return
    if "transparency" in image.info:
        raise UnreadableImageError("has a transparent colour of 16 bits; scale it to 8 bits")
    # Without a copy: three or four pairs of the lowest and highest number.
    high = max(int(ends[1]) for ends in np.asarray(image.getextrema())[:3])
    if high < 16:
        _refuse_few_bits(256 * high + 255)


def _checked_chunks(data: bytes) -> list[memoryview]:
    """Compare the checksums of a PNG, because Pillow skips those of the pixels; return these."""
    place = len(_PNG)
    parts: list[memoryview] = []
    for _ in range(_CHUNKS):
        if place + 12 > len(data):
            raise UnreadableImageError("cannot be decoded (it is cut off)")
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 8 + length
        if end + 4 > len(data):
            raise UnreadableImageError("cannot be decoded (it is cut off)")
        if zlib.crc32(memoryview(data)[place + 4 : end]) != int.from_bytes(data[end : end + 4]):
            raise UnreadableImageError(f"cannot be decoded (wrong checksum at byte {place})")
        if kind == b"IDAT":
            parts.append(memoryview(data)[place + 8 : end])
        if kind == b"IEND":
            return parts
        place = end + 4
    raise UnreadableImageError(f"cannot be decoded (more than {_CHUNKS:,} chunks)")


def check_size(width: int, height: int) -> None:
    """Refuse a frame that is too large to decode, or too small or narrow for a galaxy.

    Raises
    ------
    UnreadableImageError
        With the size.
    """
    if width * height > LARGEST_IMAGE:
        raise UnreadableImageError(f"is too large: {width}x{height} pixels")
    if min(width, height) < _SMALLEST_SIDE:
        raise UnreadableImageError(f"is too small for a galaxy: {width}x{height} pixels")
    if max(width, height) > _LONGEST * min(width, height):
        raise UnreadableImageError(f"is a strip, not a frame: {width}x{height} pixels")


def as_rgb(image: Image.Image) -> Image.Image:
    """Convert a frame of any mode to RGB, upright.

    Parameters
    ----------
    image : Image
        Of 16-bit greys the upper eight bits are used. Transparent pixels become black, as the sky
        is. An EXIF orientation is applied.

    Returns
    -------
    Image
        RGB.

    Raises
    ------
    UnreadableImageError
        If brightness cannot be read from the mode: floats, or integers of more than 16 bits.

    Examples
    --------
    >>> from PIL import Image
    >>> as_rgb(Image.new("RGBA", (60, 40), (200, 100, 50, 0))).getpixel((0, 0))
    (0, 0, 0)
    """
    with damage_named():
        check_size(*image.size)
        exif_orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
        image.load()
        return _upright(_without_alpha(image), exif_orientation)


def _without_alpha(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise UnreadableImageError(
            "has floats, of which black and white are not known; scale it to 8 bits"
        )
    if image.mode.startswith("I"):
        ends = [(int(greys.min()), int(greys.max())) for greys in map(_greys, _strips(image))]
        _check_levels(min(low for low, _ in ends), max(high for _, high in ends))
        return _joined(
            image, lambda strip: Image.fromarray(_upper_bits(_greys(strip))).convert("RGB")
        )
    if image.has_transparency_data:
        return _joined(image, _on_black)
    return image if image.mode == "RGB" else image.convert("RGB")


def _strips(image: Image.Image) -> Iterator[Image.Image]:
    """Cut a frame into strips, so that what is computed of one needs little memory."""
    for top in range(0, image.height, _STRIP):
        yield image.crop((0, top, image.width, min(top + _STRIP, image.height)))


def _joined(image: Image.Image, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """Convert a frame to RGB, strip by strip."""
    whole = Image.new("RGB", image.size)
    for place, strip in enumerate(_strips(image)):
        whole.paste(convert(strip), (0, place * _STRIP))
    return whole


def _greys(image: Image.Image) -> npt.NDArray[Any]:
    """Return the numbers of a frame of integers; transparent ones are 0."""
    greys = np.asarray(image)
    if isinstance(hidden := image.info.get("transparency"), int):
        greys = np.where(greys == hidden, 0, greys)
    return greys


def _on_black(image: Image.Image) -> Image.Image:
    """Put a transparent frame on a black sky."""
    image = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "black"), image).convert("RGB")


def eight_bits(pixels: npt.NDArray[Any]) -> Pixels:
    """Take the upper eight of 16 bits.

    Raises
    ------
    UnreadableImageError
        If the numbers have more than 16 bits, or only the lower 12 of them are used.

    Examples
    --------
    >>> import numpy as np
    >>> eight_bits(np.array([257, 65535], np.uint16)).tolist()
    [1, 255]
    """
    if pixels.size:
        _check_levels(int(pixels.min()), int(pixels.max()))
    return _upper_bits(pixels)


def _upper_bits(pixels: npt.NDArray[Any]) -> Pixels:
    """Take the upper eight of 16 bits, without a copy of the 16."""
    upper = np.empty(pixels.shape, np.uint8)
    np.right_shift(pixels, 8, out=upper, casting="unsafe")
    return upper


def _check_levels(low: int, high: int) -> None:
    if low < 0 or high > 65_535:
        raise UnreadableImageError(
            f"has numbers from {low} to {high}, more than 16 bits; scale it to 8 bits"
        )
    if 0 < high < 4096:
        _refuse_few_bits(high)


def _refuse_few_bits(high: int) -> NoReturn:
    raise UnreadableImageError(
        f"has 16 bits, but no number above {high}; scale it to all 16 bits, or to 8"
    )


def _upright(image: Image.Image, exif_orientation: int) -> Image.Image:
    """Apply an EXIF orientation."""
    turn = _TURNS.get(exif_orientation)
    return image if turn is None else image.transpose(turn)


@contextlib.contextmanager
def damage_named() -> Iterator[None]:
    """Turn whatever a decoder raises into an `UnreadableImageError`."""
    try:
        yield
    except UnreadableImageError:
        raise
    # Decoders raise anything on damaged files, and one file must not stop the others.
    except Exception as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise UnreadableImageError(f"cannot be decoded ({reason[:200]})") from error
