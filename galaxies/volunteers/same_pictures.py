"""Whether pictures are those that a table is about: they are classified again."""

from pathlib import Path
from typing import Final

from galaxies.bundle.pretrained import DESCRIPTION, PRETRAINED
from galaxies.classifying.classifier import Classifier
from galaxies.classifying.options import Options, bundle_digest
from galaxies.classifying.provenance import CAMPAIGN, VIEWS, made_by, recorded, same_bundle
from galaxies.errors import GalaxiesError
from galaxies.images.pixels import AnyImage

_COMPRESSED: Final = 0.05
"""A frame that is cut out of a mosaic is classified as it is, and kept as a JPEG. The largest
difference of a dozen was 0.003; another galaxy has another probability."""


def same_classifier(classes: Path, bundle: Path | None = None) -> Classifier | None:
    """Load the bundle that made a table, to classify some of its pictures again.

    Parameters
    ----------
    classes : Path
        A table from `galaxies classify`.
    bundle : Path, optional
        The bundle, if it is none of the pretrained ones.

    Returns
    -------
    Classifier or None
        `None` if the bundle is not at hand, or if the table does not record how it was classified,
        as in CSV.

    Examples
    --------
    >>> from pathlib import Path
    >>> same_classifier(Path("classes.parquet"), Path("models/cnn")).description.title
    'CNN'
    """
    maker, views, campaign = made_by(classes), recorded(classes, VIEWS), recorded(classes, CAMPAIGN)
    if maker is None or campaign is None or views not in ("1", "8"):
        return None
    pretrained = sorted(path.parent for path in PRETRAINED.glob(f"*/{DESCRIPTION}"))
    at_hand = [bundle] if bundle else pretrained
    for folder in at_hand:
        if same_bundle(bundle_digest(folder), maker):
            # The least strict promise, which is not used.
            options = Options(views=8 if views == "8" else 1, campaign=campaign, agreement=0.5)
            return Classifier(folder, options)
    return None


def refuse_another_picture(
    classifier: Classifier, galaxy_id: str, image: AnyImage, p_spiral: float
) -> None:
    """Refuse a picture that is not the one of which a table has the probability.

    Raises
    ------
    GalaxiesError
        If the bundle gives it another one.
    UnreadableImageError
        If it cannot be read.
    """
    found = float(classifier.predictor.predict(classifier.prepare(image)[None]).p_spiral[0])
    if abs(found - p_spiral) > _COMPRESSED:
        raise GalaxiesError(
            f"the picture of galaxy {galaxy_id!r} is not the one in the table: its p_spiral is "
            f"{found:.4f}, there {p_spiral:.4f}; give the images that were classified, or classify "
            "these"
        )
