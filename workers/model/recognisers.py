"""Speech networks of transformers."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from core.errors import Broken
from workers.model import hub
from workers.model.ports import RATE, Wave
from workers.model.speech import Heard

_MARK = re.compile(r"<[^<>\s]*>")  # <unk>, <s>


class Moonshine:
    """Moonshine (Jeffries et al. 2024, https://arxiv.org/abs/2410.15608): runs on the piece's real length.

    Its authors allow 6.5 tokens a second of speech; more is a network that repeats itself.
    """

    longest = 20.0  # seconds; beyond 30 it falls apart

    def __init__(self, folder: Path, *, device: str = "cpu", digest: str = "") -> None:
        import torch
        from tokenizers import Tokenizer
        from transformers import MoonshineForConditionalGeneration

        hub.quiet()
        self._torch, self._device = torch, device
        try:
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            self._model = hub.strictly(MoonshineForConditionalGeneration, folder)[0].to(device)
        except Exception as problem:  # tokenizers raises nothing more special
            raise _unloadable(folder, problem) from problem
        self.digest = digest or f"moonshine-{hub.fingerprint(folder, 'moonshine-1')}"

    def hear(self, wave: Wave) -> Heard:
        """Transcribe one piece of speech of 0.1 to 20 seconds."""
        most = math.ceil(6.5 * len(wave) / RATE) + 2
        with self._torch.inference_mode():
            made = self._model.generate(
                input_values=self._torch.tensor(wave)[None].to(self._device),
                max_new_tokens=min(most, self._model.config.max_position_embeddings - 2),
                **_GREEDY,
            )
        return Heard(self._tokenizer.decode(made.sequences[0].tolist()), _confidence(self._model, made))


class Sequence2Sequence:
    """Whisper (Radford et al. 2022, https://arxiv.org/abs/2212.04356) or another encoder with a decoder."""

    longest = 28.0  # Whisper's window is 30 seconds

    def __init__(self, folder: Path, *, device: str = "cpu") -> None:
        import torch
        from transformers import AutoFeatureExtractor, AutoModelForSpeechSeq2Seq, AutoTokenizer

        hub.quiet()
        self._torch, self._device = torch, device
        try:
            self._features = AutoFeatureExtractor.from_pretrained(folder)
            self._tokenizer = AutoTokenizer.from_pretrained(folder)
            self._model = hub.strictly(AutoModelForSpeechSeq2Seq, folder)[0].to(device)
        except hub.TROUBLE as problem:
            raise _unloadable(folder, problem) from problem
        self.digest = f"speech-{hub.fingerprint(folder, 'seq2seq-1')}"

    def hear(self, wave: Wave) -> Heard:
        """Transcribe one piece of speech of at most 30 seconds."""
        batch = self._features(wave, sampling_rate=RATE, return_tensors="pt").to(self._device)
        room = getattr(self._model.config, "max_target_positions", None) or 448
        # Languages with many tokens a word need three times Moonshine's allowance; Whisper's prompt takes four places.
        most = min(math.ceil(20 * len(wave) / RATE) + 4, room - 4)
        with self._torch.inference_mode():
            made = self._model.generate(**batch, max_new_tokens=most, **_GREEDY)
        text = self._tokenizer.decode(made.sequences[0], skip_special_tokens=True)
        return Heard(text, _confidence(self._model, made))


class Ctc:
    """wav2vec 2.0 (Baevski et al. 2020, https://arxiv.org/abs/2006.11477) or another network trained with CTC."""

    longest = 20.0

    def __init__(self, folder: Path, *, device: str = "cpu") -> None:
        import torch
        from transformers import AutoFeatureExtractor, AutoModelForCTC, AutoTokenizer

        hub.quiet()
        self._torch, self._device = torch, device
        try:
            self._features = AutoFeatureExtractor.from_pretrained(folder)
            self._tokenizer = AutoTokenizer.from_pretrained(folder)
            self._model = hub.strictly(AutoModelForCTC, folder)[0].to(device)
        except hub.TROUBLE as problem:
            raise _unloadable(folder, problem) from problem
        self.digest = f"speech-{hub.fingerprint(folder, 'ctc-1')}"

    def hear(self, wave: Wave) -> Heard:
        """Transcribe one piece of speech."""
        batch = self._features(wave, sampling_rate=RATE, return_tensors="pt").to(self._device)
        with self._torch.inference_mode():
            best = self._model(**batch).logits[0].float().log_softmax(dim=-1).max(dim=-1)
        spoken = best.indices != self._model.config.pad_token_id  # the blank
        certain = float(best.values[spoken].mean()) if bool(spoken.any()) else 0.0
        # Not skip_special_tokens: that takes out the blanks between doubled letters before they are joined.
        return Heard(_MARK.sub("", self._tokenizer.decode(best.indices)), certain)


_GREEDY: dict[str, Any] = {
    "do_sample": False,
    "num_beams": 1,
    "return_dict_in_generate": True,
    "output_logits": True,
}


def _confidence(model: Any, made: Any) -> float:
    """Mean log probability of the tokens that were generated."""
    steps = model.compute_transition_scores(made.sequences, made.logits, normalize_logits=True)
    finite = steps[steps.isfinite()]
    return float(finite.mean()) if finite.numel() else 0.0


def _unloadable(folder: Path, problem: Exception) -> Broken:
    return Broken(f"cannot load the speech model in {folder}: {problem}")
