"""Count the votes in Zooniverse's classification export."""

import csv
import json
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from galaxies.errors import GalaxiesError
from galaxies.questions.registry import ASKED
from galaxies.volunteers.answers import AnswerMap, plain_words
from galaxies.volunteers.manifest import GALAXY, Subject

NEEDED: Final = (
    "classification_id",
    "user_name",
    "user_id",
    "user_ip",
    "workflow_id",
    "workflow_version",
    "annotations",
    "subject_data",
    "subject_ids",
)
"""Columns that are needed."""

_PLACES: Final = {column: place for place, column in enumerate(ASKED.columns)}
_NOT_LOGGED_IN: Final = "not-logged-in-"
_ADDRESS: Final = "address "
_YES: Final = ("true", "t", "1", "yes")
_NO: Final = ("false", "f", "0", "no")
_LOST_BY_ZOONIVERSE: Final = "unknown answer label"
_LONGEST_LINE: Final = 1 << 24  # bytes; a file with longer lines is not a table
_SORTED_AT_ONCE: Final = 1 << 20  # classifications, about 50 MB
_SHOWN: Final = 60  # letters of a text from the export

OTHER_WORKFLOW: Final = "of another workflow"
OTHER_VERSION: Final = "of another version of the workflow"
OTHER_SUBJECT: Final = "of subjects in none of the folders"
OTHER_SET: Final = "of galaxies with the same ID in another subject set"
GOLD: Final = "of the project's team, to test volunteers (gold_standard)"
NOT_LIVE: Final = "from before the project was live"


class _BrokenError(Exception):
    """A row cannot be counted; the message says why."""


class _LeftOutError(Exception):
    """A row is valid but does not count."""


class Tally(NamedTuple):
    """Number of rows that are left out for one reason."""

    rows: int
    line: int
    """Line of the first."""


@dataclass
class Votes:
    """The votes in an export.

    Attributes
    ----------
    galaxies : list of str
        IDs of the galaxies with classifications.
    counts : ndarray of shape (N, 37), int32
        Number of votes for each answer, in the order of `galaxies.questions.registry.ASKED`.
    volunteers : ndarray of shape (N,), int32
        Number of volunteers who gave any answer.
    people : int
        Number of different volunteers.
    repeated : int
        Classifications left out because the same volunteer had classified the galaxy before.
    left_out : dict
        Reasons why valid rows do not count.
    broken : dict
        Reasons why rows could not be read.
    unmapped : Counter
        Number of answers to each task that is not in the map.
    """

    galaxies: list[str]
    counts: npt.NDArray[np.int32]
    volunteers: npt.NDArray[np.int32]
    people: int
    repeated: int
    left_out: dict[str, Tally]
    broken: dict[str, Tally]
    unmapped: Counter[str]


@dataclass
class _Rows:
    """Classifications, 29 bytes each, and notes about the rows."""

    galaxy: "array[int]" = field(default_factory=lambda: array("i"))
    person: "array[int]" = field(default_factory=lambda: array("i"))
    address: "array[int]" = field(default_factory=lambda: array("i"))
    """Hash of the IP address, -1 if there is none; with account or without."""
    with_account: "array[int]" = field(default_factory=lambda: array("b"))
    number: "array[int]" = field(default_factory=lambda: array("q"))
    answers: "array[int]" = field(default_factory=lambda: array("q"))
    """A bit for each column."""
    galaxies: dict[str, int] = field(default_factory=dict)
    people: dict[str, int] = field(default_factory=dict)
    addresses: dict[str, int] = field(default_factory=dict)
    subjects: dict[tuple[str, int], tuple[str, dict[str, object]]] = field(default_factory=dict)
    """Galaxies of the subjects so far, and the hidden columns, by subject and hash of its data,
    which are the same in nearly all its rows."""
    left_out: dict[str, Tally] = field(default_factory=dict)
    broken: dict[str, Tally] = field(default_factory=dict)
    unmapped: Counter[str] = field(default_factory=Counter)
    unknown: dict[str, Tally] = field(default_factory=dict)
    """Answers that are not in the map."""
    workflows: Counter[str] = field(default_factory=Counter)


