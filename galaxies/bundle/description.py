"""The description of a bundle: what its model is, whose votes it predicts, what it promises."""

import hashlib
import json
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from galaxies.base.arrays import Decoding
from galaxies.bundle.pretrained import DESCRIPTION
from galaxies.errors import GalaxiesError
from galaxies.judgement.calibration import Calibration
from galaxies.judgement.class_shares import ClassOutputs
from galaxies.judgement.promises import Promise
from galaxies.questions.campaign import CLASSES, Campaign
from galaxies.questions.gz1 import GZ1
from galaxies.questions.gz2 import GZ2
from galaxies.questions.layout import ClassPlaces, Layout

FORMAT: Final = 6
"""Version of the format; increased when earlier versions cannot read it."""

_NOTES: Final = (".md", ".txt")
"""Suffixes of notes about a bundle, which are no part of it."""

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
    images: str | None = None
    """SHA-256 of the fingerprints of their images, which stay the same when IDs change; `None` in
    bundles of earlier versions."""

    def has_galaxies_of(self, other: Self) -> bool:
        """Whether both are the same galaxies, by ID or by image."""
        same_images = self.images is not None and self.images == other.images
        return same_images or self.fingerprint == other.fingerprint


class SurveyJudgement(BaseModel):
    """Promises for the galaxies of one of several surveys, with the calibration of all."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    galaxies: Annotated[int, Field(ge=1)]
    """Number of its validation galaxies."""
    triage: Annotated[tuple[Promise, ...], Field(min_length=1)]


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
    surveys: dict[str, SurveyJudgement] = Field(default_factory=dict)
    """For each of their surveys, if there are several that are large enough; the promises of
    `triage` are proven for each of them."""
    calibrated: CalibratedOn | None = None
    """The survey of a later calibration, or `None`."""
    answers_of: str | None = None
    """The campaign whose answers are judged, if the model has none of this campaign."""


class Description(BaseModel):
    """Contents of `bundle.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    format: Literal[6] = FORMAT
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
    campaign: str
    """Campaign whose first question defines the classes; one of `judgements`."""
    campaigns: Annotated[tuple[Campaign, ...], Field(min_length=1)]
    """Campaigns whose answers the model predicts, in the order of its outputs."""
    questions: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Names of the questions that it answers, by campaign; empty if it predicts only the class."""
    judgements: Annotated[dict[str, Judgement], Field(min_length=1)]
    """Calibration and promises for each campaign."""
    survey: str
    """Survey of the training galaxies."""
    galaxies: int
    """Number of training galaxies."""
    learned_from: str | None = None
    """`galaxies.training.parts.fingerprint` of the split."""
    versions: dict[str, str] = Field(default_factory=lambda: {p: version(p) for p in _PACKAGES})
    files: dict[str, str] = Field(default_factory=dict)
    """SHA-256 of the other files, by name; empty in bundles of earlier versions."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.campaign not in self.judgements:
            raise ValueError(f"campaign: no calibration for {self.campaign}")
        names = {campaign.name for campaign in self.campaigns}
        for name, judged in self.judgements.items():
            if (judged.answers_of or name) not in names:
                raise ValueError(f"judgements: no answers of {judged.answers_of or name}")
        return self

    @property
    def layout(self) -> Layout:
        """Order of the outputs, for a model that answers questions."""
        return Layout(self.campaigns)

    @property
    def judgement(self) -> Judgement:
        """Calibration and promises for the campaign."""
        return self.judgements[self.campaign]

    @property
    def answers_of(self) -> Campaign:
        """Campaign whose answers are used: its own, or those that were calibrated for it."""
        name = self.judgement.answers_of or self.campaign
        return next(campaign for campaign in self.campaigns if campaign.name == name)

    @property
    def answered(self) -> tuple[str, ...]:
        """Names of the questions of `answers_of` that the model answers."""
        return self.questions.get(self.answers_of.name, ())

    @property
    def class_places(self) -> ClassPlaces:
        """Places of the answers that define the class."""
        return self.layout.class_places(self.answers_of)

    @property
    def calibration(self) -> Calibration:
        """From the raw probability to that of the class."""
        return self.judgement.calibration

    @property
    def triage(self) -> tuple[Promise, ...]:
        """The promises."""
        return self.judgement.triage

    def by(self, campaign: str) -> Self:
        """Describe the same bundle for another campaign.

        Raises
        ------
        GalaxiesError
            If the bundle is not calibrated for this campaign.
        """
        if campaign not in self.judgements:
            raise GalaxiesError(
                f"this bundle is calibrated for {', '.join(self.judgements)}, not for the votes "
                f"of {campaign}; omit the campaign, calibrate the bundle on a survey of "
                f"{campaign}, or use another bundle"
            )
        return self.model_copy(update={"campaign": campaign})

    def judged(self, judgement: Judgement) -> Self:
        """Describe the same bundle with another judgement for its campaign."""
        return self.model_copy(update={"judgements": self.judgements | {self.campaign: judgement}})


def read_description(folder: Path) -> Description:
    """Read and check the description of a bundle.

    Raises
    ------
    GalaxiesError
        If the folder is not a valid bundle, or if its format or classes are not supported.

    Examples
    --------
    >>> from galaxies.bundle.pretrained import PRETRAINED
    >>> description = read_description(PRETRAINED / "real")
    >>> description.title, description.size, [campaign.name for campaign in description.campaigns]
    ('CNN', 64, ['kaggle', 'gz2', 'gz1'])
    """
    path = folder / DESCRIPTION
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        if not folder.exists():
            raise GalaxiesError(
                f"{folder}: no such folder; give a bundle's, or the name of a pretrained one, real "
                "or simulated"
            ) from error
        raise GalaxiesError(f"{folder}: not a bundle: {DESCRIPTION} cannot be read") from error
    try:
        description = Description.model_validate_json(_upgraded(text))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        if key == "format":
            raise GalaxiesError(
                f"{path}: format {first['input']}, but this version reads 5 and {FORMAT}; "
                "train the model again, or install the version of galaxies that made it"
            ) from error
        raise GalaxiesError(
            f"{path}: {key and f'{key}: '}{first['msg']}; train the model again"
        ) from error
    if description.classes != CLASSES:
        raise GalaxiesError(f"{path}: classes {description.classes}, expected {CLASSES}")
    return description


def file_hashes(folder: Path) -> dict[str, str]:
    """Compute the SHA-256 of each file of a bundle but its description.

    Examples
    --------
    >>> from galaxies.bundle.pretrained import PRETRAINED
    >>> real = PRETRAINED / "real"
    >>> file_hashes(real) == read_description(real).files
    True
    """
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in parts(folder)
        if path.name != DESCRIPTION
    }


def parts(folder: Path) -> list[Path]:
    """List the files of a bundle, by name.

    Neither what systems leave in folders, such as `.DS_Store`, nor notes about the bundle.

    Examples
    --------
    >>> from galaxies.bundle.pretrained import PRETRAINED
    >>> [path.name for path in parts(PRETRAINED / "real")][:3]
    ['bundle.json', 'familiarity.npz', 'gradient.onnx']
    """
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and not path.name.startswith(".") and path.suffix not in _NOTES
    )


def require_own_files(folder: Path, description: Description) -> None:
    """Make sure that the files of a bundle are those that it was written with.

    Raises
    ------
    GalaxiesError
        If one is missing, is from another bundle, or was added later.

    Examples
    --------
    >>> from pathlib import Path
    >>> folder = Path("models/cnn")
    >>> require_own_files(folder, read_description(folder))
    >>> _ = (folder / "network.onnx").write_bytes(b"another")
    >>> require_own_files(folder, read_description(folder))
    Traceback (most recent call last):
    galaxies.errors.GalaxiesError: models/cnn/network.onnx: is not the file that the bundle ...
    """
    if not description.files:
        return
    hashes = file_hashes(folder)
    for name in sorted(hashes.keys() | description.files):
        if name not in hashes:
            raise GalaxiesError(f"{folder / name}: is missing; copy the whole bundle again")
        if hashes[name] != description.files.get(name):
            raise GalaxiesError(
                f"{folder / name}: is not the file that the bundle was written with, as "
                f"{DESCRIPTION} says; copy the whole bundle again"
            )


def _upgraded(text: str) -> str:
    """Turn a description of format 5, which knew two campaigns, into one of today's format."""
    try:
        contents = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        return text
    if not isinstance(contents, dict) or contents.get("format") != 5:
        return text
    campaign, others = contents.setdefault("campaign", GZ2.name), contents.pop("others", {})
    answered: Any = contents.pop("questions", [])
    if not (isinstance(campaign, str) and isinstance(others, dict) and isinstance(answered, list)):
        return "{}"  # damaged: refused with the first key that is missing
    own = {name: contents.pop(name) for name in Judgement.model_fields if name in contents}
    contents.pop("known", None)
    contents["judgements"] = {campaign: own} | others
    for judged in contents["judgements"].values():
        if isinstance(judged, dict):
            # Familiarity was a property of surveys, and each survey had its calibration.
            judged.pop("known", None)
            judged["surveys"] = {}
    campaigns = (GZ2, GZ1) if answered else (GZ1 if campaign == GZ1.name else GZ2,)
    contents["questions"] = {
        asked.name: names
        for asked in campaigns
        if (names := [question.name for question in asked.questions if question.name in answered])
    }
    contents["campaigns"] = [asdict(asked) for asked in campaigns]
    contents["format"] = FORMAT
    return json.dumps(contents)
