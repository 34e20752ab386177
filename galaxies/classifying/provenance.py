"""What made a table: a bundle, a version and options, which the table itself says."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from galaxies import __version__
from galaxies.bundle.description import read_description
from galaxies.bundle.pretrained import PRETRAINED
from galaxies.classifying.options import bundle_digest
from galaxies.errors import GalaxiesError
from galaxies.tables.catalogue import read_catalogue

if TYPE_CHECKING:
    from galaxies.bundle.description import Description
    from galaxies.classifying.options import Options
    from galaxies.classifying.verdict import Verdict
    from galaxies.judgement.calibration import Calibration
    from galaxies.tables.catalogue import Catalogue

BUNDLE: Final = "bundle"
"""Metadata: SHA-256 of the bundle that made the table. Also a column, with its first `SHORT`
letters, for programs that drop metadata and formats that have none."""

CAMPAIGN: Final = "campaign"
"""Metadata: the campaign whose votes the decisions agree with."""

AGREEMENT: Final = "agreement"
"""Metadata: the target agreement of the decisions."""

THRESHOLD: Final = "threshold"
"""Metadata: the certainty from which the machine decided, or `none`."""

VIEWS: Final = "views"
"""Metadata: the number of views that were averaged."""

SHORT: Final = 12

_FACTS: Final = (
    "creator", BUNDLE, "model", "survey", "campaign", "calibration", "agreement", THRESHOLD,
    "anyway", "questions", VIEWS, "size", "crop", "decoding", "device",
)  # fmt: skip
"""Names of the metadata, in the order in which they are shown."""


def provenance(
    description: "Description", digest: str, options: "Options", verdict: "Verdict"
) -> dict[str, str]:
    """Say what made a table.

    Parameters
    ----------
    description : Description
        Description of the bundle.
    digest : str
        SHA-256 of the bundle.
    options : Options
        How it classified.
    verdict : Verdict
        What all galaxies together have shown.

    Returns
    -------
    dict
        Metadata of the table: names and values.

    Examples
    --------
    >>> from pathlib import Path
    >>> from galaxies.bundle.description import read_description
    >>> from galaxies.classifying.verdict import Verdict
    >>> from galaxies.classifying.options import Options, bundle_digest
    >>> folder, options = Path("models/cnn"), Options(agreement=0.9)
    >>> description = read_description(folder)
    >>> verdict = Verdict(True, 40, 0, 500, description.triage[0], (0.9,), "gz2")
    >>> facts = provenance(description, bundle_digest(folder), options, verdict)
    >>> facts["model"], facts["agreement"], facts["anyway"], len(facts["bundle"])
    ('CNN', '0.9', 'no', 64)
    """
    later = description.judgement.calibrated
    return {
        "creator": f"galaxies {__version__}",
        BUNDLE: digest,
        "model": description.title,
        "survey": later.survey if later else description.survey,
        CAMPAIGN: description.campaign,
        "calibration": _sigmoid(description.calibration),
        AGREEMENT: f"{verdict.promise.agreement:g}",
        THRESHOLD: "none"
        if verdict.promise.threshold is None
        else f"{verdict.promise.threshold:.6g}",
        "anyway": "yes" if options.anyway else "no",
        "questions": options.questions,
        VIEWS: str(options.views or description.views),
        "size": str(description.size),
        "crop": f"{description.crop:g}",
        "decoding": description.decoding,
        "device": options.device,
    }


def made_by(path: Path) -> str | None:
    """Find the bundle that made a table.

    Parameters
    ----------
    path : Path
        A table from `galaxies classify`, also after other programs have selected rows.

    Returns
    -------
    str or None
        SHA-256 of the bundle, or its first letters where other programs have dropped the metadata;
        `None` if it is not recorded.

    Raises
    ------
    GalaxiesError
        If the rows were made by different bundles.

    Examples
    --------
    >>> from pathlib import Path
    >>> len(made_by(Path("classes.parquet")))
    64
    """
    return _maker(path, read_catalogue(str(path)))


def _maker(path: Path, catalogue: "Catalogue") -> str | None:
    recorded = catalogue.metadata.get(BUNDLE)
    if BUNDLE not in catalogue.schema.names:
        return recorded
    bundles: set[str] = set()
    for piece in catalogue.pieces([BUNDLE]):
        bundles |= set(piece[BUNDLE].drop_null().unique().to_pylist())
    if len(bundles) > 1:
        raise GalaxiesError(
            f"{path}: rows of different bundles ({', '.join(sorted(bundles))}); "
            "give the rows of one at a time"
        )
    column = next(iter(bundles), None)
    if column and recorded and not same_bundle(column, recorded):
        raise GalaxiesError(
            f"{path}: its rows were made by another bundle ({column}) than its header says "
            f"({recorded[:SHORT]}); give the table that galaxies classify made"
        )
    return recorded or column


def recorded(path: Path, name: str) -> str | None:
    """Find what a table records about how it was made.

    Parameters
    ----------
    path : Path
        A table from `galaxies classify`.
    name : str
        Such as `CAMPAIGN` or `AGREEMENT`.

    Returns
    -------
    str or None
        `None` if it is not recorded, as in CSV tables.

    Examples
    --------
    >>> from pathlib import Path
    >>> recorded(Path("classes.parquet"), "agreement")
    '0.9'
    """
    return read_catalogue(str(path)).metadata.get(name)


def same_bundle(first: str, second: str) -> bool:
    """Whether two digests, one of which may be shortened, are of the same bundle."""
    return first.startswith(second) or second.startswith(first)


def describe_table(path: Path) -> dict[str, str]:
    """Say what is known about a table from `galaxies classify`.

    Parameters
    ----------
    path : Path
        The table, in any format, also after other programs have selected rows.

    Returns
    -------
    dict
        Facts by name: its rows and columns, and what made it.

    Raises
    ------
    GalaxiesError
        If it cannot be read, or if it does not say what made it.

    Examples
    --------
    >>> from pathlib import Path
    >>> facts = describe_table(Path("classes.parquet"))
    >>> facts["rows"], facts["model"], facts["agreement"]
    ('40', 'CNN', '0.9')
    """
    if not path.exists():
        raise GalaxiesError(
            f"{path}: no such table or bundle; the pretrained ones are real and simulated"
        )
    catalogue = read_catalogue(str(path))
    digest = _maker(path, catalogue)
    if digest is None:
        raise GalaxiesError(f"{path}: does not say what made it; not from galaxies classify")
    facts = {"rows": f"{catalogue.count:,}", "columns": ", ".join(catalogue.schema.names)}
    facts |= {name: catalogue.metadata[name] for name in _FACTS if name in catalogue.metadata}
    if BUNDLE not in catalogue.metadata:
        same = [bundle.name for bundle in sorted(PRETRAINED.iterdir())
                if bundle.is_dir() and same_bundle(bundle_digest(bundle), digest)]  # fmt: skip
        pretrained = f", the pretrained {same[0]}" if same else ""
        facts[BUNDLE] = f"{digest}… (from the column; the rest was dropped){pretrained}"
    return facts


def describe_bundle(folder: Path) -> dict[str, str]:
    """Say what is in a bundle.

    Parameters
    ----------
    folder : Path
        The bundle.

    Returns
    -------
    dict
        Facts by name.

    Raises
    ------
    GalaxiesError
        If the folder is not a valid bundle.

    Examples
    --------
    >>> from galaxies.bundle.pretrained import PRETRAINED
    >>> facts = describe_bundle(PRETRAINED / "real")
    >>> facts["model"], facts["campaign"]
    ('CNN', 'kaggle')
    """
    description = read_description(folder)
    calibration, later = description.calibration, description.judgement.calibrated
    promises = "; ".join(
        f"{promise.agreement:g} "
        + (
            "not proven"
            if promise.threshold is None
            else f"from a certainty of {promise.threshold:.4f}"
        )
        for promise in description.triage
    )
    return {
        BUNDLE: bundle_digest(folder),
        "model": description.title,
        "survey": f"{description.survey}, {description.galaxies:,} training galaxies",
        "campaign": description.campaign,
        "calibrated for": ", ".join(description.judgements),
        "questions": ", ".join(description.answered) or "first only",
        "calibration": _sigmoid(calibration)
        + (f", on {later.survey} by {later.by}" if later else ""),
        "agreement": promises,
        "views": str(description.views),
        "size": str(description.size),
        "crop": f"{description.crop:g}",
        "decoding": description.decoding,
        "made with": ", ".join(f"{k} {v}" for k, v in description.versions.items()),
    }


def _sigmoid(calibration: "Calibration") -> str:
    return f"slope {calibration.slope:.6g}, intercept {calibration.intercept:.6g}"
