"""A process of its own for decoders that can hang, crash, or take any amount of memory.

A tile of a compressed FITS image is unpacked to whatever size it has, and a damaged one can keep
the decompressor busy or crash it. The other process has limits, and is replaced when it dies.
"""

import atexit
import contextlib
import io
import os
import resource
import select
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Final

import numpy as np
import numpy.typing as npt

from galaxies.images.decode import UnreadableImageError, damage_named

SECONDS: Final = 10
"""Time of a processor for one image; compressed cut-outs take a hundredth of a second."""
_PATIENCE: Final = 20
"""Times as long may pass on the clock: on a busy machine a good image must not become an error."""
_LOOK: Final = 0.2  # seconds between looks at the time
MEMORY: Final = 1_000_000_000
"""Bytes; the largest image that is read needs a third of it."""

_LENGTH: Final = struct.Struct(">?Q")


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
        latest = time.monotonic() + _PATIENCE * SECONDS, self._used() + SECONDS
        try:
            _write(self._process.stdin, _LENGTH.pack(True, len(data)) + data)
            good, length = _LENGTH.unpack(self._read(self._process.stdout, _LENGTH.size, latest))
            return good, self._read(self._process.stdout, length, latest)
        except OSError as error:
            raise _GoneError from error

    def _used(self) -> float:
        """Return the processor time of the other process so far, in seconds."""
        try:
            stat = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="utf-8")
        except OSError:
            return 0.0
        # After the name, which may have any letters: field 3, state; 14 and 15, the times.
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _read(self, file: IO[bytes], length: int, latest: tuple[float, float]) -> bytes:
        parts = []
        while length:
            if not select.select([file], [], [], _LOOK)[0]:
                if time.monotonic() > latest[0] or self._used() > latest[1]:
                    raise UnreadableImageError(f"takes longer than {SECONDS} s to decompress")
                continue
            part = file.read(min(length, 1 << 20))
            if not part:
                raise _GoneError
            parts.append(part)
            length -= len(part)
        return b"".join(parts)

    def close(self) -> None:
        self._process.kill()
        for file in (self._process.stdin, self._process.stdout):
            if file is not None:
                file.close()
        self._process.wait()


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
    kept = False
    try:
        good, answer = cage.ask(table)
        kept = True
    except _GoneError as error:
        raise UnreadableImageError("cannot be decoded (the decompressor crashed)") from error
    finally:
        if kept:
            _idle.append(cage)
        else:
            cage.close()
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
        good, answer = True, b""
        try:
            with damage_named(), fits.open(io.BytesIO(empty + data), memmap=False) as file:
                answer = np.asarray(file[1].data, dtype=np.float64).tobytes()
        except UnreadableImageError as error:
            good, answer = False, str(error).encode()
        with contextlib.suppress(BrokenPipeError):
            _write(answers, _LENGTH.pack(good, len(answer)) + answer)
            answers.flush()
