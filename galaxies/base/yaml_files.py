"""YAML files that people write: what is wrong with them, in one line."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml

from galaxies.errors import GalaxiesError


@contextmanager
def reading_yaml(path: Path) -> Iterator[None]:
    """Name the file in the errors of reading it, and what is wrong.

    Parameters
    ----------
    path : Path
        The file that is read inside the `with` statement.

    Raises
    ------
    GalaxiesError
        If the file cannot be read, or is not YAML in UTF-8.

    Examples
    --------
    >>> from pathlib import Path
    >>> import yaml
    >>> with reading_yaml(Path("params.yaml")):
    ...     yaml.safe_load("survey: 2020-13-45")
    Traceback (most recent call last):
    ...
    galaxies.errors.GalaxiesError: params.yaml: not YAML: month must be in 1..12...
    """
    try:
        yield
    except OSError as error:
        raise GalaxiesError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise GalaxiesError(f"{path}: not UTF-8 text at byte {error.start}") from error
    except GalaxiesError as error:
        raise GalaxiesError(f"{path}: {error}") from error
    # PyYAML raises the others if a value does not fit its tag, such as 2020-13-45.
    except (
        yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, RecursionError
    ) as error:  # fmt: skip
        raise GalaxiesError(f"{path}: not YAML: {' '.join(str(error).split())}") from error


def refuse_second(keys: Sequence[object], block: yaml.MappingNode) -> None:
    """Refuse a key that occurs twice in a block; PyYAML would silently keep the last.

    Raises
    ------
    GalaxiesError
        With the key and the line where the block starts.
    """
    for key in keys:
        if keys.count(key) > 1:
            line = block.start_mark.line + 1
            raise GalaxiesError(f"{key}: occurs twice in the block that starts at line {line}")
