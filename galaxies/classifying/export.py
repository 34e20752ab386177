"""Export a network as one ONNX file for other programs: from pixels to calibrated probability."""

import json
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from galaxies.base.outputs import written_beside
from galaxies.bundle.answers import LEAST, MOST, TYPICAL
from galaxies.bundle.description import Description, read_description
from galaxies.errors import GalaxiesError, needs
from galaxies.judgement.calibration import NEAREST, Calibration
from galaxies.models.saved_network import NETWORK

with needs("onnx"):
    import onnx.compose
    from onnx import TensorProto, helper, numpy_helper

_BEFORE_THE_FIRST: Final = -(2**31)
"""End of a slice that goes backwards through all."""


def export_bundle(folder: Path, output: Path, views: Literal[1, 8] | None = None) -> None:
    """Write all that a bundle does with cropped and reduced images as one ONNX graph.

    It maps `image` uint8 (N, size, size, 3) to `p_spiral`, calibrated, and `spread`, the standard
    deviation of the fraction of volunteers who answer "spiral"; both float32 (N,).

    Parameters
    ----------
    folder : Path
        A bundle with a network.
    output : Path
        The file to make; the same bundle gives identical bytes.
    views : {1, 8}, optional
        Number of views to average; by default that of the bundle.

    Raises
    ------
    GalaxiesError
        If the folder is not a valid bundle, or if its model is not a network.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import onnxruntime
    >>> export_bundle(Path("models/cnn"), Path("cnn.onnx"))
    >>> session = onnxruntime.InferenceSession("cnn.onnx")
    >>> images = np.load("data/images.npy")[:3]
    >>> p_spiral, spread = session.run(["p_spiral", "spread"], {"image": images})
    >>> p_spiral.shape, spread.shape
    ((3,), (3,))
    """
    description = read_description(folder)
    path = folder / NETWORK
    if not path.is_file():
        raise GalaxiesError(
            f"{folder}: the model {description.model!r} is not a network; only networks, such as "
            "cnn, can be exported"
        )
    content = path.read_bytes()
    try:
        onnx.checker.check_model(content)
    except (onnx.checker.ValidationError, ValueError) as error:
        raise GalaxiesError(f"{path}: damaged network; train the model again") from error
    model = onnx.load_model_from_string(content)
    model = onnx.compose.add_prefix(model, "network/")
    whole = _Whole(model.graph)
    network = whole.views(views or description.views)
    outputs = whole.two_classes(network, description)
    whole.average(*outputs, description.calibration)
    helper.set_model_props(model, _notes(description))
    onnx.checker.check_model(model)
    with written_beside(output) as beside:
        beside.write_bytes(model.SerializeToString(deterministic=True))


