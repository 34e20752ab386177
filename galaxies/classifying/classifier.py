"""What is said of each image: probability, label and decision, or why it could not be read."""

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from PIL import Image

from galaxies.base.arrays import Device, Pixels
from galaxies.base.questions import ALL_COLUMNS, ALL_QUESTIONS, ANSWERS, CLASSES, Campaign
from galaxies.classifying.inputs.chunks import Item, stem
from galaxies.classifying.inputs.files import read_file
from galaxies.errors import GalaxiesError
from galaxies.images.decode import UnreadableImageError, decode_reduced, reduce_image
from galaxies.learning.bundle import Description
from galaxies.learning.calibration import Calibration
from galaxies.learning.familiarity import count
from galaxies.learning.promises import UNDECIDED, choose_promise, decide
from galaxies.models.predicting.predictor import Predictor

Questions = Literal["first", "all"]
"""Which answers the table holds: to the first question, or to all that the bundle learned."""

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
"""Of the table. All but the first are null where an image could not be read; `error` elsewhere.
`familiar` says whether the images look to the model like the galaxies that it was calibrated on:
the same for all, and null where fewer than 100 were read, or the bundle cannot tell. Where they do
not, the machine decides nothing."""

PLACES: Final = "places"
"""A further column until the table is whole: the bins of `galaxies.learning.familiarity`."""

FITS_STARTS: Final = (b"SIMPLE  =", b"\x1f\x8b")
"""How a FITS file begins; the second is gzip's."""

BATCH: Final = 256
"""Images that go through the model together."""


