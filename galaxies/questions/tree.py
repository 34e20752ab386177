"""The questions of Galaxy Zoo, and the class of a galaxy according to the answers.

All code that reads, checks, predicts or draws answers uses the questions defined here. They form a
tree: the next question depends on the last answer. In Kaggle's columns the vote fraction of an
answer is its fraction among those who reached the question, times the fraction of all volunteers
who reached it. The answers to a question therefore sum to the answer that leads to it. Only
"anything odd?" is, like the first question, treated as asked of everybody (Willett et al.
2013, MNRAS 435, 2835, table 2; Dieleman, Willett & Dambre 2015, MNRAS 450, 1441, section 3).

These are the questions of Galaxy Zoo 2. Galaxy Zoo 1 asked a different one, for the type of a
galaxy (Lintott et al. 2008, MNRAS 389, 1179): an elliptical with a disk can be "features or disk"
in one and "elliptical" in the other. The two campaigns therefore have separate questions.
"""

from functools import cache
from graphlib import TopologicalSorter
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

CLASSES: Final = ("elliptical", "spiral")
"""The classes in order: a label of 0 is the first, 1 the second."""

VOTED: Final = (*CLASSES, "artifact")
"""The class for each of the three answers: smooth, features or disk, star or artifact."""


Campaign = Literal["gz1", "gz2"]
"""Galaxy Zoo 1, or Galaxy Zoo 2, whose questions Kaggle's challenge has."""


class Answer(NamedTuple):
    """One answer to a question."""

    column: str
    """Kaggle's name, such as `Class3.1`."""
    words: str
    """The words of the answer."""
    leads_to: int | None
    """Number of the next question; `None` if there is none."""

    @property
    def name(self) -> str:
        """Column in our tables, such as `bar_yes` or `arms_2`."""
        return _NAMES[self.column]


