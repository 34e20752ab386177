"""The settings in `params.yaml`, typed and validated."""

import reprlib
from collections.abc import Hashable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from galaxies.base.arrays import Decoding
from galaxies.base.yaml_files import reading_yaml, refuse_second
from galaxies.errors import GalaxiesError

Share = Annotated[float, Field(ge=0, le=1)]
ProperShare = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class Section(BaseModel):
    """A section of the settings: no unknown keys, no conversions, immutable."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class SimulateSettings(Section):
    """The simulated survey."""

    galaxies: Annotated[int, Field(ge=30, le=900_000)]
    seed: Seed
    faintest: Annotated[float, Field(ge=14.5, le=17.8)]
    artifacts: Share
    votes_least: Count
    votes_most: Count

    @model_validator(mode="after")
    def _votes_in_order(self) -> Self:
        if self.votes_least > self.votes_most:
            raise ValueError(
                f"simulate.votes_most: must be at least simulate.votes_least ({self.votes_least}), "
                f"got {self.votes_most}"
            )
        return self


class PackSettings(Section):
    """How images are packed into one array."""

    size: Annotated[int, Field(ge=8, le=424)]
    crop: Annotated[float, Field(gt=0, le=1)]
    decoding: Decoding
    max_unreadable: Share


class SplitSettings(Section):
    """Which galaxies are for training, validation and test."""

    seed: Seed
    test_share: ProperShare
    max_train: Count
    max_test: Count
    validation_share: ProperShare
    min_agreement: Share


class TreeSettings(Section):
    """The decision tree; depth and pruning are chosen on the validation galaxies."""

    size: Count
    max_depth: Annotated[list[Count], Field(min_length=1)]
    pruning: Annotated[list[Share], Field(min_length=1)]
    seed: Seed


class TrainingSettings(Section):
    """Settings of every training of a network."""

    dropout: Annotated[float, Field(ge=0, lt=1)]
    learning_rate: Annotated[float, Field(gt=0)]
    epochs: Count
    batch: Count


class MlpSettings(TrainingSettings):
    """The network with one hidden layer."""

    size: Count
    hidden: Count
    momentum: Annotated[float, Field(ge=0, lt=1)]
    seed: Seed


class AugmentedSettings(TrainingSettings):
    """A convolutional network with random rotations, sizes and shifts."""

    filters: Annotated[list[Count], Field(min_length=1)]
    rotation: Annotated[float, Field(ge=0, le=180)]
    zoom: Annotated[float, Field(ge=0, lt=1)]
    shift: Annotated[float, Field(ge=0, lt=1)]


class ReferenceSettings(AugmentedSettings):
    """The recipe of the reference results."""

    dense: Count
    momentum: Annotated[float, Field(ge=0, lt=1)]


class ResidualSettings(AugmentedSettings):
    """A residual network."""

    start: Annotated[str, Field(min_length=1)] | None
    brightness: Annotated[float, Field(ge=0, lt=1)]
    colour: Annotated[float, Field(ge=0, lt=1)]
    stretch: Annotated[float, Field(ge=0, lt=1)]
    background: Annotated[float, Field(ge=0, le=255)]
    blur: Annotated[float, Field(ge=0, lt=1)]
    noise: Annotated[float, Field(ge=0, le=255)]
    sharpness: Annotated[float, Field(gt=0)]
    counted: Annotated[float, Field(gt=0)]
    weight_decay: Annotated[float, Field(ge=0)]


class CnnSettings(Section):
    """The convolutional network, with one of two recipes."""

    recipe: Literal["reference", "residual"]
    views: Literal[1, 8]
    folds: Count
    seed: Seed
    reference: ReferenceSettings
    residual: ResidualSettings


class InceptionSettings(Section):
    """InceptionV3 as a fixed backbone, and the classifier on its features."""

    weights: Annotated[str, Field(min_length=1)]
    seed: Seed
    size: Annotated[int, Field(ge=75, le=424)]
    crop: Annotated[float, Field(gt=0, le=1)]
    regularisation: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1)]


class TriageSettings(Section):
    """When the machine may decide."""

    agreement: Annotated[list[Annotated[float, Field(gt=0.5, lt=1)]], Field(min_length=1)]
    confidence: ProperShare
    search: bool


class EvaluateSettings(Section):
    """How scores on the test galaxies are computed."""

    bootstrap: Annotated[int, Field(ge=100)]
    reliability_bins: Annotated[int, Field(ge=2)]
    seed: Seed


class ExplainSettings(Section):
    """The galaxies in the figures of the network; `null` takes the most certain correct one."""

    elliptical: int | None
    spiral: int | None


class PlotSettings(Section):
    """Figures."""

    samples: Annotated[int, Field(ge=1, le=12)]
    mistakes: Annotated[int, Field(ge=1, le=12)]


class Settings(Section):
    """Everything in `params.yaml`."""

    survey: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
    volunteers: Annotated[int, Field(ge=2)]
    simulate: SimulateSettings
    pack: PackSettings
    split: SplitSettings
    tree: TreeSettings
    mlp: MlpSettings
    cnn: CnnSettings
    inception: InceptionSettings
    triage: TriageSettings
    evaluate: EvaluateSettings
    explain: ExplainSettings
    plot: PlotSettings

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        for name, size in (("tree", self.tree.size), ("mlp", self.mlp.size)):
            if self.pack.size % size:
                raise ValueError(
                    f"{name}.size: must divide pack.size ({self.pack.size}), got {size}"
                )
        halvings = len(self.cnn.reference.filters)
        if self.pack.size >> halvings == 0:
            raise ValueError(
                f"cnn.reference.filters: {halvings} layers reduce {self.pack.size} pixels to "
                "nothing; use fewer layers or raise pack.size"
            )
        return self


class _UniqueKeyLoader(yaml.SafeLoader):
    """A YAML loader that rejects duplicate keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        refuse_second([self.construct_object(key, deep=True) for key, _ in node.value], node)
        return super().construct_mapping(node, deep)


