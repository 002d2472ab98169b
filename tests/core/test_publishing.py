"""Drafts and releases over a real store: what is kept, what is refused, what a sweep spares."""

from __future__ import annotations

import io
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from core.errors import BadInput, KnowledgeError
from core.knowledge.entries import Case, Entry, KnowledgeBase
from core.knowledge.spreadsheet import from_csv
from core.store.sweep import STRAY_SECONDS, sweep
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
