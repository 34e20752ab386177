"""Decode images of galaxies into small arrays of pixels."""

import contextlib
import io
import math
import struct
import zlib
from collections.abc import Iterator
from typing import Final

import numpy as np
import simplejpeg
from PIL import Image, ImageFile, ImageOps
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from galaxies.base.arrays import Decoding, Pixels

LARGEST_IMAGE: Final = 64_000_000
"""Pixels; a larger image could be a decompression bomb and is not decoded."""


_JPEG: Final = b"\xff\xd8\xff"
_TURNED: Final = (b"Exif", b"tiff:Orientation")
"""One of these is in every file whose frame may have to be rotated."""


class UnreadableImageError(Exception):
    """The image cannot be read; the message says why."""


def decode_image(data: bytes) -> Image.Image:
    """Decode a JPEG or PNG, the whole frame at full scale.

    Parameters
    ----------
    data : bytes
        Contents of the file. Grey, palette, CMYK, transparent and 16-bit images become RGB; of an
        animation the first frame is used; an EXIF orientation is applied.

    Returns
    -------
    Image
        RGB.

    Raises
    ------
    UnreadableImageError
        If the file is cut off, not an image, or larger than `LARGEST_IMAGE`.

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
    with _damage_named():
        return _upright(_as_rgb(_open(data)))


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
        Whether a JPEG is decoded at reduced scale. For a PNG, or a JPEG with too few pixels at half
        its scale, both give the same result.

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
    wanted = math.ceil(size / crop)
    if decoding == "scaled" and (pixels := _plain_jpeg(data, size, crop, wanted)) is not None:
        return pixels
    with _damage_named():
        image = _open(data)
        scale = 1
        if decoding == "scaled" and isinstance(image, JpegImageFile):
            scale = _scale(image.size, wanted)
        # The scaled frame is rounded up on the right and below; these pixels do not count.
        width, height = image.width / scale, image.height / scale
        image.draft(None, (image.width // scale, image.height // scale))
        # The centre of a frame stays the centre when the frame is rotated.
        middle, half = (width / 2, height / 2), crop * min(width, height) / 2
        return np.asarray(_upright(_centre(_as_rgb(image), middle, half, size, scale)))


def _scale(frame: tuple[int, int], wanted: int) -> int:
    """Find the largest reduction that leaves `wanted` pixels along each side of a JPEG."""
    possible = min(frame) // wanted
    return next((scale for scale in (8, 4, 2) if scale <= possible), 1)


def _plain_jpeg(data: bytes, size: int, crop: float, wanted: int) -> Pixels | None:
    """Do the same in fewer steps for an ordinary colour JPEG.

    The library is the same as Pillow's, and so are the pixels. Returns `None` for all other images,
    and if the library reports a problem: Pillow may still read the image.
    """
    if not data.startswith(_JPEG) or any(mark in data for mark in _TURNED):
        return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
        scale = _scale((width, height), wanted)
        if colours != "YCbCr" or scale == 1 or width * height > LARGEST_IMAGE:
            return None
        least = {"min_height": -(-height // scale), "min_width": -(-width // scale)}
        pixels = simplejpeg.decode_jpeg(data, "RGB", min_factor=1, **least)
    except ValueError:
        return None
    # Pillow copies its input, so it gets only the pixels that its filter uses.
    half = crop * min(width, height) / scale / 2
    reach = half * (1 + 2 / size) + 1
    x, y = width / scale / 2, height / scale / 2
    left, top = max(0, int(x - reach)), max(0, int(y - reach))
    near = pixels[top : int(y + reach) + 1, left : int(x + reach) + 1]
    return np.asarray(_centre(Image.fromarray(near), (x - left, y - top), half, size, scale))


def reduce_image(image: Image.Image, size: int, crop: float) -> Pixels:
    """Cut out the centre of a frame and reduce it.

    Parameters
    ----------
    image : Image
        A frame with the galaxy at its centre.
    size : int
        Side of the result in pixels.
    crop : float
        Side of the central square that is kept, as a fraction of the shorter side of the frame.

    Returns
    -------
    ndarray of shape (size, size, 3), uint8
        Each pixel is the mean of the pixels of the frame whose centres are in it.

    Examples
    --------
    >>> from PIL import Image
    >>> reduce_image(Image.new("RGB", (424, 424), "navy"), 64, 0.5).shape
    (64, 64, 3)
    """
    middle, half = (image.width / 2, image.height / 2), crop * min(image.size) / 2
    return np.asarray(_centre(image, middle, half, size, 1))


def _centre(
    image: Image.Image, middle: tuple[float, float], half: float, size: int, scale: int
) -> Image.Image:
    """Reduce the square within `half` pixels of the middle of a frame."""
    x, y = middle
    # In a scaled JPEG one or two pixels make one, and a box filter would shift them.
    means = Image.Resampling.BOX if scale == 1 else Image.Resampling.HAMMING
    return image.resize((size, size), means, (x - half, y - half, x + half, y + half))


def _open(data: bytes) -> ImageFile.ImageFile:
    """Read the header of a file, but not the pixels."""
    if not data:
        raise UnreadableImageError("is empty")
    # Not with Image.open, which warns of large images before we can reject them.
    if data.startswith(_JPEG):
        image: ImageFile.ImageFile = JpegImageFile(io.BytesIO(data))
    elif data.startswith(b"\x89PNG\r\n\x1a\n"):
        image = PngImageFile(io.BytesIO(data))
    else:
        raise UnreadableImageError("is not a JPEG or PNG")
    if image.width * image.height > LARGEST_IMAGE:
        raise UnreadableImageError(f"is too large: {image.width}x{image.height} pixels")
    return image


def _as_rgb(image: Image.Image) -> Image.Image:
    image.load()
    if image.mode.startswith("I"):  # 16 bits per pixel; convert("RGB") would clip them
        info = image.info
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        image.info = info
    return image if image.mode == "RGB" else image.convert("RGB")


def _upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation of an image."""
    ImageOps.exif_transpose(image, in_place=True)
    return image


@contextlib.contextmanager
def _damage_named() -> Iterator[None]:
    try:
        yield
    # Pillow's decoders raise any of these on damaged files.
    except (
        OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, struct.error, zlib.error
    ) as error:  # fmt: skip
        raise UnreadableImageError(f"cannot be decoded ({error})") from error
