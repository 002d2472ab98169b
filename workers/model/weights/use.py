"""Conversion of the multilingual Universal Sentence Encoder from numpy arrays to one ONNX graph.

The architecture is a bag of embeddings beside three stacks of convolutions over 2, 3, 5 tokens (Yang et al. 2019,
https://arxiv.org/abs/1907.04307). The package keeps the embedding table in 8 bits, 17 interleaved blocks with a scale
each; so does the graph (65 MB instead of 262).
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workers.model.weights.graph import Graph

_BLOCKS = 17
_WINDOWS = ((2, 0), (3, 1), (5, 2))  # (tokens a window spans, how many of them lie left of its own)


def convert(found: Path, made: Path) -> None:
    """Write `model.onnx`; keep the SentencePiece model."""
    shutil.move(found / "sp.model", made / "sp.model")
    with np.load(found / "weights.npz", allow_pickle=False) as arrays:
        build({name: arrays[name] for name in arrays.files}, made / "model.onnx")


def build(w: dict[str, NDArray[np.float32]], path: Path) -> None:
    """Write the encoder as an ONNX graph; inputs and output are those of `minilm.build`."""
    g = Graph("universal-sentence-encoder")
    ids = g.input("ids", np.int64, ["batch", "length"])
    mask = g.input("mask", np.float32, ["batch", "length"])
    table = np.empty((_BLOCKS * len(w["q1"]), w["q1"].shape[1]), np.uint8)
    for i in range(_BLOCKS):
        table[i::_BLOCKS] = w[f"q{i + 1}"]
    column = g.weight([2], np.int64)
    token = g.node("Unsqueeze", mask, column)  # (batch, length, 1)
    there = g.node("Unsqueeze", mask, g.weight([1], np.int64))  # (batch, 1, length)

    block = g.node("Mod", ids, g.weight(_BLOCKS, np.int64))
    words = g.node("Cast", g.node("Gather", g.weight(table, np.uint8), ids), to=1)
    words = g.node("Mul", words, g.node("Unsqueeze", g.node("Gather", g.weight(w["scale"]), block), column))
    words = g.node("Add", words, g.node("Unsqueeze", g.node("Gather", g.weight(w["lo"]), block), column))

    epsilon = float(w["eps"])
    spans = [span for span, _ in _WINDOWS]
    joined = {k: np.concatenate([w[f"{k}{s}"] for s in spans], axis=-1) for k in ("proj", "proj_b", "ln_g", "ln_b")}
    x = g.linear(words, joined["proj"], joined["proj_b"])
    x = g.norm(x, joined["ln_g"], joined["ln_b"], epsilon)  # over the three stacks together, as the package does
    x = g.node("Mul", g.node("Transpose", x, perm=[0, 2, 1]), there)  # padding must look like nothing at all
    parts = [words]
    for i, (span, left) in enumerate(_WINDOWS):
        width = len(w[f"b1_{span}"])
        ends = g.weight([i * width], np.int64), g.weight([(i + 1) * width], np.int64)
        y = g.node("Slice", x, *ends, g.weight([1], np.int64))
        for layer in ("1", "2"):
            bias = w[f"b{layer}_{span}"]
            kernel = w[f"w{layer}_{span}"].reshape(span, -1, len(bias)).transpose(2, 1, 0)  # (out, in, span)
            z = g.node("Conv", y, g.weight(kernel), g.weight(bias), kernel_shape=[span], pads=[left, span - 1 - left])
            y = g.node("Mul", g.node("Add", g.node("Relu", z), y), there)
        parts.append(g.node("Transpose", y, perm=[0, 2, 1]))
    x = g.norm(g.node("Concat", *parts, axis=-1), w["ln_g"], w["ln_b"], epsilon)

    # The sum over tokens commutes with the linear projection after it, so the projection is done once a sentence.
    axis = g.weight([1], np.int64)
    length = g.node("ReduceSum", token, axis, keepdims=0)  # (batch, 1)
    x = g.linear(g.node("ReduceSum", g.node("Mul", x, token), axis, keepdims=0), w["cnn_W"])
    x = g.node("Add", x, g.node("Mul", length, g.weight(w["cnn_b"])))
    x = g.node("Div", x, g.node("Sqrt", length))
    first = g.node("Relu", g.linear(x, w["d0"]))
    second = g.node("Relu", g.node("Add", g.linear(first, w["d1"]), g.linear(x, w["p1"])))
    third = g.node("Relu", g.linear(second, w["d2"]))
    x = g.node("Tanh", g.node("Add", g.linear(third, w["d3"]), g.linear(second, w["p3"])))
    g.unit(x, "vectors")
    g.save(path, {"vectors": ["batch", w["cnn_W"].shape[1]]})
