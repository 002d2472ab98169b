"""`polydesk history export` as an operator types it, while a gateway runs on the same data."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from bot.wiring import House
from core.knowledge.history import load_history
from core.store.sweep import forget
from core.values import Attachment, AttachmentKind, Author, Role
from tests.bot.console.stage import Guest, furnished, jpeg, wav
from tests.flows.installation import environment

MIA = Author("mia", "Mia", Role.AGENT)
KNOWN = {"return-damaged", "track-order", "opening-hours"}


async def runs(data: Path, *words: object, status: int = 0) -> str:
    """Type `polydesk history ...`; returns what it said."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "bot", "history", *map(str, words)],
        cwd=data,
        env={**environment(data), "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == status, (words, done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr and done.stdout == ""
    return done.stderr


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def photo(house: House, raw: bytes) -> Attachment:
    return Attachment(AttachmentKind.PHOTO, blob=await house.store.keep(raw))


async def lived(house: House) -> list[str]:
    """Conversations: corrected by an agent, ended in silence, with a photo that is gone, still going on."""
    voice = Attachment(AttachmentKind.VOICE, blob=await house.store.keep(wav()))
    seen = [await photo(house, jpeg(color)) for color in ("red", "blue")]
    gone = await photo(house, jpeg("black"))
    ids = []
    for name, text, parts in (
        ("corrected", "what is this, please tell me? 🛒\nand how is it?", (*seen, voice)),
        ("silent", "where is my order please?", ()),
        ("lost", "", (gone,)),
        ("open", "where is my order please?", ()),
    ):
        guest = Guest(house, name)
        await guest.says(text, parts)
        ids.append(await guest.id())
    house.store.blobs.delete(gone.blob)
    turn = (await house.store.read(lambda tx: tx.turns.list(ids[0])))[0].id
    await house.desk.correct(ids[0], MIA, turn, "return-damaged")
    for id in ids[:3]:
        await house.desk.resolve(id, MIA)
    return ids


async def test_what_ended_conversations_teach_goes_to_a_file_and_comes_back(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    async with furnished(tmp_path) as house:
        ids = await lived(house)
        told = await runs(tmp_path, "export", out / "h.jsonl")
    # Then the operator hears what it is, and the file holds the two questions with known answers
    assert "2 labelled turns (1 by agents, 0 by customers' taps, 1 by silence, which is weak)" in told
    assert "3 photos and voice notes in" in told and "Gone meanwhile: 1 photos" in told
    assert "what customers wrote" in told.splitlines()[-1]
    corrected, silent = lines(out / "h.jsonl")
    photos, voice = corrected["photo"], corrected["voice"]
    assert corrected.items() >= {
        "text": "what is this, please tell me? 🛒\nand how is it?", "expect": "return-damaged", "not": ["track-order"],
        "conversation": ids[0], "by": "agent", "decision": "answer", "said": "track-order", "confidence": 0.95,
        "language": "en", "model": "fake",
    }.items()  # fmt: skip
    assert silent.items() >= {"text": "where is my order please?", "expect": "track-order", "by": "silence"}.items()
    assert "not" not in silent and "photo" not in silent and corrected["at"] < silent["at"]
    # With the very bytes of what was shown and said, for nobody else's eyes
    assert [(out / path).read_bytes() for path in photos] == [jpeg("red"), jpeg("blue")]
    assert (out / voice).read_bytes() == wav() and voice.endswith(".wav") and photos[0].endswith(".jpg")
    assert names(out) == {"h.jsonl", "h-files"} and len(list((out / "h-files").iterdir())) == 3
    assert {path.stat().st_mode & 0o777 for path in out.rglob("*") if path.is_file()} == {0o600}
    assert (out / "h-files").stat().st_mode & 0o777 == 0o700
    # And the reader gets the same
    history = load_history(out / "h.jsonl", entries=KNOWN)
    assert history.notes == ()
    first, second = history.examples
    assert (first.expect, first.denied, first.by, first.at) == (
        "return-damaged",
        ("track-order",),
        "agent",
        corrected["at"],
    )
    assert first.photos == tuple(str(out / path) for path in photos) and first.voices == (str(out / voice),)
    assert (second.text, second.expect, second.said, second.history) == (
        silent["text"],
        "track-order",
        "track-order",
        (),
    )
    (note,) = load_history(out / "h.jsonl", entries={"track-order"}).notes
    assert 'no entry "return-damaged"' in note


async def test_a_later_export_keeps_nothing_of_who_was_forgotten(tmp_path: Path) -> None:
    file = tmp_path / "h.jsonl"
    async with furnished(tmp_path) as house:
        ids = await lived(house)
        await runs(tmp_path, "export", file)
        assert len(lines(file)) == 2
        (tmp_path / "h-files" / "notes.txt").write_text("an operator's own")
        await forget(house.store, ids[0])
        await runs(tmp_path, "export", file)
        assert [line["by"] for line in lines(file)] == ["silence"]
        assert names(tmp_path / "h-files") == {"notes.txt"}
        # Nor of what retention is over for, swept or not; and days before the first question hold nothing
        await runs(tmp_path, "export", tmp_path / "late.jsonl", "--since", "2999-12-31")
        assert lines(tmp_path / "late.jsonl") == [] and not (tmp_path / "late-files").exists()


async def test_a_try_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "h.jsonl"
    async with furnished(tmp_path) as house:
        await lived(house)
        # Given a folder for the photos that cannot be made
        file.write_text("earlier\n")
        (tmp_path / "h-files").write_text("in the way")
        before = names(tmp_path)
        assert "cannot be written" in (await runs(tmp_path, "export", file, status=1)).splitlines()[-1]
        assert file.read_text() == "earlier\n" and names(tmp_path) == before
        for words, why in (
            ((tmp_path / "nowhere" / "h.jsonl",), "cannot be written"),
            ((tmp_path,), "is not a file"),
            ((file, "--since", "yesterday"), "expected a day such as 2026-01-31"),
        ):
            assert why in (await runs(tmp_path, "export", *words, status=2)).splitlines()[-1]
