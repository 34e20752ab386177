"""Label galaxies: which one comes next, undo, and the survey at the end."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from galaxies.classifying.inputs.chunks import Item
from galaxies.classifying.inputs.opening import open_inputs
from galaxies.classifying.job import SHARD
from galaxies.errors import GalaxiesError
from galaxies.images.decode import UnreadableImageError
from galaxies.pages.vote_file import UNDO, VoteFile, next_question
from galaxies.questions.campaign import Question
from galaxies.questions.registry import ASKED
from galaxies.surveys.writing import SURVEY_FILES, free_folder
from galaxies.volunteers.subjects import as_jpeg, items_of
from galaxies.volunteers.survey import Counted, write_survey


def vote_file(output: Path) -> Path:
    """Return the file of votes for a survey, such as `data/mine.votes.csv`."""
    return output.with_name(f"{output.name}.votes.csv")


class Labelling:
    """A person who labels one galaxy after another.

    Parameters
    ----------
    inputs : sequence of str
        Images, as in `galaxies.classifying.inputs.opening.open_inputs`.
    output : Path
        The survey to make at the end; the votes are written beside it at once.
    person : str
        Name of the person.
    questions : {"first", "all"}
        Whether to ask only the first question, or all down the tree.

    Attributes
    ----------
    galaxy_id : str or None
        ID of the current galaxy; `None` if none is left.
    jpeg : bytes
        Its image.
    question : Question or None
        The current question.
    turn : int
        Increases with each change of these.
    left_out : dict
        Reasons why galaxies could not be shown.

    Raises
    ------
    GalaxiesError
        If the images or the votes cannot be read, or if there is a survey from other votes.

    Examples
    --------
    >>> from pathlib import Path
    >>> labelling = Labelling(["cutouts/"], Path("data/mine"), "anna")
    >>> labelling.total, labelling.question.name
    (6, 'smooth')
    >>> first = labelling.galaxy_id
    >>> labelling.answer(0)
    >>> labelling.galaxy_id != first, labelling.votes.answered("anna")
    (True, 1)
    """

    def __init__(
        self,
        inputs: Sequence[str],
        output: Path,
        person: str,
        questions: Literal["first", "all"] = "first",
    ) -> None:
        self.person = person.strip()
        if not self.person or not self.person.isprintable():
            raise GalaxiesError("--person: give a name, such as your own")
        self._questions = questions
        self._inputs = open_inputs(inputs)
        _refuse_another_survey(output)
        self.votes = VoteFile(vote_file(output))
        counts = [source.count for source in self._inputs]
        self.total = None if None in counts else sum(filter(None, counts))
        self.left_out: dict[str, str] = {}
        self.galaxy_id: str | None = None
        self.jpeg = b""
        self.question: Question | None = None
        self.turn = 0
        self._seen: dict[str, Item] = {}
        self._waiting: list[Item] = []
        """Galaxies that were interrupted by undo."""
        self._rest = self._all_items()
        self._go_on()

    def _all_items(self) -> Iterator[Item]:
        for source in self._inputs:
            for chunk in source.chunks(SHARD):
                yield from chunk.items()

    def _asked(self, galaxy_id: str) -> Question | None:
        given = self.votes.given[self.person].get(galaxy_id, [])
        return next_question(given, self._questions)

    def _go_on(self) -> None:
        """Ask the next question about the galaxy, or take the next galaxy."""
        self.turn += 1
        while self.galaxy_id is None or (question := self._asked(self.galaxy_id)) is None:
            if self._waiting:
                self._show(self._waiting.pop())
            elif (item := next(self._rest, None)) is None:
                self.galaxy_id, self.jpeg, self.question = None, b"", None
                return
            elif item.galaxy_id in self._seen:
                self.left_out[item.galaxy_id] = "names two images; only the first was shown"
            elif self._asked(item.galaxy_id) is not None:
                self._show(item)
        self.question = question

    def _show(self, item: Item) -> None:
        try:
            self.jpeg = as_jpeg(item.load())
        except UnreadableImageError as error:
            self.left_out[item.galaxy_id] = str(error)
        else:
            self.galaxy_id = item.galaxy_id
            self._seen[item.galaxy_id] = item

    def answer(self, place: int) -> None:
        """Answer the question, and continue.

        Parameters
        ----------
        place : int
            Place of the answer, from 0; ignored if there is no such answer.
        """
        if self.galaxy_id is None or self.question is None:
            return
        if 0 <= place < len(self.question.columns):
            self.votes.add(self.person, self.galaxy_id, self.question.columns[place])
            self._go_on()

    def undo(self) -> None:
        """Undo the last answer, also from an earlier session, and ask again.

        Raises
        ------
        GalaxiesError
            If this galaxy is not among the images.
        """
        galaxy_id = self.votes.last(self.person)
        if galaxy_id is None:
            return
        item = self._seen.get(galaxy_id) or next(items_of(self._inputs, {galaxy_id}), None)
        if item is None:
            raise GalaxiesError(f"the last galaxy, {galaxy_id!r}, is not among the images")
        self.votes.add(self.person, galaxy_id, UNDO)
        if galaxy_id != self.galaxy_id:
            if self.galaxy_id is not None:
                self._waiting.append(self._seen[self.galaxy_id])
            self._show(item)
        self._go_on()


def _refuse_another_survey(output: Path) -> None:
    """Raise an error if there is a survey that was not made from the votes beside it."""
    votes = vote_file(output)
    if not votes.is_file() and output.is_dir() and any(output.iterdir()):
        raise GalaxiesError(
            f"{output}: exists, but not the file of votes that it was made from ({votes.name}); "
            "give another --output"
        )
    free_folder(output, overwrite=True, own=SURVEY_FILES)


def finish(inputs: Sequence[str], output: Path) -> Counted:
    """Make a survey from all votes so far; more votes can follow.

    Parameters
    ----------
    inputs : sequence of str
        The labelled images, as in `galaxies.classifying.inputs.opening.open_inputs`.
    output : Path
        The survey to make; a survey from earlier votes is replaced.

    Returns
    -------
    Counted

    Raises
    ------
    GalaxiesError
        If there are no votes, or if an image is missing.

    Examples
    --------
    >>> from pathlib import Path
    >>> labelling = Labelling(["cutouts/"], Path("data/mine"), "anna")
    >>> for _ in range(3):
    ...     labelling.answer(1)
    >>> made = finish(["cutouts/"], Path("data/mine"))
    >>> made.galaxies, made.classifications
    (3, 3)
    """
    path = vote_file(output)
    if not path.is_file():
        raise GalaxiesError(f"{path}: no such file; label some galaxies first")
    _refuse_another_survey(output)
    votes = VoteFile(path).count()
    items: dict[str, Item] = {}
    for item in items_of(open_inputs(inputs), set(votes.galaxies)):
        items.setdefault(item.galaxy_id, item)
    gone = [galaxy_id for galaxy_id in votes.galaxies if galaxy_id not in items]
    if gone:
        raise GalaxiesError(
            f"{path}: no image of {len(gone):,} of the {len(votes.galaxies):,} galaxies, such as "
            f"{gone[0]!r}; give all images that were labelled"
        )

    def jpeg(galaxy_id: str) -> bytes:
        try:
            return as_jpeg(items[galaxy_id].load())
        except UnreadableImageError as error:
            raise GalaxiesError(f"the image of galaxy {galaxy_id!r} {error}") from error

    given = votes.counts.sum(axis=0)
    asked = [question.number for question in ASKED.questions if np.any(given[question.places])]
    made = write_survey(output.resolve(), votes, asked, jpeg)
    if made is None:
        raise GalaxiesError(f"{path}: all votes were undone; label some galaxies first")
    return made
