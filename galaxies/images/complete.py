"""Whether a JPEG or PNG has all its pixels: decoders make up the missing ones without a word."""

import re
import struct
import zlib
from collections.abc import Iterable
from typing import Final, NamedTuple

_FRAMES: Final = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})
"""Markers of the frames that decoders read: baseline, extended, progressive; and arithmetic."""
_PROGRESSIVE: Final = frozenset({0xC2, 0xCA})
_START: Final = 0xDA
_END: Final = 0xD9
_ALONE: Final = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a length."""
_MARKER: Final = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")
"""The next marker after the data of a scan, in which 0xFF is followed by 0 or a restart."""
_WAVES: Final = 64  # of a block of 8 x 8 pixels

_ADAM7: Final = (
    (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)
)  # fmt: skip
"""First column and row, and steps, of the passes of an interlaced PNG."""
_SAMPLES: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PIECE: Final = 1 << 20


class Header(NamedTuple):
    """The header of a PNG."""

    width: int
    height: int
    depth: int
    """Bits of each sample."""
    colour: int
    """0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGB and alpha."""
    interlaced: bool


def png_header(data: bytes) -> Header:
    """Read the header of a PNG.

    Examples
    --------
    >>> import io
    >>> from PIL import Image
    >>> file = io.BytesIO()
    >>> Image.new("L", (60, 40)).save(file, "PNG")
    >>> png_header(file.getvalue())
    Header(width=60, height=40, depth=8, colour=0, interlaced=False)
    """
    if data[12:16] != b"IHDR":
        raise ValueError("it has no header")
    width, height, depth, colour, _, _, interlaced = struct.unpack_from(">IIBBBBB", data, 16)
    return Header(width, height, depth, colour, bool(interlaced))


def check_png(header: Header, parts: Iterable[bytes | memoryview]) -> None:
    """Check that the compressed data of a PNG hold as many rows as its header says.

    Parameters
    ----------
    header : Header
        Of a frame that is not too large.
    parts : iterable of bytes
        The contents of its `IDAT` chunks.

    Raises
    ------
    ValueError
        If they do not, or cannot be decompressed.

    Examples
    --------
    >>> import zlib
    >>> header = Header(20, 30, 8, 2, interlaced=False)
    >>> check_png(header, [zlib.compress(bytes(30 * (1 + 3 * 20)))])
    >>> check_png(header, [zlib.compress(bytes(29 * (1 + 3 * 20)))])
    Traceback (most recent call last):
    ValueError: 61 of 1,830 bytes of its pixels are missing
    """
    expected = _bytes_of(header)
    found = 0
    unpacker = zlib.decompressobj()
    for part in parts:
        rest: bytes | memoryview = part
        # More than expected is no pixel, and may be a bomb.
        while rest and not unpacker.eof and found <= expected:
            found += len(unpacker.decompress(rest, _PIECE))
            rest = unpacker.unconsumed_tail
    while found < expected and (more := unpacker.decompress(b"", _PIECE)):
        found += len(more)
    if found < expected:
        raise ValueError(f"{expected - found:,} of {expected:,} bytes of its pixels are missing")


def _bytes_of(header: Header) -> int:
    """Count the bytes of all rows, each with the number of its filter."""
    bits = header.depth * _SAMPLES[header.colour]
    total = 0
    for x, y, wide, high in _ADAM7 if header.interlaced else ((0, 0, 1, 1),):
        columns, rows = -((x - header.width) // wide), -((y - header.height) // high)
        if columns > 0 and rows > 0:
            total += rows * (1 + (columns * bits + 7) // 8)
    return total


def check_jpeg(data: bytes) -> None:
    r"""Check that the scans of a JPEG hold all its waves, in every colour and to the last bit.

    A progressive JPEG sends its pixels in about ten scans, each of which makes the picture sharper.
    Without the last ones a decoder shows a blurred galaxy, and warns of nothing.

    Parameters
    ----------
    data : bytes
        Contents of the file.

    Raises
    ------
    ValueError
        If a scan is missing.

    Examples
    --------
    >>> import io
    >>> from PIL import Image
    >>> file = io.BytesIO()
    >>> Image.new("RGB", (60, 40)).save(file, "JPEG", progressive=True)
    >>> check_jpeg(file.getvalue())
    >>> second = file.getvalue().index(b"\xff\xda", file.getvalue().index(b"\xff\xda") + 2)
    >>> check_jpeg(file.getvalue()[:second] + b"\xff\xd9")
    Traceback (most recent call last):
    ValueError: scans are missing: 3 of 3 colours are incomplete
    """
    place, progressive = 2, False
    # Of each colour, the lowest bit that has come of each wave.
    missing: dict[int, list[int | None]] = {}
    while place + 4 <= len(data):
        if data[place] != 0xFF or (kind := data[place + 1]) == 0xFF:
            place += 1  # padding; the decoder warns of anything else
            continue
        if kind in _ALONE:
            place += 2
            continue
        if kind == _END:
            break
        stop = place + 2 + int.from_bytes(data[place + 2 : place + 4])
        if kind in _FRAMES:
            progressive = kind in _PROGRESSIVE
            missing = {number: [None] * _WAVES for number in data[place + 10 : stop : 3]}
        elif kind == _START:
            colours = data[place + 5 : stop - 3 : 2]
            if not progressive and len(colours) == len(missing):
                return  # almost every file: one scan of everything
            first, last, bits = data[stop - 3 : stop] if progressive else (0, _WAVES - 1, 0)
            for colour in set(colours) & set(missing):
                _receive(missing[colour], first, last, bits)
            found = _MARKER.search(data, stop)
            stop = found.start() if found else len(data)
        place = stop
    incomplete = sum(any(waves) or None in waves for waves in missing.values())
    if incomplete:
        raise ValueError(
            f"scans are missing: {incomplete} of {len(missing)} colours are incomplete"
        )


def _receive(waves: list[int | None], first: int, last: int, bits: int) -> None:
    """Note a scan of some waves: all bits down to the lower half of `bits`, or one bit more."""
    before, now = bits >> 4, bits & 15
    for wave in range(first, min(last + 1, _WAVES)):
        if before == 0 or waves[wave] == before:
            waves[wave] = now
