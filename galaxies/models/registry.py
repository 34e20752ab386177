"""All models, in the order in which tables and figures name them."""

from typing import Final, NamedTuple

MODELS: Final = ("tree", "mlp", "cnn", "inception")
"""All models, in the order in which tables name them."""


class Line(NamedTuple):
    """How a model is drawn."""

    color: str
    dashes: str
    marker: str


LINES: Final = {
    "tree": Line("#E69F00", ":", "^"),
    "mlp": Line("#CC79A7", "-.", "s"),
    "cnn": Line("#0072B2", "-", "o"),
    "inception": Line("#009E73", "--", "D"),
}
"""The models in the order in which figures name them."""
