"""Voice notes to words."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from workers.model import hub
from workers.model.listening import Listener, Span
from workers.model.ports import RATE, Transcript, Wave

_SHORTEST = 1.0  # seconds; recognisers invent words for shorter pieces, so these are shown with what is around them
_LOOP = re.compile(r"\b(\w.{0,60}?)(?:[\s,.!?;-]+\1\b){3,}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Heard:
    """What a network made of one piece: its words, the mean log probability of their tokens."""

    text: str
    log_probability: float


class Network(Protocol):
    """A speech network, which differs from others in weights, tokens, what it can take at once."""

    @property
    def digest(self) -> str:
        """Names weights with preprocessing."""
        ...

    @property
    def longest(self) -> float:
        """Seconds it can take at once."""
        ...

    def hear(self, wave: Wave) -> Heard:
        """Transcribe one piece of speech."""
        ...


class Recogniser:
    """Finds the speech in a recording, has the network read it piece by piece, then puts the pieces together."""

    def __init__(self, network: Network, listener: Listener) -> None:
        self._network = network
        self._listener = listener
        self.digest = f"{network.digest}-vad1"

    def transcribe(self, waves: Sequence[Wave]) -> list[Transcript]:
        """One transcript a wave; an empty text where nobody speaks."""
        return [self._transcribe(wave) for wave in waves]

    def rehearse(self, wave: Wave) -> None:
        """Have the network run over a wave in which nobody needs to speak: its first run takes longer."""
        self._network.hear(wave)

    def _transcribe(self, wave: Wave) -> Transcript:
        seconds = len(wave) / RATE
        segments: list[tuple[float, float, str]] = []
        weighted, length = 0.0, 0
        for start, end in self._listener.pieces(wave, self._network.longest):
            heard = self._network.hear(_long_enough(wave, (start, end)))
            text = unlooped(heard.text)
            if not any(character.isalnum() for character in text):
                continue
            segments.append((start / RATE, end / RATE, text))
            weighted += heard.log_probability * (end - start)
            length += end - start
        if not segments:
            return Transcript("", 0.0, seconds)
        text = " ".join(segment[2] for segment in segments)
        return Transcript(text, min(1.0, math.exp(weighted / length)), seconds, tuple(segments))


def unlooped(text: str) -> str:
    """Cut what a network said four times or more in a row down to once: it got stuck."""
    return _LOOP.sub(r"\1", " ".join(text.split()))


def _long_enough(wave: Wave, span: Span) -> Wave:
    start, end = span
    lacking = int(_SHORTEST * RATE) - (end - start)
    if lacking > 0:
        start, end = max(0, start - lacking // 2), min(len(wave), end + (lacking + 1) // 2)
    piece = wave[start:end]
    lacking = int(_SHORTEST * RATE) - len(piece)
    return np.pad(piece, (lacking // 2, (lacking + 1) // 2)) if lacking > 0 else piece


def load(folder: Path, *, device: str = "cpu") -> Network:
    """The speech network in a folder: SpeechBrain's when there is a `hyperparams.yaml`, else one of transformers.

    Raises:
        Broken: neither can load it.
    """
    if (folder / "hyperparams.yaml").is_file():
        from workers.model.speechbrain_asr import SpeechBrain

        return SpeechBrain(folder, device=device)
    from workers.model.recognisers import Ctc, Moonshine, Sequence2Sequence

    config = hub.settings(folder)
    if config.get("model_type") == "moonshine":
        return Moonshine(folder, device=device)
    if any(str(name).endswith("ForCTC") for name in config.get("architectures") or ()):
        return Ctc(folder, device=device)
    return Sequence2Sequence(folder, device=device)
