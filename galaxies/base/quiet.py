"""Libraries that talk while they are imported."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def unheard() -> Iterator[None]:
    """Drop what is written to standard error, unless the block fails.

    TensorFlow's lines about CUDA and oneDNN come before its own setting for that is read.

    Examples
    --------
    >>> import os
    >>> with unheard():
    ...     _ = os.write(2, b"Could not find cuda drivers on your machine")
    """
    kept = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        except BaseException:
            said.seek(0)
            os.write(kept, said.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
