"""The one kind of error a user causes, and how a stage reports it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class GalaxiesError(Exception):
    """Something that the user can mend, said in one line that names the file, row or key."""


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Import what not every installation has: `with needs("ray"): import ray`.

    Parameters
    ----------
    extra : str
        The extra of `pyproject.toml` that brings it.

    Raises
    ------
    GalaxiesError
        If it is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or str(error)).partition(".")[0]
        raise GalaxiesError(f"{package} is missing; pip install 'galaxies[{extra}]'") from error


def run_stage(main: Callable[[], None]) -> None:
    """Run a stage; a user's mistake or a failing disk ends in one line and exit status 1.

    Parameters
    ----------
    main : callable
        The stage's work. Any other exception is a defect of ours and keeps its traceback.
    """
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)  # as shells say it of a program that Ctrl-C ended
    except GalaxiesError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(
            f"error: {error.filename}: {error.strerror}" if error.filename else f"error: {error}"
        )
