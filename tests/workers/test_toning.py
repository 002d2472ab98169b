"""Tone is read from voice notes and words only where it may be, and what is missing hurts nobody."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import structlog

from core.asking import Question, ToneBy
from tests.workers.model.test_voice import RECORDING, folder
from workers.media.audio import decode
from workers.model import prosody, tone
from workers.model.ports import RATE, TextEncoder, Transcript, Vectors, Wave
from workers.model.shelf import Shelf
from workers.model.tone import Dimensions
from workers.perceiving import Perceived
from workers.toning import Toning
from workers.train.emodb import faster


class Plain:
    """A text encoder that no head was trained on."""

    digest = "plain-1"
    dim = 2
    languages = frozenset({"en"})

    def encode(self, texts: object) -> Vectors:
        raise AssertionError("nobody can read these vectors")


PLAIN: TextEncoder = Plain()


@pytest.fixture(scope="module")
def note() -> Wave:
    return decode(RECORDING.read_bytes()).wave[: 4 * RATE]


def high_is_strained(models: Path, note: Wave) -> Shelf:
    """A SpeechBrain encoder of an operator's own; beside the weights a head that takes a high voice for strained."""
    folder(models / "own")
    shelf = Shelf(models, voice=str(models / "own"), device="cpu")
    usual = prosody.measure(note)[prosody.NAMES.index("f0_mean")]
    shape = Dimensions(shelf.voice.digest, 0, (), (), ("f0_mean",), ("calm", "strained"), ("strained",))
    made = {
        "mean": np.array([usual + 3.5], np.float32),  # semitones
        "scale": np.ones(1, np.float32),
        "weight": np.array([[0.0], [1.5]], np.float32),
        "bias": np.zeros(2, np.float32),
    }
    tone.save(models / "tone.safetensors", tone.assembled(shape, made), made, {})
    return shelf


@pytest.fixture
def shelf(tmp_path: Path, note: Wave) -> Shelf:
    return high_is_strained(tmp_path, note)


def asked(*waves: Wave, allowed: bool = True, said: str = "") -> Perceived:
    transcript = Transcript(said, 1.0, 1.0) if said else None
    return Perceived(Question("q", "r", voices=("v",) * len(waves), tone=allowed), transcript, waves=waves)


def test_the_most_strained_of_several_notes_counts(shelf: Shelf, note: Wave) -> None:
    toning = Toning(shelf)
    high = faster(note, 1.5)
    low, both, silent, forbidden = toning.read(
        [asked(note), asked(note, high), asked(np.zeros(RATE, np.float32)), asked(high, allowed=False)], PLAIN
    )
    assert low is not None and both is not None
    assert low.probability < 0.5 < 0.8 < both.probability
    assert both.by is ToneBy.VOICE
    # Nobody speaks, nobody may look
    assert (silent, forbidden) == (None, None)


@pytest.mark.parametrize("voice", ["auto", "own"])
def test_without_weights_or_with_an_encoder_of_which_no_head_knows_tone_is_unknown(
    voice: str, tmp_path: Path, note: Wave
) -> None:
    if voice == "own":
        folder(tmp_path / "voice")
    toning = Toning(Shelf(tmp_path, voice="auto" if voice == "auto" else str(tmp_path / "voice"), device="cpu"))
    with structlog.testing.capture_logs() as logs:
        toning.warm(voices=True)
        assert toning.read([asked(note), asked(note)], PLAIN) == [None, None]
    # and this is said once, with what to do
    (told,) = [line for line in logs if line["event"] == "tone.unknown"]
    assert told["part"] == "voice"
    assert ("python -m workers.model.weights voice" if voice == "auto" else "workers.train.tone") in told["problem"]


def test_voices_can_be_left_alone(tmp_path: Path, note: Wave) -> None:
    with structlog.testing.capture_logs() as logs:
        toning = Toning(Shelf(tmp_path, voice="none"))
        toning.warm(voices=True)
        assert toning.read([asked(note)], PLAIN) == [None]
    assert not logs


def test_what_goes_wrong_keeps_no_question_from_its_answer(shelf: Shelf) -> None:
    with structlog.testing.capture_logs() as logs:
        assert Toning(shelf).read([asked(np.full((3, 3), np.nan, np.float32))], PLAIN) == [None]
    assert [line["event"] for line in logs] == ["tone.failed"]


@pytest.mark.models
def test_words_typed_or_said_tell_too(models_dir: Path, shelf: Shelf, note: Wave) -> None:
    encoder = Shelf(models_dir, device="cpu").text("en")
    typed = Perceived(Question("q", "r", text="I am furious, nobody answers me, this is a disgrace!!!", tone=True))
    calm = Perceived(Question("q", "r", text="when are you open on saturday, please?", tone=True))
    said = asked(note, said="i am furious nobody answers me this is a disgrace")
    number = Perceived(Question("q", "r", text="4471902", tone=True))
    first, second, third, fourth = Toning(shelf).read([typed, calm, said, number], encoder)
    assert first is not None and second is not None and third is not None
    assert first.probability > 0.8 and first.by is ToneBy.WORDS
    assert second.probability < 0.3
    assert third.probability > 0.8 and third.by is ToneBy.WORDS
    assert fourth is None
