"""Half precision: chosen for graphics cards alone, its vectors are those of full precision but for a little."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.workers.model import tiny
from workers.model import hub
from workers.model.image import ClipImage, TransformersImage
from workers.model.pooled import PooledText

SAID = ["where is my order", "refund", "", "the mug came broken and my shoes do not fit please"]
PICTURES = [np.random.default_rng(n).integers(0, 256, (40, 60, 3), dtype=np.uint8) for n in range(3)]


@pytest.mark.parametrize(
    ("device", "stored", "chosen"),
    [
        ("cpu", "", "float32"),
        ("cpu", "bfloat16", "float32"),
        ("mps", "float32", "float32"),
        ("cuda", "", "float16"),
        ("cuda:1", "float32", "float16"),
        ("cuda", "bfloat16", "bfloat16"),
        ("cuda:0", "torch.bfloat16", "bfloat16"),
        ("xpu", "float16", "float16"),
    ],
)
def test_which_precision(device: str, stored: str, chosen: str) -> None:
    assert hub.precision(device, stored) == chosen


def test_batches_are_larger_on_a_graphics_card() -> None:
    assert hub.rows("cpu") < hub.rows("cuda") == hub.rows("cuda:1")


def test_what_a_configuration_says_of_its_weights(tmp_path: Path) -> None:
    assert hub.stored(tmp_path) == ""
    for name in ("dtype", "torch_dtype"):
        (tmp_path / "config.json").write_text(json.dumps({name: "bfloat16"}))
        assert hub.stored(tmp_path) == "bfloat16"


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_half_precision_says_the_same_of_words(half: str, tmp_path: Path) -> None:
    tiny.bert(tmp_path)
    full, other = PooledText(tmp_path), PooledText(tmp_path, precision=half)
    assert str(other._model.dtype) == f"torch.{half}" and str(full._model.dtype) == "torch.float32"
    before, after = full.encode(SAID), other.encode(SAID)
    assert after.dtype == np.float32 and not np.array_equal(before, after)
    np.testing.assert_allclose((before * after).sum(axis=1), 1, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(after, axis=1), 1, atol=1e-5)
    assert full.digest == other.digest


@pytest.mark.parametrize("kind", ["clip", "vit"])
def test_half_precision_says_the_same_of_pictures(kind: str, tmp_path: Path) -> None:
    getattr(tiny, kind)(tmp_path)
    make = ClipImage if kind == "clip" else TransformersImage
    before, after = (make(tmp_path, precision=one).encode(PICTURES).vectors for one in ("", "bfloat16"))
    np.testing.assert_allclose((before * after).sum(axis=1), 1, atol=1e-3)


def test_what_overflows_in_half_precision_runs_in_full(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    tiny.bert(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    name = "encoder.layer.1.output.LayerNorm.weight"
    weights[name] = weights[name] * 1e5  # more than float16 can hold
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    encoder = PooledText(tmp_path, precision="float16")
    assert encoder._model.dtype == torch.float32
    assert np.isfinite(encoder.encode(SAID)).all()
