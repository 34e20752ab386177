"""All models, in the order of tables and figures."""

from typing import Final

MODELS: Final = {
    "tree": "galaxies.models.tree:DecisionTree",
    "mlp": "galaxies.models.saved_network:SavedNetwork",
    "cnn": "galaxies.models.saved_network:SavedNetwork",
    "inception": "galaxies.models.inception.classifier:InceptionClassifier",
}
"""Module and class that predicts with each model, imported when it is loaded. The name in figures
is the `title` in the bundle, because that of InceptionV3 depends on its weights; the colours are in
`galaxies.figures.style`."""
