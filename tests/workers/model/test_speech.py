"""Recordings become words: what speaks is found, cut, transcribed, put together."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from core.errors import Broken
from tests.workers.model import tiny
from workers.media.audio import decode
from workers.model import speech
from workers.model.listening import Listener, joined
from workers.model.ports import RATE, SpeechRecogniser, Wave
from workers.model.speech import Heard, Recogniser, unlooped

RECORDING = Path(__file__).with_name("recordings") / "jfk.ogg"
SAID = "and so my fellow americans ask not what your country can do for you ask what you can do for your country"


def silence(seconds: float) -> Wave:
    return np.zeros(int(seconds * RATE), dtype=np.float32)


@pytest.fixture(scope="module")
def listener() -> Listener:
    return Listener()


@pytest.fixture(scope="module")
def note() -> Wave:
    return decode(RECORDING.read_bytes()).wave


class Parrot:
    """A network that says how long a piece was; keeps the pieces."""

    digest = "parrot"

    def __init__(self, longest: float = 20.0, words: str = "") -> None:
        self.longest = longest
        self.words = words
        self.pieces: list[NDArray[np.float32]] = []

    def hear(self, wave: Wave) -> Heard:
        self.pieces.append(wave)
        return Heard(self.words or f"piece {len(self.pieces)}", math.log(0.5))


def test_pauses_are_where_pieces_are_cut() -> None:
    spans = [(0, 40), (50, 80), (90, 100), (100, 260)]
    assert joined(spans, 100) == [(0, 100), (100, 260)]
    assert joined(spans, 60) == [(0, 40), (50, 100), (100, 260)]
    assert joined([], 60) == []


@pytest.mark.parametrize("kind", ["silence", "noise", "tone", "click", "empty", "too short to be anything"])
def test_nobody_speaks(listener: Listener, kind: str) -> None:
    rng = np.random.default_rng(0)
    waves: dict[str, Wave] = {
        "silence": silence(5),
        "noise": (rng.standard_normal(5 * RATE) * 0.1).astype(np.float32),
        "tone": (np.sin(np.arange(5 * RATE) * 0.2) * 0.3).astype(np.float32),
        "click": np.eye(1, RATE, 4000, dtype=np.float32)[0],
        "empty": silence(0),
        "too short to be anything": silence(0.01),
    }
    parrot = Parrot()
    (heard,) = Recogniser(parrot, listener).transcribe([waves[kind]])
    assert (heard.text, heard.confidence, heard.segments) == ("", 0.0, ())
    assert heard.seconds == pytest.approx(len(waves[kind]) / RATE)
    assert parrot.pieces == []


def test_speech_is_found_between_silences(listener: Listener, note: Wave) -> None:
    wave = np.concatenate([silence(3), note[: 5 * RATE], silence(4), note[5 * RATE :], silence(3)])
    parrot = Parrot(longest=8.0)
    (heard,) = Recogniser(parrot, listener).transcribe([wave])
    # Then silence is not transcribed, pieces are within bounds, times are those of the recording
    assert 2.5 < heard.segments[0][0] < 4
    assert heard.segments[-1][1] < 22
    assert all(len(piece) <= 8.5 * RATE for piece in parrot.pieces)
    assert sum(len(piece) for piece in parrot.pieces) < 11.5 * RATE
    assert heard.text == " ".join(text for _, _, text in heard.segments)
    assert heard.confidence == pytest.approx(0.5)
    assert heard.seconds == pytest.approx(21, abs=0.1)


def test_speech_without_a_pause_is_cut_all_the_same(listener: Listener, note: Wave) -> None:
    parrot = Parrot(longest=3.0)
    wave = np.tile(note[int(3.3 * RATE) : int(5.3 * RATE)], 8)
    Recogniser(parrot, listener).transcribe([wave])
    assert len(parrot.pieces) >= 5
    assert all(RATE <= len(piece) <= 3.1 * RATE for piece in parrot.pieces)


def test_a_short_word_is_shown_with_what_is_around_it(listener: Listener, note: Wave) -> None:
    parrot = Parrot()
    word = np.concatenate([silence(0.1), note[int(3.35 * RATE) : int(3.85 * RATE)], silence(0.1)])
    Recogniser(parrot, listener).transcribe([word])
    assert [len(piece) for piece in parrot.pieces] == [RATE]


def test_what_a_stuck_network_repeats_is_said_once() -> None:
    assert unlooped("thank you. Thank you. thank you. thank you. thank you.") == "thank you."
    assert unlooped("no no no, I want a refund") == "no no no, I want a refund"
    assert unlooped("  my   mug\n broke ") == "my mug broke"


def test_words_that_are_none_count_as_silence(listener: Listener, note: Wave) -> None:
    (heard,) = Recogniser(Parrot(words=" ... "), listener).transcribe([note])
    assert (heard.text, heard.confidence) == ("", 0.0)


KINDS: dict[str, Callable[[Path], None]] = {
    "moonshine": tiny.moonshine,
    "whisper": tiny.whisper,
    "wav2vec2": tiny.wav2vec2,
    "speechbrain ctc": partial(tiny.speechbrain, kind="ctc"),
    "speechbrain greedy": partial(tiny.speechbrain, kind="greedy"),
    "speechbrain beam": partial(tiny.speechbrain, kind="beam"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_contract_of_a_recogniser(kind: str, tmp_path: Path, listener: Listener, note: Wave) -> None:
    KINDS[kind](tmp_path)
    network = speech.load(tmp_path)
    recogniser: SpeechRecogniser = Recogniser(network, listener)
    first, quiet = recogniser.transcribe([note, silence(2)])
    assert 0.0 <= first.confidence <= 1.0
    assert bool(first.text) == bool(first.segments) == bool(first.confidence)
    assert first.seconds == pytest.approx(11.0, abs=0.1)
    assert quiet.text == ""
    # random weights never say "the end": what stops them is the allowance
    assert len(first.text.split()) <= 11 * 20
    # the same again: nothing was made up while loading
    assert Recogniser(speech.load(tmp_path), listener).transcribe([note]) == [first]
    assert speech.load(tmp_path).digest == network.digest
    heard = network.hear(note[: 3 * RATE])
    assert heard.log_probability <= 0.0


@pytest.mark.parametrize("kind", ["moonshine", "whisper", "speechbrain ctc"])
def test_a_broken_folder_says_so(kind: str, tmp_path: Path) -> None:
    KINDS[kind](tmp_path)
    for path in [*tmp_path.glob("*.safetensors"), *tmp_path.glob("*.ckpt")]:
        path.write_bytes(b"broken")
    with pytest.raises(Broken, match="cannot load the speech model"):
        speech.load(tmp_path)


@pytest.mark.models
def test_moonshine_understands_a_real_recording(models_dir: Path, listener: Listener, note: Wave) -> None:
    recogniser = Recogniser(speech.load(models_dir / "speech-en"), listener)
    plain, framed = recogniser.transcribe([note, np.concatenate([silence(4), note, silence(4)])])
    for heard in (plain, framed):
        words = [word.strip(".,").lower() for word in heard.text.split()]
        assert len(words) == len(SAID.split())
        assert sum(a != b for a, b in zip(words, SAID.split(), strict=True)) <= 1
        assert heard.confidence > 0.8
    assert framed.segments[0][0] > 3.5
    assert framed.segments[-1][1] < 16
    # noise as loud as the voice lowers the confidence
    rng = np.random.default_rng(0)
    noisy = note + (rng.standard_normal(len(note)) * note.std()).astype(np.float32)
    assert recogniser.transcribe([noisy])[0].confidence < plain.confidence
