"""A network from a bundle, for predictions without Keras."""

from pathlib import Path
from typing import Final, Self

from galaxies.base.arrays import Device, Outputs, Pixels
from galaxies.bundle.forward import ForwardPass

NETWORK: Final = "network.onnx"
"""File of a network in a bundle."""

GRADIENT: Final = "gradient.onnx"
"""File of the graph that computes the gradient of a CNN; it reads its weights from `NETWORK`."""


class SavedNetwork:
    """The network of a bundle.

    Parameters
    ----------
    folder : Path
        Folder of the bundle.
    device : {"cpu", "gpu"}
        The device that computes.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> SavedNetwork(Path("models/cnn")).predict(np.load("data/images.npy")[:3]).shape
    (3, 48)
    """

    def __init__(self, folder: Path, device: Device = "cpu") -> None:
        self._folder = folder
        self._forward = ForwardPass(folder / NETWORK, device)

    @classmethod
    def load(cls, folder: Path, device: Device = "cpu") -> Self:
        """Read the network of a bundle; a damaged file is a `GalaxiesError`."""
        return cls(folder, device)

    def predict(self, images: Pixels) -> Outputs:
        """Compute the raw outputs for images uint8 (N, side, side, 3)."""
        numbers = self._forward(images)
        return numbers if numbers.shape[1] > 1 else numbers[:, 0]
