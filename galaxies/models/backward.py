"""Write the graph that computes a network's gradient, when the network is trained.

ONNX Runtime does not compute gradients. Our networks have a dozen kinds of operations, and the
backward pass of each is one to three operations; they are added to the graph of the network.
`galaxies.inside.gradient` runs the result, which needs ONNX Runtime only.

    python -m galaxies.models.backward BUNDLE...

adds the graph to bundles that were made before it was part of them.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from galaxies.base.outputs import written_beside
from galaxies.bundle.description import file_hashes, read_description, require_own_files
from galaxies.bundle.folder import describe
from galaxies.errors import GalaxiesError
from galaxies.models.saved_network import GRADIENT, NETWORK

_INLINE: Final = 1024
"""Bytes; larger weights are read from the file of the network."""


def write_gradient(folder: Path) -> None:
    """Write the graph of the gradient beside a network.

    Its inputs are `image`, float32 (N, side, side, 3) with values from 0 to 255, and `direction`,
    float32 (N, numbers), the weights of the network's outputs. Its outputs are `numbers`, the
    outputs of the network without a sigmoid at the end; `pixels`, the gradient of their weighted
    sum by the pixels; and for each layer with positions, such as `relu_0`, its activations,
    `activations/relu_0`, and the gradient by them, `slopes/relu_0`, with the channels first. The
    weights stay in the file of the network, to which the graph refers. The metadata `layers`
    describes the layers.

    Parameters
    ----------
    folder : Path
        A bundle with `network.onnx`, the output of `galaxies.models.graph.write_graph`.

    Raises
    ------
    GalaxiesError
        If the backward pass of an operation is not known.

    Examples
    --------
    >>> from pathlib import Path
    >>> from galaxies.inside.gradient import Gradient
    >>> Path("models/cnn/gradient.onnx").unlink()
    >>> write_gradient(Path("models/cnn"))
    >>> list(Gradient(Path("models/cnn")).layers)[:2]
    ['relu_0', 'block_1_relu_0']
    """
    content = (folder / NETWORK).read_bytes()
    model = _with_gradient(onnx.load_model_from_string(content))
    for tensor in model.graph.initializer:
        offset = content.find(tensor.raw_data) if len(tensor.raw_data) >= _INLINE else -1
        if offset >= 0:
            place = {"location": NETWORK, "offset": offset, "length": len(tensor.raw_data)}
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
            for key, value in place.items():
                tensor.external_data.add(key=key, value=str(value))
    with written_beside(folder / GRADIENT) as beside:
        beside.write_bytes(model.SerializeToString(deterministic=True))


def randomised_gradient(folder: Path, layers: int, seed: int) -> bytes:
    """Make the graph of a network whose last layers have random weights.

    For the test of Adebayo et al. (2018, "Sanity checks for saliency maps"). The weights of the
    last layers with a kernel are drawn with the same standard deviation.

    Parameters
    ----------
    folder : Path
        A bundle with `network.onnx`.
    layers : int
        Number of layers.
    seed : int
        Seed of the weights.

    Returns
    -------
    bytes
        As `write_gradient` writes, with all weights.

    Examples
    --------
    >>> from pathlib import Path
    >>> from galaxies.inside.gradient import Gradient
    >>> random = Gradient(randomised_gradient(Path("models/cnn"), layers=1, seed=0))
    >>> random.size == Gradient(Path("models/cnn")).size
    True
    """
    network = onnx.load(folder / NETWORK)
    random = np.random.default_rng(seed)
    kernels = [tensor for tensor in network.graph.initializer if tensor.name.endswith("/kernel")]
    for tensor in kernels[len(kernels) - layers :]:
        values = numpy_helper.to_array(tensor)
        drawn = random.normal(0, values.std(), values.shape).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(drawn, tensor.name))
    graph: bytes = _with_gradient(network).SerializeToString()
    return graph


def _with_gradient(network: onnx.ModelProto) -> onnx.ModelProto:
    """Add the backward pass to a network; the result contains all weights."""
    model = onnx.ModelProto()
    model.CopyFrom(network)
    _cut_ends(model.graph)
    _Backward(model).finish()
    return model


def _cut_ends(graph: Any) -> None:  # noqa: ANN401
    """Change a network to float input, and keep what its first output needs, without a sigmoid."""
    del graph.output[1:]
    cast = next(node for node in graph.node if node.op_type == "Cast")
    for node in graph.node:
        node.input[:] = [cast.input[0] if name == cast.output[0] else name for name in node.input]
    graph.node.remove(cast)
    graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT
    made_by = {name: node for node in graph.node for name in node.output}
    last = made_by[graph.output[0].name]
    if last.op_type == "Sigmoid":
        graph.output[0].name = last.input[0]
    waiting, needed = [graph.output[0].name], set()
    while waiting:
        node = made_by.get(waiting.pop())
        if node is not None and node.name not in needed:
            needed.add(node.name)
            waiting += node.input
    kept = [node for node in graph.node if node.name in needed]
    del graph.node[:]
    graph.node.extend(kept)


class _Backward:
    """Adds the backward pass to a network."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self.graph = graph = onnx.shape_inference.infer_shapes(model).graph
        self.arrays = {array.name: numpy_helper.to_array(array) for array in graph.initializer}
        self.shapes = {
            tensor.name: [dim.dim_value for dim in tensor.type.tensor_type.shape.dim]
            for tensor in (*graph.value_info, *graph.input, *graph.output)
        }
        self.slopes: dict[str, list[str]] = {graph.output[0].name: ["direction"]}
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self.layers = self._layers()

    def _layers(self) -> dict[str, dict[str, str | int]]:
        """Find the layers with positions: their names, kinds and receptive fields, by output."""
        layers: dict[str, dict[str, str | int]] = {}
        fields, steps = {self.graph.input[0].name: 1}, {self.graph.input[0].name: 1}
        for node in self.graph.node:
            named, name = _attributes(node), node.output[0]
            kernel = self.arrays[node.input[1]].shape[2] if node.op_type == "Conv" else 1
            kernel = named.get("kernel_shape", [kernel])[0]
            before = [given for given in node.input if given in fields]
            field, step = (
                max(fields[given] for given in before),
                max(steps[given] for given in before),
            )
            fields[name] = field + (kernel - 1) * named.get("dilations", [1])[0] * step
            steps[name] = step * named.get("strides", [1])[0]
            if node.op_type in ("Relu", "MaxPool") and len(self.shapes[name]) == 4:
                layer = name.partition("/")[0]
                layers[name] = {"name": layer, "kind": node.op_type, "field": fields[name]}
        return layers

    def finish(self) -> None:
        graph = self.model.graph
        numbers = graph.output[0].name
        for node in list(self.graph.node)[::-1]:
            rule = _RULES.get(node.op_type)
            if rule is None:
                raise GalaxiesError(f"the gradient of the operation {node.op_type} is not known")
            rule(self, node, self.total(node.output[0]))
        image, count = graph.input[0].name, self.shapes[numbers][1]
        del graph.node[:], graph.output[:]
        graph.node.extend([*self.graph.node, *self.nodes])
        graph.initializer.extend(self.weights)
        graph.input.append(
            helper.make_tensor_value_info("direction", TensorProto.FLOAT, ["images", count])
        )
        self._show("numbers", numbers, numbers)
        self._show("pixels", self.total(image), image)
        for name, layer in self.layers.items():
            self._show(f"activations/{layer['name']}", name, name)
            self._show(f"slopes/{layer['name']}", self.total(name), name)
        described = json.dumps(list(self.layers.values()))
        self.model.metadata_props.add(key="layers", value=described)

    def _show(self, output: str, name: str, like: str) -> None:
        """Give a value that the graph computes an output with a name of its own."""
        self.model.graph.node.append(helper.make_node("Identity", [name], [output]))
        shape = ["images", *self.shapes[like][1:]]
        value = helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)
        self.model.graph.output.append(value)

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
        back = self.add("Gemm", [slope, node.input[1]], f"{name}/back", transB=1)
        self.give(node.input[0], back)


def _attributes(node: Any) -> dict[str, Any]:  # noqa: ANN401
    return {item.name: helper.get_attribute_value(item) for item in node.attribute}


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


def main() -> None:
    """Write the gradients of the bundles that are named on the command line."""
    for name in sys.argv[1:]:
        folder = Path(name)
        write_gradient(folder)
        description = read_description(folder)
        if description.files:
            # The others must still be those that it was written with.
            own = {GRADIENT: file_hashes(folder)[GRADIENT]}
            require_own_files(
                folder, description.model_copy(update={"files": description.files | own})
            )
        describe(folder, description)
        print(f"{name}: {GRADIENT} written")


if __name__ == "__main__":
    main()
