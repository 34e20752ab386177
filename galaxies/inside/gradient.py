"""The outputs of a network, its activations, and their gradients, with ONNX Runtime alone."""

import json
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import onnxruntime

from galaxies.bundle.forward import DAMAGED
from galaxies.errors import GalaxiesError
from galaxies.models.saved_network import GRADIENT

Floats32 = npt.NDArray[np.float32]

_CHUNK: Final = 32
"""Images per batch."""


class Layer(NamedTuple):
    """A layer with positions in its output."""

    name: str
    kind: str
    """Operation, such as `Relu`."""
    field: int
    """Side of the receptive field of a position, in pixels of the image."""


class Gradient:
    """The outputs of a network for images, and their gradient by the pixels and the activations.

    It computes in the calling thread, and several threads may call it at the same time.

    Parameters
    ----------
    graph : Path or bytes
        A bundle with `gradient.onnx`, the output of `galaxies.models.backward.write_gradient`; or
        a graph with its weights, from `galaxies.models.backward.randomised_gradient`.

    Raises
    ------
    GalaxiesError
        If the bundle has no such file, or if it is damaged.

    Examples
    --------
    >>> import numpy as np
    >>> from galaxies.bundle.pretrained import PRETRAINED
    >>> gradient = Gradient(PRETRAINED / "real")
    >>> images = np.zeros((5, 64, 64, 3), np.float32)
    >>> gradient.numbers(images).shape
    (5, 100)
    >>> gradient.gradient(images, np.ones((5, 100), np.float32)).shape
    (5, 64, 64, 3)
    """

    def __init__(self, graph: Path | bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        source: str | bytes = str(graph / GRADIENT) if isinstance(graph, Path) else graph
        if isinstance(graph, Path) and not (graph / GRADIENT).is_file():
            raise GalaxiesError(
                f"{graph}: has no {GRADIENT}, so that it cannot be explained; with "
                f"the extra pipeline, `python -m galaxies.models.backward {graph}` adds it"
            )
        try:
            self._session = onnxruntime.InferenceSession(
                source, options, providers=["CPUExecutionProvider"]
            )
        except DAMAGED as error:
            reason = str(error).splitlines()[0].rpartition(" : ")[2]
            name = source if isinstance(source, str) else "the graph"
            raise GalaxiesError(f"{name}: damaged ({reason}); train the model again") from error
        # Compute only what is asked for: the whole graph gives all gradients of all layers.
        self._run_options = onnxruntime.RunOptions()
        self._run_options.only_execute_path_to_fetches = True
        described = json.loads(self._session.get_modelmeta().custom_metadata_map["layers"])
        self.layers: dict[str, Layer] = {layer["name"]: Layer(**layer) for layer in described}
        """Layers with positions, in order."""
        shapes = {given.name: given.shape for given in self._session.get_inputs()}
        self.size: int = shapes["direction"][1]
        """Number of outputs of the network."""

    def numbers(self, images: npt.NDArray[Any]) -> Floats32:
        """Compute the outputs of the network, without a sigmoid at the end.

        Parameters
        ----------
        images : ndarray of shape (N, side, side, 3)
            Values from 0 to 255, not necessarily whole numbers.

        Returns
        -------
        ndarray of shape (N, size), float32
        """
        [numbers] = self._run(["numbers"], images)
        return numbers

    def gradient(self, images: npt.NDArray[Any], direction: Floats32) -> Floats32:
        """Compute the gradient of a weighted sum of the outputs by the pixels.

        Parameters
        ----------
        images : ndarray of shape (N, side, side, 3)
            Images.
        direction : ndarray of shape (N, size), float32
            Weights of the outputs.

        Returns
        -------
        ndarray of shape (N, side, side, 3), float32
        """
        [pixels] = self._run(["pixels"], images, direction)
        return pixels

    def activations(self, images: npt.NDArray[Any]) -> dict[str, Floats32]:
        """Compute the activations of all layers.

        Parameters
        ----------
        images : ndarray of shape (N, side, side, 3)
            Images.

        Returns
        -------
        dict of ndarray of shape (N, rows, columns, channels), float32
            For each of `layers`.
        """
        activations = self._run([f"activations/{layer}" for layer in self.layers], images)
        return dict(zip(self.layers, map(_channels_last, activations), strict=True))

    def by_channel(
        self, images: npt.NDArray[Any], direction: Floats32, layer: str
    ) -> tuple[Floats32, Floats32]:
        """Compute the activations of a layer, and the gradient of a weighted sum by them.

        Parameters
        ----------
        images : ndarray of shape (N, side, side, 3)
            Images.
        direction : ndarray of shape (N, size), float32
            Weights of the outputs.
        layer : str
            One of `layers`.

        Returns
        -------
        tuple of two ndarrays of shape (N, rows, columns, channels), float32
        """
        values, slopes = self._run([f"activations/{layer}", f"slopes/{layer}"], images, direction)
        return _channels_last(values), _channels_last(slopes)

    def _run(
        self, outputs: list[str], images: npt.NDArray[Any], direction: Floats32 | None = None
    ) -> list[Floats32]:
        if direction is None:
            direction = np.zeros((len(images), self.size), np.float32)
        chunks = []
        for start in range(0, len(images), _CHUNK):
            chunk = slice(start, start + _CHUNK)
            given = {"image": np.asarray(images[chunk], np.float32), "direction": direction[chunk]}
            chunks.append(self._session.run(outputs, given, self._run_options))
        return [np.concatenate(parts) for parts in zip(*chunks, strict=True)]


def _channels_last(values: Floats32) -> Floats32:
    return values.transpose(0, 2, 3, 1)
