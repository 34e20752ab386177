"""Errors that users can fix, and how a stage reports them."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec


class GalaxiesError(Exception):
    """An error that the user can fix: one line that names the file, row or key."""


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Import a package that is not in every installation.

    Parameters
    ----------
    extra : str
        The extra in `pyproject.toml` that installs it.

    Raises
    ------
    GalaxiesError
        If the package is missing.

    Examples
    --------
    >>> with needs("ray"):
    ...     import a_package_that_is_missing
    Traceback (most recent call last):
    ...
    galaxies.errors.GalaxiesError: a_package_that_is_missing is missing; in a clone of the ...
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise _missing(extra, error.name or str(error)) from error


def require(extra: str, *packages: str) -> None:
    """Refuse work whose end needs a package that is missing, before it starts.

    Parameters
    ----------
    extra : str
        The extra in `pyproject.toml` that installs them.
    *packages : str
        Packages that are imported later. They are looked for, not imported.

    Raises
    ------
    GalaxiesError
        If a package is missing.

    Examples
    --------
    >>> require("pipeline", "sklearn", "a_package_that_is_missing")
    Traceback (most recent call last):
    ...
    galaxies.errors.GalaxiesError: a_package_that_is_missing is missing; in a clone of the ...
    """
    for package in packages:
        try:
            there = find_spec(package) is not None
        except ModuleNotFoundError:
            there = False
        if not there:
            raise _missing(extra, package)


def _missing(extra: str, module: str) -> GalaxiesError:
    package = module.partition(".")[0]
    return GalaxiesError(
        f"{package} is missing; in a clone of the repository, pip install '.[{extra}]'"
    )


def run_stage(main: Callable[[], None]) -> None:
    """Run a stage; errors that users can fix end in one line and exit status 1.

    Parameters
    ----------
    main : callable
        The work of the stage. Any other exception is a bug, and keeps its traceback.

    Examples
    --------
    >>> def main():
    ...     raise GalaxiesError("params.yaml: survey: missing; add it")
    >>> run_stage(main)
    Traceback (most recent call last):
    SystemExit: error: params.yaml: survey: missing; add it
    """
    # So that temporary files are removed when the terminal closes or a scheduler ends the job.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # `nohup` ignores SIGHUP
            signal.signal(number, _end)
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)  # what shells report after Ctrl-C
    except SystemExit as error:
        # typer ends with 1 if nobody reads on (`galaxies check | head`); the work is done then.
        if not isinstance(error.__context__, BrokenPipeError):
            raise
        _forget_output()
    except BrokenPipeError:
        _forget_output()
    except GalaxiesError as error:
        _end_with(str(error))
    except OSError as error:
        _end_with(f"{error.filename}: {error.strerror}" if error.filename else str(error))


def _end_with(error: str) -> None:
    """End with a line on the standard error, whose first word is red on a terminal."""
    red = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    word = "\x1b[31merror:\x1b[0m" if red else "error:"
    sys.exit(f"{word} {error}")


def _end(number: int, _frame: object) -> None:
    sys.exit(128 + number)  # what shells report after a signal


def _forget_output() -> None:
    """Write no more to a pipe that is closed, not even at the end of the process."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
