"""Galaxy images from compressed bytes to small arrays of pixels."""

import io
import struct
import zlib
from typing import Final

import numpy as np
from PIL import Image, ImageFile, ImageOps
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from galaxies.base.arrays import Pixels

LARGEST_IMAGE: Final = 64_000_000
"""Pixels; a larger image is taken for a decompression bomb and not decoded."""


class UnreadableImageError(Exception):
    """The bytes are no image that we can decode; says why."""


def decode_image(data: bytes) -> Image.Image:
    """Decode a JPEG or PNG.

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
    ndarray, shape (size, size, 3), uint8
        Each pixel is the mean of the frame's pixels whose centres fall into it.

    Examples
    --------
    >>> reduce_image(Image.new("RGB", (424, 424), "navy"), 64, 0.5).shape
    (64, 64, 3)
    """
    half = crop * min(image.size) / 2
    x, y = image.width / 2, image.height / 2
    box = (x - half, y - half, x + half, y + half)
    return np.asarray(image.resize((size, size), Image.Resampling.BOX, box))
