"""The tone of a voice: how strained it sounds, with the emotion it resembles most.

A linear head over a voice encoder's features, trained by `workers.train.tone` on acted German speech. It orders the
queue of waiting customers; it never decides what is answered.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from core.errors import Broken
from workers.model import prosody
from workers.model.listening import Listener, Span
from workers.model.ports import RATE, Wave
from workers.model.voice import VoiceEncoder, VoiceFeatures

SHIPPED = Path(__file__).parent / "materials" / "tone.safetensors"
LONGEST = 3.0  # seconds of a piece; what the head was trained on lasts up to two
_MOST = 4  # pieces of one recording, spread over it: at 0.09 x real time they cost some one second
_VOICED = 0.3  # seconds of voice below which a piece tells nothing

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Dimensions:
    """What a head was made for; saved in its checkpoint.

    `encoder` is the digest of the voice encoder. The features are, in this order, its vector of `vector` numbers (0:
    not used), its lower layers `layers` of `widths` numbers each, then the numbers of prosody named `prosody`.
    `strained` are those `emotions` that count as strained; `temperature` divides the logits.
    """

    encoder: str
    vector: int
    layers: tuple[int, ...]
    widths: tuple[int, ...]
    prosody: tuple[str, ...]
    emotions: tuple[str, ...]
    strained: tuple[str, ...]
    temperature: float = 1.0

    @property
    def features(self) -> int:
        """How many numbers a wave is told by."""
        return self.vector + sum(self.widths) + len(self.prosody)


@dataclass(frozen=True, slots=True)
class Tone:
    """`strained` is the probability that the voice is; `label` the likeliest emotion of the head."""

    strained: float
    label: str


class ToneHead:
    """Multinomial logistic regression over standardised features.

    Args:
        dimensions: what it is made for.
        mean, scale: (features,); scale is 1 / standard deviation.
        weight: (emotions, features).
        bias: (emotions,).
        about: where it comes from, plain JSON.
    """

    def __init__(
        self,
        dimensions: Dimensions,
        mean: Numbers,
        scale: Numbers,
        weight: Numbers,
        bias: Numbers,
        about: dict[str, Any] | None = None,
    ) -> None:
        d = dimensions
        shapes = {"mean": (d.features,), "scale": (d.features,), "weight": (len(d.emotions), d.features)}
        shapes["bias"] = (len(d.emotions),)
        for name, array in (("mean", mean), ("scale", scale), ("weight", weight), ("bias", bias)):
            if array.shape != shapes[name]:
                raise Broken(f"{name} of the tone head has the shape {array.shape}, not {shapes[name]}")
            if not np.isfinite(array).all():
                raise Broken(f"{name} of the tone head holds numbers that are none")
        self.dimensions, self.about = dimensions, about or {}
        self._weight, self._mean = weight * scale, mean
        self._bias = bias
        self._strained = np.array([emotion in d.strained for emotion in d.emotions])

    def logits(self, features: VoiceFeatures) -> Numbers:
        """(n, emotions), to be made probabilities by a softmax."""
        seen = gathered(features, self.dimensions)
        return np.asarray(((seen - self._mean) @ self._weight.T + self._bias) / self.dimensions.temperature)

    def tone(self, logits: Numbers) -> Tone:
        """What (emotions,) logits say."""
        share = np.exp(logits - logits.max())
        share /= share.sum()
        label = self.dimensions.emotions[int(share.argmax())]
        return Tone(float(share[self._strained].sum()), label)

    def fit_for(self, encoder: VoiceEncoder) -> None:
        """Check that it was trained on what this encoder hears.

        Raises:
            Broken: it was not; says what to do.
        """
        if encoder.digest != self.dimensions.encoder:
            raise Broken(
                f"the tone head was trained on the voice encoder {self.dimensions.encoder}, not on {encoder.digest}: "
                "set POLYDESK_VOICE_MODEL to auto, or train a head with `python -m workers.train.tone`"
            )


class ToneReader:
    """Finds the speech in a recording, then reads its tone."""

    def __init__(self, encoder: VoiceEncoder, head: ToneHead, listener: Listener) -> None:
        head.fit_for(encoder)
        self._encoder, self._head, self._listener = encoder, head, listener

    def read(self, wave: Wave) -> Tone | None:
        """The tone of a recording of any length; None when too little is said to tell."""
        logits = self.logits(wave)
        return None if logits is None else self._head.tone(logits)

    def logits(self, wave: Wave) -> Numbers | None:
        """The head's logits (emotions,), averaged over pieces of up to three seconds, long ones counting more."""
        spans = spread(self._listener.spans(wave, LONGEST), _MOST)
        if not spans:
            return None
        found = self._encoder.encode([wave[start:end] for start, end in spans])
        seconds = np.array([end - start for start, end in spans]) / RATE
        voiced = seconds * found.prosody[:, prosody.NAMES.index("voiced_share")]
        if not (voiced >= _VOICED).any():
            return None
        weight = np.where(voiced >= _VOICED, voiced, 0.0)
        return np.asarray(weight @ self._head.logits(found) / weight.sum())


