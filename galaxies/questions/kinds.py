"""Kinds of galaxies by clear answers to the questions of Galaxy Zoo 2."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from galaxies.questions.gz2 import GZ2

CLEAR: Final = ("round", "in between", "cigar", "edge-on", "spiral")
"""The five kinds that deep-learning studies of Kaggle's challenge tell apart, in order."""

KINDS: Final = (*CLEAR, "odd", "unclear")
"""All kinds, in order."""

_CONDITIONS: Final = (
    (("round_completely", 0.5),),
    (("round_between", 0.5),),
    (("round_cigar", 0.5),),
    (("edge_on_yes", 0.602),),
    (("edge_on_no", 0.715), ("arms_yes", 0.619)),
    (("odd_yes", 0.5),),
)


def kinds(shares: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.int64]:
    """Find the kind of each galaxy from its vote fractions.

    The thresholds are those of Dai & Tong (2018, arXiv:1807.10406, section 2), after Willett et al.
    (2013, MNRAS 435, 2835, table 3), applied to the fractions of all volunteers. The first kind
    whose conditions a galaxy meets counts. A galaxy that meets none is odd if half of the
    volunteers say so, otherwise unclear.

    Parameters
    ----------
    shares : ndarray of shape (N, 37), float
        Vote fractions in the order of Galaxy Zoo 2's answers.

    Returns
    -------
    ndarray of shape (N,), int64
        Places in `KINDS`.

    Examples
    --------
    >>> import numpy as np
    >>> from galaxies.questions.gz2 import GZ2
    >>> from galaxies.questions.kinds import KINDS
    >>> shares = np.zeros((2, 37))
    >>> shares[0, GZ2.place("edge_on_yes")] = 0.7
    >>> [KINDS[place] for place in kinds(shares)]
    ['edge-on', 'unclear']
    """
    met = np.ones((len(shares), len(KINDS)), dtype=bool)
    for place, conditions in enumerate(_CONDITIONS):
        for answer, least in conditions:
            met[:, place] &= shares[:, GZ2.place(answer)] >= least
    return np.asarray(met.argmax(axis=1), dtype=np.int64)
