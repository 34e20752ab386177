"""What the galaxies of a survey show together: whether the promises of a bundle hold for them."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from galaxies.bundle.description import Description
from galaxies.classifying.options import Options
from galaxies.judgement.familiarity import KnownGalaxies
from galaxies.judgement.promises import UNDECIDED, Promise, choose_promise


class Verdict(NamedTuple):
    """What all galaxies of a survey together show."""

    familiar: bool | None
    """Whether they look like those that the bundle was calibrated on; `None` if it cannot tell."""
    galaxies: int
    """Number of images that were read."""
    unfamiliar: int
    """Number of these that look like none of the known galaxies."""
    known: int
    """Number of known galaxies."""
    promise: Promise
    """The target agreement, and the certainty from which the machine decides."""
    proven: tuple[float, ...]
    """Target agreements with a proven threshold."""
    campaign: str
    """Whose votes the promise is about."""
    too_few: bool = False
    """Whether they are images of another survey, too few to show that they are familiar."""


class Familiarity:
    """Whether a survey looks to a bundle like the galaxies that it was calibrated on.

    Each galaxy has its own test. If so many fail it that chance does not explain it, the promise is
    not valid for the survey, and the machine decides nothing.

    Parameters
    ----------
    description : Description
        Description of the bundle.
    known_galaxies : KnownGalaxies, optional
        The galaxies that it was calibrated on.
    options : Options
        How to classify.

    Examples
    --------
    >>> from pathlib import Path
    >>> from galaxies.classifying.classifier import Classifier
    >>> from galaxies.classifying.inputs.opening import open_inputs
    >>> from galaxies.classifying.options import Options
    >>> classifier = Classifier(Path("models/cnn"), Options(agreement=0.9))
    >>> [archive] = open_inputs(["survey.zip"])
    >>> [chunk] = archive.chunks(100)
    >>> table = classifier.classify_batch(chunk.items())
    >>> familiar = classifier.familiarity()
    >>> familiar.add(table)
    >>> familiar.verdict().galaxies
    40
    >>> familiar.finish(table, familiar.verdict()).column_names == classifier.schema.names
    True
    """

    def __init__(
        self, description: Description, known_galaxies: KnownGalaxies | None, options: Options
    ) -> None:
        self._triage = description.triage
        self._campaign = description.campaign
        self._known = known_galaxies
        self._options = options
        self._galaxies = self._unfamiliar = 0

    def add(self, table: pa.Table) -> None:
        """Count the galaxies of a table from `Classifier.classify_batch`."""
        self._galaxies += table["error"].null_count
        self._unfamiliar += pc.sum(pc.invert(table["familiar"])).as_py() or 0

    def verdict(self) -> Verdict:
        """Decide from all galaxies so far."""
        known_galaxies = self._known
        familiar = None
        if known_galaxies is not None:
            familiar = known_galaxies.survey_is_familiar(self._unfamiliar, self._galaxies)
        return Verdict(
            familiar,
            self._galaxies,
            self._unfamiliar,
            0 if known_galaxies is None else len(known_galaxies.distances),
            choose_promise(self._triage, self._options.agreement),
            tuple(promise.agreement for promise in self._triage if promise.threshold is not None),
            self._campaign,
        )

    def finish(self, table: pa.Table, verdict: Verdict) -> pa.Table:
        """Leave all galaxies to people if the survey is not familiar.

        Parameters
        ----------
        table : Table
            Output of `Classifier.classify_batch` for a part of the survey.
        verdict : Verdict
            For the whole survey.

        Returns
        -------
        Table
        """
        if verdict.familiar is not False or self._options.anyway:
            return table
        read = table["error"].is_null().to_numpy(zero_copy_only=False)
        undecided = texts(np.full(len(table), UNDECIDED), read)
        place = table.column_names.index("decision")
        return table.set_column(place, table.field(place), undecided)


def texts(values: npt.NDArray[np.str_], read: npt.NDArray[np.bool_]) -> pa.Array:
    """Make a column of texts (N,), null for images that were not read."""
    return pa.array(values.astype(object), pa.string(), mask=~read)
