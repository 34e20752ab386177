"""All models, in the order of tables and figures."""

from typing import Final, NamedTuple


class Registered(NamedTuple):
    """A model of the pipeline, and its style in figures.

    Its name in figures is the `title` of the model, because that of InceptionV3 depends on its
    weights.
    """

    model: str
    """Module and class that predicts; imported when it is loaded."""
    graph: str | None
    """Module and function that builds it in TensorFlow, for export: it takes the folder of a bundle
    and the side of the images, and returns a function from a tensor uint8 (N, size, size, 3) to the
    raw outputs. `None` if there is none."""
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
