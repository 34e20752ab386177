"""Lines and tables: in colour on a terminal, plain into files and pipes."""

import sys
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

say = typer.echo


def warn(line: str) -> None:
    """Print a line beside the result, on the standard error; yellow on a terminal."""
    if sys.stderr.isatty():
        from rich.console import Console

        Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(
            line, style="yellow"
        )
    else:
        typer.echo(line, err=True)


def table(rows: "Sequence[Sequence[object]]", headings: "Sequence[str]" = ()) -> None:
    """Print rows of cells: a drawn table on a terminal, else aligned columns."""
    cells = [[str(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        drawn = Table(*headings, show_header=bool(headings))
        for row in cells:
            drawn.add_row(*map(Text, row))
        Console(highlight=False).print(drawn)
        return
    if headings:
        cells = [list(headings), *cells]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        line = "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        say(f"  {line}".rstrip())
