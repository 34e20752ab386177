"""Read planes of FITS files whose headers and bytes may be damaged.

Every size is checked before memory is taken. Plain planes are read here; compressed ones by
astropy, in a process of its own (`galaxies.images.cage`).
"""

import gzip
import io
import math
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from astropy.io import fits

from galaxies.images.decode import LARGEST_IMAGE, UnreadableImageError

Plane = npt.NDArray[np.float64]

LARGEST_LIGHT: Final = 16_000_000
"""Pixels of all planes that are read; colours are computed in eight bytes each."""

_BLOCK: Final = 2880
_CARD: Final = 80
_END: Final = b"END".ljust(_CARD)
_HEADERS: Final = 8_000_000  # bytes of all headers
_TYPES: Final = {8: ">u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
_MOST_AXES: Final = 8
_TILES: Final = 40_000
_MOST_COLUMNS: Final = 20  # the standard has seven
_COMPRESSIONS: Final = (
    "RICE_1", "RICE_ONE", "GZIP_1", "GZIP_2", "HCOMPRESS_1", "PLIO_1", "NOCOMPRESS",
)  # fmt: skip


class Unit(NamedTuple):
    """A header with its data, an HDU."""

    header: fits.Header
    shape: tuple[int, ...]
    """Of the image, slowest axis first, without leading axes of one pixel; () if it is no image."""
    start: int
    """First byte of the header."""
    data: int
    """First byte of the data."""
    stop: int
    """End of the data."""
    compressed: bool


def unpacked(data: bytes) -> bytes:
    """Undo gzip.

    Raises
    ------
    UnreadableImageError
        If the result has more than `LARGEST_IMAGE` bytes.
    """
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
        content = file.read(LARGEST_IMAGE + 1)
    if len(content) > LARGEST_IMAGE:
        raise UnreadableImageError("is too large")
    return content


def read_units(data: bytes) -> list[Unit]:
    """Read all headers of a FITS file, and check that the file is complete.

    Parameters
    ----------
    data : bytes
        Contents of the file.

    Returns
    -------
    list of Unit

    Raises
    ------
    UnreadableImageError
        If the file is cut off, or a size impossible or too large.

    Examples
    --------
    >>> import io
    >>> import numpy as np
    >>> from astropy.io import fits
    >>> file = io.BytesIO()
    >>> fits.PrimaryHDU(np.ones((3, 40, 60))).writeto(file)
    >>> [unit.shape for unit in read_units(file.getvalue())]
    [(3, 40, 60)]
    """
    units: list[Unit] = []
    place, headers = 0, 0
    while place < len(data):
        if not data.startswith(b"XTENSION" if units else b"SIMPLE  =", place):
            if units and not data[place:].strip(b"\0 "):
                break  # padding
            raise UnreadableImageError(f"cannot be decoded (no FITS header at byte {place})")
        end = data.find(_END, place)
        while end >= 0 and (end - place) % _CARD:
            end = data.find(_END, end + 1)
        if end < 0:
            raise UnreadableImageError("is cut off: a header has no end")
        headers += end - place
        if headers > _HEADERS:
            raise UnreadableImageError("is too large: its headers have more than 8 MB")
        header = fits.Header.fromstring(data[place:end].decode("latin-1"))
        start = place + -(-(end + _CARD - place) // _BLOCK) * _BLOCK
        size = _data_size(header)
        if start + size > len(data):
            raise UnreadableImageError(
                f"is cut off, or its header wrong: {start + size - len(data):,} bytes are missing"
            )
        compressed = header.get("ZIMAGE") is True
        shape = _shape(header, "Z" if compressed else "") if _is_image(header, compressed) else ()
        units.append(Unit(header, shape, place, start, start + size, compressed))
        place = start + -(-size // _BLOCK) * _BLOCK
    return units


def read_plane(data: bytes, unit: Unit) -> Plane:
    """Read the pixels of a plane or cube.

    Parameters
    ----------
    data : bytes
        Contents of the file.
    unit : Unit
        From `read_units`.

    Returns
    -------
    ndarray of the unit's shape, float64
        Physical values; NaN where a pixel is blank.

    Raises
    ------
    UnreadableImageError
        If the data do not match their checksum, or cannot be decompressed.

    Examples
    --------
    >>> import io
    >>> import numpy as np
    >>> from astropy.io import fits
    >>> file = io.BytesIO()
    >>> fits.PrimaryHDU(np.array([[1, 2], [3, 4]], np.int16)).writeto(file)
    >>> [unit] = read_units(file.getvalue())
    >>> read_plane(file.getvalue(), unit).tolist()
    [[1.0, 2.0], [3.0, 4.0]]
    """
    header = unit.header
    _check_sum(data[unit.data : unit.stop], header)
    if unit.compressed:
        from galaxies.images.cage import decompress

        _check_tiles(header, unit.shape)
        # astropy expects the blocks to be complete.
        table = data[unit.start : unit.stop]
        return _scaled(decompress(table + bytes(-len(table) % _BLOCK)).reshape(unit.shape), 1, 0)
    kind = np.dtype(_TYPES[_whole(header, "BITPIX")])
    raw = np.frombuffer(data, kind, math.prod(unit.shape), unit.data).reshape(unit.shape)
    scale, zero = number(header, "BSCALE", 1.0), number(header, "BZERO", 0.0)
    pixels = _scaled(raw, scale, zero)
    if kind.kind != "f" and "BLANK" in header:
        pixels[raw == _whole(header, "BLANK")] = np.nan
    return pixels


def _scaled(raw: npt.NDArray[Any], scale: float, zero: float) -> Plane:
    """Compute physical values.

    A NaN that signals, or a number that grows beyond all limits, is a blank pixel, and not worth a
    warning.
    """
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):
        return np.asarray(raw, dtype=np.float64) * scale + zero


def _is_image(header: fits.Header, compressed: bool) -> bool:
    return compressed or str(header.get("XTENSION", "IMAGE")).strip() in ("IMAGE", "IUEIMAGE")


def _shape(header: fits.Header, prefix: str) -> tuple[int, ...]:
    axes = _whole(header, f"{prefix}NAXIS")
    if not 0 <= axes <= _MOST_AXES:
        raise UnreadableImageError(f"cannot be decoded ({prefix}NAXIS is {axes})")
    shape = [_whole(header, f"{prefix}NAXIS{axis}") for axis in range(axes, 0, -1)]
    if any(side < 0 for side in shape):
        raise UnreadableImageError(f"cannot be decoded (an axis has {min(shape)} pixels)")
    if math.prod(shape) > LARGEST_IMAGE:
        raise UnreadableImageError(f"is too large: {'x'.join(map(str, shape))} pixels")
    while len(shape) > 2 and shape[0] == 1:
        del shape[0]
    return tuple(shape)


def _data_size(header: fits.Header) -> int:
    bits = _whole(header, "BITPIX")
    if bits not in _TYPES:
        raise UnreadableImageError(f"cannot be decoded (BITPIX is {bits})")
    shape = _shape(header, "")
    more, groups = _whole(header, "PCOUNT", 0), _whole(header, "GCOUNT", 1)
    if more < 0 or groups < 0:
        raise UnreadableImageError("cannot be decoded (PCOUNT or GCOUNT is negative)")
    return abs(bits) // 8 * groups * (more + math.prod(shape)) if shape else 0


def _whole(header: fits.Header, key: str, default: int | None = None) -> int:
    value = header.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise UnreadableImageError(f"cannot be decoded ({key} is {value!r})")
    return value


def number(header: fits.Header, key: str, default: float) -> float:
    """Read a number from a header.

    Raises
    ------
    UnreadableImageError
        If it is none, or not finite.

    Examples
    --------
    >>> from astropy.io import fits
    >>> number(fits.Header({"CDELT3": -2}), "CDELT3", 1.0)
    -2.0
    """
    value = header.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UnreadableImageError(f"cannot be decoded ({key} is {value!r})")
    return float(value)


def _check_tiles(header: fits.Header, shape: tuple[int, ...]) -> None:
    """Check the sizes in the header of a compressed image before astropy believes them."""
    columns = _whole(header, "TFIELDS")
    if not 1 <= columns <= _MOST_COLUMNS:
        raise UnreadableImageError(f"cannot be decoded (TFIELDS is {columns})")
    kind = str(header.get("ZCMPTYPE", "")).strip()
    if kind not in _COMPRESSIONS:
        raise UnreadableImageError(f"cannot be decoded (compressed by {kind!r})")
    axes = _whole(header, "ZNAXIS")
    sides = [_whole(header, f"ZNAXIS{axis}") for axis in range(1, axes + 1)]
    tile = [
        _whole(header, f"ZTILE{axis}", sides[0] if axis == 1 else 1) for axis in range(1, axes + 1)
    ]
    if any(not 1 <= width <= max(side, 1) for width, side in zip(tile, sides, strict=True)):
        raise UnreadableImageError(f"cannot be decoded (tiles of {tile} pixels)")
    tiles = math.prod(-(-side // width) for side, width in zip(sides, tile, strict=True))
    if tiles != _whole(header, "NAXIS2") or tiles > _TILES:
        raise UnreadableImageError(
            f"cannot be decoded ({tiles:,} tiles in {_whole(header, 'NAXIS2'):,} rows)"
        )


def _check_sum(data: bytes, header: fits.Header) -> None:
    """Compare the data with `DATASUM`, a sum of 32-bit numbers in ones' complement."""
    text = str(header.get("DATASUM", "")).strip()
    if not text.isdigit():
        return
    total = int(np.frombuffer(data + bytes(-len(data) % 4), ">u4").sum(dtype=np.uint64))
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    if total != int(text):
        raise UnreadableImageError("cannot be decoded (the data do not match DATASUM)")
