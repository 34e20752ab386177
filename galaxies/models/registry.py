"""All models, in the order in which tables and figures name them."""

from typing import Final, NamedTuple


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
