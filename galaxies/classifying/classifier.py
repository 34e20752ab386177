"""The answer for each image: probability, label and decision, or why it could not be read."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from galaxies.base.arrays import Pixels
from galaxies.base.pool import batched
from galaxies.bundle.description import Description
from galaxies.bundle.predictor import Predictor
from galaxies.classifying.inputs.chunks import Item
from galaxies.classifying.inputs.given import item_of, items_of
from galaxies.classifying.options import Options, Questions
from galaxies.classifying.verdict import Familiarity, texts
from galaxies.errors import GalaxiesError
from galaxies.images.decode import UnreadableImageError
from galaxies.images.pixels import AnyImage, read_pixels, refuse_blank
from galaxies.inside.explaining import explain
from galaxies.inside.strip import Inside, look_inside
from galaxies.judgement.promises import UNDECIDED, choose_promise, decide
from galaxies.questions.campaign import CLASSES

DEFAULTS: Final = Options()

COLUMNS: Final = pa.schema(
    {
        "galaxy_id": pa.string(),
        "p_spiral": pa.float32(),
        "spread": pa.float32(),
        "label": pa.string(),
        "decision": pa.string(),
        "familiar": pa.bool_(),
        "error": pa.string(),
    }
)
"""Columns of the table. If an image cannot be read, all but `galaxy_id` and `error` are null.
`familiar` is false if an image looks like none of the galaxies that the bundle was calibrated on,
and null if the bundle cannot tell. The machine decides nothing that is not familiar."""

BATCH: Final = 256
"""Images that go through the model together."""


class Classifier:
    """Classify images with a bundle.

    Parameters
    ----------
    folder : Path
        A bundle.
    options : Options
        How to classify.

    Attributes
    ----------
    predictor : Predictor
        Computes probabilities from prepared images.
    promise : Promise
        The target agreement, and the certainty from which the machine decides.
    schema : Schema
        Columns of the table: `COLUMNS`, then the answers.

    Raises
    ------
    GalaxiesError
        If the folder is not a valid bundle, or if it has no promise for this agreement, or does not
        support the campaign or all questions.

    Examples
    --------
    >>> from pathlib import Path
    >>> from galaxies.classifying.options import Options
    >>> classifier = Classifier(Path("models/cnn"), Options(agreement=0.9))
    >>> table = classifier.classify([Path("survey.zip").name, *sorted(Path("cutouts").iterdir())])
    >>> table["error"][0]
    'is not a JPEG or PNG'
    >>> bool(table["p_spiral"][1:].between(0, 1).all())
    True
    """

    def __init__(self, folder: Path, options: Options = DEFAULTS) -> None:
        folder = folder.absolute()  # so that a copy in another process finds it
        self._folder = folder
        self._options = options
        self.predictor = Predictor(folder, options.views, options.device, options.campaign)
        self.promise = choose_promise(self.description.triage, options.agreement)
        self.schema = table_schema(self.description, folder, options.questions)

    def __repr__(self) -> str:
        promise, campaign = self.promise, self.description.answers_of.name
        decides = (
            "decides nothing"
            if promise.threshold is None
            else f"target agreement {100 * promise.agreement:g}%"
        )
        return f"<Classifier {self._folder.name}: {self.description.title}, {campaign}, {decides}>"

    def __reduce__(self) -> tuple[type["Classifier"], tuple[Any, ...]]:
        """Pickle how it was loaded, because a network cannot be pickled."""
        return type(self), (self._folder, self._options)

    @property
    def questions(self) -> dict[str, tuple[str, ...]]:
        """The questions that the bundle answers, with the names of their answers."""
        description = self.description
        return {
            question.name: tuple(answer.name for answer in question.answers)
            for question in description.answers_of.questions
            if question.name in description.answered
        }

    @property
    def description(self) -> Description:
        """Description of the bundle."""
        return self.predictor.description

    def familiarity(self) -> Familiarity:
        """Begin to count the galaxies of a survey that are not familiar."""
        return Familiarity(self.description, self.predictor.known, self._options)

    def classify(self, images: Any) -> pd.DataFrame:  # noqa: ANN401 - so many kinds
        """Classify images.

        Parameters
        ----------
        images : iterable, str or Path
            Paths, bytes of JPEG, PNG or FITS files, Pillow images of any mode, or arrays of shape
            (height, width) or (height, width, 3), uint8 or uint16; each with a galaxy at the
            centre. A Pillow image that is not loaded is checked like its file; one that is loaded
            is taken as it is. Or a single one of these; or the path or address of a folder,
            archive, table or catalogue, as for `galaxies classify`.

        Returns
        -------
        DataFrame
            A row for each image, in order: `galaxy_id` (the file name without suffix, or the place
            in `images`), `p_spiral` float32 calibrated, `spread` float32, `label`, `decision`,
            `familiar`, and `error`, the reason if the image cannot be read; then, with all
            questions, a column for each answer, such as `bar_yes`.

        Raises
        ------
        GalaxiesError
            If `images` is a table or of another type, or an array has another shape or type.
        """
        tables = [self.schema.empty_table()]
        tables += [self.classify_batch(items) for items in batched(items_of(images), BATCH)]
        whole = pa.concat_tables(tables)
        familiar = self.familiarity()
        familiar.add(whole)
        table: pd.DataFrame = familiar.finish(whole, familiar.verdict()).to_pandas()
        return table

    def explain(
        self,
        images: Any,  # noqa: ANN401 - so many kinds
        question: str | None = None,
        answer: str | None = None,
    ) -> npt.NDArray[np.float32]:
        """Compute where in images the network sees evidence for an answer.

        Parameters
        ----------
        images : iterable, str, Path or ndarray
            As in `classify`; or prepared images, an array of shape (N, size, size, 3), uint8, of
            outputs of `prepare`.
        question, answer : str, optional
            Names, such as `bar` and `bar_yes`; by default the first question, for the two classes,
            and the predicted answer.

        Returns
        -------
        ndarray of shape (N, size, size), float32
            Positive where the image is evidence for the answer, negative where against it. If the
            bundle averages eight views, the mean of their maps, each rotated back.

        Raises
        ------
        GalaxiesError
            If the bundle is no CNN, an image cannot be read, prepared images have the wrong size,
            or there is no such question or answer.

        Examples
        --------
        >>> import galaxies
        >>> from pathlib import Path
        >>> galaxies.load().explain(sorted(Path("cutouts").iterdir())[:2], "bar").shape
        (2, 64, 64)
        """
        if not isinstance(images, np.ndarray) or images.ndim != 4:
            images = self._prepared(images)
        return explain(self._folder, self.description, images, question, answer)

    def inside(
        self, image: object, question: str | None = None, answer: str | None = None
    ) -> Inside:
        """Look at what the network sees in one image on the way to its answer.

        Parameters
        ----------
        image : path, bytes, Image or ndarray
            As in `classify`; `UnreadableImageError` if it cannot be read.
        question, answer : str, optional
            The answer to explain, as in `explain`.

        Returns
        -------
        Inside
            Activations and most important channels of each layer, evidence, and answers.

        Examples
        --------
        >>> import galaxies
        >>> from pathlib import Path
        >>> image = next(Path("cutouts").iterdir())
        >>> galaxies.load().inside(image).layers["relu_0"].activations.shape
        (32, 32, 24)
        """
        prepared = self.prepare(item_of(image, 0).load())
        return look_inside(self._folder, self.predictor, prepared, question, answer)

    def prepare(self, image: AnyImage, *, blank_too: bool = False) -> Pixels:
        """Prepare an image for the model.

        Parameters
        ----------
        image : bytes, Image or ndarray
            Contents of a JPEG, PNG or FITS file, a frame of any mode, or an array.
        blank_too : bool
            Whether to prepare frames that cannot show a galaxy.

        Returns
        -------
        ndarray of shape (size, size, 3), uint8

        Raises
        ------
        UnreadableImageError
            If the image is damaged, of another kind, or blank.
        """
        description = self.description
        pixels = read_pixels(image, description.size, description.crop, description.decoding)
        if not blank_too:
            refuse_blank(pixels)
        return pixels

    def _prepared(self, images: Any) -> Pixels:  # noqa: ANN401
        """Prepare all images, (N, size, size, 3)."""
        size = self.description.size
        prepared = [np.empty((0, size, size, 3), np.uint8)]
        for item in items_of(images):
            try:
                prepared.append(self.prepare(item.load())[None])
            except UnreadableImageError as error:
                raise GalaxiesError(f"{item.galaxy_id}: {error}") from error
        return np.concatenate(prepared)

    def classify_batch(self, items: Iterable[Item]) -> pa.Table:
        """Read and classify a batch of images.

        Parameters
        ----------
        items : iterable of Item
            Few enough to go through the model together.

        Returns
        -------
        Table
            A row for each image, in order, with the columns of `schema`.
        """
        ids: list[str] = []
        images: list[Pixels] = []
        errors: list[str | None] = []
        for item in items:
            ids.append(item.galaxy_id)
            try:
                images.append(self.prepare(item.load()))
                errors.append(None)
            except UnreadableImageError as error:
                errors.append(str(error))
        read = np.array([error is None for error in errors], dtype=bool)
        p, spread = np.zeros((2, len(ids)), np.float32)
        names = self.description.layout.columns
        answers = np.zeros((len(ids), len(names)), np.float32)
        decidable, familiar = (
            np.full(len(ids), self._options.anyway),
            pa.nulls(len(ids), pa.bool_()),
        )
        if images:
            prediction = self.predictor.predict(np.stack(images))
            p[read], spread[read] = prediction.p_spiral, prediction.spread
            if prediction.answers is not None:
                answers[read] = prediction.answers
            if prediction.familiar is not None:
                looks_known = np.zeros(len(ids), bool)
                looks_known[read] = prediction.familiar
                decidable |= looks_known
                familiar = pa.array(looks_known, mask=~read)
        decisions = np.where(decidable, decide(p, self.promise.threshold), UNDECIDED)
        labels = np.where(p > 0.5, CLASSES[1], CLASSES[0])
        columns = {
            "galaxy_id": pa.array(ids, pa.string()),
            "p_spiral": pa.array(p, mask=~read),
            "spread": pa.array(spread, mask=~read),
            "label": texts(labels, read),
            "decision": texts(decisions, read),
            "familiar": familiar,
            "error": pa.array(errors, pa.string()),
        }
        campaign = self.description.answers_of
        for answer in campaign.answers:
            if answer.name in self.schema.names:
                place = names.index(f"{campaign.name}.{answer.name}")
                columns[answer.name] = pa.array(answers[:, place], mask=~read)
        return pa.table(columns, schema=self.schema.remove_metadata())


def table_schema(description: Description, folder: Path, questions: Questions) -> pa.Schema:
    """List the columns of the table.

    Parameters
    ----------
    description : Description
        Description of the bundle.
    folder : Path
        The bundle, for the error.
    questions : {"first", "all"}
        Whether the table has the answers to all questions.

    Returns
    -------
    Schema
        `COLUMNS`, then the answers to all questions of the campaign; their metadata have the
        `campaign`, its `column`, and the meaning (`description`).

    Raises
    ------
    GalaxiesError
        If all questions are requested, and the bundle predicts only the class.

    Examples
    --------
    >>> from galaxies.bundle.description import read_description
    >>> from galaxies.bundle.pretrained import PRETRAINED
    >>> folder = PRETRAINED / "real"
    >>> schema = table_schema(read_description(folder), folder, "all")
    >>> schema.field("bar_yes").metadata[b"column"]
    b'Class3.1'
    """
    if questions == "first":
        return COLUMNS
    campaign = description.answers_of
    learned = [question for question in campaign.questions if question.name in description.answered]
    if not learned:
        raise GalaxiesError(
            f"{folder}: answers only the first question; use a bundle that answers all"
        )
    answers = [
        pa.field(
            answer.name,
            pa.float32(),
            metadata={
                "campaign": campaign.name,
                "column": answer.column,
                "description": f"fraction of all volunteers who answer: {answer.words} "
                f"({question.words})",
            },
        )
        for question in learned
        for answer in question.answers
    ]
    return pa.schema([*COLUMNS, *answers])
