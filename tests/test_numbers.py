"""Figures in the docs are those of `metrics/` and `benchmarks/`, in tables and in prose.

A comment before a table, a paragraph or a list names the JSON files that its figures come from, or
a part of one: what lies under a key, or the records with some value. Every number with a decimal,
a percent sign or a unit must be the rounding of a value there. Numbers that were not measured, such
as targets and settings, are listed as given; where nothing was, the comment says why.

    <!-- numbers: metrics/cnn.json -->
    <!-- numbers: benchmarks/real.json#gz1/cnn, benchmarks/finetuning.json#means/survey=gz2 -->
    <!-- numbers: benchmarks/promises.json; given: 90%, 95% -->
    <!-- numbers: none: measured once, on another machine -->
"""

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.test_project import PAGES, text

NUMBER = re.compile(r"(?<![\w.,/#-])\u2212?\d(?:[\d,]*\d)?(?:\.\d+)?(?![\w.]*\d)")
UNIT = re.compile(
    r"(?:[\u2013 ](?:(?:to|and) )?\d[\d.,]*)? ?(?:(%)|(?:ms|s|MB|times|points|core-hours)(?!\w))"
)
"""What makes a number a measurement; before it may stand the other end of a range."""
NO_FIGURES = re.compile(
    r"`[^`]*`|\]\([^)]*\)|https?://\S+|3\.1\d(?:(?:,| to| or| and)+ 3\.1\d)*|(?<!\d)9[059]%"
)
"""Code, links, versions of Python, and the usual levels of targets and intervals."""
MARK = re.compile(r"<!-- numbers: (.+?) -->\n", re.S)
KEPT = {
    "CHANGELOG.md": "says what was true of each version",
    "benchmarks/search.md": "a log of what was tried, each by a program of its day",
    "docs/dependencies.md": "no measurements",
    "docs/glossary.md": "no measurements",
}
"""Pages without marks, and why."""


class Figure(NamedTuple):
    """A number on a page."""

    written: str
    value: float
    half: float
    """How far the true value may be away: half a unit of the last digit."""
    percent: bool


def figures(block: str) -> list[Figure]:
    """Find what a block of text states as measured."""
    block = NO_FIGURES.sub("", block)
    found = []
    for match in NUMBER.finditer(block):
        unit = UNIT.match(block, match.end())
        if "." not in match[0] and not unit:
            continue
        percent = bool(unit and unit[1])
        half = 0.5001 * 10.0 ** -len(match[0].partition(".")[2])
        value = float(match[0].replace(",", "").replace("\u2212", "-"))
        found.append(Figure(match[0] + "%" * percent, value, half, percent))
    return found


def blocks(page: str) -> Iterator[tuple[str, str | None]]:
    """Yield a page's tables and paragraphs with figures, and what the comment before each says."""
    prose = re.sub(r"^```.*?^```$", "", text(page), flags=re.M | re.S)
    for block in re.split(r"\n\s*\n", prose):
        mark = MARK.search(block + "\n")
        said = MARK.sub("", block + "\n")
        if not said.startswith("#") and figures(said):
            yield said.strip(), " ".join(mark[1].split()) if mark else None


def part(name: str) -> object:
    """Read a JSON file, or the part of it that a mark names."""
    file, _, way = name.partition("#")
    content = json.loads(text(file))
    for step in filter(None, way.split("/")):
        key, equals, wanted = step.partition("=")
        if equals:
            content = [record for record in content if str(record.get(key)) == wanted]
        else:
            content = content[key]
        assert content, f"{name}: nothing there"
    return content


def values(content: object) -> Iterator[float]:
    """Yield all numbers in what JSON holds."""
    if isinstance(content, dict):
        content = list(content.values())
    if isinstance(content, list):
        for one in content:
            yield from values(one)
    elif isinstance(content, int | float) and not isinstance(content, bool):
        yield float(content)


def unknown(block: str, mark: str) -> list[str]:
    """Find the figures of a block that no value rounds to and no list gives."""
    files, _, given = mark.partition("; given: ")
    known = [value for name in files.split(", ") for value in values(part(name))]
    listed = given.replace(",", " ").split() if given else []
    missing = []
    for one in figures(block):
        scales = (100,) if one.percent else (1, 1e-3, 1e-6, 1 / 60, 100)
        fits = any(
            abs(scale * value - one.value) <= one.half for scale in scales for value in known
        )
        if not fits and one.written.replace(",", "") not in listed:
            missing.append(one.written)
    return missing


CASES = [
    pytest.param(block, mark, id=f"{page}-{number}")
    for page in PAGES
    if page not in KEPT
    for number, (block, mark) in enumerate(blocks(page))
]


@pytest.mark.parametrize(("block", "mark"), CASES)
def test_every_figure_is_in_the_file_that_it_comes_from(block, mark):
    assert mark, f"say where the figures come from, by a comment before:\n{block}"
    if not mark.startswith("none: "):
        assert unknown(block, mark) == []


def test_a_figure_that_has_changed_is_found():
    assert len(CASES) > 60
    measured = [case.values for case in CASES if not str(case.values[1]).startswith("none")]
    block, mark = next((block, mark) for block, mark in measured if "0." in str(block))
    changed = re.sub(r"0\.\d", "7.7", block)
    assert unknown(changed, mark)


def test_figures_are_those_with_a_decimal_or_a_unit():
    said = "In 2019, 14% of 200, 93 to 98% and 2.1 to 3 times; `0.5`; [3.5](x-0.1.md), 1,234.5 MB."
    assert [one.written for one in figures(said)] == [
        "14%",
        "93%",
        "98%",
        "2.1",
        "3",
        "3.5",
        "1,234.5",
    ]
