"""Sentences become vectors: the built-in graphs, any encoder of transformers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from core.errors import BadInput, Broken
from tests.workers.model import tiny
from workers.model import hub
from workers.model.batches import by_length
from workers.model.pooled import PooledText
from workers.model.ports import TextEncoder
from workers.model.text import OnnxText, minilm, multilingual
from workers.model.weights import minilm as conversion

SENTENCES = [
    "where is my order",
    "",
    "the mug came broken and my shoes do not fit please",
    "refund",
    "where is my order",
]


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("bert")
    return folder, tiny.bert(folder)


def onnx(folder: Path, into: Path) -> OnnxText:
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    conversion.build(load_file(folder / "model.safetensors"), 3, into / "model.onnx")
    tokens = Tokenizer.from_file(str(folder / "tokenizer.json"))
    return OnnxText(into / "model.onnx", lambda text: list(tokens.encode(text).ids), digest="d", languages=frozenset())


def test_batches_are_of_like_length_within_bounds() -> None:
    lengths = [5, 100, 3, 7, 90, 4, 6]
    batches = list(by_length(lengths, rows=3, tokens=120))
    assert sorted(i for batch in batches for i in batch) == list(range(7))
    assert [[lengths[i] for i in batch] for batch in batches] == [[3, 4, 5], [6, 7], [90], [100]]


def test_both_ways_of_running_a_model_agree(bert: tuple[Path, Any], tmp_path: Path) -> None:
    first: TextEncoder = onnx(bert[0], tmp_path)
    second: TextEncoder = PooledText(bert[0])
    assert first.dim == second.dim == 24
    np.testing.assert_allclose(first.encode(SENTENCES), second.encode(SENTENCES), atol=1e-5)


@pytest.mark.parametrize("kind", ["onnx", "transformers"])
def test_the_contract_of_a_text_encoder(kind: str, bert: tuple[Path, Any], tmp_path: Path) -> None:
    encoder: TextEncoder = onnx(bert[0], tmp_path) if kind == "onnx" else PooledText(bert[0])
    together = encoder.encode(SENTENCES)
    assert together.dtype == np.float32
    assert together.shape == (5, encoder.dim)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    # a sentence means the same alone as among others
    alone = np.concatenate([encoder.encode([text]) for text in SENTENCES])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert encoder.encode([]).shape == (0, encoder.dim)


def states(model: Any, folder: Path, text: str) -> NDArray[np.float32]:
    import torch
    from transformers import AutoTokenizer

    with torch.inference_mode():
        tokens = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")
        return np.asarray(model(**tokens).last_hidden_state[0].numpy())


POOLINGS = {
    "mean": lambda s: s.mean(axis=0),
    "cls": lambda s: s[0],
    "max": lambda s: s.max(axis=0),
    "lasttoken": lambda s: s[-1],
}


@pytest.mark.parametrize(
    ("config", "mode"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_mean_tokens": True}, "mean"),
        ({"pooling_mode_max_tokens": True}, "max"),
        ({"pooling_mode_lasttoken": True}, "lasttoken"),
        ({"pooling_mode": "cls"}, "cls"),
        (None, "mean"),
    ],
)
def test_pooling_is_what_the_folder_says(
    bert: tuple[Path, Any], tmp_path: Path, config: dict[str, Any] | None, mode: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(bert[0], folder)
    if config is not None:
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling" / "config.json").write_text(json.dumps(config))
    wanted = POOLINGS[mode](states(bert[1], folder, SENTENCES[2]))
    got = PooledText(folder).encode([SENTENCES[0], SENTENCES[2]])[1]
    np.testing.assert_allclose(got, wanted / np.linalg.norm(wanted), atol=1e-5)


def test_a_dense_layer_and_a_prompt_are_honoured(bert: tuple[Path, Any], tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    folder = tmp_path / "model"
    shutil.copytree(bert[0], folder)
    (folder / "2_Dense").mkdir()
    config = {"in_features": 24, "out_features": 5, "bias": True, "activation_function": "torch.nn.modules.Tanh"}
    (folder / "2_Dense" / "config.json").write_text(json.dumps(config))
    rng = np.random.default_rng(0)
    weight, bias = rng.standard_normal((5, 24)).astype(np.float32), rng.standard_normal(5).astype(np.float32)
    save_file({"linear.weight": weight, "linear.bias": bias}, folder / "2_Dense" / "model.safetensors")
    kinds = [("Transformer", ""), ("Pooling", "1_Pooling"), ("Dense", "2_Dense"), ("Normalize", "3_Normalize")]
    modules = [{"type": f"sentence_transformers.models.{kind}", "path": path} for kind, path in kinds]
    (folder / "modules.json").write_text(json.dumps(modules))
    prompts = {"prompts": {"query": "please "}, "default_prompt_name": "query"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))

    encoder = PooledText(folder)
    wanted = np.tanh(weight @ states(bert[1], folder, "please refund").mean(axis=0) + bias)
    assert encoder.dim == 5
    np.testing.assert_allclose(encoder.encode(["refund"])[0], wanted / np.linalg.norm(wanted), atol=1e-5)


def test_what_we_cannot_run_is_refused(bert: tuple[Path, Any], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(bert[0], folder)
    (folder / "modules.json").write_text(json.dumps([{"type": "sentence_transformers.models.CNN", "path": "1_CNN"}]))
    with pytest.raises(Broken, match="CNN"):
        PooledText(folder)


def test_missing_weights_are_not_made_up(bert: tuple[Path, Any], tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    folder = tmp_path / "model"
    shutil.copytree(bert[0], folder)
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(Broken, match="lacks 1 weights"):
        PooledText(folder)


def test_an_empty_folder_and_a_wrong_path_say_so(tmp_path: Path) -> None:
    with pytest.raises(Broken, match="cannot load the text model"):
        PooledText(tmp_path)
    with pytest.raises(BadInput, match="there is no model folder"):
        hub.find(str(tmp_path / "nothing"))


def test_a_hub_name_without_a_hub_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(Broken, match="folder of this machine"):
        hub.find("polydesk-tests/there-is-no-such-model")


def test_a_digest_follows_the_weights(bert: tuple[Path, Any], tmp_path: Path) -> None:
    shutil.copytree(bert[0], tmp_path / "same")
    tiny.bert(tmp_path / "other", seed=1)
    digest = PooledText(bert[0]).digest
    assert PooledText(tmp_path / "same").digest == digest
    assert PooledText(tmp_path / "other").digest != digest


@pytest.mark.models
def test_minilm_knows_what_means_the_same(models_dir: Path) -> None:
    encoder = minilm(models_dir / "text-en")
    order, parcel, pizza = encoder.encode(["Where is my order?", "my order has not arrived yet", "I like pizza"])
    assert order @ parcel > 0.5 > 0.3 > order @ pizza
    assert encoder.languages == {"en"}
    # the graph computes what transformers computes from the original weights
    again = PooledText(models_dir / "text-en").encode(["Where is my order?"])[0]
    assert order @ again > 0.99999


@pytest.mark.models
def test_the_multilingual_encoder_knows_it_across_languages(models_dir: Path) -> None:
    encoder = multilingual(models_dir / "text-multi")
    english = encoder.encode(["Where is my order?", "I forgot my password", "The cup arrived broken"])
    for others in (
        ["Wo ist meine Bestellung?", "Ich habe mein Passwort vergessen", "Die Tasse kam zerbrochen an"],
        ["¿Dónde está mi pedido?", "Olvidé mi contraseña", "La taza llegó rota"],
        ["我的订单在哪里？", "我忘记密码了", "杯子到的时候碎了"],
        ["Где мой заказ?", "Я забыл пароль", "Чашка пришла разбитой"],
    ):
        near = encoder.encode(others) @ english.T
        assert near.argmax(axis=1).tolist() == [0, 1, 2]
        assert near.diagonal().min() > 0.6
    assert {"en", "de", "zh", "ru"} <= encoder.languages


@pytest.mark.models
def test_a_very_long_text_is_cut_not_refused(models_dir: Path) -> None:
    long = "where is my order " * 2000
    for encoder in (minilm(models_dir / "text-en"), multilingual(models_dir / "text-multi")):
        assert np.isfinite(encoder.encode([long])).all()