def spread(spans: Sequence[Span], most: int) -> list[Span]:
    """At most so many of the spans, evenly chosen from first to last."""
    if len(spans) <= most:
        return list(spans)
    return [spans[math.floor(i * (len(spans) - 1) / (most - 1) + 0.5)] for i in range(most)]


def gathered(features: VoiceFeatures, dimensions: Dimensions) -> Numbers:
    """The features a head of these dimensions looks at, (n, dimensions.features).

    Raises:
        Broken: the encoder gives others.
    """
    parts = [features.vectors] if dimensions.vector else []
    try:
        parts += [features.states[layer] for layer in dimensions.layers]
        parts += [features.prosody[:, [prosody.NAMES.index(name) for name in dimensions.prosody]]]
    except (IndexError, ValueError) as problem:
        raise Broken(f"the tone head wants features that the voice encoder does not give: {problem}") from problem
    seen = np.concatenate(parts, axis=1, dtype=np.float64)
    if seen.shape[1] != dimensions.features:
        raise Broken(f"the tone head wants {dimensions.features} features, the voice encoder gives {seen.shape[1]}")
    return seen


def assembled(
    dimensions: Dimensions, arrays: Mapping[str, NDArray[Any]], about: dict[str, Any] | None = None
) -> ToneHead:
    """A head of arrays by the names of its arguments.

    Raises:
        Broken: they do not fit the dimensions. KeyError: one is missing.
    """
    mean, scale, weight, bias = (
        np.asarray(arrays[name], dtype=np.float64) for name in ("mean", "scale", "weight", "bias")
    )
    return ToneHead(dimensions, mean, scale, weight, bias, about)


def save(path: Path, head: ToneHead, arrays: dict[str, NDArray[np.float32]], about: dict[str, object]) -> None:
    """Write a checkpoint: `mean`, `scale`, `weight`, `bias`, with the dimensions and where it comes from."""
    from safetensors.numpy import save_file

    notes = {"dimensions": json.dumps(asdict(head.dimensions)), "about": json.dumps(about)}
    save_file(arrays, path, metadata=notes)


def load(path: Path = SHIPPED) -> ToneHead:
    """The head in a checkpoint.

    Raises:
        Broken: the file is missing, damaged, no tone head, or does not fit the dimensions it states.
    """
    try:
        with safe_open(path, "numpy") as file:
            notes = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        plain = json.loads(notes["dimensions"])
        return assembled(_dimensions(plain), arrays, json.loads(notes.get("about", "{}")))
    except Broken as problem:
        raise Broken(f"{path} cannot be used: {problem}") from problem
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as problem:
        raise Broken(f"{path} is no tone head ({type(problem).__name__}: {problem})") from problem


def _dimensions(plain: dict[str, Any]) -> Dimensions:
    known = {field.name for field in fields(Dimensions)}
    if set(plain) - known:
        raise ValueError(f"dimensions of another version: {', '.join(sorted(set(plain) - known))}")
    values: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in plain.items()}
    return Dimensions(**values)
