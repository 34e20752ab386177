"""TensorFlow is imported alike on every machine, and without its lines."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing_tensorflow() -> Iterator[None]:
    """Choose TensorFlow's arithmetic, and drop what it writes to standard error while imported.

    By itself TensorFlow uses oneDNN on some processors only, so that results and times depend on
    the machine; with it, training is two to three times as fast where AVX-512 is missing. The lines
    about CUDA and oneDNN come before TensorFlow's own setting for them is read; they are kept if
    the block fails.

    Examples
    --------
    >>> import os
    >>> with importing_tensorflow():
    ...     _ = os.write(2, b"Could not find cuda drivers on your machine")
    """
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    kept = os.dup(2)
    with tempfile.TemporaryFile() as lines:
        os.dup2(lines.fileno(), 2)
        try:
            yield
        except BaseException:
            lines.seek(0)
            os.write(kept, lines.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
