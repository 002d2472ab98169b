"""Speech networks of SpeechBrain (Ravanelli et al. 2021, https://arxiv.org/abs/2106.04624).

Its folders describe a network in `hyperparams.yaml`, a format that can run any code: name only folders you trust.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from core.errors import Broken
from workers.model import hub
from workers.model.ports import Wave
from workers.model.speech import Heard

_UNKNOWN = -0.7  # log of a half: what we assume of a search that does not say how sure it is


class SpeechBrain:
    """An `EncoderASR` (CTC) or an `EncoderDecoderASR` from a local folder."""

    longest = 20.0

    def __init__(self, folder: Path, *, device: str = "cpu") -> None:
        import torch
        from speechbrain.inference.ASR import EncoderASR, EncoderDecoderASR
        from speechbrain.utils.fetching import LocalStrategy

        self._torch = torch
        yaml = (folder / "hyperparams.yaml").read_text()
        wanted = hub.settings(folder).get("speechbrain_interface")
        kind = EncoderASR if wanted == "EncoderASR" or (not wanted and "decoding_function:" in yaml) else None
        if kind is None and wanted not in (None, "EncoderDecoderASR"):
            raise Broken(f"the speech model in {folder} is a {wanted}; EncoderASR, EncoderDecoderASR can be used")
        # Hub models name their own repository there; what we were given is the folder.
        inside = {"pretrained_path": str(folder)} if "\npretrained_path:" in f"\n{yaml}" else {}
        try:
            # Nothing is copied, so nothing stays behind; a folder kept would be reused with yesterday's yaml in it.
            with tempfile.TemporaryDirectory(prefix="polydesk-speechbrain-") as scratch:
                self._model = (kind or EncoderDecoderASR).from_hparams(
                    source=str(folder),
                    savedir=scratch,
                    overrides=inside,
                    local_strategy=LocalStrategy.NO_LINK,
                    run_opts={"device": device},
                )
        except Exception as problem:  # the yaml runs code of any library
            raise Broken(f"cannot load the speech model in {folder}: {problem}") from problem
        self._ctc = kind is not None
        self.digest = f"speechbrain-{hub.fingerprint(folder, 'speechbrain-1')}"

    def hear(self, wave: Wave) -> Heard:
        """Transcribe one piece of speech."""
        torch, model = self._torch, self._model
        waves, lengths = torch.tensor(wave)[None].to(model.device), torch.ones(1, device=model.device)
        with torch.inference_mode():
            if self._ctc:
                words, _ = model.transcribe_batch(waves, lengths)
                best = model.encode_batch(waves, lengths)[0].float().log_softmax(dim=-1).max(dim=-1).values
                return Heard(str(words[0]), float(best.mean()))
            states = model.encode_batch(waves, lengths)
            inputs = [states] if model.transducer_beam_search else [states, lengths]
            tokens, _, _, log_probabilities = model.mods.decoder(*inputs)
        return Heard(str(model.tokenizer.decode_ids(tokens[0])), _mean(log_probabilities, len(tokens[0])))


def _mean(log_probabilities: Any, length: int) -> float:
    """Mean over the tokens of the best hypothesis; searches give (batch, length) or more dimensions, or nothing."""
    if log_probabilities is None or not length:
        return _UNKNOWN
    best = log_probabilities[0]
    while best.dim() > 1:
        best = best[0] if best.shape[0] == 1 else best.max(dim=-1).values
    known = best[:length]
    known = known[known.isfinite()]
    return min(0.0, float(known.mean())) if known.numel() else _UNKNOWN
