"""Tone of voice: read piece by piece, from a checkpoint that is checked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from core.errors import Broken
from workers.media.audio import decode
from workers.model import prosody, tone
from workers.model.listening import Listener
from workers.model.ports import RATE, Wave
from workers.model.shelf import Shelf
from workers.model.tone import Dimensions, ToneReader
from workers.model.voice import VoiceFeatures
from workers.model.weights import fetch

RECORDINGS = Path(__file__).with_name("recordings")
SMALL = Dimensions(
    encoder="tester-1",
    vector=2,
    layers=(1,),
    widths=(4,),
    prosody=("f0_mean", "voiced_share"),
    emotions=("anger", "neutral", "fear"),
    strained=("anger", "fear"),
)


def arrays(dimensions: Dimensions = SMALL) -> dict[str, NDArray[np.float32]]:
    """A head that finds a high first layer-number angry, nothing frightening."""
    count = dimensions.features
    weight = np.zeros((3, count), np.float32)
    weight[0, dimensions.vector] = 2.0
    bias = np.array([0, 0, -9], np.float32)
    return {"mean": np.zeros(count, np.float32), "scale": np.ones(count, np.float32), "weight": weight, "bias": bias}


def checkpoint(path: Path, dimensions: Dimensions = SMALL) -> Path:
    made = arrays()
    tone.save(path, tone.assembled(dimensions, made), made, {"made": "in a test"})
    return path


class Fake:
    """An encoder that hears the loudness of a wave as the first number of its layer; keeps the waves."""

    digest = "tester-1"
    dim = 2
    widths = (3, 4)

    def __init__(self) -> None:
        self.heard: list[Wave] = []

    def encode(self, waves: Sequence[Wave]) -> VoiceFeatures:
        self.heard += waves
        loud = np.array([np.abs(wave).max() for wave in waves], np.float32)
        layer = np.zeros((len(waves), 4), np.float32)
        layer[:, 0] = 10 * loud - 5
        said = np.stack([prosody.measure(wave) for wave in waves])
        return VoiceFeatures(
            np.zeros((len(waves), 2), np.float32), (np.zeros((len(waves), 3), np.float32), layer), said
        )


@pytest.fixture(scope="module")
def listener() -> Listener:
    return Listener()


@pytest.fixture(scope="module")
def note() -> Wave:
    wave = decode((RECORDINGS / "jfk.ogg").read_bytes()).wave
    return np.asarray(0.9 * wave / np.abs(wave).max(), dtype=np.float32)


def test_a_checkpoint_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    head = tone.load(checkpoint(tmp_path / "head"))
    assert head.dimensions == SMALL
    features = Fake().encode([np.full(RATE, 0.9, np.float32), np.full(RATE, 0.1, np.float32)])
    logits = head.logits(features)
    np.testing.assert_allclose(logits, [[8, 0, -9], [-8, 0, -9]], atol=1e-4)
    loud, soft = head.tone(logits[0]), head.tone(logits[1])
    assert (loud.label, soft.label) == ("anger", "neutral")
    assert loud.strained > 0.99
    assert soft.strained < 0.01
    # twice the temperature halves the certainty in log odds
    cooler = tone.load(checkpoint(tmp_path / "cool", replace(SMALL, temperature=2.0)))
    np.testing.assert_allclose(cooler.logits(features), logits / 2)


def test_a_recording_is_read_in_pieces_of_which_each_counts(listener: Listener, note: Wave, tmp_path: Path) -> None:
    encoder = Fake()
    reader = ToneReader(encoder, tone.load(checkpoint(tmp_path / "head")), listener)
    found = reader.read(note)
    assert found is not None
    assert len(encoder.heard) > 2
    assert max(len(wave) for wave in encoder.heard) <= tone.LONGEST * RATE
    quieter = reader.read(np.asarray(0.3 * note, dtype=np.float32))
    assert quieter is not None
    assert quieter.strained < found.strained
    # Given two minutes, no more is heard than costs some one second
    encoder.heard.clear()
    assert reader.read(np.tile(note, 11)) is not None
    assert len(encoder.heard) == 4


@pytest.mark.parametrize("seconds", [0.0, 0.05, 2.0])
def test_where_nobody_speaks_there_is_no_tone(seconds: float, listener: Listener, tmp_path: Path) -> None:
    reader = ToneReader(Fake(), tone.load(checkpoint(tmp_path / "head")), listener)
    assert reader.read(np.zeros(int(seconds * RATE), np.float32)) is None


def test_spans_are_spread_from_first_to_last() -> None:
    spans = [(i, i + 1) for i in range(30)]
    chosen = tone.spread(spans, 8)
    assert (chosen[0], chosen[-1], len(set(chosen))) == ((0, 1), (29, 30), 8)
    assert tone.spread(spans[:8], 8) == spans[:8]


def test_a_head_of_another_encoder_is_refused(listener: Listener, tmp_path: Path) -> None:
    stranger = replace(SMALL, encoder="ecapa-1")
    with pytest.raises(Broken, match=r"trained on the voice encoder ecapa-1, not on tester-1: .*POLYDESK_VOICE_MODEL"):
        ToneReader(Fake(), tone.load(checkpoint(tmp_path / "head", stranger)), listener)


def test_a_head_that_wants_what_the_encoder_does_not_give(tmp_path: Path) -> None:
    for wrong in (
        replace(SMALL, layers=(7,)),
        replace(SMALL, layers=(0,)),
        replace(SMALL, prosody=("f0_mean", "mood")),
    ):
        head = tone.load(checkpoint(tmp_path / "head", wrong))
        with pytest.raises(Broken, match="the tone head wants"):
            head.logits(Fake().encode([np.zeros(RATE, np.float32)]))


def damaged(path: Path, way: str) -> None:
    made, notes = arrays(), {"dimensions": json.dumps(asdict(SMALL))}
    if way == "missing":
        return
    if way == "cut":
        checkpoint(path)
        path.write_bytes(path.read_bytes()[:-40])
    elif way == "text":
        path.write_text("not weights")
    elif way == "foreign":
        save_file({"fc.weight": np.zeros((3, 3), np.float32)}, path)
    elif way == "shape":
        save_file(made | {"weight": np.zeros((2, SMALL.features), np.float32)}, path, metadata=notes)
    elif way == "lacking":
        save_file({name: made[name] for name in ("mean", "scale", "weight")}, path, metadata=notes)
    elif way == "nan":
        save_file(made | {"bias": np.full(3, np.nan, np.float32)}, path, metadata=notes)
    else:
        save_file(made, path, metadata={"dimensions": json.dumps(asdict(SMALL) | {"hidden": 64})})


@pytest.mark.parametrize("way", ["missing", "cut", "text", "foreign", "shape", "lacking", "nan", "version"])
def test_damaged_and_foreign_checkpoints_say_so(way: str, tmp_path: Path) -> None:
    damaged(tmp_path / "head.safetensors", way)
    with pytest.raises(Broken, match=r"head\.safetensors (is no tone head|cannot be used)"):
        tone.load(tmp_path / "head.safetensors")


def shipped_features(name: str) -> VoiceFeatures:
    """What the built-in encoder heard in a clip of EmoDB (speaker 08, CC0), the layers the shipped head looks at."""
    with np.load(RECORDINGS / "emodb.npz") as kept:
        third, recogniser = kept[f"{name}_third"], kept[f"{name}_recogniser"]
    nothing = np.zeros((1, 0), np.float32)
    layers = (nothing, nothing, third[None].astype(np.float32), nothing, recogniser[None].astype(np.float32))
    return VoiceFeatures(np.zeros((1, 192), np.float32), layers, np.zeros((1, len(prosody.NAMES)), np.float32))


def test_the_shipped_head_knows_an_angry_voice_from_a_calm_one() -> None:
    head = tone.load()
    assert tone.SHIPPED.stat().st_size < 200_000
    calm, angry = (head.tone(head.logits(shipped_features(name))[0]) for name in ("calm", "angry"))
    assert calm.strained < 0.2 < 0.8 < angry.strained
    assert (calm.label, angry.label) == ("neutral", "anger")
    assert "EmoDB" in str(head.about["speech"])


@pytest.mark.models
def test_the_shipped_head_on_recordings(models_dir: Path) -> None:
    if not fetch.ready(models_dir, ["voice"]):
        pytest.skip(f"tone of voice is optional: python -m workers.model.weights voice --to {models_dir}")
    shelf = Shelf(models_dir, device="cpu")
    found = [
        shelf.tone.read(decode((RECORDINGS / f"emodb-{name}.ogg").read_bytes()).wave) for name in ("calm", "angry")
    ]
    assert found[0] is not None
    assert found[1] is not None
    assert found[0].strained < 0.3 < 0.7 < found[1].strained
    assert shelf.tone is shelf.tone
