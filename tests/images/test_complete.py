"""A file that lacks pixels is refused, though its decoder makes them up without a word."""

import io
import re
import struct
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from galaxies.images.complete import check_jpeg
from galaxies.images.decode import UnreadableImageError, decode_image, decode_reduced
from tests.conftest import draw_galaxy, encode, real_data

GALAXY = draw_galaxy(np.random.default_rng(1), spiral=True)


def chunk(kind, content):
    check = zlib.crc32(kind + content).to_bytes(4, "big")
    return struct.pack(">I", len(content)) + kind + content + check


def png(rows, interlaced=0, size=(96, 96), depth=8, colour=2, extra=b""):
    """A PNG whose checksums are all right, whatever it holds."""
    header = struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, interlaced)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra
        + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )  # fmt: skip


def plain(frame):
    return b"".join(b"\0" + row.astype(row.dtype.newbyteorder(">")).tobytes() for row in frame)


def adam7(frame):
    passes = [
        (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
        (0, 1, 1, 2),
    ]  # fmt: skip
    return b"".join(plain(frame[y::high, x::wide]) for x, y, wide, high in passes)


@pytest.mark.parametrize("side", [(96, 96), (61, 83)])
@pytest.mark.parametrize(("interlaced", "write"), [(0, plain), (1, adam7)])
def test_a_png_with_all_its_rows_is_read(interlaced, write, side):
    width, height = side
    frame = GALAXY[:height, :width]
    data = png(write(frame), interlaced, side)
    assert np.array_equal(np.asarray(decode_image(data)), frame)
    with pytest.raises(UnreadableImageError, match=r"1 of .* bytes of its pixels are missing"):
        decode_image(png(write(frame)[:-1], interlaced, side))


@pytest.mark.parametrize("share", [0.0, 0.55, 0.7, 0.95])
@pytest.mark.parametrize(("interlaced", "write"), [(0, plain), (1, adam7)])
def test_a_png_without_its_last_rows_is_refused(interlaced, write, share):
    rows = write(GALAXY)
    with pytest.raises(UnreadableImageError, match="bytes of its pixels are missing"):
        decode_image(png(rows[: int(len(rows) * share)], interlaced))


def test_a_png_with_more_rows_than_it_says_does_not_take_memory():
    data = png(plain(GALAXY) + bytes(50_000_000))
    assert np.array_equal(np.asarray(decode_image(data)), GALAXY)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_pngs_of_every_mode_have_as_many_rows_as_they_need(mode):
    frame = Image.fromarray(GALAXY[:83, :61])
    image = Image.fromarray(GALAXY[:83, :61, 0].astype(np.uint16) * 257)
    image = image if mode == "I;16" else frame.convert(mode)
    for colours in (2, 4, 16, 256) if mode == "P" else (256,):
        file = io.BytesIO()
        (image.quantize(colours) if mode == "P" else image).save(file, "PNG")
        assert decode_image(file.getvalue()).size == (61, 83)


DEEP = GALAXY.astype(np.uint16) * 16  # 12 of 16 bits
OPAQUE = np.full((96, 96, 1), 65_535, np.uint16)


@pytest.mark.parametrize(
    ("frame", "colour"),
    [
        (DEEP[:, :, :1], 0),
        (DEEP, 2),
        (np.concatenate([DEEP[:, :, :1], OPAQUE], axis=2), 4),
        (np.concatenate([DEEP, OPAQUE], axis=2), 6),
    ],
)
def test_twelve_bits_in_sixteen_are_refused_in_every_colour(frame, colour):
    with pytest.raises(UnreadableImageError, match=r"has 16 bits, but no number above \d{4};"):
        decode_image(png(plain(frame), depth=16, colour=colour))
    full = np.concatenate([frame[:, :, :-1] * 16, OPAQUE], axis=2) if colour > 3 else frame * 16
    shown = GALAXY if colour in (2, 6) else GALAXY[:, :, :1].repeat(3, axis=2)
    decoded = np.asarray(decode_image(png(plain(full), depth=16, colour=colour)))
    assert np.array_equal(decoded, shown)


def test_a_transparent_grey_is_sky_with_sixteen_bits_as_with_eight():
    grey = GALAXY[:, :, :1].copy()
    grey[grey == 255] = 254
    grey[:30] = 255
    few = png(plain(grey), colour=0, extra=chunk(b"tRNS", b"\0\xff"))
    many = png(
        plain(grey.astype(np.uint16) * 257), depth=16, colour=0, extra=chunk(b"tRNS", b"\xff\xff")
    )
    assert np.array_equal(np.asarray(decode_image(many)), np.asarray(decode_image(few)))
    assert not np.asarray(decode_image(many))[:30].any()


def test_a_transparent_colour_of_sixteen_bits_is_refused():
    data = png(plain(DEEP * 16), depth=16, extra=chunk(b"tRNS", bytes(6)))
    with pytest.raises(UnreadableImageError, match="has a transparent colour of 16 bits"):
        decode_image(data)


def progressive(frame, mode="RGB", **options):
    file = io.BytesIO()
    Image.fromarray(frame).convert(mode).save(file, "JPEG", progressive=True, **options)
    return file.getvalue()


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_a_progressive_jpeg_without_its_last_scans_is_refused(mode):
    whole = progressive(GALAXY, mode)
    starts = [found.start() for found in re.finditer(rb"\xff\xda", whole)]
    assert len(starts) > 5
    assert decode_reduced(whole, 32, 0.5, "scaled").shape == (32, 32, 3)
    for start in starts[1:]:
        # The tables of a scan come before it, and do not matter.
        with pytest.raises(UnreadableImageError, match="scans are missing"):
            decode_reduced(whole[:start] + b"\xff\xd9", 32, 0.5, "scaled")


def test_a_jpeg_in_which_a_colour_has_no_scan_is_refused():
    data = encode(GALAXY)
    start = data.index(b"\xff\xda")
    # The only scan has three colours; let it name one.
    scan = b"\xff\xda\0\x08\x01" + data[start + 5 : start + 7] + b"\0\x3f\0"
    with pytest.raises(ValueError, match="2 of 3 colours are incomplete"):
        check_jpeg(data[:start] + scan + data[start + 14 :])


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("restart", [{}, {"restart_marker_rows": 1}])
def test_real_frames_are_complete_however_they_are_written(subsampling, restart):
    with zipfile.ZipFile(real_data() / "gz2" / "images_training_rev1.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".jpg")][:30]
        for data in map(archive.read, names):
            check_jpeg(data)
            frame = np.asarray(Image.open(io.BytesIO(data)))
            for quality in (30, 95):
                check_jpeg(progressive(frame, quality=quality, subsampling=subsampling, **restart))
            check_jpeg(progressive(frame, "L", **restart))


def scans(*script):
    """The headers of a progressive JPEG of three colours, with no data between them."""
    frame = struct.pack(">BHHB", 8, 96, 96, 3) + bytes([1, 34, 0, 2, 17, 1, 3, 17, 1])
    data = b"\xff\xd8\xff\xc2" + struct.pack(">H", 2 + len(frame)) + frame
    for colours, first, last, before, now in script:
        named = b"".join(bytes([colour, 0]) for colour in colours)
        scan = bytes([len(colours)]) + named + bytes([first, last, 16 * before + now])
        data += b"\xff\xda" + struct.pack(">H", 2 + len(scan)) + scan + b"\x12\xff\0\xff\xd0\x34"
    return data + b"\xff\xd9"


# As encoders that search for the smallest file write it: single colours, bands and bits.
SCRIPT = [
    ((1,), 0, 0, 0, 0), ((2, 3), 0, 0, 0, 1), ((1,), 1, 8, 0, 2), ((1,), 9, 63, 0, 2),
    ((1,), 1, 63, 2, 1), ((1,), 1, 63, 1, 0), ((2,), 1, 63, 0, 0), ((3,), 1, 8, 0, 0),
    ((3,), 9, 63, 0, 0), ((2, 3), 0, 0, 1, 0),
]  # fmt: skip


@pytest.mark.parametrize("left_out", range(len(SCRIPT)))
def test_every_scan_of_any_script_counts(left_out):
    check_jpeg(scans(*SCRIPT))
    with pytest.raises(ValueError, match="scans are missing"):
        check_jpeg(scans(*SCRIPT[:left_out], *SCRIPT[left_out + 1 :]))
