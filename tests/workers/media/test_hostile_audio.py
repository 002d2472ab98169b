"""Small files that would make FFmpeg take gigabytes or minutes; each did, before it was refused or disarmed."""

from __future__ import annotations

import resource
import struct
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from time import process_time

import pytest

from core.errors import Unreadable
from core.media import boxes, strip
from core.media.sound import sound_start
from core.values import Problem
from tests.workers.media import recordings as made
from workers.media import audio

MANY = 60_000_000


@contextmanager
def cheaply(seconds: float = 1.0, megabytes: int = 120) -> Iterator[None]:
    before, peak = process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert process_time() - before < seconds
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) / 1024 < megabytes


def unsynced(size: int) -> bytes:
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))


def tag_bomb(unfolded: int = 500_000_000) -> bytes:
    """An ID3 tag with one compressed text frame."""
    packer = zlib.compressobj(1)
    packed = b"".join(packer.compress(bytes(1_000_000)) for _ in range(unfolded // 1_000_000)) + packer.flush()
    frame = b"TXXX" + unsynced(len(packed) + 4) + b"\0\x09" + struct.pack(">I", unfolded) + packed
    return b"ID3\4\0\0" + unsynced(len(frame)) + frame


@pytest.fixture(scope="module")
def bomb() -> bytes:
    return tag_bomb()


def test_a_tag_does_not_unfold(bomb: bytes) -> None:
    for form, codec in (("mp3", "libmp3lame"), ("adts", "aac"), ("flac", "flac")):
        raw = made.recorded(form, codec, rate=44_100, container={"id3v2_version": "0"} if form == "mp3" else {})
        with cheaply():
            sound = audio.decode(bomb + raw)
        assert len(sound.wave) / audio.RATE == pytest.approx(2.0, abs=0.15)


def test_a_tag_in_the_middle_or_within_a_chunk_does_not_unfold_either(bomb: bytes) -> None:
    raw = made.recorded("adts", "aac", rate=44_100)
    with cheaply():
        assert len(audio.decode(raw + bomb + raw).wave) > 3.5 * audio.RATE
    wave = made.recorded("wav", "pcm_s16le", rate=16_000)
    for where in (wave.index(b"data"), len(wave)):
        body = wave[8:where] + b"id3 " + struct.pack("<I", len(bomb)) + bomb + bytes(len(bomb) % 2) + wave[where:]
        with cheaply():
            sound = audio.decode(b"RIFF" + struct.pack("<I", len(body)) + body)
        assert len(sound.wave) == 2 * audio.RATE
        assert not sound.cut


def test_an_index_cannot_promise_billions() -> None:
    # Given an 18 KB note whose tables say that one chunk holds sixty million samples of one byte
    raw = bytearray(made.recorded("ipod", "aac"))
    at = raw.index(b"stsz")
    raw[at + 8 : at + 16] = struct.pack(">II", 1, MANY)
    at = raw.index(b"stsc")
    raw[at + 8 : at + 24] = struct.pack(">IIII", 1, 1, MANY, 1)
    at = raw.index(b"stts")
    raw[at + 8 : at + 20] = struct.pack(">III", 1, MANY, 1024)
    assert boxes.promised(bytes(raw)) == MANY
    with cheaply(), pytest.raises(Unreadable) as refused:
        audio.decode(bytes(raw))
    assert refused.value.problem is Problem.TOO_LARGE


def test_a_fragment_cannot_promise_billions() -> None:
    raw = bytearray(made.recorded("mp4", "aac", container={"movflags": "frag_keyframe+empty_moov"}))
    assert boxes.promised(bytes(raw)) == 0
    at = raw.index(b"trun")
    raw[at + 4 : at + 12] = struct.pack(">II", 1, MANY)
    with cheaply(), pytest.raises(Unreadable) as refused:
        audio.decode(bytes(raw))
    assert refused.value.problem is Problem.TOO_LARGE


def test_a_compressed_index_is_not_looked_into() -> None:
    assert boxes.promised(b"\0\0\0\x20moov\0\0\0\x18cmov\0\0\0\x0cdcomzlib") == sys.maxsize


def test_thousands_of_edits_do_not_multiply_the_index() -> None:
    raw = made.recorded("ipod", "aac", seconds=60, rate=16_000)
    edits = 20_000
    start = raw.index(b"elst") - 4
    size = int.from_bytes(raw[start : start + 4])
    body = struct.pack(">II", 0, edits) + struct.pack(">IIHH", 60_000, 0, 1, 0) * edits
    hostile = bytearray(raw[:start] + struct.pack(">I", len(body) + 8) + b"elst" + body + raw[start + size :])
    for parent in (b"moov", b"trak", b"edts"):
        at = hostile.index(parent) - 4
        grown = int.from_bytes(hostile[at : at + 4]) + len(body) + 8 - size
        hostile[at : at + 4] = grown.to_bytes(4)
    with cheaply():
        assert len(audio.decode(bytes(hostile)).wave) / audio.RATE == pytest.approx(60, abs=0.2)


def test_tags_are_stripped_and_the_sound_stays() -> None:
    for form, codec, mime in (("mp3", "libmp3lame", "audio/mpeg"), ("adts", "aac", "audio/aac")):
        raw = made.recorded(form, codec, rate=44_100, container={"id3v2_version": "0"} if form == "mp3" else {})
        tag = b"ID3\4\0\0" + unsynced(30) + b"TIT2" + unsynced(20) + b"\0\0" + b"\x0348.1374N 11.5755E.."
        assert sound_start(tag + raw) == len(tag)
        assert strip(tag + tag + raw, mime) == raw
    wave = made.recorded("wav", "pcm_s16le", rate=16_000)
    bare = strip(wave, "audio/wav")
    assert b"LIST" in wave
    assert b"LIST" not in bare
    assert int.from_bytes(bare[4:8], "little") == len(bare) - 8
    assert (audio.decode(bare).wave == audio.decode(wave).wave).all()
