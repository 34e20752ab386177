"""The one door for images of every kind: files, frames and arrays become the same pixels."""

import io
import threading
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile

from galaxies.base.arrays import Decoding, Pixels
from galaxies.images.decode import (
    LARGEST_IMAGE,
    UnreadableImageError,
    as_rgb,
    check_size,
    damage_named,
    decode_image,
    decode_reduced,
    eight_bits,
    reduce_image,
)

AnyImage = bytes | Image.Image | npt.NDArray[np.generic]
"""Contents of a JPEG, PNG or FITS file; a frame; or an array."""

_FITS_STARTS: Final = (b"SIMPLE  =", b"\x1f\x8b")
"""First bytes of a FITS file, and of a gzip file."""

_CHECKED: Final = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
"""First bytes of the files that are checked more thoroughly than Pillow does."""

_EVEN: Final = 2
"""Grey levels; the sky of a survey varies more within three pixels."""
_BLANK: Final = 0.995
"""A frame with a larger even part is blank."""
_ONE_SIDE: Final = 0.25
"""A frame with a larger even part on one side alone is cut off."""
_RECTANGLE: Final = 0.18
"""So is one with a larger even rectangle: of 16,931 real frames one has 0.16, and no other 0.1."""
_SHARP: Final = 0.75
"""Part of its sides at which the picture begins; half of them is the most around a galaxy on a
black sky."""
_BESIDE: Final = 20  # pixels of the side for each that an edge may be frayed by a JPEG


def read_frame(image: AnyImage) -> Image.Image:
    """Read the whole frame of an image of any kind.

    Parameters
    ----------
    image : bytes, Image or ndarray
        Contents of a JPEG, PNG or FITS file; a frame of any mode; or an array of shape
        (height, width), (height, width, 3) or (height, width, 4), uint8 or uint16. A JPEG or PNG
        that Pillow has opened, but not loaded, is read and checked like its file. One that is
        loaded is taken as it is: what Pillow made up for damaged parts cannot be told any more.

    Returns
    -------
    Image
        RGB, upright.

    Raises
    ------
    UnreadableImageError
        If the image is damaged, of another kind, too large, or too small for a galaxy.

    Examples
    --------
    >>> import numpy as np
    >>> read_frame(np.zeros((40, 60), np.uint8)).size
    (60, 40)
    """
    image = _underlying(image)
    if isinstance(image, bytes):
        if image.startswith(_FITS_STARTS):
            # astropy takes long to import, and only FITS files need it.
            from galaxies.images.fits import decode_fits

            return decode_fits(image)
        return decode_image(image)
    return as_rgb(image if isinstance(image, Image.Image) else _from_array(image))


def read_pixels(image: AnyImage, size: int, crop: float, decoding: Decoding) -> Pixels:
    """Read the centre of an image of any kind, and reduce it.

    Parameters
    ----------
    image : bytes, Image or ndarray
        As in `read_frame`.
    size : int
    crop : float
    decoding : {"scaled", "whole"}
        As in `galaxies.images.decode.decode_reduced`.

    Returns
    -------
    ndarray of shape (size, size, 3), uint8
        The same for the path, the bytes, the frame and the array of a PNG or FITS file. A JPEG that
        was decoded elsewhere, at full scale, differs by a few grey levels from the file.

    Raises
    ------
    UnreadableImageError
        As in `read_frame`.

    Examples
    --------
    >>> import numpy as np
    >>> read_pixels(np.zeros((424, 424, 3), np.uint8), 64, 0.5, "scaled").shape
    (64, 64, 3)
    """
    image = _underlying(image)
    if isinstance(image, bytes) and not image.startswith(_FITS_STARTS):
        return decode_reduced(image, size, crop, decoding)
    return reduce_image(read_frame(image), size, crop, decoding)


_one_reader: Final = threading.Lock()
"""An image may be given twice, and its file has one position."""


def _underlying(image: AnyImage) -> AnyImage:
    """Return the contents of the file of an image that Pillow opened but has not loaded.

    An image that was changed before it is loaded (by `draft`, or `seek` to another frame) stays one
    if its file is good.
    """
    if not isinstance(image, ImageFile.ImageFile) or not image.tile or image.fp is None:
        return image
    check_size(*image.size)
    with damage_named(), _one_reader:
        place = image.fp.tell()
        image.fp.seek(0)
        data = image.fp.read(LARGEST_IMAGE + 1)
        image.fp.seek(place)
    if not data.startswith(_CHECKED):
        return image
    if len(data) > LARGEST_IMAGE:
        raise UnreadableImageError(f"is too large: more than {LARGEST_IMAGE:,} bytes")
    with damage_named(), Image.open(io.BytesIO(data)) as whole:
        same = (whole.size, whole.mode) == (image.size, image.mode) and not image.tell()
    if same:
        return data
    decode_image(data)
    return image