class Classifier:
    """A trained bundle at work on images of any kind.

    Parameters
    ----------
    folder : Path
        A bundle.
    views : {1, 8}, optional
        Views to average instead of those that the bundle names.
    agreement : float
        How often the machine must agree with the volunteers where it decides alone.
    device : {"cpu", "gpu"}
        What computes.
    campaign : {"gz1", "gz2"}, optional
        By whose first question the classes are told, instead of the bundle's own.
    questions : {"first", "all"}
        Which answers the table holds.
    anyway : bool
        Decide also where the images are not familiar.

    Attributes
    ----------
    predictor : Predictor
        What turns prepared images into probabilities.
    threshold : float
        The larger class's probability from which the machine decides alone.
    schema : Schema
        Of the table: `COLUMNS`, then the answers.

    Raises
    ------
    GalaxiesError
        If the folder is no bundle, or damaged, or makes no promise of such an agreement, or does
        not know the campaign or all questions.

    Examples
    --------
    >>> import galaxies
    >>> classifier = galaxies.load("models/cnn")  # doctest: +SKIP
    >>> classifier.classify(["587722952767439450.jpg"])["label"][0]  # doctest: +SKIP
    'spiral'
    """

    def __init__(
        self,
        folder: Path,
        views: Literal[1, 8] | None = None,
        agreement: float = 0.99,
        device: Device = "cpu",
        campaign: Campaign | None = None,
        questions: Questions = "first",
        anyway: bool = False,
    ) -> None:
        self._folder = folder
        self._anyway = anyway
        self._agreement = agreement
        self.predictor = Predictor(folder, views, device, campaign)
        self.threshold = choose_promise(self.description.triage, agreement).threshold
        self.schema = table_schema(self.description, folder, questions)

    @property
    def description(self) -> Description:
        """What stands in the bundle."""
        return self.predictor.description

    def classify(self, images: Sequence[Any]) -> pd.DataFrame:
        """Classify images.

        Parameters
        ----------
        images : sequence
            Each a path, the bytes of a JPEG, PNG or FITS file, a Pillow image, or an array of
            shape (height, width, 3), uint8, with a galaxy at the centre of each.

        Returns
        -------
        DataFrame
            A row for each image, in their order: `galaxy_id` (a path's stem, else the place in
            `images`), `p_spiral` float32 calibrated, `spread` float32 over the views,
            `label`, `decision`, and `error`, which says why an image could not be read; then, if
            asked for, a column for each answer, such as `bar_yes`.
        """
        none = pa.nulls(0, pa.binary())
        tables = [self.schema.empty_table().append_column(PLACES, none)]
        for start in range(0, len(images), BATCH):
            batch = enumerate(images[start : start + BATCH], start)
            tables.append(self.classify_batch([_item(image, place) for place, image in batch]))
        whole = pa.concat_tables(tables)
        familiar = Familiarity(self.description, self._agreement, self._anyway)
        familiar.add(whole)
        table: pd.DataFrame = familiar.finish(whole, familiar.verdict()).to_pandas()
        return table

    def explain(
        self, images: Pixels, question: str | None = None, answer: str | None = None
    ) -> npt.NDArray[np.float32]:
        """Say where in images the network sees reasons for an answer.

        Parameters
        ----------
        images : ndarray of shape (N, size, size, 3), uint8
            As `prepare` makes them.
        question : str, optional
            Its name, such as `bar`; the first question unless given.
        answer : str, optional
            Its name, such as `bar_yes`; for each image the one that the network gives unless
            given. Of the first question only the two classes count.

        Returns
        -------
        ndarray of shape (N, size, size), float32
            Positive where the image speaks for the answer, negative where against it. Where the
            bundle averages eight views, the mean over them, each turned back.

        Raises
        ------
        GalaxiesError
            If the bundle holds no convolutional network, the images do not fit it, or it has no
            such question or answer.

        Examples
        --------
        >>> import galaxies
        >>> classifier = galaxies.load()
        >>> classifier.explain(np.zeros((2, 64, 64, 3), np.uint8), "bar").shape
        (2, 64, 64)
        """
        from galaxies.inside.evidence import explain

        return explain(self._folder, self.description, images, question, answer)

    def prepare(self, image: bytes | Image.Image) -> Pixels:
        """Make of a frame what the model takes.

        Parameters
        ----------
        image : bytes or Image
            A JPEG, PNG or FITS file, or a frame of any mode.

        Returns
        -------
        ndarray of shape (size, size, 3), uint8

        Raises
        ------
        UnreadableImageError
            If the file is damaged, or of another kind.
        """
        size, crop = self.description.size, self.description.crop
        if isinstance(image, Image.Image):
            return reduce_image(image.convert("RGB"), size, crop)
        if image.startswith(FITS_STARTS):
            from galaxies.images.fits import decode_fits

            return reduce_image(decode_fits(image), size, crop)
        return decode_reduced(image, size, crop, self.description.decoding)

    def classify_batch(self, items: Iterable[Item]) -> pa.Table:
        """Read and classify some images.

        Parameters
        ----------
        items : iterable of Item
            Few enough to go through the model together.

        Returns
        -------
        Table
            A row for each image, in their order: `schema`, with `PLACES`, and `familiar` open.
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
        answers = np.zeros((len(ids), len(ALL_COLUMNS)), np.float32)
        places: list[bytes] = []
        if images:
            prediction = self.predictor.predict(np.stack(images))
            if self.description.known is not None:
                places = [
                    one.tobytes() for one in self.description.known.places(prediction.outputs)
                ]
            p[read], spread[read] = prediction.p_spiral, prediction.spread
            if prediction.answers is not None:
                answers[read] = prediction.answers
        labels = np.where(p > 0.5, CLASSES[1], CLASSES[0])
        columns = {
            "galaxy_id": pa.array(ids, pa.string()),
            "p_spiral": pa.array(p, mask=~read),
            "spread": pa.array(spread, mask=~read),
            "label": _texts(labels, read),
            "decision": _texts(decide(p, self.threshold), read),
            "familiar": pa.nulls(len(ids), pa.bool_()),
            "error": pa.array(errors, pa.string()),
        }
        for place, column in enumerate(ALL_COLUMNS):
            if ANSWERS[column].name in self.schema.names:
                columns[ANSWERS[column].name] = pa.array(answers[:, place], mask=~read)
        table = pa.table(columns, schema=self.schema.remove_metadata())
        found = iter(places)
        each = [next(found, None) if one else None for one in read]
        return table.append_column(PLACES, pa.array(each, pa.binary()))


class Verdict(NamedTuple):
    """What the galaxies of a survey together say of it."""

    familiar: bool | None
    """Whether they look like those that the bundle was calibrated on; `None` where that cannot be
    told."""
    survey: str | None
    """The one of the bundle's surveys that they look like, if more than like all together."""
    calibration: Calibration
    threshold: float | None
    """The larger class's probability from which the machine decides alone."""
    proven: tuple[float, ...]
    """Target agreements that the bundle could prove."""


