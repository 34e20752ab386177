"""All models, in the order in which tables and figures name them."""

from typing import Final, NamedTuple


class Registered(NamedTuple):
    """A model that the pipeline knows, and how figures draw it.

    What they call it is the model's own `title`: that of InceptionV3 says where its weights come
    from.
    """

    model: str
    """Module and class of what predicts; imported when it is loaded."""
    graph: str | None
    """Module and function of what repeats it in TensorFlow, for export: it takes a bundle's folder
    and the side of the images, and returns a function from a tensor uint8 (N, size, size, 3) to raw
    probabilities float32 (N,). `None` where there is none."""
    color: str
    dashes: str
    marker: str


MODELS: Final = {
    "tree": Registered(
        model="galaxies.models.tree:DecisionTree",
        graph="galaxies.models.tree:graph",
        color="#E69F00",
        dashes=":",
        marker="^",
    ),
    "mlp": Registered(
        model="galaxies.models.saved_network:SavedNetwork",
        graph="galaxies.models.networks:graph",
        color="#CC79A7",
        dashes="-.",
        marker="s",
    ),
    "cnn": Registered(
        model="galaxies.models.saved_network:SavedNetwork",
        graph="galaxies.models.networks:graph",
        color="#0072B2",
        dashes="-",
        marker="o",
    ),
    "inception": Registered(
        model="galaxies.models.inception.classifier:InceptionClassifier",
        graph="galaxies.models.inception.tensorflow_graph:graph",
        color="#009E73",
        dashes="--",
        marker="D",
    ),
}
