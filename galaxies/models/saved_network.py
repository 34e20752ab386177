"""A network read back from a bundle, to predict without Keras."""

from pathlib import Path
from typing import Final, Self

from galaxies.base.arrays import Device, Pixels
from galaxies.learning.outputs import NUMBERS, Outputs, read_outputs
from galaxies.models.predicting.forward import ForwardPass

NETWORK: Final = "network.onnx"
"""A network's file in a bundle."""


class SavedNetwork:
    """A bundle's network, ready to predict.

    Parameters
    ----------
    folder : Path
        Of the bundle.
    device : {"cpu", "gpu"}
        What computes.
    """

    def __init__(self, folder: Path, device: Device = "cpu") -> None:
        self._folder = folder
        self._forward = ForwardPass(folder / NETWORK, device)

    @classmethod
    def load(cls, folder: Path, device: Device = "cpu") -> Self:
        """Read the network of a bundle; a damaged file is a `GalaxiesError`."""
        return cls(folder, device)

    def predict(self, images: Pixels) -> Outputs:
        """Say what it sees in images uint8 (N, side, side, 3)."""
        numbers = self._forward(images)
        return read_outputs(numbers) if numbers.shape[1] == NUMBERS else numbers[:, 0]
