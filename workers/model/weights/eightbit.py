"""Conversion of an ONNX sentence encoder to eight bits, with a scale of its own for every token.

What onnxruntime's `quantize_dynamic` makes has one scale for all activations of a batch, so that a sentence's vector
depends on its neighbours (cosine down to .98 between alone and in a batch): a cache of encodings could not name it by
encoder with content. Here each token has its scale (Yao et al. 2022, https://arxiv.org/abs/2206.01861), each column of
the weights too: a vector is the same in any batch, nearer to the original.

Weights keep seven of the eight bits: processors without VNNI add pairs of products in 16 bits, which then cannot
overflow, so that the graph gives the same vectors everywhere (onnxruntime calls this `reduce_range`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

_WEIGHT, _TABLE, _ACTIVATION = 63, 127, 255  # the largest numbers
_LEAST_ROWS = 1024  # of a table of words; a smaller one is not worth a node


def convert(source: Path, target: Path) -> int:
    """Write the graph again, its products with constant matrices in 8 bits, its tables of words too.

    Inputs and outputs stay as they are.

    Returns:
        how many products and tables were converted; 0 writes the graph as it was.
    """
    model = onnx.load(source)
    graph = _Rewritten(model.graph)
    if graph.converted:
        graph.replace(model.graph)
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, target)
    return graph.converted


class _Rewritten:
    """The nodes and weights that take the place of a graph's."""

    def __init__(self, graph: Any) -> None:
        self._old = {one.name: one for one in graph.initializer}
        self._new: list[Any] = []
        self._nodes: list[Any] = []
        self._small: dict[str, tuple[str, str, str]] = {}  # what is multiplied -> its uint8 form, scales, least values
        self.converted = 0
        self._one = self._keep("eight.one", np.float32(1))
        for node in graph.node:
            if node.op_type == "MatMul" and self._matrix(node.input[1]):
                self._multiply(node)
            elif node.op_type == "Gather" and self._matrix(node.input[0], _LEAST_ROWS):
                self._look_up(node)
            else:
                self._nodes.append(node)

    def replace(self, graph: Any) -> None:
        """Put them where the graph's own were."""
        used = {name for node in self._nodes for name in node.input}
        weights = [*(one for name, one in self._old.items() if name in used), *self._new]
        del graph.node[:], graph.initializer[:]
        graph.node.extend(self._nodes)
        graph.initializer.extend(weights)

    def _matrix(self, name: str, rows: int = 1) -> bool:
        weight = self._old.get(name)
        return (
            weight is not None
            and weight.data_type == TensorProto.FLOAT
            and len(weight.dims) == 2
            and weight.dims[0] >= rows
        )

    def _multiply(self, node: Any) -> None:
        x, name = node.input
        if x not in self._small:
            self._small[x] = self._shrunk(x)
        small, scales, least = self._small[x]
        weight, columns, sums = self._rounded(name, _WEIGHT, axis=0)
        output = node.output[0]
        product = self._node("MatMulIntegerToFloat", [small, weight, self._one, columns], f"{output}.product")
        scaled = self._node("Mul", [product, scales], f"{output}.scaled")
        self._node("Add", [scaled, self._node("Mul", [least, sums], f"{output}.least")], output)
        self.converted += 1

    def _shrunk(self, x: str) -> tuple[str, str, str]:
        """Names of a value in uint8 (..., dim), of its scales (..., 1), of its least values (..., 1)."""
        axis = self._keep("eight.axis", np.array([-1], np.int64))
        step = self._keep("eight.step", np.float32(1 / _ACTIVATION))
        tiny = self._keep("eight.tiny", np.float32(1e-9))  # a row of equal values must not be divided by zero
        least = self._node("ReduceMin", [x, axis], f"{x}.least", keepdims=1)
        span = self._node("Sub", [self._node("ReduceMax", [x, axis], f"{x}.most", keepdims=1), least], f"{x}.span")
        scales = self._node("Add", [self._node("Mul", [span, step], f"{x}.step"), tiny], f"{x}.scales")
        scaled = self._node("Div", [self._node("Sub", [x, least], f"{x}.above"), scales], f"{x}.scaled")
        whole = self._node("Round", [scaled], f"{x}.whole")
        return self._node("Cast", [whole], f"{x}.small", to=TensorProto.UINT8), scales, least

    def _look_up(self, node: Any) -> None:
        table, ids = node.input
        weight, rows, _ = self._rounded(table, _TABLE, axis=1)
        output = node.output[0]
        found = self._node("Cast", [self._node("Gather", [weight, ids], f"{output}.row")], f"{output}.row.whole", to=1)
        self._node("Mul", [found, self._node("Gather", [rows, ids], f"{output}.row.scales")], output)
        self.converted += 1

    def _rounded(self, name: str, largest: int, axis: int) -> tuple[str, str, str]:
        """Names of a matrix in int8, of its scales, of its sums over `axis`.

        Columns have a scale each (axis 0), or rows do; those are of the shape (rows, 1).
        """
        matrix = numpy_helper.to_array(self._old[name])
        scales = np.maximum(np.abs(matrix).max(axis=axis, keepdims=True) / largest, 1e-12).astype(np.float32)
        small = np.rint(matrix / scales).astype(np.int8)
        sums = (small * scales).sum(axis=axis).astype(np.float32)
        kept = scales[0] if axis == 0 else scales
        return self._keep(f"{name}.small", small), self._keep(f"{name}.scales", kept), self._keep(f"{name}.sums", sums)

    def _keep(self, name: str, value: NDArray[Any] | np.generic) -> str:
        if all(one.name != name for one in self._new):
            self._new.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def _node(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        domain = "com.microsoft" if operator == "MatMulIntegerToFloat" else ""
        self._nodes.append(helper.make_node(operator, inputs, [output], domain=domain, **attributes))
        return output
