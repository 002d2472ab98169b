from __future__ import annotations

import subprocess
import sys
from time import monotonic, process_time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import Unreadable
from core.media import sniff, strip
from core.values import Problem
from tests.core.media import pictures
from tests.workers.media import recordings as made
from workers.media import audio, selftest

NOTES = {
    "telegram voice": made.recorded("ogg", "libopus", options={"b": "24000", "application": "voip"}),
    "60 ms frames": made.recorded("ogg", "libopus", options={"frame_duration": "60"}),
    "m4a": made.recorded("ipod", "aac"),
    "slack clip": made.recorded("mp4", "aac"),
    "round video": made.recorded("mp4", "aac", video="libx264"),
    "mov": made.recorded("mov", "aac", rate=44_100, video="mpeg4"),
    "streamed mp4": made.recorded("mp4", "aac", container={"movflags": "frag_keyframe+empty_moov"}),
    "browser": made.recorded("webm", "libopus"),
    "live browser": made.recorded("webm", "libopus", container={"live": "1"}),
    "browser with picture": made.recorded("webm", "libopus", video="libvpx"),
    "matroska": made.recorded("matroska", "flac"),
    "wav": made.recorded("wav", "pcm_s16le", rate=16_000),
    "wav 24 bit": made.recorded("wav", "pcm_s24le", rate=44_100, layout="stereo"),
    "wav 8 kHz": made.recorded("wav", "pcm_alaw", rate=8_000),
    "wav 192 kHz": made.recorded("wav", "pcm_s16le", rate=192_000),
    "mp3": made.recorded("mp3", "libmp3lame", rate=44_100, layout="stereo"),
    "mp3 16 kHz": made.recorded("mp3", "libmp3lame", rate=16_000),
    "mp3 without tag": made.recorded("mp3", "libmp3lame", container={"id3v2_version": "0", "write_xing": "0"}),
    "flac": made.recorded("flac", "flac", rate=44_100),
    "aac": made.recorded("adts", "aac", rate=44_100),
    "5.1": made.recorded("flac", "flac", layout="5.1"),
    "amr": made.recorded("amr", "libopencore_amrnb", rate=8_000),
    "3gp": made.recorded("3gp", "libopencore_amrnb", rate=8_000),
}


def pitch(wave: np.ndarray) -> float:
    return float(np.abs(np.fft.rfft(wave)).argmax() * audio.RATE / len(wave))


def refused(raw: bytes, **options: object) -> Problem:
    with pytest.raises(Unreadable) as problem:
        audio.decode(raw, **options)  # type: ignore[arg-type]
    return problem.value.problem


@pytest.mark.parametrize("name", NOTES)
def test_everything_that_people_record_is_heard(name: str) -> None:
    sound = audio.decode(NOTES[name])
    assert sound.wave.dtype == np.float32
    assert sound.wave.ndim == 1
    assert len(sound.wave) / audio.RATE == pytest.approx(2.0, abs=0.15)
    assert pitch(sound.wave) == pytest.approx(made.PITCH, abs=1.0)
    assert 0.1 < float(np.abs(sound.wave).max()) <= 1.0
    assert sound.seconds_total == len(sound.wave) / audio.RATE
    assert not sound.cut


@pytest.mark.parametrize("name", ["slack clip", "round video", "mov", "m4a"])
def test_a_stripped_film_sounds_the_same(name: str) -> None:
    raw = NOTES[name]
    assert np.array_equal(audio.decode(strip(raw, sniff(raw).mime)).wave, audio.decode(raw).wave)


def test_a_film_without_sound_is_silent() -> None:
    assert refused(made.recorded("mp4", video="libx264")) is Problem.SILENT
    assert refused(made.recorded("webm", video="libvpx")) is Problem.SILENT
    assert (
        refused(made.recorded("mp4", video="libx264", container={"movflags": "frag_keyframe+empty_moov"}))
        is Problem.SILENT
    )


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", Problem.EMPTY),
        (b"<!DOCTYPE html><title>Sign in to Slack</title>", Problem.DOCUMENT),
        (b"%PDF-1.7", Problem.DOCUMENT),
        (bytes(500), Problem.FORMAT),
        (pictures.saved(pictures.scene(), "JPEG"), Problem.FORMAT),
        (b"RIFF\0\0\0\0AVI LIST", Problem.VIDEO),
        (b"OggS", Problem.DAMAGED),
        (b"\x1a\x45\xdf\xa3" + bytes(40), Problem.DAMAGED),
        (made.wav(np.zeros(0, np.int16), 16_000, 1), Problem.DAMAGED),
        (made.wav(np.zeros(16_000, np.int16), 16_000, 16), Problem.FORMAT),
        (made.wav(np.zeros(16_000, np.int16), 1_000, 1), Problem.FORMAT),
        (made.wav(np.zeros(16_000, np.int16), 1_000_000, 1), Problem.FORMAT),
        (made.recorded("ogg", "flac").replace(b"fLaC", b"fLaX"), Problem.DAMAGED),
    ],
)
def test_what_is_no_voice_note_is_named(raw: bytes, problem: Problem) -> None:
    assert refused(raw) is problem


