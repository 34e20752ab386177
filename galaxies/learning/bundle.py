"""A bundle: a folder with everything that classifying a new image needs."""

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
from galaxies.base.questions import CLASSES, Campaign
from galaxies.errors import GalaxiesError
from galaxies.learning.calibration import Calibration
from galaxies.learning.class_shares import ClassOutputs
from galaxies.learning.familiarity import KnownOutputs
from galaxies.learning.promises import Promise

FORMAT: Final = 5
"""Raised whenever a bundle that is written today could not be read by yesterday's loader."""


_DESCRIPTION: Final = "bundle.json"
_LEARNED: Final = "learned.npy"

PRETRAINED: Final = Path(__file__).parents[1] / "pretrained"
"""Folder of the bundles that come with the package: `simulated`, from which trainings start, and
`real`, trained on real galaxies."""


def bundle_folder(name: Path) -> Path:
    """Find a bundle by its folder, or a pretrained one by its name, `real` or `simulated`."""
    pretrained = PRETRAINED / name
    return pretrained if not name.exists() and (pretrained / _DESCRIPTION).is_file() else name


def require_free(folder: Path, overwrite: bool) -> None:
    """Make sure that a bundle may be made in a folder.

    Raises
    ------
    GalaxiesError
        If it is there and must not be replaced, or is no bundle.
    """
    if not folder.exists():
        return
    if not overwrite:
        raise GalaxiesError(f"{folder}: exists; --overwrite replaces it")
    if not (folder / _DESCRIPTION).is_file():
        raise GalaxiesError(f"{folder}: exists and is not a bundle; give another folder")


# Not our own: a new version must not change the bytes of a bundle.
_PACKAGES: Final = (
    "keras", "numpy", "onnxruntime", "pillow", "scikit-learn", "simplejpeg", "tensorflow"
)  # fmt: skip


class CalibratedOn(BaseModel):
    """The survey that a bundle was calibrated on after it was trained."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    survey: str
    galaxies: Annotated[int, Field(ge=1)]
    by: Literal["votes", "shares"]
    """With votes, or by the shares of the classes alone, which allows no promise."""
    fingerprint: str
    """SHA-256 of the galaxies' IDs, sorted as texts, one a line."""


class SurveyJudgement(BaseModel):
    """The same as `Judgement`, of the galaxies of one of several surveys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    calibration: Calibration
    triage: Annotated[tuple[Promise, ...], Field(min_length=1)]
    counts: tuple[tuple[int, ...], ...]
    """Of its galaxies in the bins of the whole's `KnownOutputs`."""


