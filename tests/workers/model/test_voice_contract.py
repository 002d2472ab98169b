"""The contract of voice encoders: the built-in kind, any SpeechBrain folder, and either beside a recogniser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.workers.model import tiny
from tests.workers.model.test_voice import RECORDING, XVECTOR, converted, folder
from workers.media.audio import decode
from workers.model import prosody, voice
from workers.model.phonetic import Phonetic, Together
from workers.model.ports import RATE, Wave
from workers.model.voice import VoiceEncoder


def _built_in(path: Path) -> VoiceEncoder:
    converted(path)
    return voice.ecapa(path)


def _speechbrain(path: Path) -> VoiceEncoder:
    folder(path)
    return voice.load(path)


def _xvector(path: Path) -> VoiceEncoder:
    folder(path, XVECTOR)
    return voice.load(path)


def _together(path: Path) -> VoiceEncoder:
    tiny.moonshine(path / "speech")
    return Together(_built_in(path / "voice"), Phonetic(path / "speech", layers=1))


KINDS: dict[str, Callable[[Path], VoiceEncoder]] = {
    "built-in": _built_in,
    "SpeechBrain, ECAPA-TDNN": _speechbrain,
    "SpeechBrain, x-vector": _xvector,
    "with the recogniser's layers": _together,
}


@pytest.fixture(scope="module")
def note() -> Wave:
    return decode(RECORDING.read_bytes()).wave[: 3 * RATE]


@pytest.mark.parametrize("kind", KINDS)
def test_the_contract_of_a_voice_encoder(kind: str, tmp_path: Path, note: Wave) -> None:
    for name in ("speech", "voice"):
        (tmp_path / name).mkdir()
    encoder = KINDS[kind](tmp_path)
    long, short, silent = note, note[:RATE], np.zeros(100, np.float32)
    found = encoder.encode([long, short, silent])
    # shapes are as announced, everything is a number
    assert found.vectors.shape == (3, encoder.dim) and found.vectors.dtype == np.float32
    assert tuple(layer.shape for layer in found.states) == tuple((3, width) for width in encoder.widths)
    assert found.prosody.shape == (3, len(prosody.NAMES))
    for array in (found.vectors, found.prosody, *found.states):
        assert np.isfinite(array).all()
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-5)
    # each is heard alone
    alone = encoder.encode([short])
    np.testing.assert_array_equal(alone.vectors[0], found.vectors[1])
    for mine, all_of_them in zip(alone.states, found.states, strict=True):
        np.testing.assert_array_equal(mine[0], all_of_them[1])
    # how far the microphone was says nothing
    soft = encoder.encode([np.asarray(0.05 * long, dtype=np.float32)])
    np.testing.assert_allclose(soft.vectors[0], found.vectors[0], atol=1e-3)
    # nothing in, nothing out
    nothing = encoder.encode([])
    assert nothing.vectors.shape == (0, encoder.dim)
    assert tuple(layer.shape for layer in nothing.states) == tuple((0, width) for width in encoder.widths)


def test_digests_tell_encoders_apart(tmp_path: Path) -> None:
    digests = set()
    for place, (_, make) in enumerate(KINDS.items()):
        path = tmp_path / str(place)
        for name in ("speech", "voice"):
            (path / name).mkdir(parents=True)
        first = make(path).digest
        assert make(path).digest == first  # the same weights again
        digests.add(first)
    assert len(digests) == len(KINDS)
