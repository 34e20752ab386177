"""The source of the backbone's weights."""

from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from galaxies.base.outputs import write_json
from galaxies.errors import GalaxiesError

BACKBONE: Final = "backbone.onnx"
"""File of the backbone, in its folder and in a bundle."""

_FILE: Final = "backbone.json"


class Weights(BaseModel):
    """Source of the weights of a backbone."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    source: Literal["imagenet", "file", "random"]
    detail: str
    """The seed, or the SHA-256 of the file."""

    @property
    def title(self) -> str:
        """Name of a classifier with this backbone in figures."""
        name = {"imagenet": "ImageNet", "file": "own weights", "random": "random"}[self.source]
        return f"InceptionV3 ({name})"


def write_weights_record(folder: Path, weights: Weights) -> None:
    """Write the record beside the weights."""
    write_json(folder / _FILE, weights.model_dump())


def read_weights_record(folder: Path) -> Weights:
    """Read the source of the weights of a backbone."""
    try:
        return Weights.model_validate_json((folder / _FILE).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise GalaxiesError(
            f"{folder / _FILE}: damaged; run `dvc repro --force backbone`"
        ) from error