class Judgement(BaseModel):
    """What makes classes and promises of the answers to a campaign's first question."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    calibration: Calibration
    """Makes the raw probability that of the class."""
    votes: Calibration
    """Makes it the share of volunteers who would see features or a disk."""
    triage: Annotated[tuple[Promise, ...], Field(min_length=1)]
    outputs: ClassOutputs | None = None
    """Of the galaxies that it was calibrated on."""
    known: KnownOutputs | None = None
    """Of the same galaxies, all numbers that the model gives for them."""
    surveys: dict[str, SurveyJudgement] = Field(default_factory=dict)
    """Of each of the surveys that they came from, where there are several large enough."""
    calibrated: CalibratedOn | None = None
    """`None` where the calibration is that of the training."""


class Description(Judgement):
    """What stands in `bundle.json`; the judgement is that of `campaign`."""

    format: Literal[5] = FORMAT
    model: str
    """Its name in `galaxies.models.registry`."""
    title: str
    """What figures call the model."""
    classes: tuple[str, str] = CLASSES
    size: Annotated[int, Field(ge=1)]
    """Side in pixels of the images that the model is given."""
    crop: Annotated[float, Field(gt=0, le=1)]
    """Side of the central square those images show, as a share of the frame's shorter side."""
    decoding: Decoding
    """How the pixels of a JPEG are made, as in `galaxies.images.decode.decode_reduced`."""
    views: Literal[1, 8]
    """Views that are averaged."""
    campaign: Campaign = "gz2"
    """By whose first question it tells the classes."""
    others: dict[Campaign, Judgement] = Field(default_factory=dict)
    """Of the other campaigns that it can tell the classes by."""
    questions: tuple[str, ...] = ()
    """Names of all questions that it learned; empty where it knows the class alone."""
    survey: str
    """What it was trained on."""
    galaxies: int
    """How many galaxies it was trained on."""
    learned_from: str | None = None
    """`galaxies.learning.parts.fingerprint` of the split that it was trained on."""
    versions: dict[str, str] = Field(default_factory=lambda: {p: version(p) for p in _PACKAGES})

    def by(self, campaign: Campaign) -> Self:
        """Describe the same bundle with the judgement of another campaign.

        Raises
        ------
        GalaxiesError
            If it does not tell the classes by that one.
        """
        if campaign == self.campaign:
            return self
        if campaign not in self.others:
            known = " and ".join(sorted([self.campaign, *self.others]))
            raise GalaxiesError(
                f"this bundle tells the classes by {known}, not by {campaign}; leave the campaign "
                "out, or take another bundle"
            )
        own = Judgement(**{name: getattr(self, name) for name in Judgement.model_fields})
        others = {self.campaign: own} | self.others
        new = others.pop(campaign)
        return self.model_copy(update={**dict(new), "campaign": campaign, "others": others})


@contextmanager
def new_bundle(folder: Path) -> Iterator[Path]:
    """Make a bundle whole or not at all.

    Yields
    ------
    Path
        An empty folder to save the weights in; the block must also `describe` the bundle there.
    """
    with written_beside(folder) as beside:
        beside.mkdir()
        yield beside


def write_learned(folder: Path, galaxy_ids: npt.NDArray[np.int64]) -> None:
    """Write the IDs of the galaxies that a model learned from into a bundle that is being made.

    Parameters
    ----------
    folder : Path
        The bundle.
    galaxy_ids : ndarray of shape (N,), int64
        Of the training and the validation part, in any order; 8 bytes are kept for each.
    """
    np.save(folder / _LEARNED, np.unique(galaxy_ids))


def read_learned(folder: Path) -> npt.NDArray[np.int64] | None:
    """Read the sorted IDs of the galaxies that a bundle learned from.

    Returns
    -------
    ndarray of shape (N,), int64, or None
        `None` for a bundle that keeps none.

    Raises
    ------
    GalaxiesError
        If the file is damaged.
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
    """Make a bundle that differs from another in its description alone.

    Parameters
    ----------
    source : Path
        A bundle; its files are copied byte for byte.
    folder : Path
        The bundle to make, whole or not at all.
    description : Description
        The new one.
    """
    with new_bundle(folder) as beside:
        for path in sorted(source.iterdir()):
            if path.name != _DESCRIPTION:
                shutil.copyfile(path, beside / path.name)
        describe(beside, description)


def describe(folder: Path, description: Description) -> None:
    """Write the description into a bundle that is being made."""
    write_json(folder / _DESCRIPTION, description.model_dump(mode="json"))


def read_description(folder: Path) -> Description:
    """Read and check a bundle's description.

    Raises
    ------
    GalaxiesError
        If the folder is no bundle, or one of another format, or of other classes.
    """
    path = folder / _DESCRIPTION
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise GalaxiesError(f"{folder}: no bundle: {_DESCRIPTION} cannot be read") from error
    try:
        description = Description.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        if key == "format":
            raise GalaxiesError(
                f"{path}: format {first['input']}, and this version reads {FORMAT}; "
                "train the model again, or install the version of galaxies that made it"
            ) from error
        raise GalaxiesError(f"{path}: {key}: {first['msg']}; train the model again") from error
    if description.classes != CLASSES:
        raise GalaxiesError(f"{path}: classes {description.classes}, expected {CLASSES}")
    return description
