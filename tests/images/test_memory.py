"""One image, however large, takes less than a gigabyte."""

import subprocess
import sys

import pytest

LARGEST = 1_000_000  # kilobytes of a process with one image
SIDE = 7999

PNG = f"""
import struct, zlib
def png(depth, colour, *more):
    samples = {{0: 1, 2: 3, 3: 1, 4: 2, 6: 4}}[colour]
    row = b"\\0" + b"\\x40" * ({SIDE} * depth * samples // 8)
    packer = zlib.compressobj(1)
    pixels = b"".join([packer.compress(row) for _ in range({SIDE})] + [packer.flush()])
    header = struct.pack(">IIBBBBB", {SIDE}, {SIDE}, depth, colour, 0, 0, 0)
    chunks = ((b"IHDR", header), *more, (b"IDAT", pixels), (b"IEND", b""))
    return b"\\x89PNG\\r\\n\\x1a\\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
turn = b"MM\\0*\\0\\0\\0\\x08\\0\\x01\\x01\\x12\\0\\x03\\0\\0\\0\\x01\\0\\x06\\0\\0\\0\\0\\0\\0"
hidden = b"\\x12\\x34"
palette = (b"PLTE", bytes(range(240)) * 3 + bytes(48)), (b"tRNS", b"\\0\\x80")
"""

IMAGES = {
    "RGBA, 16 bits": "png(16, 6)",
    "RGBA": "png(8, 6)",
    "RGBA, turned": 'png(16, 6, (b"eXIf", turn))',
    "grey and alpha": "png(8, 4)",
    "grey, 16 bits, one transparent": 'png(16, 0, (b"tRNS", hidden))',
    "RGB, 16 bits": "png(16, 2)",
    "transparent palette": "png(8, 3, *palette)",
    "Pillow image of integers": f"Image.new('I', ({SIDE}, {SIDE}), 5000)",
    "array of 16 bits": f"np.full(({SIDE}, {SIDE}), 5000, np.uint16)",
    "JPEG": "jpeg('RGB')",
    "progressive JPEG": "jpeg('RGB', progressive=True)",
}


@pytest.mark.slow
@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
def test_one_image_takes_less_than_a_gigabyte(image):
    code = f"""{PNG}
import io, os
import numpy as np
from PIL import Image
from galaxies.images.pixels import read_pixels
def jpeg(mode, **options):
    reading, writing = os.pipe()
    if os.fork() == 0:  # writing it must not count
        file = io.BytesIO()
        Image.new(mode, ({SIDE}, {SIDE})).save(file, "JPEG", **options)
        open(writing, "wb").write(file.getvalue())
        os._exit(0)
    os.close(writing)
    return open(reading, "rb").read()
image = {image}
assert read_pixels(image, 64, 0.5, "whole").shape == (64, 64, 3)
# getrusage would count what the process that started this one has taken.
print(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < LARGEST
