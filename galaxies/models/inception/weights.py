"""Where the weights of a trunk come from."""

from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from galaxies.base.outputs import write_json
from galaxies.errors import GalaxiesError

_FILE: Final = "trunk.json"


class Origin(BaseModel):
    """Where a trunk's weights come from."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    source: Literal["imagenet", "file", "random"]
    detail: str
    """The seed, or the SHA-256 of the file."""

    @property
    def title(self) -> str:
        """What figures call a classifier on this trunk."""
        name = {"imagenet": "ImageNet", "file": "own weights", "random": "random"}[self.source]
        return f"InceptionV3 ({name})"


def write_origin(folder: Path, origin: Origin) -> None:
    """Put the origin beside the weights."""
    write_json(folder / _FILE, origin.model_dump())


def read_origin(folder: Path) -> Origin:
    """Read where a trunk's weights come from."""
    try:
        return Origin.model_validate_json((folder / _FILE).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise GalaxiesError(f"{folder / _FILE}: damaged; make the trunk again") from error
