"""A campaign of Galaxy Zoo as a value: its questions, their tree, and what a vote fraction means.

The questions of a campaign form a tree: the next question depends on the last answer. Everywhere in
this library the vote fraction of an answer is its fraction among those who reached the question,
times the fraction of all volunteers who reached it, as in the table of Kaggle's challenge. The
answers to a question therefore sum to the answer that leads to it. A question such as "anything
odd?", which ends every path through the tree, is treated as asked of everybody (Willett et al.
2013, MNRAS 435, 2835, table 2; Dieleman, Willett & Dambre 2015, MNRAS 450, 1441, section 3).
"""

from dataclasses import dataclass, replace
from functools import cached_property
from graphlib import TopologicalSorter
from typing import Final

import numpy as np
import numpy.typing as npt

CLASSES: Final = ("elliptical", "spiral")
"""The classes in order: a label of 0 is the first, 1 the second."""

VOTED: Final = (*CLASSES, "artifact")
"""The class for each answer to the first question of a campaign."""

Shares = npt.NDArray[np.float64]
"""Array (..., answers): a vote fraction for each answer of a campaign, in its order."""


@dataclass(frozen=True)
class Answer:
    """One answer to a question."""

    column: str
    """Column in a survey's table of votes, such as `Class3.1`."""
    name: str
    """Column in our tables, such as `bar_yes`."""
    words: str
    leads_to: str | None
    """Name of the next question; `None` if there is none."""


@dataclass(frozen=True)
class Question:
    """One question of a campaign."""

    name: str
    """A short name for tables and files."""
    words: str
    asked_after: str | None
    """Name of the answer that leads to the question; `None` if everybody is asked."""
    answers: tuple[Answer, ...]
    number: int = 0
    """From 1, in the order of the campaign."""
    start: int = 0
    """Place of its first answer among those of the campaign."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the answers in a survey's table of votes."""
        return tuple(answer.column for answer in self.answers)

    @property
    def names(self) -> tuple[str, ...]:
        """Columns of the answers in our tables."""
        return tuple(answer.name for answer in self.answers)

    @property
    def places(self) -> slice:
        """Places of the answers among those of the campaign."""
        return slice(self.start, self.start + len(self.answers))


