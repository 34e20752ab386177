"""Galaxy Zoo's questions, and what the volunteers' answers make of a galaxy.

Everything that reads, checks, predicts or draws answers takes the questions from here. They form a
tree: which question a volunteer is asked next depends on the last answer. In Kaggle's columns an
answer's number is its share among those who came to the question, times the share of all
volunteers that came there, so that the answers to a question add up to the answer that leads to
it. Only "anything odd?" is, like the first question, taken as asked of everybody (Willett et al.
2013, MNRAS 435, 2835, table 2; Dieleman, Willett & Dambre 2015, MNRAS 450, 1441, section 3).

Those are the questions of Galaxy Zoo 2. Galaxy Zoo 1 asked one other question, for a galaxy's type
(Lintott et al. 2008, MNRAS 389, 1179): an elliptical with a disk can be "features or disk" to the
one and "elliptical" to the other. So the two campaigns have questions of their own.
"""

from functools import cache
from graphlib import TopologicalSorter
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

CLASSES: Final = ("elliptical", "spiral")
"""The order of the classes everywhere: a galaxy's label is its place here, 0 or 1."""

VOTED: Final = (*CLASSES, "artifact")
"""What each of the three vote fractions speaks for: smooth, features or disk, star or artifact."""


Campaign = Literal["gz1", "gz2"]
"""A round of asking volunteers: Galaxy Zoo 1, or Galaxy Zoo 2, whose questions Kaggle's are."""


class Answer(NamedTuple):
    """One answer to a question."""

    column: str
    """Kaggle's name, such as `Class3.1`."""
    words: str
    """What people clicked on."""
    leads_to: int | None
    """Number of the next question; `None` where the questions end."""

    @property
    def name(self) -> str:
        """What our tables call its column: `bar_yes`, `arms_2`."""
        return _NAMES[self.column]


