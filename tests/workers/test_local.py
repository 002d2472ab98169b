"""A knowledge base is asked with the encoders that somebody has, but for those that a model brings itself."""

from __future__ import annotations

from pathlib import Path

from tests.workers.model import tiny
from workers.configuration import Configuration
from workers.local import Local
from workers.model import tuned
from workers.model.shelf import Shelf
from workers.model.trained import FIXED, Trained
from workers.model.weights import minilm

SHOP = """\
polydesk: 1
title: Shop
language: en
entries:
  - {id: track, question: Where is my order?, answer: Look.}
"""


def test_a_models_own_text_encoder_stands_beside_those_of_a_shelf(tmp_path: Path) -> None:
    # Given a model with a fine-tuned encoder, and a shelf that has loaded another
    (tmp_path / "kb.yaml").write_text(SHOP)
    tiny.bert(tmp_path / "found")
    (tmp_path / "made").mkdir()
    minilm.convert(tmp_path / "found", tmp_path / "made")
    own = tuned.describe(tmp_path / "made", frozenset({"en"}), 64, {}).digest
    Trained(own, fusion=FIXED, text=tmp_path / "made").save(tmp_path / "model")
    tiny.bert(tmp_path / "other", seed=3)
    configuration = Configuration("", tmp_path, tmp_path, tmp_path / "encodings.db", device="cpu")
    shelf = Shelf(tmp_path, english=tmp_path / "other", device="cpu")
    theirs = shelf.text("en").digest
    assert theirs != own
    # Then each is asked with its own
    for model, digest in ((None, theirs), (tmp_path / "model", own), (None, theirs)):
        with Local.open(tmp_path, configuration, model, shelf=shelf) as local:
            assert local.encoder.digest == digest
    assert shelf.text("en").digest == theirs
