"""Write Keras networks as ONNX graphs, which run without Keras and TensorFlow."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from galaxies.base.tensorflow_import import importing_tensorflow
from galaxies.errors import GalaxiesError

with importing_tensorflow():
    import keras
    from keras import layers


OPSET: Final = 18
_IR_VERSION: Final = 10
_LEARNED: Final = ("/kernel", "/bias", "/beta", "/mean", "/variance")  # gamma may be a mere 1
_ACTIVATIONS: Final = {
    keras.activations.relu: "Relu",
    keras.activations.sigmoid: "Sigmoid",
    keras.activations.tanh: "Tanh",
}


def write_graph(network: keras.Model, path: Path) -> None:
    """Write a network as an ONNX file; the same weights give identical bytes.

    Parameters
    ----------
    network : keras.Model
        Maps images uint8 (N, side, side, 3) to an array (N, numbers). Each of its layers is used
        once, and none is a network itself.
    path : Path
        The file to make.

    Raises
    ------
    GalaxiesError
        If there is no ONNX operation for a layer.

    Examples
    --------
    >>> from pathlib import Path
    >>> import keras
    >>> import numpy as np
    >>> from galaxies.bundle.forward import ForwardPass
    >>> image = keras.Input((64, 64, 3), dtype="uint8", name="image")
    >>> scaled = keras.layers.Rescaling(1 / 64)(image)
    >>> mean = keras.layers.GlobalAveragePooling2D()(scaled)
    >>> write_graph(keras.Model(image, mean), Path("mean.onnx"))
    >>> ForwardPass(Path("mean.onnx"))(np.full((1, 64, 64, 3), 32, np.uint8)).tolist()
    [[0.5, 0.5, 0.5]]
    """
    graph = _Graph(network.inputs[0])
    for layer in network.layers:
        if not isinstance(layer, layers.InputLayer):
            graph.add_layer(layer)
    path.write_bytes(graph.finished(network.outputs[0]).SerializeToString(deterministic=True))


def read_weights(network: keras.Model, path: Path) -> None:
    """Read weights written by `write_graph` into a network.

    Parameters
    ----------
    network : keras.Model
        A network with the same layers.
    path : Path
        The ONNX file.

    Raises
    ------
    ValueError
        If the file has other layers, or arrays of other shapes.
    OSError
        If it cannot be read.

    Examples
    --------
    >>> from pathlib import Path
    >>> import keras
    >>> def network():
    ...     image = keras.Input((8, 8, 3), dtype="uint8", name="image")
    ...     mean = keras.layers.GlobalAveragePooling2D(name="mean")(image)
    ...     return keras.Model(image, keras.layers.Dense(2, name="last")(mean))
    >>> trained, other = network(), network()
    >>> write_graph(trained, Path("trained.onnx"))
    >>> read_weights(other, Path("trained.onnx"))
    >>> bool((trained.get_weights()[0] == other.get_weights()[0]).all())
    True
    """
    content = path.read_bytes()
    try:
        onnx.checker.check_model(content)
    except (onnx.checker.ValidationError, ValueError) as error:
        raise ValueError(f"{path.name} is not an ONNX file") from error
    graph = onnx.load_model_from_string(content).graph
    weights = {array.name: numpy_helper.to_array(array) for array in graph.initializer}
    wanted: set[str] = set()
    for layer in network.layers:
        arrays = _arrays(layer)
        for name, variable in arrays.items():
            if name not in weights:
                raise ValueError(f"no {name}")
            values = weights[name]
            if isinstance(layer, layers.Conv2D) and name.endswith("/kernel"):
                values = values.transpose(2, 3, 1, 0)
            if values.shape != variable.shape:
                raise ValueError(f"{name} has the shape {values.shape}, expected {variable.shape}")
            variable.assign(values)
        wanted |= set(arrays)
    unknown = {name for name in weights if name.endswith(_LEARNED)} - wanted
    if unknown:
        raise ValueError(f"{min(unknown)} belongs to no layer")


def _arrays(layer: layers.Layer) -> dict[str, keras.Variable]:
    """List the weights of a layer by their names in the graph."""
    match layer:
        case layers.BatchNormalization():
            names = {"mean": layer.moving_mean, "variance": layer.moving_variance}
            names |= {"gamma": layer.gamma} if layer.scale else {}
            names |= {"beta": layer.beta} if layer.center else {}
        case layers.Conv2D() | layers.Dense():
            names = {"kernel": layer.kernel}
            names |= {"bias": layer.bias} if layer.use_bias else {}
        case _:
            names = {}
    return {f"{layer.name}/{name}": variable for name, variable in names.items()}


class _Graph:
    """An ONNX graph that is built layer by layer.

    Keras has the channels of an image last, ONNX first. Arrays with four axes are transposed at the
    input, and back when they are flattened.
    """

    def __init__(self, image: keras.KerasTensor) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        _, height, width, channels = image.shape
        shape = ["images", height or "height", width or "width", channels]
        self._image = helper.make_tensor_value_info("image", TensorProto.UINT8, shape)
        turned = self._add("Transpose", ["image"], "image/turned", perm=[0, 3, 1, 2])
        floats = self._add("Cast", [turned], "image/float", to=TensorProto.FLOAT)
        self._names = {id(image): floats}
        """Names of Keras's tensors, by identity."""

    def add_layer(self, layer: layers.Layer) -> None:
        add = _LAYERS.get(type(layer))
        if add is None:
            raise GalaxiesError(
                f"layer {layer.name!r}: there is no ONNX operation for a {type(layer).__name__}"
            )
        given = layer.input if isinstance(layer.input, list) else [layer.input]
        name = add(self, layer, [self._names[id(tensor)] for tensor in given])
        self._names[id(layer.output)] = self._activated(layer, name)

    def _activated(self, layer: layers.Layer, name: str) -> str:
        function = getattr(layer, "activation", None)
        if function in (None, keras.activations.linear):
            return name
        if function not in _ACTIVATIONS:
            raise GalaxiesError(f"layer {layer.name!r}: there is no ONNX operation for {function}")
        operation = _ACTIVATIONS[function]
        return self._add(operation, [name], f"{layer.name}/{operation.lower()}")

    def finished(self, output: keras.KerasTensor) -> onnx.ModelProto:
        name = self._names[id(output)]
        value = helper.make_tensor_value_info(name, TensorProto.FLOAT, ["images", output.shape[1]])
        graph = helper.make_graph(
            self._nodes, "network", [self._image], [value], initializer=self._weights
        )
        opset = helper.make_opsetid("", OPSET)
        return helper.make_model(
            graph, opset_imports=[opset], ir_version=_IR_VERSION, producer_name="galaxies"
        )

    def _add(self, operation: str, inputs: list[str], output: str, **attributes: Any) -> str:  # noqa: ANN401
        node = helper.make_node(operation, inputs, [output], name=output, **attributes)
        self._nodes.append(node)
        return output

    def _weight(self, name: str, values: Any) -> str:  # noqa: ANN401 - what numpy takes
        array = np.ascontiguousarray(values, dtype=np.float32)
        self._weights.append(numpy_helper.from_array(array, name))
        return name

    def rescaling(self, layer: layers.Rescaling, inputs: list[str]) -> str:
        scale = self._weight(f"{layer.name}/scale", layer.scale)
        scaled = self._add("Mul", [*inputs, scale], f"{layer.name}/scaled")
        if not layer.offset:
            return scaled
        return self._add(
            "Add", [scaled, self._weight(f"{layer.name}/by", layer.offset)], layer.name
        )

    def convolution(self, layer: layers.Conv2D, inputs: list[str]) -> str:
        # From (height, width, in, out) to (out, in, height, width).
        kernel = _values(layer.kernel).transpose(3, 2, 0, 1)
        weights = [self._weight(f"{layer.name}/kernel", kernel)]
        if layer.use_bias:
            weights.append(self._weight(f"{layer.name}/bias", _values(layer.bias)))
        return self._add(
            "Conv",
            inputs + weights,
            layer.name,
            pads=_pads(layer, layer.kernel_size),
            strides=list(layer.strides),
            dilations=list(layer.dilation_rate),
            group=layer.groups,
        )

    def normalisation(self, layer: layers.BatchNormalization, inputs: list[str]) -> str:
        mean, variance = _values(layer.moving_mean), _values(layer.moving_variance)
        gamma = _values(layer.gamma) if layer.scale else np.ones_like(mean)
        beta = _values(layer.beta) if layer.center else np.zeros_like(mean)
        arrays = {"gamma": gamma, "beta": beta, "mean": mean, "variance": variance}
        weights = [self._weight(f"{layer.name}/{name}", value) for name, value in arrays.items()]
        return self._add("BatchNormalization", inputs + weights, layer.name, epsilon=layer.epsilon)

    def dense(self, layer: layers.Dense, inputs: list[str]) -> str:
        weights = [self._weight(f"{layer.name}/kernel", _values(layer.kernel))]
        if layer.use_bias:
            weights.append(self._weight(f"{layer.name}/bias", _values(layer.bias)))
        return self._add("Gemm", inputs + weights, layer.name)

    def average_pooling(self, layer: layers.AveragePooling2D, inputs: list[str]) -> str:
        return self._pooling("AveragePool", layer, inputs)

    def max_pooling(self, layer: layers.MaxPooling2D, inputs: list[str]) -> str:
        return self._pooling("MaxPool", layer, inputs)

    def _pooling(self, operation: str, layer: Any, inputs: list[str]) -> str:  # noqa: ANN401
        return self._add(
            operation,
            inputs,
            layer.name,
            kernel_shape=list(layer.pool_size),
            pads=_pads(layer, layer.pool_size),
            strides=list(layer.strides),
        )

    def mean_of_all(self, layer: layers.GlobalAveragePooling2D, inputs: list[str]) -> str:
        mean = self._add("GlobalAveragePool", inputs, f"{layer.name}/mean")
        return self._add("Flatten", [mean], layer.name)

    def flatten(self, layer: layers.Flatten, inputs: list[str]) -> str:
        if len(layer.input.shape) == 4:
            inputs = [self._add("Transpose", inputs, f"{layer.name}/turned", perm=[0, 2, 3, 1])]
        return self._add("Flatten", inputs, layer.name)

    def sum_of(self, layer: layers.Add, inputs: list[str]) -> str:
        return self._add("Sum", inputs, layer.name)

    def concatenation(self, layer: layers.Concatenate, inputs: list[str]) -> str:
        return self._add("Concat", inputs, layer.name, axis=1)

    def relu(self, layer: layers.ReLU, inputs: list[str]) -> str:
        return self._add("Relu", inputs, layer.name)

    def nothing(self, layer: layers.Layer, inputs: list[str]) -> str:
        return inputs[0]


