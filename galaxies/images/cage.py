"""A process of its own for decoders that can hang, crash, or take any amount of memory.

A tile of a compressed FITS image is unpacked to whatever size it has, and a damaged one can keep
the decompressor busy or crash it. The other process has limits, and is replaced when it dies.
"""

import atexit
import contextlib
import io
import math
import os
import resource
import select
import signal
import struct
import subprocess
import sys
import time
from typing import IO, Final

import numpy as np
import numpy.typing as npt

from galaxies.images.decode import UnreadableImageError, damage_named

SECONDS: Final = 10
"""Processor time for one image; compressed cut-outs take a hundredth of a second.

Not the time on the clock: a busy machine must not make other rows errors.
"""
HANGING: Final = 300
"""Seconds on the clock, after which the other process is taken to hang without computing."""
MEMORY: Final = 1_000_000_000
"""Bytes; the largest image that is read needs a third of it."""

_LENGTH: Final = struct.Struct(">?Q")


_SLOW: Final = f"takes longer than {SECONDS} s to decompress"


class _GoneError(Exception):
    """The other process does not answer."""


class _Cage:
    def __init__(self) -> None:
        # The same packages, wherever they were imported from; and no threads, which take memory.
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),  # noqa: PTH109
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-c", f"from {__name__} import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            bufsize=0,
            start_new_session=True,  # Ctrl-C is for us; we end it
        )

    def ask(self, data: bytes) -> tuple[bool, bytes]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        latest = time.monotonic() + HANGING
        try:
            _write(self._process.stdin, _LENGTH.pack(True, len(data)) + data)
            good, length = _LENGTH.unpack(self._read(self._process.stdout, _LENGTH.size, latest))
            return good, self._read(self._process.stdout, length, latest)
        except OSError as error:
            raise _GoneError from error

    def _read(self, file: IO[bytes], length: int, latest: float) -> bytes:
        parts = []
        while length:
            left = latest - time.monotonic()
            if left <= 0 or not select.select([file], [], [], left)[0]:
                raise UnreadableImageError(_SLOW)
            part = file.read(min(length, 1 << 20))
            if not part:
                raise _GoneError
            parts.append(part)
            length -= len(part)
        return b"".join(parts)

    def close(self) -> int:
        """End the process, and return its exit status."""
        self._process.kill()
        for file in (self._process.stdin, self._process.stdout):
            if file is not None:
                file.close()
        return self._process.wait()


_idle: list[_Cage] = []
"""Processes that wait for work; each thread takes one and puts it back."""


def decompress(table: bytes) -> npt.NDArray[np.float64]:
    """Decompress an image of a FITS file in the other process.

    Parameters
    ----------
    table : bytes
        The binary table of the compressed image, header and data.

    Returns
    -------
    ndarray of shape (N,), float64
        The pixels in the order of the file; NaN where a pixel is blank.

    Raises
    ------
    UnreadableImageError
        If it is damaged, or takes more than `SECONDS` or `MEMORY`.

    Examples
    --------
    >>> import io
    >>> import numpy as np
    >>> from astropy.io import fits
    >>> from galaxies.images.fits_file import read_units
    >>> file = io.BytesIO()
    >>> pixels = np.arange(6, dtype=np.int16).reshape(2, 3)
    >>> fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(pixels)]).writeto(file)
    >>> unit = read_units(file.getvalue())[1]
    >>> decompress(file.getvalue()[unit.start :]).tolist()
    [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    """
    try:
        cage = _idle.pop()
    except IndexError:
        cage = _Cage()
    try:
        good, answer = cage.ask(table)
    except _GoneError as error:
        status = cage.close()
        slow = status == -signal.SIGXCPU
        why = _SLOW if slow else "cannot be decoded (the decompressor crashed)"
        raise UnreadableImageError(why) from error
    except BaseException:
        cage.close()
        raise
    _idle.append(cage)
    if not good:
        raise UnreadableImageError(answer.decode())
    return np.frombuffer(answer, np.float64)


def _write(file: IO[bytes], data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


@atexit.register
def _close_all() -> None:
    while _idle:
        _idle.pop().close()


# A forked process must not talk to its parent's.
os.register_at_fork(after_in_child=_idle.clear)


def serve() -> None:
    """Answer requests on the standard input until it is closed: the other process."""
    from astropy.io import fits

    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    empty = fits.PrimaryHDU().header.tostring().encode()
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while len(head := requests.read(_LENGTH.size)) == _LENGTH.size:
        data = requests.read(_LENGTH.unpack(head)[1])
        # The kernel counts whole seconds, and ends the process with SIGXCPU.
        latest = math.ceil(time.process_time()) + SECONDS
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        if hard == resource.RLIM_INFINITY or latest < hard:
            resource.setrlimit(resource.RLIMIT_CPU, (latest, hard))
        good, answer = True, b""
        try:
            with damage_named(), fits.open(io.BytesIO(empty + data), memmap=False) as file:
                answer = np.asarray(file[1].data, dtype=np.float64).tobytes()
        except UnreadableImageError as error:
            good, answer = False, str(error).encode()
        with contextlib.suppress(BrokenPipeError):
            _write(answers, _LENGTH.pack(good, len(answer)) + answer)
            answers.flush()
