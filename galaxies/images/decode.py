"""Galaxy images from compressed bytes to small arrays of pixels."""

import io
import math
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import numpy as np
from PIL import Image, ImageFile, ImageOps
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from galaxies.base.arrays import Decoding, Pixels

LARGEST_IMAGE: Final = 64_000_000
"""Pixels; a larger image is taken for a decompression bomb and not decoded."""


class UnreadableImageError(Exception):
    """The bytes are no image that we can decode; says why."""


def decode_image(data: bytes) -> Image.Image:
    """Decode a JPEG or PNG, the whole frame at full scale.

    Parameters
    ----------
    data : bytes
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

    Examples
    --------
    >>> file = io.BytesIO()
    >>> Image.new("L", (60, 40)).save(file, "PNG")
    >>> frame = decode_image(file.getvalue())
    >>> frame.mode, frame.size
    ('RGB', (60, 40))
    """
    with _damage_named():
        return _upright(_as_rgb(_open(data)))


def decode_reduced(data: bytes, size: int, crop: float, decoding: Decoding) -> Pixels:
    """Decode the centre of a JPEG or PNG, averaged down.

    A JPEG keeps its pixels as waves in blocks of eight. Where the centre is wanted with half as
    many pixels along each side, or a quarter or an eighth, blocks of four, two or one can be made
    of the longest waves alone, in half the time. The result differs a little from the mean of
    full-scale pixels, so a model must learn from what it will be given.

    Parameters
    ----------
    data : bytes
        As in `decode_image`.
    size : int
    crop : float
        As in `reduce_image`.
    decoding : {"scaled", "whole"}
        A PNG, and a JPEG whose centre has too few pixels at half the scale, give the same pixels
        either way.

    Returns
    -------
    ndarray of shape (size, size, 3), uint8
        The same in every run.

    Raises
    ------
    UnreadableImageError
        As in `decode_image`.

    Examples
    --------
    >>> file = io.BytesIO()
    >>> Image.new("RGB", (424, 424), "navy").save(file, "JPEG")
    >>> decode_reduced(file.getvalue(), 64, 0.5, "scaled").shape
    (64, 64, 3)
    """
    with _damage_named():
        image = _open(data)
        full: tuple[float, float] = image.size
        frame, means = full, Image.Resampling.BOX
        wanted = math.ceil(size / crop)
        # `None` for all but JPEGs.
        if decoding == "scaled" and (scaled := image.draft(None, (wanted, wanted))):
            frame = scaled[1][2:]  # without what rounding up adds at the right and below
            if frame != full:
                # One or two pixels in each: a box would move them about.
                means = Image.Resampling.HAMMING
        # The centre of a frame stays the centre, however the frame is turned.
        return np.asarray(_upright(_centre(_as_rgb(image), frame, size, crop, means)))


def reduce_image(image: Image.Image, size: int, crop: float) -> Pixels:
    """Cut out the centre of a frame and average it down.

    Parameters
    ----------
    image : Image
        A frame with the galaxy at its centre.
    size : int
        Side of the result in pixels.
    crop : float
        Side of the central square that is kept, as a share of the frame's shorter side.

    Returns
    -------
    ndarray of shape (size, size, 3), uint8
        Each pixel is the mean of the frame's pixels whose centres fall into it.

    Examples
    --------
    >>> reduce_image(Image.new("RGB", (424, 424), "navy"), 64, 0.5).shape
    (64, 64, 3)
    """
    return np.asarray(_centre(image, image.size, size, crop, Image.Resampling.BOX))


def _centre(
    image: Image.Image,
    frame: tuple[float, float],
    size: int,
    crop: float,
    means: Image.Resampling,
) -> Image.Image:
    half = crop * min(frame) / 2
    x, y = frame[0] / 2, frame[1] / 2
    box = (x - half, y - half, x + half, y + half)
    return image.resize((size, size), means, box)


def _open(data: bytes) -> ImageFile.ImageFile:
    """Read a file's header, not yet its pixels."""
    if not data:
        raise UnreadableImageError("is empty")
    # Not by Image.open, which warns of large images before we refuse them.
    if data.startswith(b"\xff\xd8\xff"):
        image: ImageFile.ImageFile = JpegImageFile(io.BytesIO(data))
    elif data.startswith(b"\x89PNG\r\n\x1a\n"):
        image = PngImageFile(io.BytesIO(data))
    else:
        raise UnreadableImageError("is no JPEG or PNG")
    if image.width * image.height > LARGEST_IMAGE:
        raise UnreadableImageError(f"is too large: {image.width}x{image.height} pixels")
    return image


def _as_rgb(image: Image.Image) -> Image.Image:
    image.load()
    if image.mode.startswith("I"):  # 16 bits a pixel, which convert("RGB") would clip
        info = image.info
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        image.info = info
    return image if image.mode == "RGB" else image.convert("RGB")


def _upright(image: Image.Image) -> Image.Image:
    """Turn an image as its EXIF orientation says."""
    ImageOps.exif_transpose(image, in_place=True)
    return image


@contextmanager
def _damage_named() -> Iterator[None]:
    try:
        yield
    # Pillow's decoders raise any of these on damaged files.
    except (
        OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, struct.error, zlib.error
    ) as error:  # fmt: skip
        raise UnreadableImageError(f"cannot be decoded ({error})") from error
