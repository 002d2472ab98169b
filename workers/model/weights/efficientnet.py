"""Conversion of EfficientNet-Lite2 from a torch checkpoint to one ONNX graph from pixels to vectors beside labels.

onnxruntime runs it in half of torch's time. Tan and Le 2019, https://arxiv.org/abs/1905.11946.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import Broken
from workers.model.weights.graph import Graph

SIDE = 260  # pixels
LABELS = 1000


def convert(found: Path, made: Path) -> None:
    """Write `model.onnx` and `labels.json`, the names of the 1000 classes in the order of the network's outputs."""
    names = json.loads((found / "imagenet1k_clean_names.json").read_text())
    if len(names) != LABELS:
        raise Broken(f"expected the names of {LABELS} classes, got {len(names)}")
    (made / "labels.json").write_text(json.dumps(names, ensure_ascii=False, indent=0))
    build(_network(next(found.glob("*.pth"))), made / "model.onnx")


def _network(checkpoint: Path) -> Any:
    import torch  # only while converting
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite2")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the checkpoint is in the format of torch 1.4
        weights = torch.load(checkpoint, map_location="cpu", weights_only=True)
    network.load_state_dict(weights, strict=True)
    return network.eval()


def build(network: Any, path: Path) -> None:
    """Write the network as an ONNX graph.

    Input: `pixels` uint8 (batch, 260, 260, 3), RGB. Outputs: `vectors` float32 (batch, 1280), L2-normalised;
    `labels` float32 (batch, 1000), probabilities.
    """
    g = Graph("efficientnet-lite2")
    pixels = g.node("Cast", g.input("pixels", np.uint8, ["batch", SIDE, SIDE, 3]), to=1)
    x = g.node("Sub", g.node("Div", pixels, g.weight(127.5)), g.weight(1.0))
    x = _convolve(g, g.node("Transpose", x, perm=[0, 3, 1, 2]), network._conv_stem, network._bn0)
    for block in network._blocks:
        y = x
        if hasattr(block, "_expand_conv"):
            y = _convolve(g, y, block._expand_conv, block._bn0)
        y = _convolve(g, y, block._depthwise_conv, block._bn1)
        y = _convolve(g, y, block._project_conv, block._bn2, bounded=False)
        shape = block._block_args
        same = shape.stride in (1, [1]) and shape.input_filters == shape.output_filters
        x = g.node("Add", y, x) if same else y
    x = _convolve(g, x, network._conv_head, network._bn1)
    x = g.node("Flatten", g.node("GlobalAveragePool", x), axis=1)
    dim, labels = network._fc.in_features, network._fc.out_features
    g.unit(x, "vectors")
    g.node("Softmax", g.linear(x, _array(network._fc.weight).T, _array(network._fc.bias)), axis=-1, output="labels")
    g.save(path, {"vectors": ["batch", dim], "labels": ["batch", labels]})


def _convolve(g: Graph, x: str, layer: Any, norm: Any, bounded: bool = True) -> str:
    """A convolution with the batch normalisation after it folded in, then ReLU6."""
    gain = _array(norm.weight) / np.sqrt(_array(norm.running_var) + norm.eps)
    kernel = _array(layer.weight) * gain[:, None, None, None]
    bias = _array(norm.bias) - _array(norm.running_mean) * gain
    y = g.node(
        "Conv", x, g.weight(kernel), g.weight(bias),
        strides=list(layer.stride), kernel_shape=list(layer.kernel_size), group=layer.groups, auto_pad="SAME_UPPER",
    )  # fmt: skip
    return g.node("Clip", y, g.weight(0.0), g.weight(6.0)) if bounded else y


def _array(tensor: Any) -> NDArray[np.float32]:
    return np.asarray(tensor.detach().numpy(), dtype=np.float32)
