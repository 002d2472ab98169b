"""A snapshot names the turns that it learns from, which are written and read one at a time."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core import wire
from core.errors import BadInput, Broken
from core.history import AGENT, TAP, LabelledTurn
from core.knowledge.entries import Entry, KnowledgeBase
from core.knowledge.history import load_history
from core.snapshot import Snapshot, kept, read, unpacked
from core.store.blobs import BlobFolder

PHOTO = b"\xff\xd8\xffphoto"
SHOP = KnowledgeBase("Shop", entries=(Entry("hours", "When are you open?", {"en": "Nine to five."}),))


async def turns(folder: BlobFolder) -> AsyncIterator[LabelledTurn]:
    yield LabelledTurn(
        "1", "a", 1000, "open?\nnow?", expect="hours", by=AGENT, history=("hi", "\u2028"), decision="hold"
    )
    yield LabelledTurn("2", "b", 2000, photos=(folder.put(PHOTO),), expect="hours", by=TAP, decision="hold")


async def test_turns_go_through_a_blob_of_their_own(tmp_path: Path) -> None:
    folder = BlobFolder(tmp_path / "blobs")
    blob, counts = await kept(turns(folder), folder)
    assert counts == {AGENT: 1, TAP: 1} and len(list(folder.lines(blob))) == 2
    snapshot = read(wire.dumps(Snapshot(SHOP, blob)).encode())
    _, history = unpacked(snapshot, tmp_path / "room", folder)
    assert history is not None
    first, second = load_history(history).examples
    assert (first.text, first.history, first.expect) == ("open?\nnow?", ("hi", "\u2028"), "hours")
    assert Path(second.photos[0]).name.startswith(hashlib.sha256(PHOTO).hexdigest())


async def test_nothing_taught_is_no_blob(tmp_path: Path) -> None:
    async def none() -> AsyncIterator[LabelledTurn]:
        for turn in ():
            yield turn

    folder = BlobFolder(tmp_path / "blobs")
    assert await kept(none(), folder) == ("", {}) and list(folder.all()) == []
    assert unpacked(Snapshot(SHOP), tmp_path / "room", folder)[1] is None


def test_turns_that_are_gone_are_said(tmp_path: Path) -> None:
    with pytest.raises(Broken, match="missing"):
        unpacked(Snapshot(SHOP, "0" * 64), tmp_path / "room", BlobFolder(tmp_path / "blobs"))


def test_one_of_another_version_is_refused_in_a_sentence() -> None:
    old = b'{"knowledge": {"title": "Shop"}, "turns": [{"id": "1", "conversation": "a", "at": 5}], "model": ""}'
    with pytest.raises(BadInput, match=r"Another version of Polydesk .* Start a new one\."):
        read(old)