def refuse_blank(pixels: Pixels) -> None:
    """Refuse pixels that show no galaxy at their centre, whatever it might look like.

    Parameters
    ----------
    pixels : ndarray of shape (size, size, 3), uint8
        Output of `read_pixels`.

    Raises
    ------
    UnreadableImageError
        If the frame is blank, or blank on one side up to the centre, or in a rectangle. A pixel is
        blank if it and its eight neighbours differ by no more than two grey levels.

    Examples
    --------
    >>> import numpy as np
    >>> refuse_blank(np.full((64, 64, 3), 255, np.uint8))
    Traceback (most recent call last):
    galaxies.images.decode.UnreadableImageError: is blank: there is no galaxy in it
    """
    side = len(pixels)
    rows = pixels.reshape(side, -1)
    high = np.maximum(np.maximum(rows[:-2], rows[1:-1]), rows[2:])
    low = np.minimum(np.minimum(rows[:-2], rows[1:-1]), rows[2:])
    # Almost every galaxy is done here: a frame with so few even columns of three is not blank.
    if np.count_nonzero(high - low <= _EVEN) < _RECTANGLE * high.size:
        return
    high = np.maximum(np.maximum(high[:, :-6], high[:, 3:-3]), high[:, 6:])
    low = np.minimum(np.minimum(low[:, :-6], low[:, 3:-3]), low[:, 6:])
    colours = high - low <= _EVEN
    even = colours[:, 0::3] & colours[:, 1::3] & colours[:, 2::3]
    share = even.mean()
    if share < _RECTANGLE:
        return
    if share > _BLANK:
        raise UnreadableImageError("is blank: there is no galaxy in it")
    # The sky around a galaxy may be even, but then on both sides of it.
    if (even & ~even[::-1, ::-1]).mean() > _ONE_SIDE:
        raise UnreadableImageError("is blank on one side, up to the galaxy at the centre")
    top, end, left, right = _largest_rectangle(even)
    area = (end - top) * (right - left) / even.size
    if area > _RECTANGLE and _is_sharp(even, top, end, left, right):
        raise UnreadableImageError(f"is blank in a rectangle of {area:.0%} of its centre")


def _largest_rectangle(even: npt.NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Find the largest rectangle that is even everywhere: first and last row and column."""
    best, place = 0, (0, 0, 0, 0)
    heights = [0] * even.shape[1]
    for row, line in enumerate(even.tolist()):
        heights = [height + 1 if good else 0 for height, good in zip(heights, line, strict=True)]
        # Columns whose rectangles may still grow to the right, each higher than the one before.
        open_ones: list[tuple[int, int]] = []
        for column, height in enumerate([*heights, 0]):
            start = column
            while open_ones and open_ones[-1][1] >= height:
                start, high = open_ones.pop()
                if high * (column - start) > best:
                    best = high * (column - start)
                    place = (row + 1 - high, row + 1, start, column)
            open_ones.append((start, height))
    return place


def _is_sharp(even: npt.NDArray[np.bool_], top: int, end: int, left: int, right: int) -> bool:
    """Whether the picture begins right outside the rectangle, along each side within the frame."""
    beside = max(len(even) // _BESIDE, 1)
    outside = [
        even[max(top - beside, 0) : top, left:right],
        even[end : end + beside, left:right],
        even[top:end, max(left - beside, 0) : left].T,
        even[top:end, right : right + beside].T,
    ]
    return all((~side).any(axis=0).mean() > _SHARP for side in outside if side.size)


def check_array(array: npt.NDArray[np.generic]) -> None:
    """Refuse an array that is not an image.

    Raises
    ------
    UnreadableImageError
        With its type and shape.

    Examples
    --------
    >>> import numpy as np
    >>> check_array(np.zeros((40, 60)))
    Traceback (most recent call last):
    galaxies.images.decode.UnreadableImageError: must be uint8 or uint16 ..., got float64 (40, 60)
    """
    if isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
        raise UnreadableImageError("has masked pixels; fill them")
    colours = array.shape[2] if array.ndim == 3 else 1
    good = array.ndim in (2, 3) and colours in (1, 3, 4)
    if not good or array.dtype not in (np.uint8, np.uint16):
        raise UnreadableImageError(
            "must be uint8 or uint16 of shape (height, width) or (height, width, 3), "
            f"got {array.dtype} {array.shape}"
        )


def _from_array(array: npt.NDArray[np.generic]) -> Image.Image:
    check_array(array)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    return Image.fromarray(np.asarray(eight_bits(array) if array.dtype == np.uint16 else array))
