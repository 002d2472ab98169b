"""Words that sound strained: from a checkpoint that is checked, for the text encoders it was trained on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from core.errors import Broken
from core.waiting import STRAINED_FROM
from workers.model import sentiment
from workers.model.sentiment import SIGNS, SentimentHead, Weights, signs
from workers.model.shelf import Shelf

HEAD = SentimentHead({"tiny-1": Weights(np.array([4.0, -4.0, 0.0, 2.0, 0.0]), -1.0)}, {"texts": "none"})
VECTORS = np.array([[1, 0], [0, 1]], np.float32)


def test_signs_are_those_of_shouting() -> None:
    assert signs("where is my order?") == (0, 0, 0)
    assert signs("WHERE IS MY ORDER") == (0.5, 0, 0)  # words of two letters may be a country or a size
    assert signs("Do you have this in XL, or from DHL in the USA?")[0] < 0.25
    assert signs("now!!!!!!??????") == (0, 1, 1)
    assert signs("") == (0, 0, 0)


def test_a_checkpoint_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    sentiment.save(tmp_path / "head", HEAD)
    back = sentiment.load(tmp_path / "head")
    assert back.knows("tiny-1") and not back.knows("tiny-2") and back.about == {"texts": "none"}
    texts = ["one", "two"]
    first, second = back.strained("tiny-1", texts, VECTORS)
    assert first == pytest.approx(1 / (1 + np.exp(-3))) and second == pytest.approx(1 / (1 + np.exp(5)))
    assert back.strained("tiny-1", ["one!!!", "two"], VECTORS)[0] > first  # type: ignore[operator]
    # Where nothing is said, nothing is told
    assert back.strained("tiny-1", ["4471902", "?"], VECTORS) == [None, None]
    assert back.strained("tiny-1", [], VECTORS[:0]) == []
    with pytest.raises(Broken, match="wants 5 numbers, not 6"):
        back.strained("tiny-1", texts, np.ones((2, 3), np.float32))


@pytest.mark.parametrize("way", ["missing", "text", "nan", "short", "version"])
def test_damaged_and_foreign_checkpoints_say_so(way: str, tmp_path: Path) -> None:
    path = tmp_path / "sentiment.safetensors"
    if way == "text":
        path.write_text("not weights")
    elif way != "missing":
        array = {"nan": [np.nan] * 8, "short": [1.0, 2.0]}.get(way, [1.0] * 8)
        notes = {"signs": json.dumps(["mood"] if way == "version" else SIGNS)}
        save_file({"tiny-1": np.array(array, np.float32)}, path, metadata=notes)
    with pytest.raises(Broken, match=r"sentiment\.safetensors (is no sentiment head|cannot be used)"):
        sentiment.load(path)


@pytest.mark.models
@pytest.mark.parametrize("name", ["minilm", "multilingual"])
def test_the_shipped_head_knows_both_built_in_encoders(models_dir: Path, name: str) -> None:
    assert sentiment.SHIPPED.stat().st_size < 20_000
    head, encoder = sentiment.load(), Shelf(models_dir, text=name, device="cpu").text("en")
    assert head.knows(encoder.digest) and "CLINC150" in str(head.about["texts"])
    texts = [
        "I am so angry, nobody has answered me for three weeks!!!",
        "could you tell me when the parcel arrives, please",
    ]
    strained, calm = head.strained(encoder.digest, texts, encoder.encode(texts))
    assert strained is not None and calm is not None
    assert calm < 0.3 < STRAINED_FROM <= strained
