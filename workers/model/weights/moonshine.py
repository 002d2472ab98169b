"""Conversion of Moonshine from onnxruntime's own file format to the weights of transformers' Moonshine.

The vendor ships two `.ort` files (flatbuffers). Weights of matrix products lie in them in 8 bits, transposed, under
names the exporter invented, but the product that uses one is named after its module, e.g.
`/model/decoder/layers.0/self_attn/q_proj/MatMul`. Biases with norms keep their names. Jeffries et al. 2024,
https://arxiv.org/abs/2410.15608.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from core.errors import Broken

Weights = dict[str, NDArray[np.float32]]

# What the vendor's base model is, in the words of transformers' MoonshineConfig.
CONFIG = {
    "architectures": ["MoonshineForConditionalGeneration"],
    "model_type": "moonshine",
    "vocab_size": 32768,
    "hidden_size": 416,
    "intermediate_size": 1664,
    "encoder_num_hidden_layers": 8,
    "decoder_num_hidden_layers": 8,
    "encoder_num_attention_heads": 8,
    "decoder_num_attention_heads": 8,
    "max_position_embeddings": 194,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.62},
    "pad_head_dim_to_multiple_of": 8,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
    "tie_word_embeddings": True,
}
_TENSORS = 210  # as many as the network has, the tied output projection not counted
_KINDS = {1: np.float32, 2: np.uint8, 3: np.int8, 7: np.int64}  # onnx.TensorProto.DataType
_RENAMED = (("attn.dense.", "attn.o_proj."), ("mlp.up_proj.", "mlp.fc1."), ("mlp.down_proj.", "mlp.fc2."))


def convert(found: Path, made: Path) -> None:
    """Write a folder that `MoonshineForConditionalGeneration.from_pretrained` takes, with `tokenizer.json`."""
    weights = read(found / "encoder_model.ort", "model.encoder.") | read(found / "decoder_model_merged.ort", "")
    if len(weights) != _TENSORS:
        raise Broken(f"expected {_TENSORS} weights in the speech model's files, found {len(weights)}")
    save_file(weights, made / "model.safetensors", metadata={"format": "pt"})
    (made / "config.json").write_text(json.dumps(CONFIG, indent=1))
    shutil.move(found / "tokenizer.json", made / "tokenizer.json")


def read(path: Path, prefix: str) -> Weights:
    """Read the weights of one `.ort` file under the names transformers gives them."""
    from onnxruntime.tools.ort_format_model.ort_flatbuffers_py.fbs.InferenceSession import InferenceSession

    graph = InferenceSession.GetRootAs(bytearray(path.read_bytes()), 0).Model().Graph()
    stored = dict(_initializers(graph))
    weights: Weights = {}
    for name, array in stored.items():
        if named := re.fullmatch(r"(.+\.(?:bias|weight))(?:_merged_\d+)?", name):
            weights[named[1]] = array.astype(np.float32)
    for operator, name, inputs in _nodes(graph):
        module = name.strip("/").rpartition("/")[0].replace("/", ".")
        for value in inputs:
            if operator in ("MatMul", "Gather", "Conv") and value.endswith("_add_tensor"):
                wide = _widened(stored, value.removesuffix("_add_tensor"))
                weights[f"{module}.weight"] = wide.T if operator == "MatMul" else wide
            elif module == "groupnorm" and value in stored and operator in ("Mul", "Add"):
                part = "weight" if operator == "Mul" else "bias"
                weights[f"{module}.{part}"] = stored[value][:, 0].astype(np.float32)
    return {_renamed(prefix + name): np.ascontiguousarray(array) for name, array in weights.items()}


def _widened(stored: dict[str, NDArray[Any]], name: str) -> NDArray[np.float32]:
    wide = stored[f"{name}_quantized"].astype(np.float32) * stored[f"{name}_scale"] + stored[f"{name}_zero_point"]
    return np.asarray(wide, dtype=np.float32)


def _renamed(name: str) -> str:
    for theirs, ours in _RENAMED:
        name = name.replace(theirs, ours)
    return name


def _initializers(graph: Any) -> Iterator[tuple[str, NDArray[Any]]]:
    for i in range(graph.InitializersLength()):
        tensor = graph.Initializers(i)
        if tensor.RawDataLength():
            shape = [tensor.Dims(j) for j in range(tensor.DimsLength())]
            raw = tensor.RawDataAsNumpy().tobytes()
            yield tensor.Name().decode(), np.frombuffer(raw, _KINDS[tensor.DataType()]).reshape(shape)


def _nodes(graph: Any) -> Iterator[tuple[str, str, list[str]]]:
    """Every operator's type, name, inputs; those of the two branches of the merged decoder included."""
    for i in range(graph.NodesLength()):
        node = graph.Nodes(i)
        yield (
            node.OpType().decode(),
            node.Name().decode(),
            [node.Inputs(j).decode() for j in range(node.InputsLength())],
        )
        for j in range(node.AttributesLength()):
            branch = node.Attributes(j).G()
            if branch is not None:
                yield from _nodes(branch)
