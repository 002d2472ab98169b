"""Eight bits: near the original, the same in any batch, on graphs that hold anything to shrink."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from workers.model.sessions import session
from workers.model.text import OnnxText, minilm, wordpieces
from workers.model.weights import eightbit
from workers.model.weights.graph import Graph

WORDS, DIM = 1500, 64


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    """A table of words, a layer whose outputs lie on one side of zero as after GELU, another layer."""
    dice = np.random.default_rng(0)
    g = Graph("words")
    ids = g.input("ids", np.int64, ["batch", "length"])
    table = dice.standard_normal((WORDS, DIM)).astype(np.float32)
    wide = dice.standard_normal((DIM, 4 * DIM)).astype(np.float32) / 8
    back = dice.standard_normal((4 * DIM, DIM)).astype(np.float32) / 16
    x = g.node("Gather", g.weight(table), ids)
    x = g.linear(g.node("Gelu", g.linear(x, wide)), back, dice.standard_normal(DIM).astype(np.float32))
    g.unit(g.node("ReduceSum", x, g.weight([1], np.int64), keepdims=0), "vectors")
    g.save(tmp_path / "graph.onnx", {"vectors": ["batch", DIM]})
    return tmp_path / "graph.onnx"


def vectors(graph: Path, ids: NDArray[np.int64]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = session(graph).run(["vectors"], {"ids": ids})[0]
    return found


def test_it_is_near_the_original_and_a_quarter_as_large(graph: Path, tmp_path: Path) -> None:
    assert eightbit.convert(graph, tmp_path / "small.onnx") == 3
    ids = np.random.default_rng(1).integers(0, WORDS, (40, 6))
    before, after = vectors(graph, ids), vectors(tmp_path / "small.onnx", ids)
    assert (before * after).sum(axis=1).min() > 0.999
    assert not np.allclose(before, after, atol=1e-6)
    assert (tmp_path / "small.onnx").stat().st_size < 0.3 * graph.stat().st_size


def test_a_vector_does_not_depend_on_what_is_beside_it(graph: Path, tmp_path: Path) -> None:
    eightbit.convert(graph, tmp_path / "small.onnx")
    ids = np.random.default_rng(2).integers(0, WORDS, (24, 5))
    together = vectors(tmp_path / "small.onnx", ids)
    alone = np.concatenate([vectors(tmp_path / "small.onnx", row[None]) for row in ids])
    np.testing.assert_allclose(alone, together, atol=1e-6)


def test_weights_keep_seven_bits_so_that_no_processor_overflows(graph: Path, tmp_path: Path) -> None:
    eightbit.convert(graph, tmp_path / "small.onnx")
    model = onnx.load(tmp_path / "small.onnx")
    products = [node.input[1] for node in model.graph.node if node.op_type == "MatMulIntegerToFloat"]
    largest = {one.name: np.abs(onnx.numpy_helper.to_array(one)).max() for one in model.graph.initializer}
    assert len(products) == 2 and all(largest[name] == 63 for name in products)


def test_equal_values_are_no_division_by_zero(graph: Path, tmp_path: Path) -> None:
    g = Graph("flat")
    x = g.input("ids", np.float32, ["batch", 3])
    g.unit(g.linear(x, np.eye(3, dtype=np.float32), np.ones(3, dtype=np.float32)), "vectors")
    g.save(tmp_path / "flat.onnx", {"vectors": ["batch", 3]})
    eightbit.convert(tmp_path / "flat.onnx", tmp_path / "small.onnx")
    found = session(tmp_path / "small.onnx").run(["vectors"], {"ids": np.zeros((2, 3), np.float32)})[0]
    np.testing.assert_allclose(found, np.full((2, 3), 3**-0.5), atol=1e-6)


def test_a_graph_without_matrices_stays(tmp_path: Path) -> None:
    g = Graph("none")
    g.unit(g.node("Add", g.input("ids", np.float32, ["batch", 3]), g.weight(1.0)), "vectors")
    g.save(tmp_path / "none.onnx", {"vectors": ["batch", 3]})
    assert eightbit.convert(tmp_path / "none.onnx", tmp_path / "same.onnx") == 0
    assert session(tmp_path / "same.onnx").run(None, {"ids": np.ones((1, 3), np.float32)})[0].shape == (1, 3)


@pytest.mark.models
def test_the_english_encoder(models_dir: Path, tmp_path: Path) -> None:
    folder = models_dir / "text-en"
    eightbit.convert(folder / "model.onnx", tmp_path / "small.onnx")
    tokenise = wordpieces(folder / "tokenizer.json")
    small = OnnxText(tmp_path / "small.onnx", tokenise, digest="", languages=frozenset())
    said = ["where is my order?", "my mug came broken", "", "can I get my money back for a jacket that does not fit"]
    before, after = minilm(folder).encode(said), small.encode(said)
    assert (before * after).sum(axis=1).min() > 0.99
    np.testing.assert_allclose(np.concatenate([small.encode([one]) for one in said]), after, atol=1e-4)
    assert (tmp_path / "small.onnx").stat().st_size < 25_000_000
