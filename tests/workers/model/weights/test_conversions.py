"""A converted network computes what the original computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from core.errors import Broken
from tests.workers.model import tiny
from workers.model.sessions import session
from workers.model.weights import efficientnet, minilm, moonshine, use

IDS = np.array([[2, 5, 6, 7, 8, 3], [2, 9, 10, 3, 0, 0]])
MASK = np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]], dtype=np.float32)


def unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def test_bert_with_mean_pooling(tmp_path: Path) -> None:
    import torch
    from safetensors.numpy import load_file

    model = tiny.bert(tmp_path)
    minilm.build(load_file(tmp_path / "model.safetensors"), 3, tmp_path / "model.onnx")
    got = session(tmp_path / "model.onnx").run(None, {"ids": IDS, "mask": MASK})[0]
    with torch.inference_mode():
        states = model(input_ids=torch.from_numpy(IDS), attention_mask=torch.from_numpy(MASK)).last_hidden_state
    wanted = unit((states.numpy() * MASK[:, :, None]).sum(axis=1) / MASK.sum(axis=1, keepdims=True))
    np.testing.assert_allclose(got, wanted, atol=1e-5)


def one_sentence(w: dict[str, Any], ids: list[int]) -> NDArray[np.float32]:
    """The Universal Sentence Encoder written down plainly, for one sentence without padding."""
    words = np.stack([w[f"q{i % 17 + 1}"][i // 17] * w["scale"][i % 17] + w["lo"][i % 17] for i in ids])

    def norm(x: NDArray[np.float32], g: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
        return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + w["eps"]) * g + b

    def windows(x: NDArray[np.float32], span: int, left: int) -> NDArray[np.float32]:
        padded = np.pad(x, ((left, span - 1 - left), (0, 0)))
        return np.stack([padded[t : t + span].ravel() for t in range(len(x))])

    def joined(name: str) -> NDArray[np.float32]:
        return np.concatenate([w[f"{name}{n}"] for n in (2, 3, 5)], axis=-1)

    stacks = np.split(norm(words @ joined("proj") + joined("proj_b"), joined("ln_g"), joined("ln_b")), 3, axis=-1)
    parts = [words]
    for x, (span, left) in zip(stacks, ((2, 0), (3, 1), (5, 2)), strict=True):
        for layer in (1, 2):
            x = np.maximum(windows(x, span, left) @ w[f"w{layer}_{span}"] + w[f"b{layer}_{span}"], 0) + x
        parts.append(x)
    whole = norm(np.concatenate(parts, axis=-1), w["ln_g"], w["ln_b"])
    x = (whole @ w["cnn_W"] + w["cnn_b"]).sum(axis=0) / np.sqrt(len(ids))
    y = np.maximum(np.maximum(x @ w["d0"], 0) @ w["d1"] + x @ w["p1"], 0)
    return unit(np.tanh(np.maximum(y @ w["d2"], 0) @ w["d3"] + y @ w["p3"]))


def test_universal_sentence_encoder(tmp_path: Path) -> None:
    w = tiny.use()
    use.build(w, tmp_path / "model.onnx")
    got = session(tmp_path / "model.onnx").run(None, {"ids": IDS, "mask": MASK})[0]
    # padding must not be seen, though the padding's id has a vector too
    wanted = np.stack([one_sentence(w, [2, 5, 6, 7, 8, 3]), one_sentence(w, [2, 9, 10, 3])])
    np.testing.assert_allclose(got, wanted, atol=1e-5)


def test_efficientnet(tmp_path: Path) -> None:
    import torch
    from efficientnet_lite_pytorch import EfficientNet

    tiny.seeded()
    network = EfficientNet.from_name("efficientnet-lite2")
    for layer in network.modules():  # batch normalisation that does something
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.2)
            layer.running_var.uniform_(0.5, 1.5)
            layer.weight.data.uniform_(0.5, 1.5)
            layer.bias.data.normal_(0, 0.2)
    network.eval()
    efficientnet.build(network, tmp_path / "model.onnx")
    pixels = np.random.default_rng(0).integers(0, 256, (2, 260, 260, 3), dtype=np.uint8)
    vectors, labels = session(tmp_path / "model.onnx").run(["vectors", "labels"], {"pixels": pixels})
    with torch.inference_mode():
        scaled = torch.from_numpy(pixels / np.float32(127.5) - 1).permute(0, 3, 1, 2).float()
        states = network.extract_features(scaled).mean(dim=(2, 3))
        wanted = network(scaled).softmax(dim=-1).numpy()
    np.testing.assert_allclose(vectors, unit(states.numpy()), atol=1e-4)
    np.testing.assert_allclose(labels, wanted, atol=1e-5)


def ort_file(path: Path) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """A file of the shape Moonshine's have: 8-bit weights, widened, multiplied in nodes named after their module."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    table, matrix = rng.integers(-9, 9, (7, 4)).astype(np.int8), rng.integers(-9, 9, (4, 3)).astype(np.int8)
    nodes, weights = [], [numpy_helper.from_array(np.ones(3, np.float32), "norm.weight_merged_0")]
    for name, array in (("embed_merged_0", table), ("onnx::MatMul_7_merged_0", matrix)):
        weights += [
            numpy_helper.from_array(array, f"{name}_quantized"),
            numpy_helper.from_array(np.array([0.5], np.float32), f"{name}_scale"),
            numpy_helper.from_array(np.array([0.25], np.float32), f"{name}_zero_point"),
        ]
        nodes += [
            helper.make_node("Cast", [f"{name}_quantized"], [f"{name}_cast_tensor"], to=1),
            helper.make_node("Mul", [f"{name}_cast_tensor", f"{name}_scale"], [f"{name}_mul_tensor"]),
            helper.make_node("Add", [f"{name}_mul_tensor", f"{name}_zero_point"], [f"{name}_add_tensor"]),
        ]
    nodes += [
        helper.make_node("Gather", ["embed_merged_0_add_tensor", "ids"], ["x"], "/embed_tokens/Gather"),
        helper.make_node(
            "MatMul", ["x", "onnx::MatMul_7_merged_0_add_tensor"], ["y"], "/layers.0/self_attn/dense/MatMul"
        ),
        helper.make_node("Mul", ["y", "norm.weight_merged_0"], ["z"], "/norm/Mul"),
    ]
    graph = helper.make_graph(
        nodes,
        "decoder",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["n"])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 3])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.optimized_model_filepath = str(path)
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return table, matrix


def test_moonshines_weights_are_widened_turned_and_named(tmp_path: Path) -> None:
    table, matrix = ort_file(tmp_path / "decoder.ort")
    weights = moonshine.read(tmp_path / "decoder.ort", "model.")
    assert set(weights) == {
        "model.embed_tokens.weight",
        "model.layers.0.self_attn.o_proj.weight",
        "model.norm.weight",
    }
    np.testing.assert_array_equal(weights["model.embed_tokens.weight"], table * 0.5 + 0.25)
    np.testing.assert_array_equal(weights["model.layers.0.self_attn.o_proj.weight"], matrix.T * 0.5 + 0.25)


def test_a_graph_that_is_none_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"not a graph")
    with pytest.raises(Broken, match="polydesk models prepare"):
        session(tmp_path / "model.onnx")
