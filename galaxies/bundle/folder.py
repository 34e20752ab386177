"""A bundle: a folder with everything that is needed to classify new images."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Final, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from galaxies.base.arrays import Decoding, open_array
from galaxies.base.outputs import write_json, written_beside
from galaxies.errors import GalaxiesError
from galaxies.judgement.calibration import Calibration
from galaxies.judgement.class_shares import ClassOutputs
from galaxies.judgement.familiarity import KnownOutputs
from galaxies.judgement.promises import Promise
from galaxies.questions.tree import CLASSES, Campaign

FORMAT: Final = 5
"""Version of the format; increased when earlier versions cannot read it."""


_DESCRIPTION: Final = "bundle.json"
_LEARNED: Final = "learned.npy"

PRETRAINED: Final = Path(__file__).parents[1] / "pretrained"
"""Folder of the pretrained bundles: `simulated`, from which training starts, and `real`, trained on
real galaxies."""


def bundle_folder(name: Path) -> Path:
    """Return the folder of a bundle, or of a pretrained bundle, `real` or `simulated`."""
    pretrained = PRETRAINED / name
    return pretrained if not name.exists() and (pretrained / _DESCRIPTION).is_file() else name


def require_free(folder: Path, overwrite: bool) -> None:
    """Make sure that a bundle can be written to a folder.

    Raises
    ------
    GalaxiesError
        If the folder exists and must not be replaced, or is not a bundle.
    """
    if not folder.exists():
        return
    if not overwrite:
        raise GalaxiesError(f"{folder}: exists; --overwrite replaces it")
    if not (folder / _DESCRIPTION).is_file():
        raise GalaxiesError(f"{folder}: exists and is not a bundle; give another folder")


# Without our own: a new version must not change the bytes of a bundle.
_PACKAGES: Final = (
    "keras", "numpy", "onnxruntime", "pillow", "scikit-learn", "simplejpeg", "tensorflow"
)  # fmt: skip


class CalibratedOn(BaseModel):
    """The survey that a bundle was calibrated on after training."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    survey: str
    galaxies: Annotated[int, Field(ge=1)]
    by: Literal["votes", "shares"]
    """With votes, or only to the shares of the classes, which allows no promise."""
    fingerprint: str
    """SHA-256 of the galaxies' IDs, sorted as text, one per line."""


class SurveyJudgement(BaseModel):
    """Calibration and promises for the galaxies of one of several surveys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    calibration: Calibration
    triage: Annotated[tuple[Promise, ...], Field(min_length=1)]
    counts: tuple[tuple[int, ...], ...]
    """Counts of its galaxies in the bins of `known` for all surveys together."""


class Judgement(BaseModel):
    """Calibration and promises for the first question of a campaign."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    calibration: Calibration
    """From the raw probability to that of the class."""
    votes: Calibration
    """From the raw probability to the fraction of volunteers who see features or a disk."""
    triage: Annotated[tuple[Promise, ...], Field(min_length=1)]
    outputs: ClassOutputs | None = None
    """Raw probabilities of the galaxies that it was calibrated on."""
    known: KnownOutputs | None = None
    """All outputs of the model for the same galaxies."""
    surveys: dict[str, SurveyJudgement] = Field(default_factory=dict)
    """For each of their surveys, if there are several that are large enough."""
    calibrated: CalibratedOn | None = None
    """The survey of a later calibration, or `None`."""


class Description(Judgement):
    """Contents of `bundle.json`; calibration and promises are those of `campaign`."""

    format: Literal[5] = FORMAT
    model: str
    """Name in `galaxies.bundle.registry`."""
    title: str
    """Name in figures."""
    classes: tuple[str, str] = CLASSES
    size: Annotated[int, Field(ge=1)]
    """Side of the images that the model sees, in pixels."""
    crop: Annotated[float, Field(gt=0, le=1)]
    """Side of the central square that is kept, as a fraction of the shorter side of the frame."""
    decoding: Decoding
    """How JPEGs are decoded, as in `galaxies.images.decode.decode_reduced`."""
    views: Literal[1, 8]
    """Number of views that are averaged."""
    campaign: Campaign = "gz2"
    """Campaign whose first question defines the classes."""
    others: dict[Campaign, Judgement] = Field(default_factory=dict)
    """Calibration and promises for the other campaign, if there is one."""
    questions: tuple[str, ...] = ()
    """Names of the questions that it answers; empty if it predicts only the class."""
    survey: str
    """Survey of the training galaxies."""
    galaxies: int
    """Number of training galaxies."""
    learned_from: str | None = None
    """`galaxies.training.parts.fingerprint` of the split."""
    versions: dict[str, str] = Field(default_factory=lambda: {p: version(p) for p in _PACKAGES})

    def by(self, campaign: Campaign) -> Self:
        """Describe the same bundle for another campaign.

        Raises
        ------
        GalaxiesError
            If the bundle does not support this campaign.
        """
        if campaign == self.campaign:
            return self
        if campaign not in self.others:
            known = " and ".join(sorted([self.campaign, *self.others]))
            raise GalaxiesError(
                f"this bundle supports the campaign {known}, not {campaign}; omit the campaign, "
                "or use another bundle"
            )
        own = Judgement(**{name: getattr(self, name) for name in Judgement.model_fields})
        others = {self.campaign: own} | self.others
        new = others.pop(campaign)
        return self.model_copy(update={**dict(new), "campaign": campaign, "others": others})


