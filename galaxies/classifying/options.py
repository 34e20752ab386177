"""How to classify: the options of `galaxies classify`, `galaxies.load` and the pages."""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from galaxies.errors import GalaxiesError

if TYPE_CHECKING:
    from galaxies.base.arrays import Device

Questions = Literal["first", "all"]
"""Whether the table has only the first question, or all questions that the bundle answers."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to classify; it can be sent to another machine.

    Parameters
    ----------
    views : {1, 8}, optional
        Number of views to average; by default that of the bundle.
    agreement : float, optional
        Target agreement with the volunteers, at least 0.5 and below 1; by default the highest that
        the bundle has proven and that decides at least half of its validation galaxies.
    device : {"cpu", "gpu"}
        The device that computes.
    campaign : str, optional
        Campaign whose votes are predicted, such as `gz2`; by default that of the bundle.
    questions : {"first", "all"}
        Whether the table has the answers to all questions.
    anyway : bool
        Whether to decide even if the galaxies look unfamiliar.

    Raises
    ------
    GalaxiesError
        If an option has an impossible value.

    Examples
    --------
    >>> Options(agreement=0.9)
    Options(views=None, agreement=0.9, device='cpu', campaign=None, questions='first', anyway=False)
    >>> Options(views=3)
    Traceback (most recent call last):
    galaxies.errors.GalaxiesError: views: must be 1 or 8, got 3
    """

    views: Literal[1, 8] | None = None
    agreement: float | None = None
    device: "Device" = "cpu"
    campaign: str | None = None
    questions: Questions = "first"
    anyway: bool = False

    def __post_init__(self) -> None:
        if self.views not in (None, 1, 8):
            raise GalaxiesError(f"views: must be 1 or 8, got {self.views!r}")
        if self.agreement is not None and not 0.5 <= self.agreement < 1:
            raise GalaxiesError(
                f"agreement: must be at least 0.5 and below 1, such as 0.95; got {self.agreement:g}"
            )
        if self.device not in ("cpu", "gpu"):
            raise GalaxiesError(f"device: must be 'cpu' or 'gpu', got {self.device!r}")
        if self.questions not in ("first", "all"):
            raise GalaxiesError(f"questions: must be 'first' or 'all', got {self.questions!r}")

    def fingerprint(self, bundle: Path) -> dict[str, Any]:
        """Describe all that the answers of a bundle depend on.

        Parameters
        ----------
        bundle : Path
            Its folder.

        Returns
        -------
        dict
            The SHA-256 of the `bundle`, and all `options`.

        Examples
        --------
        >>> from pathlib import Path
        >>> fingerprint = Options(views=8).fingerprint(Path("models/cnn"))
        >>> len(fingerprint["bundle"]), fingerprint["options"]["views"]
        (64, 8)
        """
        return {"bundle": bundle_digest(bundle), "options": asdict(self)}


def bundle_digest(bundle: Path) -> str:
    """Compute the SHA-256 of all files of a bundle, but notes about it.

    Parameters
    ----------
    bundle : Path
        Its folder.

    Returns
    -------
    str
        64 hexadecimal digits.

    Examples
    --------
    >>> from pathlib import Path
    >>> len(bundle_digest(Path("models/cnn")))
    64
    """
    from galaxies.bundle.description import parts  # slow to import, and `--help` needs none of it

    digest = hashlib.sha256()
    for path in parts(bundle):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
