"""Compute the outputs of a network and their gradient with ONNX Runtime, without Keras.

ONNX Runtime does not compute gradients. Our networks have a dozen kinds of operations, and the
backward pass of each is one to three operations; they are added to the graph of the bundle.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import onnxruntime

from galaxies.errors import GalaxiesError, needs

with needs("pipeline"):
    import onnx
    from onnx import TensorProto, helper, numpy_helper

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
    """The outputs of a network for images, and their gradient by the pixels.

    A sigmoid at the end is removed. It computes in the calling thread, and several threads may call
    it at the same time.

    Parameters
    ----------
    path : Path
        Output of `galaxies.models.graph.write_graph`.
    randomised : int
        Number of last layers with a kernel that get random weights with the same standard
        deviation, for the test of Adebayo et al. (2018, "Sanity checks for saliency maps").
    seed : int
        Seed of these weights.

    Raises
    ------
    GalaxiesError
        If the backward pass of an operation in the file is not known.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> gradient = Gradient(Path("models/cnn/network.onnx"))
    >>> images = np.zeros((5, 64, 64, 3), np.float32)
    >>> gradient.numbers(images).shape
    (5, 52)
    >>> gradient.gradient(images, np.ones((5, 52), np.float32)).shape
    (5, 64, 64, 3)
    """

    def __init__(self, path: Path, randomised: int = 0, seed: int = 0) -> None:
        network = onnx.load(path)
        _cut_ends(network.graph)
        _randomise(network.graph, randomised, np.random.default_rng(seed))
        self._forward = _session(network)
        backward = _Backward(onnx.shape_inference.infer_shapes(network).graph)
        self._backward = _session(backward.finished(network))
        self._slopes = {name: backward.total(name) for name in backward.active}

        nodes = network.graph.node
        first = next(node for node in nodes if node.op_type == "Conv")
        self.filters: Floats32 = backward.arrays[first.input[1]].transpose(2, 3, 1, 0)
        """(height, width, 3, filters) the weights of the first convolution."""
        self.kernel: Floats32 = backward.arrays[nodes[-1].input[1]]
        """(channels, numbers) the weights of the last layer."""
        ends = [node.op_type for node in list(nodes)[-3:]]
        self.averages = ends == ["GlobalAveragePool", "Flatten", "Gemm"]
        """Whether the last layer uses the mean of the last maps."""
        self.layers: dict[str, Layer] = backward.active
        """Layers with positions, in order."""

    def numbers(self, images: npt.NDArray[Any]) -> Floats32:
        """Compute the outputs of the network.

        Parameters
        ----------
        images : ndarray of shape (N, side, side, 3)
            Values from 0 to 255, not necessarily whole numbers.

        Returns
        -------
        ndarray of shape (N, numbers), float32
        """
        chunks = (self._forward.run(None, _given(chunk))[0] for chunk in _chunks(images))
        return np.concatenate(list(chunks))

    def gradient(self, images: npt.NDArray[Any], direction: Floats32) -> Floats32:
        """Compute the gradient of a weighted sum of the outputs by the pixels.

        Parameters
        ----------
        images : ndarray of shape (N, side, side, 3)
            Images.
        direction : ndarray of shape (N, numbers), float32
            Weights of the outputs.

        Returns
        -------
        ndarray of shape (N, side, side, 3), float32
        """
        return self._run(self._backward.get_outputs()[0].name, images, direction)

    def activations(self, images: npt.NDArray[Any], layer: str) -> Floats32:
        """Compute the activations of a layer.

        Parameters
        ----------
        images : ndarray of shape (N, side, side, 3)
            Images.
        layer : str
            One of `layers`.

        Returns
        -------
        ndarray of shape (N, rows, columns, channels), float32
        """
        nothing = np.zeros((len(images), self.kernel.shape[1]), np.float32)
        return self._run(layer, images, nothing).transpose(0, 2, 3, 1)

    def slopes(self, images: npt.NDArray[Any], direction: Floats32, layer: str) -> Floats32:
        """Compute the gradient of a weighted sum of the outputs by the activations of a layer.

        Parameters
        ----------
        images : ndarray of shape (N, side, side, 3)
            Images.
        direction : ndarray of shape (N, numbers), float32
            Weights of the outputs.
        layer : str
            One of `layers`.

        Returns
        -------
        ndarray of shape (N, rows, columns, channels), float32
        """
        return self._run(self._slopes[layer], images, direction).transpose(0, 2, 3, 1)

    def _run(self, name: str, images: npt.NDArray[Any], direction: Floats32) -> Floats32:
        chunks = (
            self._backward.run([name], _given(chunk) | {"direction": towards})[0]
            for chunk, towards in zip(_chunks(images), _chunks(direction), strict=True)
        )
        return np.concatenate(list(chunks))


def _given(images: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
    return {"image": np.asarray(images, np.float32)}


def _chunks(array: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
    return [array[start : start + _CHUNK] for start in range(0, len(array), _CHUNK)]


def _session(model: Any) -> onnxruntime.InferenceSession:  # noqa: ANN401
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def _cut_ends(graph: Any) -> None:  # noqa: ANN401
    """Change a network to float input, and remove a sigmoid at the end."""
    cast = next(node for node in graph.node if node.op_type == "Cast")
    for node in graph.node:
        node.input[:] = [cast.input[0] if name == cast.output[0] else name for name in node.input]
    graph.node.remove(cast)
    graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT
    last = graph.node[-1]
    if last.op_type == "Sigmoid":
        graph.node.remove(last)
        graph.output[0].name = last.input[0]


def _randomise(graph: Any, layers: int, random: np.random.Generator) -> None:  # noqa: ANN401
    kernels = [one for one in graph.initializer if one.name.endswith("/kernel")]
    for one in kernels[len(kernels) - layers :]:
        values = numpy_helper.to_array(one)
        drawn = random.normal(0, values.std(), values.shape).astype(np.float32)
        one.CopyFrom(numpy_helper.from_array(drawn, one.name))


class _Backward:
    """Add the backward pass to a graph with known shapes."""

    def __init__(self, graph: Any) -> None:  # noqa: ANN401
        self.graph = graph
        self.arrays = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
        self.shapes = {
            one.name: [dim.dim_value for dim in one.type.tensor_type.shape.dim]
            for one in (*graph.value_info, *graph.input, *graph.output)
        }
        self.slopes: dict[str, list[str]] = {graph.output[0].name: ["direction"]}
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self.active = self._active()

    def _active(self) -> dict[str, Layer]:
        found = {}
        fields, steps = {self.graph.input[0].name: 1}, {self.graph.input[0].name: 1}
        for node in self.graph.node:
            named, name = _attributes(node), node.output[0]
            kernel = self.arrays[node.input[1]].shape[2] if node.op_type == "Conv" else 1
            kernel = named.get("kernel_shape", [kernel])[0]
            before = [one for one in node.input if one in fields]
            field, step = max(fields[one] for one in before), max(steps[one] for one in before)
            fields[name] = field + (kernel - 1) * named.get("dilations", [1])[0] * step
            steps[name] = step * named.get("strides", [1])[0]
            if node.op_type in ("Relu", "MaxPool") and len(self.shapes[name]) == 4:
                found[name] = Layer(name.partition("/")[0], node.op_type, fields[name])
        return found

    def finished(self, network: Any) -> Any:  # noqa: ANN401
        model = onnx.ModelProto()
        model.CopyFrom(network)
        graph = model.graph
        for node in list(self.graph.node)[::-1]:
            rule = _RULES.get(node.op_type)
            if rule is None:
                raise GalaxiesError(f"the gradient of the operation {node.op_type} is not known")
            rule(self, node, self.total(node.output[0]))
        slope = self.total(graph.input[0].name)
        numbers = self.shapes[graph.output[0].name][1]
        shape = ["images", *self.shapes[graph.input[0].name][1:]]
        del graph.node[:], graph.output[:]
        graph.node.extend([*self.graph.node, *self.nodes])
        graph.initializer.extend(self.weights)
        graph.input.append(
            helper.make_tensor_value_info("direction", TensorProto.FLOAT, ["images", numbers])
        )
        graph.output.append(helper.make_tensor_value_info(slope, TensorProto.FLOAT, shape))
        for name in self.active:
            for shown in (name, self.total(name)):
                shape = ["images", *self.shapes[name][1:]]
                graph.output.append(helper.make_tensor_value_info(shown, TensorProto.FLOAT, shape))
        return model

    def total(self, name: str) -> str:
        parts = self.slopes[name]
        if len(parts) > 1:
            self.slopes[name] = [self.add("Sum", parts, f"{name}/slope")]
        return self.slopes[name][0]

    def add(self, operation: str, inputs: list[str], output: str, **attributes: Any) -> str:  # noqa: ANN401
        self.nodes.append(helper.make_node(operation, inputs, [output], **attributes))
        return output

    def weight(self, name: str, values: Any) -> str:  # noqa: ANN401
        self.weights.append(numpy_helper.from_array(np.asarray(values, np.float32), name))
        return name

    def give(self, name: str, slope: str) -> None:
        self.slopes.setdefault(name, []).append(slope)

    def convolution(self, node: Any, slope: str) -> None:  # noqa: ANN401
        kernel = self.arrays[node.input[1]].shape[2:]
        self._spread(node, slope, node.input[1], list(kernel))

    def _spread(self, node: Any, slope: str, weight: str, kernel: list[int]) -> None:  # noqa: ANN401
        named = _attributes(node)
        pads, strides = named["pads"], named["strides"]
        dilations = named.get("dilations", [1, 1])
        group = named.get("group", 1)
        given, made = self.shapes[node.input[0]], self.shapes[node.output[0]]
        if node.op_type == "AveragePool":
            group = given[1]
        beyond = [
            given[axis + 2]
            + pads[axis]
            + pads[axis + 2]
            - (strides[axis] * (made[axis + 2] - 1) + dilations[axis] * (kernel[axis] - 1) + 1)
            for axis in (0, 1)
        ]
        back = self.add(
            "ConvTranspose", [slope, weight], f"{node.output[0]}/back",
            pads=pads, strides=strides, dilations=dilations, group=group, output_padding=beyond,
        )  # fmt: skip
        self.give(node.input[0], back)

    def average(self, node: Any, slope: str) -> None:  # noqa: ANN401
        name, kernel = node.output[0], _attributes(node)["kernel_shape"]
        pads, strides = _attributes(node)["pads"], _attributes(node)["strides"]
        _, channels, *given = self.shapes[node.input[0]]
        # At the edges only pixels inside the image are averaged.
        counts = np.ones(self.shapes[name][2:])
        for axis in (0, 1):
            starts = np.arange(counts.shape[axis]) * strides[axis] - pads[axis]
            ends = np.minimum(starts + kernel[axis], given[axis])
            counts *= np.expand_dims(ends - np.maximum(starts, 0), 1 - axis)
        share = self.weight(f"{name}/share", 1 / counts)
        shared = self.add("Mul", [slope, share], f"{name}/shared")
        ones = self.weight(f"{name}/ones", np.ones((channels, 1, *kernel)))
        self._spread(node, shared, ones, kernel)

    def normalisation(self, node: Any, slope: str) -> None:  # noqa: ANN401
        gamma, _, _, variance = (self.arrays[name] for name in node.input[1:])
        factor = gamma / np.sqrt(variance + _attributes(node)["epsilon"])
        name = self.weight(f"{node.output[0]}/factor", factor[:, None, None])
        self.give(node.input[0], self.add("Mul", [slope, name], f"{node.output[0]}/back"))

    def relu(self, node: Any, slope: str) -> None:  # noqa: ANN401
        name = node.output[0]
        sign = self.add("Sign", [name], f"{name}/sign")
        self.give(node.input[0], self.add("Mul", [slope, sign], f"{name}/back"))

    def sum_of(self, node: Any, slope: str) -> None:  # noqa: ANN401
        for name in node.input:
            self.give(name, slope)

    def scale(self, node: Any, slope: str) -> None:  # noqa: ANN401
        back = self.add("Mul", [slope, node.input[1]], f"{node.output[0]}/back")
        self.give(node.input[0], back)

    def shift(self, node: Any, slope: str) -> None:  # noqa: ANN401
        self.give(node.input[0], slope)

    def largest(self, node: Any, slope: str) -> None:  # noqa: ANN401
        name = node.output[0]
        node.output.append(f"{name}/places")
        named = _attributes(node)
        shape = self.add("Shape", [node.input[0]], f"{name}/shape")
        back = self.add(
            "MaxUnpool", [slope, f"{name}/places", shape], f"{name}/back",
            kernel_shape=named["kernel_shape"], strides=named["strides"], pads=named["pads"],
        )  # fmt: skip
        self.give(node.input[0], back)

    def mean(self, node: Any, slope: str) -> None:  # noqa: ANN401
        name = node.output[0]
        shape = self.add("Shape", [node.input[0]], f"{name}/shape")
        share = self.weight(f"{name}/share", 1 / np.prod(self.shapes[node.input[0]][2:]))
        scaled = self.add("Mul", [slope, share], f"{name}/scaled")
        self.give(node.input[0], self.add("Expand", [scaled, shape], f"{name}/back"))

    def flatten(self, node: Any, slope: str) -> None:  # noqa: ANN401
        name = node.output[0]
        shape = self.add("Shape", [node.input[0]], f"{name}/shape")
        self.give(node.input[0], self.add("Reshape", [slope, shape], f"{name}/back"))

    def turn(self, node: Any, slope: str) -> None:  # noqa: ANN401
        back = np.argsort(_attributes(node)["perm"]).tolist()
        name = f"{node.output[0]}/back"
        self.give(node.input[0], self.add("Transpose", [slope], name, perm=back))

    def dense(self, node: Any, slope: str) -> None:  # noqa: ANN401
        name = node.output[0]
        turned = self.weight(f"{name}/turned", self.arrays[node.input[1]].T)
        self.give(node.input[0], self.add("MatMul", [slope, turned], f"{name}/back"))


def _attributes(node: Any) -> dict[str, Any]:  # noqa: ANN401
    return {one.name: helper.get_attribute_value(one) for one in node.attribute}


_RULES: Final[dict[str, Callable[[_Backward, Any, str], None]]] = {
    "Add": _Backward.shift,
    "AveragePool": _Backward.average,
    "BatchNormalization": _Backward.normalisation,
    "Conv": _Backward.convolution,
    "Flatten": _Backward.flatten,
    "Gemm": _Backward.dense,
    "GlobalAveragePool": _Backward.mean,
    "MaxPool": _Backward.largest,
    "Mul": _Backward.scale,
    "Relu": _Backward.relu,
    "Sum": _Backward.sum_of,
    "Transpose": _Backward.turn,
}