def read_export(
    path: Path,
    maps: Sequence[AnswerMap],
    subjects: Mapping[str, Sequence[Subject]],
    answers: str,
) -> Votes:
    """Count the answers in an export of classifications.

    Only the first classification of a galaxy by each volunteer counts, in order of Zooniverse's
    numbers. Volunteers who were not logged in are distinguished by the hash of their IP address; if
    somebody with an account classified the galaxy from the same address, it is the same person.
    Classifications by the project's team to test volunteers do not count, nor those from before the
    project was live. Memory: 29 bytes for each classification, and a kilobyte for each galaxy.

    Parameters
    ----------
    path : Path
        Zooniverse's export, with a classification in each line.
    maps : sequence of AnswerMap
        Columns of the answers.
    subjects : dict of list of Subject
        The subjects that count, by the ID of their galaxy. Two surveys can have the same IDs: a
        subject counts if its hidden columns are those of the manifest.
    answers : str
        Name of the file with the maps, for errors.

    Returns
    -------
    Votes

    Raises
    ------
    GalaxiesError
        If the file is not such an export, if it has no row of the workflow and its galaxies, or if
        an answer is not in the maps.

    Examples
    --------
    >>> from pathlib import Path
    >>> from galaxies.volunteers.answers import read_answer_maps
    >>> from galaxies.volunteers.manifest import read_manifest
    >>> subjects = {subject.galaxy_id: [subject] for subject in read_manifest(Path("subjects"))}
    >>> maps = read_answer_maps(Path("answers.yaml"))
    >>> votes = read_export(Path("export.csv"), maps, subjects, "answers.yaml")
    >>> votes.counts.shape, bool((votes.volunteers >= 40).all()), votes.broken
    ((10, 37), True, {})
    """
    rows = _Rows()
    for line, cells in _lines(path, rows):
        try:
            _take(rows, cells, line, maps, subjects)
        except _BrokenError as error:
            _note(rows.broken, str(error), line)
        except _LeftOutError as error:
            _note(rows.left_out, str(error), line)
    _refuse(path, rows, maps, answers)
    return _count(rows)


def _note(tallies: dict[str, Tally], reason: str, line: int) -> None:
    before = tallies.get(reason)
    tallies[reason] = Tally(before.rows + 1, before.line) if before else Tally(1, line)


def _lines(path: Path, rows: _Rows) -> Iterator[tuple[int, dict[str, str]]]:
    """Iterate over the complete rows.

    JSON text has no line breaks, so each line is a row, and a missing quote damages no other row.
    """
    header: list[str] = []
    with (
        path.open("rb") as file,
        tqdm(
            total=path.stat().st_size, desc="count votes", unit="B", unit_scale=True, mininterval=1
        ) as bar,
    ):
        for line, data in enumerate(iter(partial(file.readline, _LONGEST_LINE), b""), 1):
            bar.update(len(data))
            if not data.strip():
                continue
            try:
                text = data.decode("utf-8-sig" if line == 1 else "utf-8")
                cells = next(csv.reader((text,), strict=True))
            except (UnicodeDecodeError, csv.Error) as error:
                if not header:
                    raise GalaxiesError(
                        f"{path}: line {line}: not a CSV table in UTF-8 ({error}); give "
                        "Zooniverse's classification export, unchanged"
                    ) from error
                what = "not UTF-8" if isinstance(error, UnicodeDecodeError) else "a broken line"
                _note(rows.broken, what, line)
                continue
            if not header:
                header = [name.strip() for name in cells]
                _check_header(path, header)
            elif len(cells) != len(header):
                _note(rows.broken, "with too few or too many fields", line)
            else:
                yield line, dict(zip(header, cells, strict=True))
    if not header:
        raise GalaxiesError(f"{path}: is empty; download the classification export again")


def _check_header(path: Path, header: list[str]) -> None:
    missing = [name for name in NEEDED if name not in header]
    if missing:
        raise GalaxiesError(
            f"{path}: no column {missing[0]!r}; give Zooniverse's classification export, "
            f"unchanged; found {', '.join(header[:8])[:200]!r}"
        )
    twice = [name for name in NEEDED if header.count(name) > 1]
    if twice:
        raise GalaxiesError(f"{path}: column {twice[0]!r} twice")


