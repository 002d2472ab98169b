"""Where in a recording somebody speaks.

Silero VAD (https://github.com/snakers4/silero-vad), from its package, run by onnxruntime.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from core.errors import Broken
from workers.model.ports import RATE, Wave

Span = tuple[int, int]
"""First sample, sample after the last."""

_PAUSE_MS = 300  # a shorter silence is part of speaking
_PAD_MS = 300  # kept on either side: with 150 four times as many words are misheard in noise, with 500 no fewer
_THRESHOLD = 0.5


class Listener:
    """Finds speech, then cuts it at pauses into pieces a recogniser can take; 3-5 ms a second of sound."""

    def __init__(self) -> None:
        package = find_spec("silero_vad")
        if package is None or package.origin is None:
            raise Broken("the package silero-vad is not installed; install Polydesk again")
        from silero_vad.sequence_vad import SileroVADSequence

        self._model: Any = SileroVADSequence(str(Path(package.origin).parent / "data" / "silero_vad_16k_sequence.onnx"))

    def spans(self, wave: Wave, longest: float) -> list[Span]:
        """Stretches of speech no longer than `longest` seconds; none when nobody speaks."""
        from silero_vad.utils_vad import get_speech_timestamps_from_probs

        found = get_speech_timestamps_from_probs(
            self._model.audio_forward(wave).tolist(),
            sampling_rate=RATE,
            threshold=_THRESHOLD,
            max_speech_duration_s=longest,
            min_silence_duration_ms=_PAUSE_MS,
            speech_pad_ms=_PAD_MS,
            audio_length_samples=len(wave),
        )
        return [(int(span["start"]), int(span["end"])) for span in found]

    def pieces(self, wave: Wave, longest: float) -> list[Span]:
        """The same, neighbours joined with the pause between them as long as the piece stays within `longest`."""
        return joined(self.spans(wave, longest), int(longest * RATE))


def joined(spans: Sequence[Span], most: int) -> list[Span]:
    """Join neighbouring spans into pieces of at most `most` samples, cutting at the pauses between them."""
    pieces: list[Span] = []
    for start, end in spans:
        if pieces and end - pieces[-1][0] <= most:
            pieces[-1] = (pieces[-1][0], end)
        else:
            pieces.append((start, end))
    return pieces
