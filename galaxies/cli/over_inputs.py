"""What every command does before it writes: an output never replaces or joins an input."""

import glob
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from typer.core import TyperCommand

from galaxies.errors import GalaxiesError

if TYPE_CHECKING:
    from typer._click import Context

_OUTPUT: Final = "output"
_INPUTS: Final = ("inputs", "images", "table")
"""Parameters that are paths or addresses, and so text."""

_BESIDE: Final = {"cutouts": lambda output: output.with_suffix(".parquet"),
                  "label": lambda output: output.with_name(f"{output.name}.votes.csv")}  # fmt: skip
"""What commands write beside their output."""


class Command(TyperCommand):
    """A command that refuses an output over one of its inputs."""

    def invoke(self, ctx: "Context") -> Any:  # noqa: ANN401 - as in typer
        """Check the paths on the command line, and run the command."""
        output = ctx.params.get(_OUTPUT)
        if output is not None:
            given = {name: value for name, value in ctx.params.items() if name != _OUTPUT}
            outputs = [Path(output)]
            if self.name in _BESIDE:
                outputs.append(_BESIDE[self.name](outputs[0]))
            for path in outputs:
                refuse_over_inputs(path, _paths(given))
        return super().invoke(ctx)


def _paths(given: Mapping[str, object]) -> Iterator[Path]:
    """Iterate over the files and folders that are named on the command line."""
    for name, value in given.items():
        for given_path in value if isinstance(value, list | tuple) else [value]:
            if isinstance(given_path, Path):
                yield given_path
            elif name in _INPUTS and given_path:
                text = str(given_path)
                yield Path(text)
                if glob.has_magic(text):
                    for match in glob.iglob(text, recursive=True):  # noqa: PTH207
                        yield Path(match)


def refuse_over_inputs(output: Path, inputs: Iterable[Path]) -> None:
    """Refuse an output that is an input, or would be read as one, or lose one.

    Parameters
    ----------
    output : Path
        The file or folder to make.
    inputs : iterable of Path
        Files and folders that are read; those that do not exist are ignored.

    Raises
    ------
    GalaxiesError
        If the output is an input or the folder of one, or if it lies inside an input and is more
        than a table beside its images.

    Examples
    --------
    >>> from pathlib import Path
    >>> refuse_over_inputs(Path("cutouts/classes.csv"), [Path("cutouts")])
    >>> refuse_over_inputs(Path("cutouts/all.png"), [Path("cutouts")])
    Traceback (most recent call last):
    galaxies.errors.GalaxiesError: cutouts/all.png: lies inside the input cutouts and would be ...
    """
    own = output.resolve()
    for path in inputs:
        try:
            if not path.exists():
                continue
            other = path.resolve()
        except OSError:  # a name that no file can have
            continue
        if own == other or (own.exists() and own.samefile(other)):
            raise GalaxiesError(f"{output}: is also an input; give another output")
        if own == other.parent and other.is_file():
            raise GalaxiesError(
                f"{output}: is the folder of the input {path}, which could be lost; give another "
                "output"
            )
        if other in own.parents and other.is_dir() and _is_read_again(own, other):
            raise GalaxiesError(
                f"{output}: lies inside the input {path} and would be read as a part of it; give "
                "another output"
            )


def _is_read_again(output: Path, folder: Path) -> bool:
    """Whether a new file or folder would be read with the others of a folder."""
    from galaxies.bundle.pretrained import DESCRIPTION
    from galaxies.classifying.inputs.chunks import is_image
    from galaxies.classifying.inputs.files import images_below
    from galaxies.dataset.layout import VOTES
    from galaxies.tables.writing import TABLE_SUFFIXES
    from galaxies.volunteers.manifest import MANIFEST

    if any((folder / name).is_file() for name in (DESCRIPTION, VOTES, MANIFEST)):
        return True
    if not output.name.lower().endswith(TABLE_SUFFIXES) or is_image(output.name):
        return True
    # A folder without images is its Parquet tables.
    return output.suffix.lower() == ".parquet" and next(images_below(str(folder)), None) is None