class Question(NamedTuple):
    """One question of the tree."""

    number: int
    name: str
    """A short name for tables and files."""
    words: str
    asked_after: str | None
    """The answer that leads to the question; `None` if everybody is asked."""
    answers: tuple[Answer, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Kaggle's names of the answers."""
        return tuple(answer.column for answer in self.answers)

    @property
    def places(self) -> slice:
        """Places of the answers in `ALL_COLUMNS`."""
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
"""The only question of Galaxy Zoo 1. A survey of Galaxy Zoo 1 alone has the answers in the columns
of the first question, `Class1.1` to `Class1.3`; a merged survey has them in separate columns."""

FIRST: Final[dict[Campaign, Question]] = {"gz2": QUESTIONS[0], "gz1": TYPE}
"""The question of each campaign that defines the classes: the first answer means elliptical, the
second spiral, the third artifact."""

ALL_QUESTIONS: Final = (*QUESTIONS, TYPE)
"""The questions of both campaigns."""

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
"""Array (..., 37): a fraction for each answer, in the order of `COLUMNS`."""


def in_order_of_asking() -> tuple[Question, ...]:
    """Sort the questions so that each comes after all answers that lead to it.

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
    """Find the earlier answers of everybody who gave an answer.

    Returns
    -------
    ndarray of shape (37, 37), bool
        True where everybody who gave the answer of the row has given that of the column; the
        diagonal is true. The logarithms of the fractions within the questions, times the transpose,
        are the logarithms of Kaggle's columns.

    Examples
    --------
    >>> from galaxies.questions.tree import COLUMNS
    >>> bar = answers_behind()[COLUMNS.index("Class3.1")]
    >>> [column for column, given in zip(COLUMNS, bar) if given]
    ['Class1.2', 'Class2.2', 'Class3.1']
    """
    behind = np.eye(len(COLUMNS), dtype=bool)
    for question in in_order_of_asking():
        if question.asked_after is not None:
            behind[question.places] |= behind[COLUMNS.index(question.asked_after)]
    behind.setflags(write=False)
    return behind


def shares_asked(columns: Shares) -> npt.NDArray[np.float64]:
    """Compute the fraction of all volunteers who reached each question.

    Parameters
    ----------
    columns : ndarray of shape (..., 37), float
        Kaggle's columns.

    Returns
    -------
    ndarray of shape (..., 11), float64
        1 for the questions that everybody is asked.

    Examples
    --------
    >>> import numpy as np
    >>> columns = np.zeros(37)
    >>> columns[:3] = [0.7, 0.2, 0.1]
    >>> shares_asked(columns)[[0, 1, 6]].tolist()
    [1.0, 0.2, 0.7]
    """
    asked = [
        np.ones(columns.shape[:-1])
        if question.asked_after is None
        else columns[..., COLUMNS.index(question.asked_after)]
        for question in QUESTIONS
    ]
    return np.stack(asked, axis=-1).astype(np.float64)


def down_the_tree(within: Shares) -> Shares:
    """Turn fractions within the questions into Kaggle's columns.

    Parameters
    ----------
    within : ndarray of shape (..., 37), float
        Fractions among those who reached the question; those of one question sum to 1. NaN where
        nobody reached it.

    Returns
    -------
    ndarray of shape (..., 37), float64
        0 where nobody reached the question. NaN for a question that everybody should be asked and
        nobody was, and for the questions that follow from it.

    Examples
    --------
    >>> import numpy as np
    >>> within = np.full(37, np.nan)
    >>> within[:5] = [0.5, 0.5, 0.0, 0.2, 0.8]
    >>> down_the_tree(within)[:5].tolist()
    [0.5, 0.5, 0.0, 0.1, 0.4]
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
    """Turn Kaggle's columns into fractions among those who reached the question.

    Parameters
    ----------
    columns : ndarray of shape (..., 37), float
        Kaggle's columns.

    Returns
    -------
    ndarray of shape (..., 37), float64
        NaN where nobody reached the question.

    Examples
    --------
    >>> import numpy as np
    >>> columns = np.zeros(37)
    >>> columns[:5] = [0.5, 0.5, 0.0, 0.125, 0.375]
    >>> within_questions(columns)[3:5].tolist()
    [0.25, 0.75]
    """
    within = np.full(columns.shape, np.nan)
    for question in QUESTIONS:
        answers = columns[..., question.places].astype(np.float64)
        total = answers.sum(axis=-1, keepdims=True)
        np.divide(answers, total, out=within[..., question.places], where=total > 0)
    return within


def tree_errors(columns: Shares) -> npt.NDArray[np.float64]:
    """Compute how far the answers to each question are from the sum they should have.

    Parameters
    ----------
    columns : ndarray of shape (..., 37), float
        Kaggle's columns; NaN where a survey has no answer.

    Returns
    -------
    ndarray of shape (..., 11), float64
        Absolute differences; NaN where a column is missing.

    Examples
    --------
    >>> import numpy as np
    >>> columns = np.zeros(37)
    >>> columns[:5] = [0.5, 0.5, 0.0, 0.25, 0.125]
    >>> tree_errors(columns)[:2].tolist()
    [0.0, 0.125]
    """
    sums = [columns[..., question.places].sum(axis=-1) for question in QUESTIONS]
    return np.abs(np.stack(sums, axis=-1) - shares_asked(columns))


def chosen_by_answer(
    shares: npt.NDArray[np.floating[Any]], hard: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Find galaxies that were chosen by an answer, such as a collection of mergers.

    If all galaxies with hard votes on the same questions, at least 20 of them, have the same answer
    to a question, they were chosen by it. They show what the answer looks like, but not how common
    it is.

    Parameters
    ----------
    shares : ndarray of shape (N, 40), float
        Vote fractions in the order of `ALL_COLUMNS`; NaN where a survey has no answer.
    hard : ndarray of shape (N,), bool
        Whether the votes of a galaxy are hard.

    Returns
    -------
    ndarray of shape (N, 12), bool
        For each of `ALL_QUESTIONS`.

    Examples
    --------
    >>> import numpy as np
    >>> from galaxies.questions.tree import QUESTIONS
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
    """Follow the majority answer from question to question.

    Parameters
    ----------
    columns : ndarray of shape (37,), float
        Kaggle's columns for one galaxy; NaN where a survey has no answer.

    Returns
    -------
    tuple of str
        Columns in the order of asking. Questions are left out if the majority did not reach them,
        or if the survey has no answer.

    Examples
    --------
    >>> import numpy as np
    >>> from galaxies.questions.tree import ANSWERS, COLUMNS
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
    """Find the answer with the largest vote fraction.

    Parameters
    ----------
    votes : ndarray of shape (N, 3), float32
        Vote fractions: smooth, features or disk, star or artifact.

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