_LAYERS: Final[dict[type[Any], Callable[[_Graph, Any, list[str]], str]]] = {
    layers.Activation: _Graph.nothing,  # the activation is added for every layer
    layers.Add: _Graph.sum_of,
    layers.AveragePooling2D: _Graph.average_pooling,
    layers.BatchNormalization: _Graph.normalisation,
    layers.Concatenate: _Graph.concatenation,
    layers.Conv2D: _Graph.convolution,
    layers.Dense: _Graph.dense,
    layers.Dropout: _Graph.nothing,
    layers.Flatten: _Graph.flatten,
    layers.GlobalAveragePooling2D: _Graph.mean_of_all,
    layers.MaxPooling2D: _Graph.max_pooling,
    layers.ReLU: _Graph.relu,
    layers.Rescaling: _Graph.rescaling,
}


def _values(variable: keras.Variable) -> npt.NDArray[np.float32]:
    return np.asarray(keras.ops.convert_to_numpy(variable), np.float32)


def _pads(layer: Any, kernel: tuple[int, int]) -> list[int]:  # noqa: ANN401
    """Return the padding above, left, below and right for Keras's padding "same"."""
    if layer.padding == "valid":
        return [0, 0, 0, 0]
    dilation = getattr(layer, "dilation_rate", (1, 1))
    before, after = [], []
    for axis in (0, 1):
        side, stride = layer.input.shape[axis + 1], layer.strides[axis]
        reach = dilation[axis] * (kernel[axis] - 1) + 1
        # With a stride of 1 the size of the image, which may be unknown, does not matter.
        last = 0 if stride == 1 else (-(-side // stride) - 1) * stride + 1 - side
        total = max(reach - 1 + last, 0)
        before.append(total // 2)
        after.append(total - total // 2)
    return before + after
