"""The Berlin database of emotional speech as rows of features, each clip also disturbed as phones and rooms do.

Burkhardt et al. 2005, "A Database of German Emotional Speech": ten actors, ten sentences, seven emotions; CC0. The copy
in use holds six of the speakers, every clip cut (or filled with zeros) to two seconds. A file is called
`<speaker 2><sentence 3><emotion 1><version>.wav`.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from core.errors import BadInput
from workers.media.audio import decode
from workers.model.listening import Listener
from workers.model.ports import RATE, Wave
from workers.model.tone import LONGEST
from workers.model.voice import VoiceEncoder, VoiceFeatures

EMOTIONS = {
    "W": "anger", "L": "boredom", "E": "disgust", "A": "fear", "F": "happiness", "T": "sadness", "N": "neutral",
}  # fmt: skip
WAYS = ("clean", "speed", "noise", "opus")
"""What is done to a clip: nothing; played up to 16 % slower (deeper, too) or faster (higher), which makes more speakers
of the few; four other voices 5-20 dB below, or white, pink, brown noise 5-25 dB below; Opus of 8-24 kbit/s, what
messengers send. The last two also vary the speed, by 8 % at most."""
_COLOURS = (0.0, -0.5, -1.0)  # exponents of the frequency: white, pink, brown
_LEAST = 1e-4  # what lies below at the end of a clip is the zeros it was filled up with


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording with what its name says."""

    path: Path
    speaker: str
    sentence: str
    emotion: str


def clips(folder: Path) -> tuple[Clip, ...]:
    """The clips of a folder, in the order of their names.

    Raises:
        BadInput: there is none.
    """
    found = tuple(
        Clip(path, path.name[:2], path.name[2:5], EMOTIONS[path.name[5]])
        for path in sorted(folder.rglob("*.wav"))
        if len(path.stem) in (6, 7) and path.name[5] in EMOTIONS
    )
    if not found:
        raise BadInput(f"{folder} holds no clips of EmoDB, such as wav/03a01Fa.wav")
    return found


def hear(some: tuple[Clip, ...], encoder: VoiceEncoder, listener: Listener, way: str) -> VoiceFeatures:
    """Disturb every clip in one way, find the speech, encode; the same for the same clips."""
    waves = [_unpadded(decode(one.path.read_bytes()).wave) for one in some]
    found = []
    for i, one in enumerate(some):
        others = [waves[j] for j, other in enumerate(some) if other.speaker == one.speaker and j != i] or [waves[i]]
        dice = np.random.default_rng([WAYS.index(way), *one.path.stem.encode()])
        wave = disturbed(waves[i], way, dice, others)
        spans = listener.spans(wave, LONGEST)
        found.append(encoder.encode([wave[spans[0][0] : spans[-1][1]] if spans else wave]))
    return joined(found)


def joined(parts: list[VoiceFeatures]) -> VoiceFeatures:
    """Rows one under the other."""
    layers = zip(*(part.states for part in parts), strict=True)
    return VoiceFeatures(
        np.concatenate([part.vectors for part in parts]),
        tuple(np.concatenate(layer) for layer in layers),
        np.concatenate([part.prosody for part in parts]),
    )


def disturbed(wave: Wave, way: str, dice: np.random.Generator, others: list[Wave]) -> Wave:
    """One of WAYS done to a wave; `others` are voices to babble."""
    if way == "speed":
        return faster(wave, dice.choice([dice.uniform(0.86, 0.96), dice.uniform(1.04, 1.16)]))
    if way == "noise":
        wave = faster(wave, dice.uniform(0.92, 1.08))
        if dice.random() < 0.5:
            return _below(wave, _noise(len(wave), dice, _COLOURS[dice.integers(3)]), dice.uniform(5, 25))
        crowd = [np.resize(others[dice.integers(len(others))], len(wave)) for _ in range(4)]
        return _below(
            wave, np.sum([np.roll(voice, dice.integers(RATE)) for voice in crowd], axis=0), dice.uniform(5, 20)
        )
    if way == "opus":
        return opus(faster(wave, dice.uniform(0.92, 1.08)), int(dice.choice([8_000, 12_000, 16_000, 24_000])))
    return wave


def faster(wave: Wave, factor: float) -> Wave:
    """Play a wave so much faster; pitch and resonances rise with it."""
    ratio = Fraction(1 / factor).limit_denominator(60)
    return np.asarray(resample_poly(wave, ratio.numerator, ratio.denominator), dtype=np.float32)


def opus(wave: Wave, bits: int) -> Wave:
    """What is left of a wave after Ogg/Opus at so many bits a second."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=RATE, layout="mono")
        stream.bit_rate = bits
        whole = np.clip(wave * 32767, -32768, 32767).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(whole, format="s16", layout="mono")
        frame.sample_rate, frame.pts = RATE, 0
        for part in (frame, None):
            container.mux(stream.encode(part))
    return decode(buffer.getvalue()).wave


def _unpadded(wave: Wave) -> Wave:
    heard = np.flatnonzero(np.abs(wave) > _LEAST)
    return wave[: heard[-1] + 1] if len(heard) else wave


def _noise(count: int, dice: np.random.Generator, exponent: float) -> NDArray[np.float64]:
    hertz = np.maximum(np.fft.rfftfreq(count, 1 / RATE), 20.0)
    return np.fft.irfft(np.fft.rfft(dice.standard_normal(count)) * hertz**exponent, count)


def _below(wave: Wave, noise: NDArray[np.float64], decibels: float) -> Wave:
    gain = np.sqrt((wave**2).mean() / max(float((noise**2).mean()), 1e-12)) * 10 ** (-decibels / 20)
    return np.asarray(wave + gain * noise, dtype=np.float32)


def remember(path: Path, some: tuple[Clip, ...], heard: VoiceFeatures, digest: str) -> None:
    """Keep features in a file (.npz), so that the next run need not listen again."""
    names = np.array([one.path.name for one in some])
    layers: dict[str, Any] = {f"layer{i}": layer for i, layer in enumerate(heard.states)}
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, digest=np.array(digest), names=names, vectors=heard.vectors, prosody=heard.prosody, **layers)


def recall(path: Path, some: tuple[Clip, ...], digest: str) -> VoiceFeatures | None:
    """What was remembered of these very clips by the encoder of that digest; None when it was not."""
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as kept:
        if str(kept["digest"]) != digest or kept["names"].tolist() != [one.path.name for one in some]:
            return None
        layers = tuple(kept[f"layer{i}"] for i in range(sum(name.startswith("layer") for name in kept.files)))
        return VoiceFeatures(kept["vectors"], layers, kept["prosody"])
