"""The forward pass of a network with ONNX Runtime, without Keras."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as errors

from galaxies.base.arrays import Device, Pixels
from galaxies.errors import GalaxiesError

BATCH: Final = 32
"""Images per batch; so few fit into the caches of a processor core."""

_GPU: Final = "CUDAExecutionProvider"
_PROVIDERS: Final[dict[Device, list[Any]]] = {
    "cpu": ["CPUExecutionProvider"],
    # In full precision, like the CPU.
    "gpu": [(_GPU, {"use_tf32": "0"}), "CPUExecutionProvider"],
}
DAMAGED: Final = (
    errors.Fail, errors.InvalidArgument, errors.InvalidGraph, errors.InvalidProtobuf,
    errors.NoSuchFile, errors.NotImplemented, errors.RuntimeException,
)  # fmt: skip
_FATAL_ALONE: Final = 4


class ForwardPass:
    """Compute the output of a network for images.

    It computes in the calling thread, and several threads may call it at the same time. To use all
    cores, start as many threads, each with its own images.

    Parameters
    ----------
    path : Path
        Output of `galaxies.models.graph.write_graph`. Loading it never runs code from it.
    device : {"cpu", "gpu"}
        The device that computes.

    Raises
    ------
    GalaxiesError
        If the file is missing or damaged, or if ONNX Runtime finds no GPU.

    Examples
    --------
    >>> import numpy as np
    >>> from galaxies.bundle.pretrained import PRETRAINED
    >>> forward = ForwardPass(PRETRAINED / "real/network.onnx")
    >>> forward(np.zeros((5, 64, 64, 3), np.uint8)).shape
    (5, 100)
    """

    def __init__(self, path: Path, device: Device = "cpu") -> None:
        if device == "gpu" and _GPU not in onnxruntime.get_available_providers():
            raise GalaxiesError(
                "no GPU: ONNX Runtime finds none; it needs an NVIDIA GPU, and the package "
                "onnxruntime-gpu instead of onnxruntime"
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = _FATAL_ALONE  # errors are raised
        try:
            self._session = onnxruntime.InferenceSession(
                path, options, providers=_PROVIDERS[device]
            )
        except DAMAGED as error:
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
            The numbers of an image do not depend on the other images.
        """
        batches = (images[start : start + BATCH] for start in range(0, len(images), BATCH))
        return np.concatenate([self._session.run(None, {"image": batch})[0] for batch in batches])