def _take(
    rows: _Rows,
    cells: dict[str, str],
    line: int,
    maps: Sequence[AnswerMap],
    subjects: Mapping[str, Sequence[Subject]],
) -> None:
    """Keep a classification."""
    workflow = cells["workflow_id"].strip()
    if not workflow.isdecimal():
        raise _BrokenError("without the number of a workflow")
    rows.workflows[workflow] += 1
    ours = [answer_map for answer_map in maps if answer_map.workflow in (None, workflow)]
    if not ours:
        raise _LeftOutError(OTHER_WORKFLOW)
    version = cells["workflow_version"].strip()
    meant = next((answer_map for answer_map in ours if answer_map.takes(version)), None)
    if meant is None:
        raise _LeftOutError(OTHER_VERSION)
    number = cells["classification_id"].strip()
    if not number.isdecimal() or int(number) >= 2**63:
        raise _BrokenError("without the number of a classification")
    galaxy, hidden = _galaxy(rows, cells)
    if galaxy not in subjects:
        raise _LeftOutError(OTHER_SUBJECT)
    if not any(subject.is_meant(hidden) for subject in subjects[galaxy]):
        raise _LeftOutError(OTHER_SET)
    if cells.get("gold_standard", "").strip().lower() in _YES:
        raise _LeftOutError(GOLD)
    if _is_before_launch(cells.get("metadata", "")):
        raise _LeftOutError(NOT_LIVE)
    person, address = _person(cells)
    bits = _answers(rows, _json(cells["annotations"], "annotations"), line, meant)
    rows.galaxy.append(rows.galaxies.setdefault(galaxy, len(rows.galaxies)))
    rows.person.append(rows.people.setdefault(person, len(rows.people)))
    place = rows.addresses.setdefault(address, len(rows.addresses)) if address else -1
    rows.address.append(place)
    rows.with_account.append(not person.startswith(_ADDRESS))
    rows.number.append(int(number))
    rows.answers.append(bits)


def _json(text: str, column: str) -> Any:  # noqa: ANN401 - whatever JSON can hold
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _BrokenError(f"whose {column} are not JSON") from error


def _is_before_launch(metadata: str) -> bool:
    """Whether a classification was a test of the project before volunteers saw it."""
    try:
        about = json.loads(metadata)
    except (ValueError, RecursionError):
        return False  # nothing that counts is in it
    return isinstance(about, dict) and str(about.get("live_project")).strip().lower() in _NO


def _galaxy(rows: _Rows, cells: dict[str, str]) -> tuple[str, dict[str, object]]:
    """Find the galaxy of a subject, and its hidden columns."""
    subject = cells["subject_ids"].strip()
    key = subject, hash(cells["subject_data"])
    if key in rows.subjects:
        return rows.subjects[key]
    data = _json(cells["subject_data"], "subject_data")
    if not isinstance(data, dict) or len(data) != 1:
        raise _BrokenError("with no subject, or several")
    ((name, about),) = data.items()
    galaxy = about.get(GALAXY) if isinstance(about, dict) else None
    if isinstance(galaxy, bool) or not isinstance(galaxy, str | int) or not str(galaxy).strip():
        raise _LeftOutError(f"of subjects without {GALAXY}")
    assert isinstance(about, dict)
    hidden = {key: value for key, value in about.items() if key.startswith("#")}
    if name == subject:
        rows.subjects[key] = str(galaxy), hidden
    return str(galaxy), hidden


def _person(cells: dict[str, str]) -> tuple[str, str]:
    """Identify a volunteer by account, or by the hash of the IP address; also return the hash."""
    account, name = cells["user_id"].strip(), cells["user_name"].strip()
    address = cells["user_ip"].strip()
    if account:
        return f"account {account}", address
    if name and not name.startswith(_NOT_LOGGED_IN):
        return f"name {name}", address
    address = address or name.removeprefix(_NOT_LOGGED_IN)
    if not address:
        raise _BrokenError("without a volunteer")
    return f"{_ADDRESS}{address}", address


def _answers(rows: _Rows, annotations: object, line: int, meant: AnswerMap) -> int:
    """Find the columns of a classification, one bit for each."""
    labels_of: dict[str, tuple[str, ...]] = {}
    for task, labels in _said(annotations):
        if task not in meant.tasks:
            rows.unmapped[task[:_SHOWN]] += 1
        elif labels_of.setdefault(task, labels) != labels:
            raise _BrokenError("that answer a task twice")
    bits = 0
    for task, labels in labels_of.items():
        for label in labels:
            if label == _LOST_BY_ZOONIVERSE:
                raise _BrokenError(f"with {_LOST_BY_ZOONIVERSE!r} from Zooniverse")
            if label not in meant.tasks[task]:
                _note(rows.unknown, f"{task}: {label[:_SHOWN]!r}", line)
            elif column := meant.tasks[task][label]:
                bits |= 1 << _PLACES[column]
    return bits


