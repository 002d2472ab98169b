"""A small builder of ONNX graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper, numpy_helper

_OPSET, _IR = 20, 9  # the first opset with Gelu; understood by every onnxruntime since 1.17


class Graph:
    """Collects weights, nodes, inputs, outputs; every value is known by its name."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._weights: dict[str, NDArray[np.generic]] = {}
        self._nodes: list[onnx.NodeProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, kind: type[np.generic], shape: list[str | int]) -> str:
        """Declare an input; a word in the shape is a free dimension."""
        number = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
        self._inputs.append(helper.make_tensor_value_info(name, number, shape))
        return name

    def weight(self, array: ArrayLike, kind: type[np.generic] = np.float32) -> str:
        """Store an array."""
        name = f"w{len(self._weights)}"
        self._weights[name] = np.ascontiguousarray(array, dtype=kind)
        return name

    def node(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Add an operator of the ONNX standard with one output (https://onnx.ai/onnx/operators/)."""
        output = output or f"v{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def linear(self, x: str, weight: NDArray[np.float32], bias: NDArray[np.float32] | None = None) -> str:
        """Multiply the last dimension with `weight` (in, out), then add `bias` (out)."""
        y = self.node("MatMul", x, self.weight(weight))
        return y if bias is None else self.node("Add", y, self.weight(bias))

    def norm(self, x: str, gain: NDArray[np.float32], bias: NDArray[np.float32], epsilon: float) -> str:
        """Layer normalisation over the last dimension."""
        return self.node("LayerNormalization", x, self.weight(gain), self.weight(bias), axis=-1, epsilon=epsilon)

    def unit(self, x: str, output: str) -> str:
        """L2-normalise the last dimension; this is an output of the whole."""
        return self.node("LpNormalization", x, axis=-1, p=2, output=output)

    def save(self, path: Path, outputs: dict[str, list[str | int]]) -> None:
        """Check the graph, then write it; `outputs` maps names to shapes of float32."""
        results = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n, shape in outputs.items()]
        weights = [numpy_helper.from_array(array, name) for name, array in self._weights.items()]
        graph = helper.make_graph(self._nodes, self._name, self._inputs, results, weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR)
        onnx.checker.check_model(model)
        onnx.save(model, path)