@contextmanager
def new_bundle(folder: Path) -> Iterator[Path]:
    """Make a bundle, completely or not at all.

    Yields
    ------
    Path
        An empty folder for the weights; the block must also write the description, with
        `describe`.

    Examples
    --------
    >>> from pathlib import Path
    >>> with new_bundle(Path("models/new")) as folder:
    ...     path = folder / "weights.npz"
    ...     written = path.write_bytes(b"")
    >>> Path("models/new/weights.npz").exists()
    True
    """
    with written_beside(folder) as beside:
        beside.mkdir()
        yield beside


def write_learned(folder: Path, galaxy_ids: npt.NDArray[np.int64]) -> None:
    """Write the IDs of the training and validation galaxies into a new bundle.

    Parameters
    ----------
    folder : Path
        The bundle.
    galaxy_ids : ndarray of shape (N,), int64
        IDs in any order; each takes 8 bytes.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> write_learned(Path("models/cnn"), np.array([100023, 100008]))
    >>> read_learned(Path("models/cnn")).tolist()
    [100008, 100023]
    """
    np.save(folder / _LEARNED, np.unique(galaxy_ids))


def read_learned(folder: Path) -> npt.NDArray[np.int64] | None:
    """Read the IDs of the training and validation galaxies of a bundle.

    Returns
    -------
    ndarray of shape (N,), int64, or None
        Sorted; `None` if the bundle does not have them.

    Raises
    ------
    GalaxiesError
        If the file is damaged.

    Examples
    --------
    >>> from galaxies.bundle.folder import PRETRAINED
    >>> read_learned(PRETRAINED / "real").shape, read_learned(PRETRAINED / "simulated")
    ((10911,), None)
    """
    path = folder / _LEARNED
    if not path.exists():
        return None
    try:
        ids = open_array(path)
    except (OSError, ValueError, EOFError) as error:
        raise GalaxiesError(f"{path}: damaged ({error}); train the model again") from error
    if ids.ndim != 1 or ids.dtype != np.int64:
        raise GalaxiesError(f"{path}: damaged; train the model again")
    return ids


def copy_recalibrated(source: Path, folder: Path, description: Description) -> None:
    """Copy a bundle with a new description.

    Parameters
    ----------
    source : Path
        A bundle; its other files are copied unchanged.
    folder : Path
        The bundle to make.
    description : Description
        The new description.

    Examples
    --------
    >>> from pathlib import Path
    >>> source = Path("models/cnn")
    >>> new = read_description(source).model_copy(update={"title": "a copy"})
    >>> copy_recalibrated(source, Path("models/copy"), new)
    >>> read_description(Path("models/copy")).title
    'a copy'
    """
    with new_bundle(folder) as beside:
        for path in sorted(source.iterdir()):
            if path.name != _DESCRIPTION:
                shutil.copyfile(path, beside / path.name)
        describe(beside, description)


def describe(folder: Path, description: Description) -> None:
    """Write the description of a new bundle."""
    write_json(folder / _DESCRIPTION, description.model_dump(mode="json"))


def read_description(folder: Path) -> Description:
    """Read and check the description of a bundle.

    Raises
    ------
    GalaxiesError
        If the folder is not a valid bundle, or if its format or classes are not supported.

    Examples
    --------
    >>> from galaxies.bundle.folder import PRETRAINED
    >>> description = read_description(PRETRAINED / "real")
    >>> description.title, description.size, len(description.questions)
    ('CNN', 64, 12)
    """
    path = folder / _DESCRIPTION
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise GalaxiesError(f"{folder}: not a bundle: {_DESCRIPTION} cannot be read") from error
    try:
        description = Description.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        if key == "format":
            raise GalaxiesError(
                f"{path}: format {first['input']}, but this version reads {FORMAT}; "
                "train the model again, or install the version of galaxies that made it"
            ) from error
        raise GalaxiesError(
            f"{path}: {key and f'{key}: '}{first['msg']}; train the model again"
        ) from error
    if description.classes != CLASSES:
        raise GalaxiesError(f"{path}: classes {description.classes}, expected {CLASSES}")
    return description
