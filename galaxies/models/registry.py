"""All models, in the order in which tables and figures name them."""

import pkgutil
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from galaxies.errors import GalaxiesError
from galaxies.learning.fitting import Device, Saved


class Registered(NamedTuple):
    """A model that the pipeline knows, and how figures draw it.

    What they call it is the model's own `title`: that of InceptionV3 says where its weights come
    from.
    """

    model: str
    """Module and class of what predicts; imported when it is loaded."""
    color: str
    dashes: str
    marker: str


MODELS: Final = {
    "tree": Registered("galaxies.models.tree:DecisionTree", "#E69F00", ":", "^"),
    "mlp": Registered("galaxies.models.forward:SavedNetwork", "#CC79A7", "-.", "s"),
    "cnn": Registered("galaxies.models.forward:SavedNetwork", "#0072B2", "-", "o"),
    "inception": Registered(
        "galaxies.models.inception.classifier:InceptionClassifier", "#009E73", "--", "D"
    ),
}


def load_model(name: str, folder: Path, device: Device) -> Saved:
    """Load a model from a bundle.

    Parameters
    ----------
    name
        A key of `MODELS`.
    folder
        The bundle.
    device
        What computes.

    Raises
    ------
    GalaxiesError
        If there is no such model, or its files are damaged.
    """
    if name not in MODELS:
        raise GalaxiesError(
            f"{folder}: holds a model {name!r}, and this version knows {', '.join(MODELS)}; "
            "install the version of galaxies that made it"
        )
    kind = cast("type[Any]", pkgutil.resolve_name(MODELS[name].model))
    return cast("Saved", kind.load(folder, device))