@dataclass(frozen=True)
class Campaign:
    """One campaign: what its volunteers were asked, and how their votes became fractions.

    The first question defines the classes: its first answer means elliptical, the second spiral,
    the third artifact.

    Examples
    --------
    >>> from galaxies.questions.registry import campaign_named
    >>> campaign = campaign_named("kaggle")
    >>> len(campaign.questions), len(campaign.answers), campaign.question("bar").names
    (11, 37, ('bar_yes', 'bar_no'))
    """

    name: str
    """Name in `survey.yaml`, options and tables."""
    title: str
    votes: str
    """How votes became fractions, in words: raw, weighted, debiased."""
    reference: str
    """The paper or page that describes it."""
    questions: tuple[Question, ...]
    within: bool = False
    """Whether a survey's table has the fractions among those who were asked; otherwise they are
    fractions of all volunteers."""

    @property
    def first(self) -> Question:
        """The question that defines the classes."""
        return self.questions[0]

    @cached_property
    def answers(self) -> tuple[Answer, ...]:
        """All answers in order."""
        return tuple(answer for question in self.questions for answer in question.answers)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Columns of all answers in a survey's table of votes."""
        return tuple(answer.column for answer in self.answers)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Columns of all answers in our tables."""
        return tuple(answer.name for answer in self.answers)

    def question(self, name: str) -> Question:
        """Look up a question by its name; `KeyError` if there is none."""
        for question in self.questions:
            if question.name == name:
                return question
        raise KeyError(name)

    def place(self, name: str) -> int:
        """Find the place of an answer by its name."""
        return self.names.index(name)

    def has_tree_of(self, other: "Campaign") -> bool:
        """Tell whether both campaigns ask the same questions."""
        return self.questions == other.questions

    @cached_property
    def in_order_of_asking(self) -> tuple[Question, ...]:
        """The questions, each after all answers that lead to it.

        Examples
        --------
        >>> from galaxies.questions.registry import campaign_named
        >>> [question.name for question in campaign_named("gz2").in_order_of_asking][:5]
        ['smooth', 'edge_on', 'roundness', 'bar', 'edge_on_bulge']
        """
        leads_here: dict[str, set[str]] = {question.name: set() for question in self.questions}
        for question in self.questions:
            for answer in question.answers:
                if answer.leads_to is not None:
                    leads_here[answer.leads_to].add(question.name)
        return tuple(map(self.question, TopologicalSorter(leads_here).static_order()))

    @cached_property
    def answers_behind(self) -> npt.NDArray[np.bool_]:
        """The earlier answers of everybody who gave an answer.

        Returns
        -------
        ndarray of shape (answers, answers), bool
            True where everybody who gave the answer of the row has given that of the column; the
            diagonal is true. The logarithms of the fractions within the questions, times the
            transpose, are the logarithms of the vote fractions.

        Examples
        --------
        >>> from galaxies.questions.registry import campaign_named
        >>> gz2 = campaign_named("gz2")
        >>> bar = gz2.answers_behind[gz2.place("bar_yes")]
        >>> [name for name, given in zip(gz2.names, bar) if given]
        ['features_or_disk', 'edge_on_no', 'bar_yes']
        """
        behind = np.eye(len(self.answers), dtype=bool)
        for question in self.in_order_of_asking:
            if question.asked_after is not None:
                behind[question.places] |= behind[self.place(question.asked_after)]
        behind.setflags(write=False)
        return behind

    def shares_asked(self, shares: Shares) -> npt.NDArray[np.float64]:
        """Compute the fraction of all volunteers who reached each question.

        Parameters
        ----------
        shares : ndarray of shape (..., answers), float
            Vote fractions.

        Returns
        -------
        ndarray of shape (..., questions), float64
            1 for the questions that everybody is asked.

        Examples
        --------
        >>> import numpy as np
        >>> from galaxies.questions.registry import campaign_named
        >>> shares = np.zeros(37)
        >>> shares[:3] = [0.7, 0.2, 0.1]
        >>> campaign_named("gz2").shares_asked(shares)[[0, 1, 6]].tolist()
        [1.0, 0.2, 0.7]
        """
        asked = [
            np.ones(shares.shape[:-1])
            if question.asked_after is None
            else shares[..., self.place(question.asked_after)]
            for question in self.questions
        ]
        return np.stack(asked, axis=-1).astype(np.float64)

    def down_the_tree(self, within: Shares) -> Shares:
        """Turn fractions within the questions into fractions of all volunteers.

        Parameters
        ----------
        within : ndarray of shape (..., answers), float
            Fractions among those who reached the question; those of one question sum to 1. NaN
            where nobody reached it.

        Returns
        -------
        ndarray of shape (..., answers), float64
            0 where nobody reached the question. NaN for a question that everybody should be asked
            and nobody was, and for the questions that follow from it.

        Examples
        --------
        >>> import numpy as np
        >>> from galaxies.questions.registry import campaign_named
        >>> within = np.full(37, np.nan)
        >>> within[:5] = [0.5, 0.5, 0.0, 0.2, 0.8]
        >>> campaign_named("gz2").down_the_tree(within)[:5].tolist()
        [0.5, 0.5, 0.0, 0.1, 0.4]
        """
        shares = np.array(within, dtype=np.float64)
        for question in self.in_order_of_asking:
            if question.asked_after is not None:
                came = shares[..., self.place(question.asked_after), None]
                shares[..., question.places] = np.where(
                    came == 0, 0.0, came * shares[..., question.places]
                )
        return shares

    def within_questions(self, shares: Shares) -> Shares:
        """Turn fractions of all volunteers into fractions among those who reached the question.

        Parameters
        ----------
        shares : ndarray of shape (..., answers), float
            Vote fractions.

        Returns
        -------
        ndarray of shape (..., answers), float64
            NaN where nobody reached the question.

        Examples
        --------
        >>> import numpy as np
        >>> from galaxies.questions.registry import campaign_named
        >>> shares = np.zeros(37)
        >>> shares[:5] = [0.5, 0.5, 0.0, 0.125, 0.375]
        >>> campaign_named("gz2").within_questions(shares)[3:5].tolist()
        [0.25, 0.75]
        """
        within = np.full(shares.shape, np.nan)
        for question in self.questions:
            answers = shares[..., question.places].astype(np.float64)
            total = answers.sum(axis=-1, keepdims=True)
            np.divide(answers, total, out=within[..., question.places], where=total > 0)
        return within

    def tree_errors(self, shares: Shares) -> npt.NDArray[np.float64]:
        """Compute how far the answers to each question are from the sum they should have.

        Parameters
        ----------
        shares : ndarray of shape (..., answers), float
            Vote fractions; NaN where a survey has no answer.

        Returns
        -------
        ndarray of shape (..., questions), float64
            Absolute differences; NaN where an answer is missing.

        Examples
        --------
        >>> import numpy as np
        >>> from galaxies.questions.registry import campaign_named
        >>> shares = np.zeros(37)
        >>> shares[:5] = [0.5, 0.5, 0.0, 0.25, 0.125]
        >>> campaign_named("gz2").tree_errors(shares)[:2].tolist()
        [0.0, 0.125]
        """
        sums = [shares[..., question.places].sum(axis=-1) for question in self.questions]
        return np.abs(np.stack(sums, axis=-1) - self.shares_asked(shares))

    def most_voted_path(self, shares: Shares) -> tuple[Answer, ...]:
        """Follow the majority answer from question to question.

        Parameters
        ----------
        shares : ndarray of shape (answers,), float
            Vote fractions for one galaxy; NaN where a survey has no answer.

        Returns
        -------
        tuple of Answer
            In the order of asking. Questions are left out if the majority did not reach them, or if
            the survey has no answer.

        Examples
        --------
        >>> import numpy as np
        >>> from galaxies.questions.registry import campaign_named
        >>> gz2 = campaign_named("gz2")
        >>> shares = np.zeros(37)
        >>> shares[[gz2.place(name) for name in ("smooth", "round_cigar", "odd_no")]] = 0.9
        >>> [answer.words for answer in gz2.most_voted_path(shares)]
        ['smooth', 'cigar-shaped', 'nothing odd']
        """
        path: list[Answer] = []
        given: set[str] = set()
        for question in self.in_order_of_asking:
            answers = shares[question.places]
            asked = question.asked_after is None or question.asked_after in given
            if asked and not np.isnan(answers).any() and answers.sum() > 0:
                path.append(question.answers[int(np.argmax(answers))])
                given.add(path[-1].name)
        return tuple(path)


def ask(
    name: str,
    words: str,
    after: str | None,
    *answers: tuple[str, str, str, str | None],
) -> Question:
    """Describe a question; each answer is a column, a name, its words, and the next question."""
    return Question(name, words, after, tuple(Answer(*answer) for answer in answers))


def numbered(*questions: Question) -> tuple[Question, ...]:
    """Give the questions of a campaign their numbers, and their answers their places."""
    placed: list[Question] = []
    start = 0
    for number, question in enumerate(questions, start=1):
        placed.append(replace(question, number=number, start=start))
        start += len(question.answers)
    return tuple(placed)


def most_voted(votes: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Find the answer with the largest vote fraction.

    Parameters
    ----------
    votes : ndarray of shape (N, 3), float32
        Vote fractions of the first question: smooth, features or disk, star or artifact.

    Returns
    -------
    ndarray of shape (N,), int64
        Places in `VOTED`. In a tie, the earlier column: smooth before features or disk before star
        or artifact.

    Examples
    --------
    >>> import numpy as np
    >>> most_voted(np.array([[0.2, 0.7, 0.1], [0.5, 0.5, 0.0]], np.float32)).tolist()
    [1, 0]
    """
    return np.asarray(np.argmax(votes, axis=1), dtype=np.int64)


def spiral_fraction(
    p_smooth: npt.NDArray[np.float32], p_features: npt.NDArray[np.float32]
) -> npt.NDArray[np.float64]:
    """Compute the fraction of "features or disk" among the votes for a galaxy.

    Votes for "star or artifact" are left out.

    Parameters
    ----------
    p_smooth, p_features : ndarray of shape (N,), float32
        Vote fractions, not both zero.

    Returns
    -------
    ndarray of shape (N,), float64
        The fraction that predicted vote fractions are compared with.

    Examples
    --------
    >>> import numpy as np
    >>> spiral_fraction(np.array([0.25], np.float32), np.array([0.5], np.float32)).round(3).tolist()
    [0.667]
    """
    features = p_features.astype(np.float64)
    return features / (features + p_smooth)