def test_no_other_file_or_address_is_opened() -> None:
    """A playlist or a list of files would make FFmpeg read what it names."""
    for raw in (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n", b"ffconcat version 1.0\nfile /etc/hostname\n"):
        assert refused(raw) is Problem.DOCUMENT


def test_too_many_bytes_are_refused_unread() -> None:
    assert refused(NOTES["wav"], limits=audio.Limits(size=1000)) is Problem.TOO_LARGE


def test_a_long_note_is_cut() -> None:
    # Given a note of 2 s, and a limit of 1.5 s
    for name in ("telegram voice", "slack clip", "wav", "browser", "mp3", "flac"):
        sound = audio.decode(NOTES[name], limits=audio.Limits(seconds=1.5))
        # Then exactly that is kept, and the whole length told
        assert len(sound.wave) == 24_000
        assert sound.cut
        assert sound.seconds_total == pytest.approx(2.0, abs=0.15)
    # A recording whose file does not tell how long it is
    sound = audio.decode(NOTES["live browser"], limits=audio.Limits(seconds=1.5))
    assert sound.cut
    assert sound.seconds_total >= 1.5


def test_ten_hours_cost_a_moment() -> None:
    raw = made.hours_of_opus(10)
    before = process_time()
    sound = audio.decode(raw)
    assert process_time() - before < 2.0
    assert len(sound.wave) == 300 * audio.RATE
    assert sound.cut
    assert sound.seconds_total == pytest.approx(36_000, rel=0.001)


def test_a_note_that_takes_too_long_is_given_up() -> None:
    raw = made.hours_of_opus(0.2)
    before = monotonic()
    assert refused(raw, limits=audio.Limits(patience=0.02)) is Problem.TOO_LARGE
    assert monotonic() - before < 3.0


def test_a_float_format_cannot_smuggle_in_what_is_no_number() -> None:
    raw = made.recorded("wav", "pcm_f32le", rate=16_000)
    start = raw.index(b"data") + 8
    strange = np.array([np.nan, np.inf, -np.inf, 1e30], "<f4").tobytes()
    wave = audio.decode(raw[: start + 4000] + strange + raw[start + 4000 + len(strange) :]).wave
    assert np.isfinite(wave).all()
    assert float(np.abs(wave).max()) <= 1.0


def test_a_rate_may_change_on_the_way() -> None:
    first, second = (
        made.recorded("adts", "aac", rate=44_100),
        made.recorded("adts", "aac", rate=16_000, layout="stereo"),
    )
    sound = audio.decode(first + second)
    assert len(sound.wave) / audio.RATE == pytest.approx(4.0, abs=0.3)
    assert pitch(sound.wave) == pytest.approx(made.PITCH, abs=1.0)
    chained = audio.decode(NOTES["telegram voice"] + NOTES["60 ms frames"])
    assert len(chained.wave) / audio.RATE == pytest.approx(4.0, abs=0.3)


@pytest.mark.parametrize("name", ["telegram voice", "slack clip", "round video", "wav", "flac", "browser"])
def test_broken_off_it_is_damaged_or_said_to_be_cut(name: str) -> None:
    raw = NOTES[name]
    for length in range(8, len(raw) * 9 // 20, max(1, len(raw) // 40)):
        try:
            sound = audio.decode(raw[:length])
        except Unreadable as problem:
            assert problem.problem in (Problem.DAMAGED, Problem.FORMAT), length
        else:
            assert sound.cut, length
            assert sound.seconds_total >= len(sound.wave) / audio.RATE


def test_a_note_with_a_damaged_middle_is_still_heard() -> None:
    raw = bytearray(NOTES["mp3"])
    raw[len(raw) // 2 : len(raw) // 2 + 300] = bytes(300)
    sound = audio.decode(bytes(raw))
    assert len(sound.wave) > audio.RATE
    assert pitch(sound.wave) == pytest.approx(made.PITCH, abs=1.0)


@settings(max_examples=300, deadline=5000, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_damage_gives_a_sound_or_a_problem(data: st.DataObject) -> None:
    raw = bytearray(NOTES[data.draw(st.sampled_from(sorted(NOTES)))])
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, min(len(raw) - 1, 2000)))
        raw[at : at + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    try:
        sound = audio.decode(bytes(raw), limits=audio.Limits(seconds=5.0, patience=2.0))
    except Unreadable:
        return
    assert sound.wave.dtype == np.float32
    assert 0 < len(sound.wave) <= 5 * audio.RATE


def test_the_self_test_passes_here() -> None:
    selftest()


@pytest.mark.parametrize("missing", ["av", "PIL"])
def test_a_missing_library_is_told_at_start(missing: str) -> None:
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from core.errors import Broken\nfrom workers.media import selftest\n"
        "try:\n    selftest()\nexcept Broken as problem:\n    print(problem)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "pip install" in done.stdout