class Question(NamedTuple):
    """One question of the tree."""

    number: int
    name: str
    """A short one, for tables and files."""
    words: str
    asked_after: str | None
    """The answer that all who are asked have given; `None` for a question asked of all."""
    answers: tuple[Answer, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Kaggle's names of the answers."""
        return tuple(answer.column for answer in self.answers)

    @property
    def places(self) -> slice:
        """Where the answers stand in `COLUMNS`, and in `ALL_COLUMNS`."""
        start = ALL_COLUMNS.index(self.answers[0].column)
        return slice(start, start + len(self.answers))


def _question(
    number: int,
    name: str,
    words: str,
    after: str | None,
    *answers: tuple[str, int | None],
    columns: str = "Class",
) -> Question:
    numbered = (
        Answer(f"{columns}{number}.{place}", answer, leads_to)
        for place, (answer, leads_to) in enumerate(answers, 1)
    )
    return Question(number, name, words, after, tuple(numbered))


QUESTIONS: Final = (
    _question(
        1,
        "smooth",
        "Is the galaxy simply smooth and rounded, with no sign of a disk?",
        None,
        ("smooth", 7),
        ("features or disk", 2),
        ("star or artifact", None),
    ),
    _question(
        2,
        "edge_on",
        "Could this be a disk viewed edge-on?",
        "Class1.2",
        ("edge-on", 9),
        ("not edge-on", 3),
    ),
    _question(
        3,
        "bar",
        "Is there a sign of a bar feature through the centre of the galaxy?",
        "Class2.2",
        ("bar", 4),
        ("no bar", 4),
    ),
    _question(
        4,
        "arms",
        "Is there any sign of a spiral arm pattern?",
        "Class2.2",
        ("spiral arms", 10),
        ("no spiral arms", 5),
    ),
    _question(
        5,
        "bulge",
        "How prominent is the central bulge, compared with the rest of the galaxy?",
        "Class2.2",
        ("no bulge", 6),
        ("bulge just noticeable", 6),
        ("bulge obvious", 6),
        ("bulge dominant", 6),
    ),
    _question(6, "odd", "Is there anything odd?", None, ("odd", 8), ("nothing odd", None)),
    _question(
        7,
        "roundness",
        "How rounded is it?",
        "Class1.1",
        ("completely round", 6),
        ("in between", 6),
        ("cigar-shaped", 6),
    ),
    _question(
        8,
        "odd_feature",
        "Is the odd feature a ring, or is the galaxy disturbed or irregular?",
        "Class6.1",
        ("ring", None),
        ("lens or arc", None),
        ("disturbed", None),
        ("irregular", None),
        ("something else", None),
        ("merger", None),
        ("dust lane", None),
    ),
    _question(
        9,
        "edge_on_bulge",
        "Does the galaxy have a bulge at its centre? If so, what shape?",
        "Class2.1",
        ("bulge rounded", 6),
        ("bulge boxy", 6),
        ("no central bulge", 6),
    ),
    _question(
        10,
        "winding",
        "How tightly wound do the spiral arms appear?",
        "Class4.1",
        ("arms tight", 11),
        ("arms medium", 11),
        ("arms loose", 11),
    ),
    _question(
        11,
        "arm_number",
        "How many spiral arms are there?",
        "Class4.1",
        ("1 arm", 5),
        ("2 arms", 5),
        ("3 arms", 5),
        ("4 arms", 5),
        ("more than 4 arms", 5),
        ("can't tell", 5),
    ),
)
"""The eleven questions of Galaxy Zoo 2 by their numbers, from 1."""

TYPE: Final = _question(
    1,
    "type",
    "Is the galaxy elliptical or spiral, or is it a star?",
    None,
    ("elliptical", None),
    ("spiral", None),
    ("star or don't know", None),
    columns="Type",
)
"""The only question of Galaxy Zoo 1. In a survey of its own the answers stand in the columns of the
first question, `Class1.1` to `Class1.3`; beside those of Galaxy Zoo 2, in its own."""

FIRST: Final[dict[Campaign, Question]] = {"gz2": QUESTIONS[0], "gz1": TYPE}
"""The question of each campaign that makes the two classes: its first answer says elliptical, its
second spiral, its third artifact."""

ALL_QUESTIONS: Final = (*QUESTIONS, TYPE)
"""Those of both campaigns."""

COLUMNS: Final = tuple(column for question in QUESTIONS for column in question.columns)
"""Kaggle's 37 columns in Kaggle's order."""

ALL_COLUMNS: Final = (*COLUMNS, *TYPE.columns)
"""The 40 columns of both campaigns."""

_NAMES: Final = {
    f"{column}.{place}": name
    for column, names in {
        "Class1": ("smooth", "features_or_disk", "star_or_artifact"),
        "Class2": ("edge_on_yes", "edge_on_no"),
        "Class3": ("bar_yes", "bar_no"),
        "Class4": ("arms_yes", "arms_no"),
        "Class5": ("bulge_none", "bulge_noticeable", "bulge_obvious", "bulge_dominant"),
        "Class6": ("odd_yes", "odd_no"),
        "Class7": ("round_completely", "round_between", "round_cigar"),
        "Class8": (
            *("odd_ring", "odd_lens", "odd_disturbed", "odd_irregular"),
            *("odd_other", "odd_merger", "odd_dust_lane"),
        ),
        "Class9": ("edge_on_bulge_rounded", "edge_on_bulge_boxy", "edge_on_bulge_none"),
        "Class10": ("winding_tight", "winding_medium", "winding_loose"),
        "Class11": ("arms_1", "arms_2", "arms_3", "arms_4", "arms_more", "arms_unclear"),
        "Type1": ("type_elliptical", "type_spiral", "type_star"),
    }.items()
    for place, name in enumerate(names, 1)
}

ANSWERS: Final = {
    answer.column: answer for question in ALL_QUESTIONS for answer in question.answers
}
"""Each answer by its column."""

_FEWEST_CHOSEN: Final = 20

Shares = npt.NDArray[np.float64]
"""(..., 37) a number for each answer, in the order of `COLUMNS`."""


def in_order_of_asking() -> tuple[Question, ...]:
    """Sort the questions so that each stands behind all answers that lead to it.

    Examples
    --------
    >>> [question.number for question in in_order_of_asking()]
    [1, 2, 7, 3, 9, 4, 10, 11, 5, 6, 8]
    """
    leads_here: dict[int, set[int]] = {question.number: set() for question in QUESTIONS}
    for question in QUESTIONS:
        for answer in question.answers:
            if answer.leads_to is not None:
                leads_here[answer.leads_to].add(question.number)
    return tuple(QUESTIONS[number - 1] for number in TopologicalSorter(leads_here).static_order())


@cache
def answers_behind() -> npt.NDArray[np.bool_]:
    """Tell which answers lie behind each other: everybody who gave one gave these before.

    Returns
    -------
    ndarray of shape (37, 37), bool
        Row: an answer; column: one that lies behind it, itself included. A logarithm of shares
        within the questions, times the transpose, is the logarithm of Kaggle's columns.
    """
    behind = np.eye(len(COLUMNS), dtype=bool)
    for question in in_order_of_asking():
        if question.asked_after is not None:
            behind[question.places] |= behind[COLUMNS.index(question.asked_after)]
    behind.setflags(write=False)
    return behind


def shares_asked(columns: Shares) -> npt.NDArray[np.float64]:
    """Share of all volunteers that came to each question.

    Parameters
    ----------
    columns : Shares
        Kaggle's columns (..., 37).

    Returns
    -------
    ndarray of shape (..., 11), float64
        1 for the questions asked of all.
    """
    asked = [
        np.ones(columns.shape[:-1])
        if question.asked_after is None
        else columns[..., COLUMNS.index(question.asked_after)]
        for question in QUESTIONS
    ]
    return np.stack(asked, axis=-1).astype(np.float64)


def down_the_tree(within: Shares) -> Shares:
    """Turn shares within the questions into Kaggle's columns.

    Parameters
    ----------
    within : Shares
        (..., 37) shares among those who came to the question; each question's add up to 1. NaN
        where nobody came.

    Returns
    -------
    ndarray of shape (..., 37), float64
        0 where nobody came; NaN stays where a question asked of all was put to nobody, and in
        what follows from it.
    """
    columns = np.array(within, dtype=np.float64)
    for question in in_order_of_asking():
        if question.asked_after is not None:
            came = columns[..., COLUMNS.index(question.asked_after), None]
            columns[..., question.places] = np.where(
                came == 0, 0.0, came * columns[..., question.places]
            )
    return columns


def within_questions(columns: Shares) -> Shares:
    """Turn Kaggle's columns into shares among those who came to the question.

    Parameters
    ----------
    columns : Shares
        (..., 37).

    Returns
    -------
    ndarray of shape (..., 37), float64
        NaN where nobody came.
    """
    within = np.full(columns.shape, np.nan)
    for question in QUESTIONS:
        answers = columns[..., question.places].astype(np.float64)
        total = answers.sum(axis=-1, keepdims=True)
        np.divide(answers, total, out=within[..., question.places], where=total > 0)
    return within


def tree_errors(columns: Shares) -> npt.NDArray[np.float64]:
    """How far each question's answers are from adding up to the share that was asked.

    Parameters
    ----------
    columns : Shares
        (..., 37); NaN where a survey does not answer.

    Returns
    -------
    ndarray of shape (..., 11), float64
        Never negative; NaN where a column is missing.
    """
    sums = [columns[..., question.places].sum(axis=-1) for question in QUESTIONS]
    return np.abs(np.stack(sums, axis=-1) - shares_asked(columns))


def chosen_by_answer(
    shares: npt.NDArray[np.floating[Any]], hard: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Tell which galaxies were chosen by their answer to a question, as a collection of mergers is.

    Those are hard votes that 20 galaxies or more, all that answer the same questions, agree on
    without exception. They show what the answer looks like, and not how common it is.

    Parameters
    ----------
    shares : ndarray of shape (N, 40), float
        In the order of `ALL_COLUMNS`; NaN where a survey does not answer.
    hard : ndarray of shape (N,), bool

    Returns
    -------
    ndarray of shape (N, 12), bool
        For each of `ALL_QUESTIONS`.

    Examples
    --------
    >>> shares = np.full((30, 40), np.nan)
    >>> shares[:, QUESTIONS[5].places] = [1, 0]
    >>> chosen_by_answer(shares, np.ones(30, bool))[0].nonzero()[0].tolist()
    [5]
    """
    chosen = np.zeros((len(shares), len(ALL_QUESTIONS)), dtype=bool)
    _, kinds = np.unique(np.isnan(shares), axis=0, return_inverse=True)
    for kind in np.unique(kinds):
        some = (kinds.ravel() == kind) & hard
        if some.sum() < _FEWEST_CHOSEN:
            continue
        given = np.nansum(shares[some], axis=0) > 0
        for place, question in enumerate(ALL_QUESTIONS):
            chosen[some, place] = given[question.places].sum() == 1
    return chosen


def most_said(columns: Shares) -> tuple[str, ...]:
    """Follow the answer that most gave from question to question.

    Parameters
    ----------
    columns : Shares
        Kaggle's columns (37,) of one galaxy; NaN where a survey does not answer.

    Returns
    -------
    tuple of str
        Columns in the order of asking: a question is among them if it is asked of all or after
        an answer that is. One that a survey does not answer is not.

    Examples
    --------
    >>> shares = np.zeros(37)
    >>> given = ("Class1.1", "Class7.3", "Class6.2")
    >>> shares[[COLUMNS.index(column) for column in given]] = 0.9
    >>> [ANSWERS[column].words for column in most_said(shares)]
    ['smooth', 'cigar-shaped', 'nothing odd']
    """
    said: list[str] = []
    for question in in_order_of_asking():
        answers = columns[question.places]
        asked = question.asked_after is None or question.asked_after in said
        if asked and not np.isnan(answers).any() and answers.sum() > 0:
            said.append(question.columns[int(np.argmax(answers))])
    return tuple(said)


def most_voted(votes: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Find what most volunteers saw.

    Parameters
    ----------
    votes : ndarray of float32
        Vote fractions (N, 3): smooth, features or disk, star or artifact.

    Returns
    -------
    ndarray of shape (N,), int64
        Places in `VOTED`. A tie goes to the earlier column: smooth before features or disk
        before star or artifact.
    """
    return np.asarray(np.argmax(votes, axis=1), dtype=np.int64)


def spiral_fraction(
    p_smooth: npt.NDArray[np.float32], p_features: npt.NDArray[np.float32]
) -> npt.NDArray[np.float64]:
    """Share of "features or disk" among the votes that took the object for a galaxy.

    Parameters
    ----------
    p_smooth, p_features : ndarray of float32
        Vote fractions (N,), not both zero.

    Returns
    -------
    ndarray of shape (N,), float64
        What the probability of "spiral" is compared with.
    """
    features = p_features.astype(np.float64)
    return features / (features + p_smooth)
