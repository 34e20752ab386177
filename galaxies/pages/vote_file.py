"""The file of votes of the people who label: one line each, written at once."""

import csv
import datetime
import errno
import fcntl
import io
import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import numpy as np

from galaxies.errors import GalaxiesError
from galaxies.questions.campaign import Question
from galaxies.questions.registry import ASKED
from galaxies.volunteers.export import Votes

HEADER: Final = ("person", "galaxy_id", "answer", "time")
"""Columns of the file. An answer has the name of its column, such as `Class1.1`."""

UNDO: Final = "undo"
"""In place of an answer: undoes the last answer of this person."""


def next_question(given: Sequence[str], questions: Literal["first", "all"]) -> Question | None:
    """Find the next question about a galaxy.

    Parameters
    ----------
    given : sequence of str
        Columns of the answers so far, in the order of asking.
    questions : {"first", "all"}
        Whether to ask only the first question, or all down the tree.

    Returns
    -------
    Question or None
        `None` if there are no more questions.

    Examples
    --------
    >>> next_question([], "first").name
    'smooth'
    >>> next_question(["Class1.1"], "first") is None
    True
    >>> next_question(["Class1.1"], "all").name
    'roundness'
    """
    if not given:
        return ASKED.first
    leads_to = ASKED.answers[ASKED.columns.index(given[-1])].leads_to
    return ASKED.question(leads_to) if questions == "all" and leads_to is not None else None


class VoteFile:
    """A CSV of votes that only grows; several people can share it.

    Parameters
    ----------
    path : Path
        The file; it is created with the first vote.

    Attributes
    ----------
    given : dict
        Columns of the answers for each person and galaxy, in the order of asking.

    Raises
    ------
    GalaxiesError
        If the file is not such a table, or if a line is damaged.

    Examples
    --------
    >>> from pathlib import Path
    >>> votes = VoteFile(Path("data/mine.votes.csv"))
    >>> votes.add("anna", "100008", "Class1.1")
    >>> votes.add("bert", "100008", "Class1.2")
    >>> counted = votes.count()
    >>> counted.people, counted.counts[0, :3].tolist()
    (2, [1, 1, 0])
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.given: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        self._order: dict[str, list[str]] = defaultdict(list)
        """Galaxies of each person's answers; the last one is at the end."""
        self._lines = 0
        self._end = 0
        """Lines and bytes of the file that were read or written."""
        if path.is_file():
            self._read(path.read_bytes())

    def _read(self, new: bytes) -> None:
        """Take what is new in the file: all, or what others have written meanwhile."""
        try:
            data = new.decode()
        except UnicodeDecodeError as error:
            place = self._end + error.start
            raise GalaxiesError(f"{self.path}: not UTF-8 text at byte {place}") from error
        # Not splitlines, which also splits at characters that a galaxy name can have.
        *whole_lines, last = data.split("\n")
        lines = [f"{line}\n" for line in whole_lines] + ([last] if last else [])
        before = self._lines
        for line, row in enumerate(csv.reader(lines), before + 1):
            if line == 1 and tuple(row) != HEADER:
                raise GalaxiesError(
                    f"{self.path}: not a file of votes, which begins with {','.join(HEADER)}; "
                    "give another --output"
                )
            whole = len(row) == len(HEADER) and lines[line - before - 1].endswith("\n")
            if not whole or not (line == 1 or row[2] == UNDO or row[2] in ASKED.columns):
                raise GalaxiesError(f"{self.path}: line {line}: cut off or damaged; delete it")
            if line > 1:
                self._take(*row[:3])
        self._lines, self._end = before + len(lines), self._end + len(new)

    def _take(self, person: str, galaxy_id: str, answer: str) -> None:
        given = self.given[person][galaxy_id]
        if answer == UNDO:
            if given:
                given.pop()
                order = self._order[person]
                del order[len(order) - 1 - order[::-1].index(galaxy_id)]
            return
        # A person's first answer to a question counts, as in an export of Zooniverse.
        question = next_question(given, "all")
        if question is not None and answer in question.columns:
            given.append(answer)
            self._order[person].append(galaxy_id)

    def add(self, person: str, galaxy_id: str, answer: str) -> None:
        """Write an answer, or `UNDO`, to disk.

        Parameters
        ----------
        person : str
            Name of the person.
        galaxy_id : str
            ID of the galaxy.
        answer : str
            Column of the answer, such as `Class1.1`.

        Raises
        ------
        GalaxiesError
            If the disk is full, or the last line of the file is cut off; then nothing is written.
        """
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        line = io.StringIO()
        writer = csv.writer(line, lineterminator="\n")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+b", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            end = file.seek(0, os.SEEK_END)
            if end < self._end:
                raise GalaxiesError(f"{self.path}: was changed meanwhile; start again")
            if end > self._end:
                # Another window, or somebody else. A line that is cut off is refused here: another
                # vote would be joined to it.
                file.seek(self._end)
                self._read(file.read())
            if end == 0:
                writer.writerow(HEADER)
            writer.writerow((person, galaxy_id, answer, now))
            data = line.getvalue().encode()
            try:
                if file.write(data) != len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(file.fileno())
            except OSError as error:
                # A part of a line would be joined to the next vote.
                os.ftruncate(file.fileno(), end)
                raise GalaxiesError(
                    f"{self.path}: {error.strerror}; this vote is not counted; free some space "
                    "and answer again"
                ) from error
        self._lines += data.count(b"\n")
        self._end += len(data)
        self._take(person, galaxy_id, answer)

    def last(self, person: str) -> str | None:
        """Return the galaxy of a person's last answer, or `None`."""
        order = self._order[person]
        return order[-1] if order else None

    def answered(self, person: str) -> int:
        """Count the galaxies with an answer of a person."""
        return sum(bool(given) for given in self.given[person].values())

    def count(self) -> Votes:
        """Count everybody's answers.

        Returns
        -------
        Votes
            Each person counts once per galaxy.
        """
        places = {column: place for place, column in enumerate(ASKED.columns)}
        counts: dict[str, Counter[int]] = {}
        people: Counter[str] = Counter()
        for galaxies in self.given.values():
            for galaxy_id, given in galaxies.items():
                if given:
                    counts.setdefault(galaxy_id, Counter()).update(
                        places[column] for column in given
                    )
                    people[galaxy_id] += 1
        table = np.zeros((len(counts), len(ASKED.answers)), np.int32)
        for row, votes in enumerate(counts.values()):
            table[row, list(votes)] = list(votes.values())
        return Votes(
            galaxies=list(counts),
            counts=table,
            volunteers=np.array([people[galaxy_id] for galaxy_id in counts], np.int32),
            people=sum(self.answered(person) > 0 for person in list(self.given)),
            repeated=0,
            left_out={},
            broken={},
            unmapped=Counter(),
        )