def _said(annotations: object, *, combined: bool = False) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Iterate over tasks and their answers."""
    if not isinstance(annotations, list):
        raise _BrokenError("whose annotations are not a list of tasks")
    for annotation in annotations:
        if not isinstance(annotation, dict) or not isinstance(annotation.get("task"), str):
            raise _BrokenError("whose annotations are not a list of tasks")
        value = annotation.get("value")
        several = value if isinstance(value, list) else [value]
        if any(isinstance(part, dict) and "task" in part for part in several):
            if combined:
                raise _BrokenError("whose annotations are not a list of tasks")
            yield from _said(several, combined=True)
            continue
        labels = []
        for part in several:
            if isinstance(part, dict):  # from a menu; a drawing has no label
                part = part.get("label") or part.get("tool_label") or "a drawing"
            if isinstance(part, list):
                raise _BrokenError("whose annotations are not a list of tasks")
            if part is not None:
                labels.append(plain_words(str(part)))
        yield annotation["task"], tuple(labels)


def _refuse(path: Path, rows: _Rows, maps: Sequence[AnswerMap], answers: str) -> None:
    """Raise an error if the export is ambiguous, or if nothing can be counted."""
    seen = ", ".join(f"{name} ({count:,} rows)" for name, count in rows.workflows.most_common(5))
    named = {answer_map.workflow for answer_map in maps}
    if None in named and len(rows.workflows) > 1:
        raise GalaxiesError(
            f"{path}: contains several workflows: {seen}; name one in {answers}, such as "
            f"`workflow: {rows.workflows.most_common(1)[0][0]}`"
        )
    if rows.unknown:
        first, tally = next(iter(rows.unknown.items()))
        more = f", and {len(rows.unknown) - 1} more answers" if len(rows.unknown) > 1 else ""
        raise GalaxiesError(
            f"{path}: line {tally.line}: {first} ({tally.rows:,} rows) is not in {answers}{more}; "
            "add it with its column, or with null to leave it out"
        )
    if not rows.galaxy:
        ours = ", ".join(sorted(name for name in named if name))
        reasons = [
            f"{tally.rows:,} {why} (first in line {tally.line})"
            for why, tally in (rows.left_out | rows.broken).items()
        ]
        raise GalaxiesError(
            f"{path}: no classification can be counted"
            + (f" of workflow {ours}; it contains {seen}" if ours and seen else "")
            + (f"; left out: {'; '.join(reasons[:5])}" if reasons else "")
            + f"; give the export, {answers} and the subjects of one project"
        )


def _count(rows: _Rows) -> Votes:
    galaxy = np.frombuffer(rows.galaxy, np.int32)
    person = np.frombuffer(rows.person, np.int32)
    number = np.frombuffer(rows.number, np.int64)
    answers = np.frombuffer(rows.answers, np.int64)
    address = np.frombuffer(rows.address, np.int32)
    account = np.frombuffer(rows.with_account, np.int8) != 0
    counts = np.zeros((len(rows.galaxies), len(ASKED.answers)), np.int32)
    volunteers = np.zeros(len(rows.galaxies), np.int32)
    counted = 0
    # A part of the galaxies at a time: sorting all rows would need twice their memory.
    step = max(1, len(rows.galaxies) * _SORTED_AT_ONCE // len(galaxy))
    for start in range(0, len(rows.galaxies), step):
        here = np.flatnonzero((galaxy >= start) & (galaxy < start + step))
        here = here[np.lexsort((number[here], person[here], galaxy[here]))]
        first = np.ones(len(here), bool)
        first[1:] = (np.diff(galaxy[here]) != 0) | (np.diff(person[here]) != 0)
        here = here[first]
        # The same person in two windows, of which only one was logged in.
        where = galaxy[here].astype(np.int64) << 32 | (address[here] + 1).astype(np.int64)
        logged_in = where[account[here] & (address[here] >= 0)]
        here = here[account[here] | ~np.isin(where, logged_in)]
        counted += len(here)
        bits = answers[here]
        np.add.at(volunteers, galaxy[here[bits != 0]], 1)
        for place in range(len(ASKED.answers)):
            np.add.at(counts[:, place], galaxy[here[(bits >> place) & 1 == 1]], 1)
    return Votes(
        galaxies=list(rows.galaxies),
        counts=counts,
        volunteers=volunteers,
        people=len(rows.people),
        repeated=len(galaxy) - counted,
        left_out=rows.left_out,
        broken=rows.broken,
        unmapped=rows.unmapped,
    )
