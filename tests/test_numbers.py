"""Figures in tables of the docs are those of `metrics/` and `benchmarks/`.

A comment before a table names the JSON files that its figures come from: every number with a
decimal in the table must be the rounding of a value there. Where there is no file, the comment
says why.

    <!-- numbers: metrics/cnn.json -->
    <!-- numbers: none: measured once, on another machine -->
"""

import json
import re
from collections.abc import Iterator

import pytest

from tests.conftest import ROOT
from tests.test_project import PAGES, text

NUMBER = re.compile(r"(?<![\w.,-])[\u2212-]?\d[\d,]*\.\d+( ?%)?")
MARK = re.compile(r"<!-- numbers: (.+?) -->")
KEPT = {
    "benchmarks/search.md": "a log of what was tried, each by a program of its day",
    "docs/dependencies.md": "no measurements",
    "docs/glossary.md": "no measurements",
}
"""Pages without marks, and why."""


def tables(page: str) -> Iterator[tuple[str, str | None]]:
    """Yield a page's tables that hold numbers, and what the comment before each says."""
    mark = None
    block: list[str] = []
    for line in [*re.sub(r"^```.*?^```$", "", text(page), flags=re.M | re.S).splitlines(), ""]:
        if line.startswith("|"):
            block.append(line)
            continue
        if block:
            if NUMBER.search("\n".join(block)):
                yield "\n".join(block), mark
            block, mark = [], None
        if found := MARK.fullmatch(line):
            mark = found[1]
        elif line and not line.startswith("<!--"):
            mark = None


def values(content: object) -> Iterator[float]:
    """Yield all numbers in a JSON file."""
    if isinstance(content, dict):
        content = list(content.values())
    if isinstance(content, list):
        for one in content:
            yield from values(one)
    elif isinstance(content, int | float) and not isinstance(content, bool):
        yield float(content)


def unknown(table: str, files: list[str]) -> list[str]:
    """Find the numbers of a table that no value rounds to."""
    known = [value for name in files for value in values(json.loads(text(name)))]
    missing = []
    for found in NUMBER.finditer(table):
        number = found[0].rstrip("% ").replace(",", "").replace("\u2212", "-")
        decimals = len(number.partition(".")[2])
        wanted, half = float(number), 0.5001 * 10.0**-decimals
        scales = (100,) if found[1] else (1, 1e-3, 1e-6, 1 / 60, 100)
        if not any(abs(scale * value - wanted) <= half for scale in scales for value in known):
            missing.append(found[0])
    return missing


CASES = [
    pytest.param(table, mark, id=f"{page}-{number}")
    for page in PAGES
    if page not in KEPT
    for number, (table, mark) in enumerate(tables(page))
]


@pytest.mark.parametrize(("table", "mark"), CASES)
def test_every_figure_of_a_table_is_in_the_file_that_it_comes_from(table, mark):
    assert mark, f"say where the figures come from, by a comment before the table:\n{table}"
    if mark.startswith("none: "):
        return
    files = mark.split(", ")
    assert all((ROOT / name).is_file() for name in files)
    assert unknown(table, files) == []


def test_a_figure_that_has_changed_is_found():
    assert len(CASES) > 20
    table, mark = next(case.values for case in CASES if not str(case.values[1]).startswith("none"))
    changed = re.sub(r"0\.\d", "7.7", table)
    assert unknown(changed, mark.split(", "))