class Familiarity:
    """Whether a survey looks to a bundle like the galaxies that it was calibrated on.

    Where these came from several surveys, and it looks more like one of them than like all
    together, that one's calibration and promises are taken.

    Parameters
    ----------
    description : Description
        The bundle's.
    agreement : float
        How often the machine must agree with the volunteers where it decides alone.
    anyway : bool
        Let the machine decide also where the survey is not familiar.
    """

    def __init__(self, description: Description, agreement: float, anyway: bool) -> None:
        self._description = description
        self._agreement = agreement
        self._anyway = anyway
        self._known = description.known
        self._counts: npt.NDArray[np.int64] | None = None

    def add(self, table: pa.Table) -> None:
        """Count the galaxies of a table that `Classifier.classify_batch` made."""
        if self._known is None:
            return
        places = table[PLACES].drop_null().to_pylist()
        if places:
            numbers = np.frombuffer(b"".join(places), np.uint8).reshape(len(places), -1)
            counts = count(numbers)
            self._counts = counts if self._counts is None else self._counts + counts

    def verdict(self) -> Verdict:
        """Say what the galaxies so far tell."""
        familiar, survey = None, None
        if self._known is not None and self._counts is not None:
            parts = self._description.surveys
            counts = {name: np.array(one.counts) for name, one in parts.items()}
            familiar, survey = self._known.resembles(self._counts, counts)
        judged = self._description if survey is None else self._description.surveys[survey]
        threshold = choose_promise(judged.triage, self._agreement).threshold
        proven = tuple(one.agreement for one in judged.triage if one.threshold is not None)
        return Verdict(familiar, survey, judged.calibration, threshold, proven)

    def finish(self, table: pa.Table, verdict: Verdict) -> pa.Table:
        """Fill in what depends on the survey as a whole, and drop `PLACES`.

        Parameters
        ----------
        table : Table
            As `Classifier.classify_batch` made it; some or all of the survey.
        verdict : Verdict
            On all of it.
        """
        read = table["error"].is_null().to_numpy(zero_copy_only=False)
        values = [verdict.familiar if one else None for one in read]
        table = _replaced(table, "familiar", pa.array(values, pa.bool_()))
        if verdict.survey is not None:
            p = np.nan_to_num(table["p_spiral"].to_numpy())
            p = verdict.calibration(self._description.calibration.inverse(p))
            table = _replaced(table, "p_spiral", pa.array(p, mask=~read))
            labels = np.where(p > 0.5, CLASSES[1], CLASSES[0])
            table = _replaced(table, "label", _texts(labels, read))
            table = _replaced(table, "decision", _texts(decide(p, verdict.threshold), read))
        if verdict.familiar is False and not self._anyway:
            table = _replaced(table, "decision", _texts(np.full(len(table), UNDECIDED), read))
        return table.drop_columns(PLACES)


def _replaced(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.column_names.index(name), table.field(name), values)


def table_schema(description: Description, folder: Path, questions: Questions) -> pa.Schema:
    """List the columns of the table that a bundle makes.

    Parameters
    ----------
    description : Description
    folder : Path
        The bundle, for the error.
    questions : {"first", "all"}

    Returns
    -------
    Schema
        `COLUMNS`, then the answers to all questions that the bundle learned; the metadata of these
        name Kaggle's column (`column`) and say what the answer means (`description`).

    Raises
    ------
    GalaxiesError
        If all are asked for, and the bundle knows the class alone.
    """
    if questions == "first":
        return COLUMNS
    learned = [one for one in ALL_QUESTIONS if one.name in description.questions]
    if not learned:
        raise GalaxiesError(
            f"{folder}: answers only the first question; use a bundle that answers all"
        )
    answers = [
        pa.field(
            answer.name,
            pa.float32(),
            metadata={
                "column": answer.column,
                "description": f"share of all volunteers who say: {answer.words} ({one.words})",
            },
        )
        for one in learned
        for answer in one.answers
    ]
    return pa.schema([*COLUMNS, *answers])


def _texts(values: npt.NDArray[np.str_], read: npt.NDArray[np.bool_]) -> pa.Array:
    known = [value if one else None for value, one in zip(values.tolist(), read, strict=True)]
    return pa.array(known, pa.string())


def _item(image: Any, place: int) -> Item:  # noqa: ANN401
    if isinstance(image, str | Path):
        return Item(stem(str(image)), partial(read_file, str(image)))
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise GalaxiesError(
                f"image {place}: an array {image.dtype} {image.shape}; "
                "expected uint8 (height, width, 3)"
            )
        image = Image.fromarray(image)
    return Item(str(place), lambda: image)
