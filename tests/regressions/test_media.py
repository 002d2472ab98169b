"""Never silent about a file, and never fooled by one: bytes decide, and what cannot be read is named."""

from __future__ import annotations

import asyncio
import os
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from bot.broker import embedded
from core.errors import Broken
from core.media import sniff
from core.texts import unreadable
from core.values import Problem
from tests.adapters.slack.stage import words
from tests.adapters.stage import picture
from tests.regressions.doors import on_slack, on_telegram, once_each
from tests.regressions.ground import OnSlack, OnTelegram, Person
from tests.regressions.house import AND_ORDER, ORDER, House, heard
from tests.workers.media.recordings import PITCH, recorded
from workers.configuration import Configuration
from workers.engine import Engine
from workers.media import audio, selftest

MEGABYTE = 1024 * 1024
HEIC = struct.pack(">I4s4sI8s", 24, b"ftyp", b"heic", 0, b"mif1heic") + bytes(200)


def bomb(edge: int = 60_000) -> bytes:
    """A PNG of some hundred bytes that says it is 60,000 pixels wide and high."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", edge, edge, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b"")


async def _sticker(person: Any) -> None:
    await person.customer.sends_sticker()


UNREADABLE: dict[str, tuple[Callable[[Person], Awaitable[Any]], Problem]] = {
    "21 MB": (lambda one: one.sends(picture(), "panorama.jpg", "image/jpeg", 21 * MEGABYTE), Problem.TOO_LARGE),
    "HEIC": (lambda one: one.sends(HEIC, "IMG_1.HEIC", "image/heic"), Problem.FORMAT),
    "HEIC named JPEG": (lambda one: one.sends(HEIC, "IMG_1.jpg", "image/jpeg"), Problem.FORMAT),
    "zero bytes": (lambda one: one.sends(b"", "photo.jpg", "image/jpeg"), Problem.EMPTY),
    "decompression bomb": (lambda one: one.sends(bomb(), "wall.png", "image/png"), Problem.TOO_LARGE),
    "text named JPEG": (lambda one: one.sends(b"hello, this is text", "a.jpg", "image/jpeg"), Problem.DOCUMENT),
    "film": (lambda one: one.sends(b"no film", "a.mp4", "video/mp4"), Problem.VIDEO),
    "sticker": (_sticker, Problem.STICKER),
}


@once_each
async def test_12_each_kind_of_file_is_looked_at_or_gets_a_sentence_of_its_own(house: House) -> None:
    people = {name: house.ground.person(name) for name in (*UNREADABLE, "photo", "PNG named JPEG")}
    if house.ground.platform == "slack":
        del people["sticker"]  # which Slack does not have
    # When everybody sends a file without a word
    await people["photo"].shows(picture())
    await people["PNG named JPEG"].sends(picture(kind="PNG"), "photo.jpg", "image/jpeg")
    await asyncio.gather(*(UNREADABLE[name][0](one) for name, one in people.items() if name in UNREADABLE))
    for person in people.values():
        await house.until(person.seen)
    await house.settle()
    # Then nobody is left without an answer, and only what can be seen was given to the brain
    said = {name: heard(person) for name, person in people.items()}
    assert said == {name: [unreadable(UNREADABLE[name][1], "en")] for name in people if name in UNREADABLE} | {
        "photo": [AND_ORDER],
        "PNG named JPEG": [AND_ORDER],
    }
    assert {(len(question.photos), question.text) for question in house.brain.asked} == {(1, "")}
    kinds = {sniff(house.store.blobs.get(question.photos[0])).mime for question in house.brain.asked}
    assert kinds == {"image/jpeg", "image/png"}
    # and what is too large or of no use was not even fetched.
    fetched = [call for call in house.ground.fake.calls if call.method == "download"]
    assert len(fetched) == len(people) - (4 if "sticker" in people else 3)


@once_each
async def test_12_a_bomb_beside_a_question_is_named_and_the_question_answered(house: House) -> None:
    ada = house.ground.person()
    await ada.sends(bomb(), "wall.png", "image/png")
    await ada.says(ORDER)
    (told,) = await house.answers(ada, 1)
    assert told.startswith(AND_ORDER) and told.endswith(unreadable(Problem.TOO_LARGE, "en"))
    assert [question.photos for question in house.brain.asked] == [()]


def sounds_like_the_recording(raw: bytes) -> bool:
    sound = audio.decode(raw)
    loudest = np.abs(np.fft.rfft(sound.wave)).argmax() * audio.RATE / len(sound.wave)
    return bool(abs(loudest - PITCH) < 2 and abs(sound.seconds_total - 1.0) < 0.2)


@on_telegram
async def test_12_the_sound_of_a_video_note_is_listened_to(house: House) -> None:
    ada = house.ground.fake.customer("Ada")
    await ada.sends_video_note(recorded("mp4", "aac", seconds=1.0, video="libx264"), seconds=1)
    await house.until(lambda: [one for one in ada.seen if one.by_bot])
    ((voice,),) = [question.voices for question in house.brain.asked]
    assert sounds_like_the_recording(house.store.blobs.get(voice))


@once_each
async def test_15_voice_notes_are_decoded_whatever_they_are_called(house: House) -> None:
    # Given Telegram's Ogg/Opus, and Slack's clip: AAC in an MP4 that calls itself a video
    ada = house.ground.person()
    if isinstance(ada, OnTelegram):
        await ada.customer.sends_voice(recorded("ogg", "libopus", seconds=1.0), mime="")
    elif isinstance(ada, OnSlack):
        await ada.customer.shares_clip(recorded("mp4", "aac", seconds=1.0), mime="video/mp4")
    assert await house.answers(ada, 1) == [AND_ORDER]
    ((voice,),) = [question.voices for question in house.brain.asked]
    assert sounds_like_the_recording(house.store.blobs.get(voice))


def configuration(folder: Path) -> Configuration:
    return Configuration("redis://127.0.0.1:1/0", folder / "blobs", folder / "models", folder / "encodings.db")


def test_15_a_codec_that_is_missing_stops_the_worker_at_its_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    selftest()
    # Given decoders without Opus among them
    monkeypatch.setattr(audio, "_DECODERS", "aac,mp3,mp3float,flac")
    with pytest.raises(Broken, match="reinstall PyAV: pip install"):
        Engine.open(configuration(tmp_path), photos=True)


_WORKER = """
import sys
{accident}
from celery.__main__ import main
sys.argv = "celery -A workers.app worker -l INFO -Q text -c 1 --without-mingle --without-gossip".split()
main()
"""


def start_worker(accident: str, folder: Path) -> tuple[int | None, str]:
    """The exit status of a worker process after an accident and what it said; None when it came to be ready."""
    said = folder / "worker.log"
    with embedded(folder / "run") as broker, said.open("w") as out:
        environment = os.environ | {"POLYDESK_REDIS_URL": broker.url, "POLYDESK_DATA": str(folder)}
        command = [sys.executable, "-c", _WORKER.format(accident=accident)]
        worker = subprocess.Popen(command, env=environment, stdout=out, stderr=out)
        try:
            deadline = time.monotonic() + 60
            while worker.poll() is None and " ready." not in said.read_text():
                assert time.monotonic() < deadline, said.read_text()
                time.sleep(0.1)
            return worker.poll(), said.read_text()
        finally:
            worker.kill()
            worker.wait()


@pytest.mark.parametrize(
    "accident",
    [
        pytest.param(
            "sys.modules['av'] = None",
            id="library missing",
        ),
        pytest.param(
            "from workers.media import audio; audio._DECODERS = 'aac'",
            id="codec missing",
        ),
    ],
)
def test_15_a_worker_process_without_a_decoder_ends_and_says_what_to_do(tmp_path: Path, accident: str) -> None:
    status, said = start_worker(accident, tmp_path)
    assert status not in (None, 0)
    assert "pip install --force-reinstall av" in said


@on_slack
@pytest.mark.parametrize("asks", [False, True], ids=["clip alone", "photo and question"])
async def test_16_slacks_login_page_is_never_taken_for_the_file(house: House, asks: bool) -> None:
    # Given an app that was installed without files:read
    house.ground.fake.workspace.scopes.discard("files:read")
    ada = house.ground.fake.customer("Ada")
    with capture_logs() as logged:
        if asks:
            await ada.shares_photo(picture(), ORDER)
        else:
            await ada.shares_clip(recorded("mp4", "aac", seconds=1.0))
        await house.until(lambda: [one for one in ada.seen if one.by_bot])
        await house.settle()
    # Then the customer hears it, beside the answer to what could be read
    (told,) = [words(one.shown) for one in ada.seen if one.by_bot]
    assert unreadable(Problem.NO_PERMISSION, "en") in told and (AND_ORDER in told) == asks
    # and the page was neither looked at nor listened to; the log says what to do.
    assert [(question.photos, question.text) for question in house.brain.asked] == ([((), ORDER)] if asks else [])
    (line,) = [line for line in logged if line["event"] == "slack.no_permission"]
    assert line["log_level"] == "error" and line["scope"] == "files:read" and "doctor" in line["do"]
