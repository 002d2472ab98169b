"""The recogniser's lower layers are loaded strictly, and shown after those of the voice encoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from core.errors import Broken
from tests.workers.model import tiny
from tests.workers.model.test_voice import converted
from workers.media.audio import decode
from workers.model import voice
from workers.model.phonetic import Phonetic, Together
from workers.model.ports import RATE, Wave
from workers.model.voice import VoiceEncoder, evened

RECORDING = Path(__file__).with_name("recordings") / "jfk.ogg"


@pytest.fixture(scope="module")
def note() -> Wave:
    return decode(RECORDING.read_bytes()).wave[: 3 * RATE]


def test_it_hears_what_the_whole_network_hears_there(tmp_path: Path, note: Wave) -> None:
    import torch
    from transformers import MoonshineForConditionalGeneration

    # Given a recogniser, When its encoder runs without the normalisation after the last layer
    tiny.moonshine(tmp_path)
    encoder = MoonshineForConditionalGeneration.from_pretrained(tmp_path).eval().model.encoder
    encoder.layer_norm = torch.nn.Identity()
    with torch.inference_mode():
        wanted = encoder(input_values=torch.from_numpy(evened(note))[None]).last_hidden_state[0].numpy()
    # Then the states are its means, then its standard deviations
    found = Phonetic(tmp_path, layers=1).states([note, note[:RATE]])
    assert found.shape == (2, 32)
    np.testing.assert_allclose(found[0], np.concatenate([wanted.mean(axis=0), wanted.std(axis=0)]), atol=1e-5)
    assert Phonetic(tmp_path, layers=1).digest == Phonetic(tmp_path, layers=1).digest


def test_how_loud_it_is_does_not_matter(tmp_path: Path, note: Wave) -> None:
    tiny.moonshine(tmp_path)
    loud, soft = Phonetic(tmp_path, layers=1).states([note, np.asarray(0.02 * note, dtype=np.float32)])
    np.testing.assert_allclose(loud, soft, atol=1e-4)
    level = [np.sqrt(np.percentile((evened(w)[: RATE * 2].reshape(-1, 160) ** 2).mean(axis=1), 95)) for w in (note,)]
    assert level[0] == pytest.approx(0.1, rel=0.3)


@pytest.mark.parametrize("seconds", [0.0, 0.001, 0.3])
def test_short_waves_and_none(tmp_path: Path, seconds: float) -> None:
    tiny.moonshine(tmp_path)
    phonetic = Phonetic(tmp_path, layers=1)
    assert np.isfinite(phonetic.states([np.full(int(seconds * RATE), 0.1, np.float32)])).all()
    assert phonetic.states([]).shape == (0, 32)


def test_together_with_a_voice_encoder(tmp_path: Path, note: Wave) -> None:
    converted(tmp_path / "voice")
    tiny.moonshine(tmp_path / "speech")
    alone, phonetic = voice.ecapa(tmp_path / "voice"), Phonetic(tmp_path / "speech", layers=1)
    both: VoiceEncoder = Together(alone, phonetic)
    found = both.encode([note])
    assert both.widths == (*alone.widths, 32) == tuple(layer.shape[1] for layer in found.states)
    np.testing.assert_array_equal(found.states[-1], phonetic.states([note]))
    np.testing.assert_array_equal(found.vectors, alone.encode([note]).vectors)
    assert (both.dim, both.digest) == (alone.dim, f"{alone.digest}+{phonetic.digest}")


def test_weights_that_are_missing_or_damaged_say_so(tmp_path: Path) -> None:
    tiny.moonshine(tmp_path)
    with pytest.raises(Broken, match="cannot load the speech model"):
        Phonetic(tmp_path, layers=2)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["model.encoder.conv2.bias"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(Broken, match=r"conv2\.bias"):
        Phonetic(tmp_path, layers=1)
    (tmp_path / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(Broken, match="cannot load the speech model"):
        Phonetic(tmp_path, layers=1)
