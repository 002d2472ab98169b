"""Whether a candidate takes the place of the model in use."""

from __future__ import annotations

import errno
import io
from pathlib import Path

import pytest

from core.errors import BadInput, Broken, Retry
from core.knowledge.history import Example
from tests.flows.conftest import DEMO
from workers.configuration import Configuration
from workers.local import Local
from workers.model.shelf import Shelf
from workers.model.trained import FIXED, Trained
from workers.train.judging import STAGE, only_now, promotion
from workers.train.kept import Kept, Listened
from workers.train.log import Log, Told

pytestmark = pytest.mark.models

SHOP = """\
polydesk: 1
title: Shop
language: en
entries:
  - {id: track, question: Where is my order?, variants: [where is my parcel, track my package], answer: Look.}
  - {id: hours, question: When are you open?, variants: [opening hours], answer: Nine to five.}
cases:
  - {text: when do you open, expect: hours}
  - {text: write me a poem, expect: none}
"""


def test_a_model_in_use_that_cannot_answer_any_more_is_replaced_in_the_comparison(
    models_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "kb.yaml").write_text(SHOP)
    configuration = Configuration("", tmp_path / "blobs", models_dir, tmp_path / "encodings.db")
    used, candidate = tmp_path / "used", tmp_path / "candidate"
    Trained("an encoder of last year", fusion=FIXED).save(used)
    with Local.open(tmp_path, configuration) as local:
        Trained(local.encoder.digest, fusion=FIXED).save(candidate)
    # Workers answer with the shipped model where the one in use does not fit them.
    shelf, log = Shelf.of(configuration), Log(stream=io.StringIO())
    found = promotion(tmp_path, configuration, candidate, used, (), shelf=shelf, log=log)
    assert found.promoted, found
    assert "the model in force cannot answer" in found.instead and "an encoder of last year" in found.instead
    assert "shipped" not in found.why
    # A candidate that does not fit is nobody's.
    with pytest.raises(Exception, match="an encoder of last year"):
        promotion(tmp_path, configuration, used, None, (), shelf=shelf, log=log)


def test_what_only_this_worker_cannot_have_now_is_told_from_what_nobody_can_have() -> None:
    """Given a full disk, or a broker that is away, then the gate waits, since customers are answered all the same."""

    def said(problem: Exception, cause: Exception | None = None) -> str:
        problem.__cause__ = cause
        found = only_now(problem)
        return str(found) if found else ""

    for cause in (OSError(errno.EIO, "Input/output error"), PermissionError(errno.EACCES, "Permission denied")):
        assert f"({cause.strerror})" in said(Broken("cannot read blob"), cause) and f"({cause.strerror})" in said(cause)
    assert "(the disk is full)" in said(Retry("the disk is full")) and "MemoryError" in said(MemoryError())
    for gone in (Broken("a blob is damaged"), BadInput("made by another version"), FileNotFoundError()):
        assert not said(gone) and not said(Broken("a blob is missing"), gone)


class Noting(Kept):
    """Notes what is recognised, which is what is not known yet."""

    noted: tuple[str, ...] = ()

    def put(self, key: str, told: bytes) -> None:
        self.noted += (key.partition(":")[0],)
        super().put(key, told)


def test_both_models_are_asked_what_was_recognised_once(models_dir: Path, tmp_path: Path) -> None:
    # Given cases of each channel, and a held-out photo
    photo, voice = DEMO / "photos" / "test-login.jpg", DEMO / "voice" / "wheres-my-order.ogg"
    cases = f"  - {{photo: {photo}, expect: none}}\n  - {{voice: {voice}, expect: track}}\n"
    (tmp_path / "kb.yaml").write_text(SHOP + cases)
    past = (Example(1, "c", expect="track", text="is it on its way"), Example(2, "c", "hours", photos=(str(photo),)))
    configuration = Configuration("", tmp_path / "blobs", models_dir, tmp_path / "encodings.db")
    kept, heard = Noting(tmp_path / "heard.db"), list[Told]()
    shelf = Listened.keeping(configuration, kept)
    Trained(shelf.text("en").digest, fusion=FIXED).save(tmp_path / "candidate")
    # When the gate compares
    with Log(stream=io.StringIO(), listen=heard.append) as log:
        found = promotion(tmp_path, configuration, tmp_path / "candidate", None, past, shelf=shelf, log=log)
    # Then the photo was read and seen once, the recording heard once
    assert found.promoted, found
    assert sorted(kept.noted) == ["heard", "read", "seen"]
    # And whoever watches saw how far it was
    assert {(one.stage, one.total) for one in heard} == {(STAGE, 2 * (4 + 2))} and heard[-1].done == 12
    kept.close()
