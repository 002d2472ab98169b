"""Drafts and releases over a real store: what is kept, what is refused, what a sweep spares."""

from __future__ import annotations

import asyncio
import io
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from core import wire
from core.errors import BadInput, KnowledgeError
from core.knowledge.entries import Case, Entry, KnowledgeBase, Release
from core.knowledge.spreadsheet import from_csv
from core.store.releases import ReleaseRow
from core.store.sweep import STRAY_SECONDS, sweep
from core.store.trouble import Conflict
from tests.core.conftest import KNOWLEDGE, Road


def photo(folder: Path, color: str, name: str = "photo.jpg") -> str:
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x010F] = "A camera that tells where it was"
    Image.new("RGB", (40, 30), color).save(out, "JPEG", exif=exif)
    path = folder / name
    path.write_bytes(out.getvalue())
    return str(path)


async def test_a_table_keeps_the_photos_of_the_draft_that_it_is_laid_onto(road: Road, tmp_path: Path) -> None:
    entry = Entry("photo-entry", "What is this?", {"en": "A photo."}, photos=(photo(tmp_path, "red"),))
    before = await road.publishing.bring_in(KnowledgeBase("Shop", entries=(entry,)))
    after = await road.publishing.bring_in(from_csv(b"id,question\nphoto-entry,What is that?\n", before))
    assert after.entries[0].question == "What is that?"
    assert after.entries[0].photos == before.entries[0].photos


async def test_what_is_no_photo_is_named_and_changes_nothing(road: Road, tmp_path: Path) -> None:
    page = tmp_path / "page.jpg"
    page.write_bytes(b"<html><script>alert(1)</script></html>")
    wrong = Entry("wrong", "What is this?", {"en": "A page."}, photos=(str(page),))
    with pytest.raises(KnowledgeError, match=r"page\.jpg: expected a photo"):
        await road.publishing.bring_in(KnowledgeBase("Shop", entries=(wrong,)))
    assert await road.publishing.draft() == KNOWLEDGE


async def test_photos_lose_what_their_camera_wrote_into_them(road: Road, tmp_path: Path) -> None:
    entry = Entry("photo-entry", "What is this?", {"en": "A photo."}, photos=(photo(tmp_path, "red"),))
    after = await road.publishing.bring_in(KnowledgeBase("Shop", entries=(entry,)))
    assert b"A camera" not in road.publishing.blob(after.entries[0].photos[0])


async def test_discarding_makes_the_draft_what_is_live(road: Road) -> None:
    await road.publishing.bring_in(replace(KNOWLEDGE, entries=KNOWLEDGE.entries[:1]))
    await road.publishing.discard(by="ada")
    assert await road.publishing.draft() == KNOWLEDGE


async def test_discarding_needs_a_release(road: Road) -> None:
    other = type(road.publishing)(road.store, road.bell, road.clock, "other")
    with pytest.raises(BadInput, match="nothing was published"):
        await other.discard()


async def test_files_of_cases_outlive_a_sweep_in_draft_and_release(road: Road, tmp_path: Path) -> None:
    # Given a case with a photo, published, and another case that is only in the draft
    case = Case("track-order", photo=photo(tmp_path, "blue"))
    await road.publishing.bring_in(replace(KNOWLEDGE, cases=(case,)))
    await road.publishing.publish()
    drafted = Case("track-order", photo=photo(tmp_path, "green", "other.jpg"))
    draft = await road.publishing.bring_in(replace(KNOWLEDGE, cases=(drafted,)))
    release = await road.publishing.live()
    assert release is not None
    kept = [release.knowledge.cases[0].photo, draft.cases[0].photo]
    # When everything is old enough to be swept
    old = time.time() - 2 * STRAY_SECONDS
    for sha in kept:
        os.utime(road.store.blobs.path(sha), (old, old))
    await sweep(road.store, retention_days=365)
    # Then both are still there
    assert [road.store.blobs.exists(sha) for sha in kept] == [True, True]


async def test_a_model_is_a_release_that_drafts_keep_and_a_rollback_takes_back(road: Road) -> None:
    model = await road.store.keep(b"a model")
    assert (await road.publishing.answer_with(model, by="ada", note="trained")).number == 2
    # Publishing a draft keeps it, and the model's blob with it
    await road.publishing.bring_in(replace(KNOWLEDGE, title="Another title"))
    await road.publishing.publish()
    live = await road.publishing.live()
    assert live is not None and (live.model, live.knowledge.title) == (model, "Another title")
    # The first release had no model, the second had one
    for number, expected in ((1, ""), (2, model)):
        await road.publishing.rollback(number)
        live = await road.publishing.live()
        assert live is not None and live.model == expected and live.knowledge == KNOWLEDGE
    rows = await road.store.read(lambda tx: tx.knowledge.releases("default"))
    for row in rows:
        held = {one.sha for one in await road.store.read(lambda tx, n=row.number: tx.blobs.of(f"release:default:{n}"))}
        assert (model in held) is (row.number in (2, 3, 5)), row
    # Back to the shipped model is a release too
    await road.publishing.answer_with("")
    assert (await road.publishing.live()).model == ""  # type: ignore[union-attr]


async def test_a_model_that_changes_nothing_or_is_gone_is_refused(road: Road) -> None:
    with pytest.raises(BadInput, match="shipped model is in force already"):
        await road.publishing.answer_with("")
    with pytest.raises(BadInput, match="train again"):
        await road.publishing.answer_with("a" * 64)
    model = await road.store.keep(b"a model")
    await road.publishing.answer_with(model)
    with pytest.raises(BadInput, match="in force already"):
        await road.publishing.answer_with(model)


async def test_who_publishes_at_the_same_moment_takes_no_model_back(road: Road) -> None:
    model = await road.store.keep(b"a model")
    results = await asyncio.gather(
        road.publishing.answer_with(model), road.publishing.publish(), road.publishing.publish(), return_exceptions=True
    )
    assert any(isinstance(one, ReleaseRow) for one in results)
    assert all(isinstance(one, ReleaseRow | Conflict) for one in results), results
    rows = await road.store.read(lambda tx: tx.knowledge.releases("default"))
    for row in rows:
        release = wire.loads(Release, road.publishing.blob(row.blob))
        assert release.number == row.number
    # Whatever was published after the model keeps it
    models = [wire.loads(Release, road.publishing.blob(row.blob)).model for row in reversed(rows)]
    assert models == sorted(models, key=bool)
