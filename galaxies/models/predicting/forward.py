"""A network's forward pass by ONNX Runtime, which starts at once and needs no Keras."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as errors

from galaxies.base.arrays import Device, Pixels
from galaxies.errors import GalaxiesError

BATCH: Final = 32
"""Images that go through together; what a processor core keeps of so few stays in its caches."""

_GPU: Final = "CUDAExecutionProvider"
_PROVIDERS: Final[dict[Device, list[Any]]] = {
    "cpu": ["CPUExecutionProvider"],
    # In full precision, as the processor computes.
    "gpu": [(_GPU, {"use_tf32": "0"}), "CPUExecutionProvider"],
}
_DAMAGED: Final = (
    errors.Fail, errors.InvalidArgument, errors.InvalidGraph, errors.InvalidProtobuf,
    errors.NoSuchFile, errors.NotImplemented, errors.RuntimeException,
)  # fmt: skip
_FATAL_ALONE: Final = 4


class ForwardPass:
    """Maps images to a network's output.

    It computes in the thread that calls it, and may be called from several at the same time: to
    use all cores, give each of as many threads its own images.

    Parameters
    ----------
    path : Path
        A file made by `galaxies.models.graph.write_graph`. Loading it runs no code of the file's.
    device : {"cpu", "gpu"}
        What computes.

    Raises
    ------
    GalaxiesError
        If the file is absent or damaged, or a GPU is asked for and ONNX Runtime finds none.

    Examples
    --------
    >>> forward = ForwardPass(Path("galaxies/pretrained/real/network.onnx"))
    >>> forward(np.zeros((5, 64, 64, 3), np.uint8)).shape
    (5, 52)
    """

    def __init__(self, path: Path, device: Device = "cpu") -> None:
        if device == "gpu" and _GPU not in onnxruntime.get_available_providers():
            raise GalaxiesError(
                "no GPU: the ONNX Runtime that is installed finds none; it needs an NVIDIA GPU "
                "and the package onnxruntime-gpu in place of onnxruntime"
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = _FATAL_ALONE  # what goes wrong is raised as well
        try:
            self._session = onnxruntime.InferenceSession(
                path, options, providers=_PROVIDERS[device]
            )
        except _DAMAGED as error:
            reason = str(error).splitlines()[0].rpartition(" : ")[2]
            raise GalaxiesError(
                f"{path}: damaged network ({reason}); train the model again"
            ) from error

    def __call__(self, images: Pixels) -> npt.NDArray[np.float32]:
        """Compute the output for images.

        Parameters
        ----------
        images : ndarray of shape (N, side, side, 3), uint8
            At least one.

        Returns
        -------
        ndarray of shape (N, numbers), float32
            An image's numbers do not depend on the images beside it.
        """
        batches = (images[start : start + BATCH] for start in range(0, len(images), BATCH))
        return np.concatenate([self._session.run(None, {"image": batch})[0] for batch in batches])