def load_settings(path: Path = Path("params.yaml")) -> Settings:
    """Read and check the settings.

    Parameters
    ----------
    path : Path
        A YAML file such as the project's `params.yaml`.

    Returns
    -------
    Settings
        Immutable and validated.

    Raises
    ------
    GalaxiesError
        If the file cannot be read, or if a key is unknown, missing, of the wrong type or out of
        range. The error gives the full names, such as `mlp.learning_rate`.

    Examples
    --------
    >>> settings = load_settings()
    >>> settings.survey, settings.pack.size, settings.cnn.residual.filters
    ('simulated', 64, [24, 48, 80, 112])
    """
    with reading_yaml(path):
        content = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=_UniqueKeyLoader)
    if not isinstance(content, dict):
        raise GalaxiesError(f"{path}: must contain keys and values, such as `survey: gz1`")
    try:
        return Settings.model_validate(content)
    except ValidationError as error:
        problems = [_said(problem) for problem in error.errors(include_url=False)]
        raise GalaxiesError(f"{path}: {'; '.join(problems)}") from error


def _said(problem: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails, plain dict at run time
    """Format a problem as `full.key: what is wrong, got value`."""
    key = ".".join(str(part) for part in problem["loc"])
    match problem["type"]:
        case "extra_forbidden":
            return f"{key}: unknown key; remove it or correct its spelling"
        case "missing":
            return f"{key}: missing; add it"
        case "value_error":
            return str(problem["ctx"]["error"])
    message: str = problem["msg"].removeprefix("Input ").replace("should ", "must ")
    hint = ""
    if isinstance(problem["input"], str) and "number" in message:
        hint = " (YAML reads this as text; write 0.001, not 1e-3)"
    return f"{key}: {message}, got {reprlib.repr(problem['input'])[:80]}{hint}"