class _Whole:
    """Puts the views before a network, and the calibrated probability behind it."""

    def __init__(self, graph: "onnx.GraphProto") -> None:
        self._graph = graph
        self._network = list(graph.node)
        self._views = 1
        self._asked, graph.input[0].name = graph.input[0].name, "image"
        graph.input[0].type.tensor_type.shape.dim[0].dim_param = "galaxies"
        del graph.node[:]

    def views(self, count: int) -> str:
        """Compute the network for all views, as in `galaxies.bundle.views.view_of`."""
        self._views = count
        # All along the first axis, so that there is only one copy of the network.
        views = self._add("Concat", *(self._turned("image", view) for view in range(count)), axis=0)
        for node in self._network:
            node.input[:] = [views if name == self._asked else name for name in node.input]
        self._graph.node.extend(self._network)
        return str(self._graph.output[0].name)

    def two_classes(self, network: str, description: Description) -> tuple[str, str, str]:
        """Compute fractions of the two classes and the square of `vote_spread`, each (views, N)."""
        if not description.questions:
            spiral = self._by_view(network)
            return self._add("Sub", 1.0, spiral), spiral, self._add("Mul", 0.0, spiral)
        places = description.class_places
        logits = self._columns(network, places.elliptical, places.elliptical + 3)
        # As in `galaxies.bundle.answers`: the divisor must not be 0.
        shares = self._add("Max", self._add("Softmax", logits, axis=1), 1e-30)
        elliptical, spiral = (self._by_view(self._columns(shares, n, n + 1)) for n in (0, 1))
        place = places.concentration
        logarithm = self._by_view(self._columns(network, place, place + 1))
        logarithm = self._add("Clip", self._add("Add", logarithm, TYPICAL), LEAST, MOST)
        galaxy = self._add("Add", elliptical, spiral)
        concentration = self._add("Mul", self._add("Exp", logarithm), galaxy)
        p = self._add("Div", spiral, galaxy)
        binomial = self._add("Mul", p, self._add("Sub", 1.0, p))
        return elliptical, spiral, self._add("Div", binomial, self._add("Add", concentration, 1.0))

    def average(
        self, elliptical: str, spiral: str, variance: str, calibration: Calibration
    ) -> None:
        """Average over the views, and calibrate."""
        raw = self._share(elliptical, spiral)
        off = self._add("Sub", raw, self._mean(raw))
        between = self._mean(self._add("Mul", off, off))
        spread = self._add("Sqrt", self._add("Add", self._mean(variance), between))
        p = self._share(self._mean(elliptical), self._mean(spiral))
        p = self._add("Clip", p, NEAREST, 1 - NEAREST)
        logit = self._add("Log", self._add("Div", p, self._add("Sub", 1.0, p)))
        straight = self._add(
            "Add", self._add("Mul", logit, calibration.slope), calibration.intercept
        )
        del self._graph.output[:]
        for name, values in (("p_spiral", self._add("Sigmoid", straight)), ("spread", spread)):
            self._add("Reshape", values, [-1], name=name)
            info = helper.make_tensor_value_info(name, TensorProto.FLOAT, ["galaxies"])
            self._graph.output.append(info)

    def _turned(self, image: str, view: int) -> str:
        if view >= 4:
            image = self._reversed(image, 2)
        match view % 4:
            case 1:
                return self._transposed(self._reversed(image, 2))
            case 2:
                return self._reversed(self._reversed(image, 1), 2)
            case 3:
                return self._reversed(self._transposed(image), 2)
        return image

    def _transposed(self, image: str) -> str:
        return self._add("Transpose", image, perm=[0, 2, 1, 3])

    def _reversed(self, image: str, axis: int) -> str:
        return self._add("Slice", image, [-1], [_BEFORE_THE_FIRST], [axis], [-1])

    def _columns(self, table: str, start: int, stop: int) -> str:
        return self._add("Slice", table, [start], [stop], [1])

    def _by_view(self, column: str) -> str:
        return self._add("Reshape", column, [self._views, -1])

    def _mean(self, values: str) -> str:
        return self._add("ReduceMean", values, [0], keepdims=1)

    def _share(self, elliptical: str, spiral: str) -> str:
        return self._add("Div", spiral, self._add("Add", elliptical, spiral))

    def _add(
        self,
        operation: str,
        *inputs: str | float | list[int],
        name: str | None = None,
        **attributes: Any,  # noqa: ANN401 - as in onnx
    ) -> str:
        """Add an operation; its inputs are names, or constants."""
        output = name or f"galaxies/{operation.lower()}_{len(self._graph.node)}"
        names = [given if isinstance(given, str) else self._constant(given) for given in inputs]
        node = helper.make_node(operation, names, [output], name=output, **attributes)
        self._graph.node.append(node)
        return output

    def _constant(self, value: float | list[int]) -> str:
        name = f"galaxies/constant_{len(self._graph.initializer)}"
        array = np.array(value, np.int64 if isinstance(value, list) else np.float32)
        self._graph.initializer.append(numpy_helper.from_array(array, name))
        return name


def _notes(description: Description) -> dict[str, str]:
    """Return the metadata of the file."""
    return {
        "title": description.title,
        "size": str(description.size),
        "crop": str(description.crop),
        "decoding": description.decoding,
        "classes": " ".join(description.classes),
        "survey": description.survey,
        "triage": json.dumps([promise.model_dump() for promise in description.triage]),
    }
