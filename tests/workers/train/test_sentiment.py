"""The head for words learns what strained clauses have in common, whatever they are about."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from core.errors import BadInput
from workers.model import sentiment
from workers.model.ports import Vectors
from workers.train import sentiment as training
from workers.train.sentiment import Examples, examples, loss, train


class Bag:
    """A text encoder that counts words into 256 places."""

    digest = "bag-1"
    dim = 256
    languages = frozenset({"en"})

    def encode(self, texts: Sequence[str]) -> Vectors:
        found = np.zeros((len(texts), self.dim), np.float32)
        for row, text in zip(found, texts, strict=True):
            for word in text.lower().replace(",", " ").replace("!", " ").split():
                row[zlib.crc32(word.encode()) % self.dim] += 1
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    (folder / "clinc150").mkdir()
    rows = [[f"can you tell me about matter {i} of number {i % 97}", "matter"] for i in range(2500)]
    (folder / "clinc150" / "data_train_val.json").write_text(json.dumps({"train": rows}))
    return folder


@pytest.fixture(scope="module")
def some(data: Path) -> Examples:
    return examples(data)


def test_examples_are_the_same_again_and_pairs_stay_in_one_fold(data: Path, some: Examples) -> None:
    again = examples(data)
    assert again.texts == some.texts and (again.folds == some.folds).all()
    assert some.texts[0].startswith("My parcel has not arrived yet") and not some.strained[0]
    assert some.strained[1] and some.folds[0] == some.folds[1]
    assert len(some.texts) == len(some.strained) == len(some.counts) > 1500
    with pytest.raises(BadInput, match="holds no clinc150"):
        examples(data / "nowhere")


def test_a_head_is_trained_saved_and_finds_strain_in_a_matter_it_never_saw(some: Examples, tmp_path: Path) -> None:
    head = train(some, [Bag()])
    sentiment.save(tmp_path / "head", head)
    head = sentiment.load(tmp_path / "head")
    texts = ["about the green bicycle, this is a disgrace!!", "about the green bicycle, thank you in advance"]
    strained, calm = head.strained("bag-1", texts, Bag().encode(texts))
    assert strained is not None and calm is not None and strained > 0.7 > 0.6 > calm
    told = head.about["encoders"]["bag-1"]  # type: ignore[index]
    assert told["folds"]["right"] > 0.6 and told["ridge"] in training.RIDGES


def test_the_loss_is_that_of_our_own_sentences(some: Examples) -> None:
    sure = np.where(some.strained, 9.0, -9.0)
    assert loss(sure, some) < 0.01 < 8 < loss(-sure, some)
    assert loss(np.where(some.counts < 1, -sure, sure), some) < 0.01


def test_without_the_encoders_it_says_how_to_get_them(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert training.main([str(data), str(tmp_path)]) == 1
    assert "polydesk models prepare" in capsys.readouterr().err
    assert training.main([str(tmp_path), str(tmp_path)]) == 2
