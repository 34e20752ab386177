"""A decoder in a process of its own cannot stop, outgrow or crash ours."""

import io
import os
import resource
import signal
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from astropy.io import fits

from galaxies.images import cage
from galaxies.images.decode import UnreadableImageError
from galaxies.images.fits import decode_fits

pytestmark = pytest.mark.slow

PLANE = np.arange(1024, dtype=np.int16).reshape(32, 32)


def table(plane=PLANE, **options):
    """A compressed image, header and data."""
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(plane, **options)]).writeto(file)
    return file.getvalue()[2880:]


@pytest.fixture(autouse=True)
def _fresh():
    cage._close_all()
    yield
    cage._close_all()


def test_pixels_come_back_from_many_threads():
    planes = [PLANE + number for number in range(12)]
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(cage.decompress, map(table, planes)))
    for plane, pixels in zip(planes, found, strict=True):
        assert np.array_equal(pixels.reshape(32, 32), plane)
    assert 1 <= len(cage._idle) <= 3


def test_an_error_there_is_an_error_here_and_the_process_is_kept():
    cage.decompress(table())
    [kept] = cage._idle
    for damaged in (b"text", table()[:3000], b""):
        with pytest.raises(UnreadableImageError, match="cannot be decoded"):
            cage.decompress(damaged)
    assert cage._idle == [kept]


def test_too_much_memory_is_an_error():
    bomb = table(np.zeros((8000, 8000)), compression_type="GZIP_1", tile_shape=(8000, 8000))
    assert len(bomb) < 1_000_000
    with pytest.raises(UnreadableImageError, match="cannot be decoded"):
        cage.decompress(bomb)
    assert np.array_equal(cage.decompress(table()).reshape(32, 32), PLANE)


def test_a_decoder_that_hangs_is_ended(monkeypatch):
    cage.decompress(table())
    [hanging] = cage._idle
    os.kill(hanging._process.pid, signal.SIGSTOP)
    monkeypatch.setattr(cage, "HANGING", 0.2)
    with pytest.raises(UnreadableImageError, match="takes longer than 10 s"):
        cage.decompress(table())
    assert hanging._process.poll() == -signal.SIGKILL
    monkeypatch.undo()
    assert np.array_equal(cage.decompress(table()).reshape(32, 32), PLANE)


def test_a_decoder_that_computes_for_too_long_is_ended():
    cage.decompress(table())
    [busy] = cage._idle
    os.kill(busy._process.pid, signal.SIGXCPU)  # as the kernel does after the time
    busy._process.wait()
    with pytest.raises(UnreadableImageError, match="takes longer than 10 s"):
        cage.decompress(table())
    assert np.array_equal(cage.decompress(table()).reshape(32, 32), PLANE)


def test_the_kernel_counts_the_processor_time_of_each_image():
    cage.decompress(table())
    [process] = cage._idle
    limit, _ = resource.prlimit(process._process.pid, resource.RLIMIT_CPU)
    assert cage.SECONDS < limit < cage.SECONDS + 60


def test_a_decoder_that_crashes_is_replaced():
    cage.decompress(table())
    [crashing] = cage._idle
    os.kill(crashing._process.pid, signal.SIGSEGV)
    crashing._process.wait()
    with pytest.raises(UnreadableImageError, match="the decompressor crashed"):
        cage.decompress(table())
    assert np.array_equal(cage.decompress(table()).reshape(32, 32), PLANE)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("start", ["spawn"] if sys.version_info >= (3, 12) else ["spawn", "fork"])
def test_process_pools_have_their_own(start):
    data = fits.PrimaryHDU().header.tostring().encode() + table()
    expected = np.asarray(decode_fits(data))
    with ProcessPoolExecutor(2, mp_context=get_context(start)) as pool:
        for frame in pool.map(decode_fits, [data] * 4):
            assert np.array_equal(np.asarray(frame), expected)
