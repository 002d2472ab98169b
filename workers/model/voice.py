"""Voices to vectors: whose voice it is, with what tells how it speaks.

The networks are SpeechBrain's (Ravanelli et al. 2021, https://arxiv.org/abs/2106.04624). The built-in one is ECAPA-TDNN
(Desplanques et al. 2020, https://arxiv.org/abs/2005.07143), trained on VoxCeleb to know speakers: its last layer does
its best to forget the mood that the layers below still see, so those are given too. A speaker's vector is biometric; it
is used where it is made, then dropped.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from core.errors import Broken
from workers.model import hub, prosody
from workers.model.ports import RATE, Vectors, Wave
from workers.model.weights import lock

_SHORTEST = RATE // 4  # samples; a shorter wave is framed by silence, the network looks that far to either side


@dataclass(frozen=True, slots=True, eq=False)
class VoiceFeatures:
    """What a voice encoder heard in n waves, all float32.

    `vectors` is (n, dim), alike for one speaker; `states` has a (n, 2 * channels) for each lower layer of the network,
    means over time, then standard deviations, nothing when the network shows no layers; `prosody` is
    (n, len(prosody.NAMES)), units there.
    """

    vectors: Vectors
    states: tuple[NDArray[np.float32], ...]
    prosody: NDArray[np.float32]


class VoiceEncoder(Protocol):
    """Waves (16 kHz mono) to what the voice in them is like."""

    @property
    def digest(self) -> str:
        """Names weights with preprocessing."""
        ...

    @property
    def dim(self) -> int:
        """Length of a vector."""
        ...

    @property
    def widths(self) -> tuple[int, ...]:
        """Numbers a lower layer gives; empty when the network shows none."""
        ...

    def encode(self, waves: Sequence[Wave]) -> VoiceFeatures:
        """One row a wave, in order; each is heard alone, so that its row does not depend on the others."""
        ...


class SpeechBrainVoice:
    """A SpeechBrain network that hears who speaks; 0.09 x real time on one core for ECAPA-TDNN."""

    def __init__(self, features: Any, norm: Any, network: Any, *, digest: str, device: str) -> None:
        import torch
        from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN

        self._torch, self._device = torch, device
        self._features, self._norm, self._network = features, norm, network
        self._layered = isinstance(network, ECAPA_TDNN)
        self.digest = digest
        tried = self.encode([np.zeros(RATE, dtype=np.float32)])
        self.dim = tried.vectors.shape[1]
        self.widths = tuple(layer.shape[1] for layer in tried.states)

    def encode(self, waves: Sequence[Wave]) -> VoiceFeatures:
        """Vectors (n, dim), states (n, width) for each of `widths`, prosody (n, len(prosody.NAMES))."""
        if not waves:
            empty = [np.empty((0, width), dtype=np.float32) for width in (self.dim, *self.widths, len(prosody.NAMES))]
            return VoiceFeatures(empty[0], tuple(empty[1:-1]), empty[-1])
        heard = [self._heard(wave) for wave in waves]
        rows = [np.stack(part) for part in zip(*heard, strict=True)]
        said = np.stack([prosody.measure(wave) for wave in waves])
        return VoiceFeatures(rows[0], tuple(rows[1:]), said)

    def _heard(self, wave: Wave) -> list[NDArray[np.float32]]:
        lacking = max(0, _SHORTEST - len(wave))
        whole = np.pad(evened(wave), (lacking // 2, lacking - lacking // 2))
        torch = self._torch
        # SpeechBrain's pooling adds noise, so that the same wave would be heard a little differently each time.
        with torch.inference_mode(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            one = torch.ones(1, device=self._device)
            seen = self._norm(self._features(torch.from_numpy(whole)[None].to(self._device)), one)
            vector, layers = self._layers(seen) if self._layered else (self._network(seen, one), [])
            unit = torch.nn.functional.normalize(vector.flatten(), dim=0)
            pooled = [torch.cat([x.mean(dim=-1), x.std(dim=-1, correction=0)], dim=1)[0] for x in layers]
            return [row.float().cpu().numpy() for row in (unit, *pooled)]

    def _layers(self, seen: Any) -> tuple[Any, list[Any]]:
        """ECAPA_TDNN.forward, which does not give the layers, each (1, channels, time)."""
        net, x, layers = self._network, seen.transpose(1, 2), []
        for block in net.blocks:
            x = block(x)
            layers.append(x)
        x = net.mfa(self._torch.cat(layers[1:], dim=1))
        return net.fc(net.asp_bn(net.asp(x))), layers


def evened(wave: Wave) -> Wave:
    """A wave made so loud that its loud frames are at -20 dB: how far the microphone was says nothing of the voice."""
    frames = wave[: len(wave) // prosody.HOP * prosody.HOP].reshape(-1, prosody.HOP)
    loud = np.sqrt(np.percentile((frames**2).mean(axis=1), 95)) if len(frames) else 0.0
    return np.asarray(wave * (0.1 / loud if loud > 1e-5 else 1.0), dtype=np.float32)


def ecapa(folder: Path, *, device: str = "cpu") -> SpeechBrainVoice:
    """The built-in encoder, from the folder that `weights.ecapa` made.

    Raises:
        Broken: weights are missing, damaged or of another shape.
    """
    from safetensors.torch import load_file
    from speechbrain.lobes.features import Fbank
    from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN
    from speechbrain.processing.features import InputNormalization

    try:
        config = json.loads((folder / "config.json").read_text())
        network = ECAPA_TDNN(**config)
        network.load_state_dict(load_file(folder / "model.safetensors"), strict=True)
    except (*hub.TROUBLE, TypeError) as problem:
        raise _unloadable(folder, problem) from problem
    return SpeechBrainVoice(
        Fbank(n_mels=config["input_size"]).to(device),
        InputNormalization(norm_type="sentence", std_norm=False).to(device),
        network.eval().to(device),
        digest=f"ecapa-{lock.job('voice').digest[:12]}-1",
        device=device,
    )


def load(folder: Path, *, device: str = "cpu") -> SpeechBrainVoice:
    """An operator's SpeechBrain model (`EncoderClassifier`), from a local folder.

    Its `hyperparams.yaml` is a format that can run any code: name only folders you trust.

    Raises:
        Broken: SpeechBrain cannot load it, or its checkpoint lacks weights of the encoder.
    """
    import torch
    from speechbrain.inference.classifiers import EncoderClassifier
    from speechbrain.utils.fetching import LocalStrategy

    try:
        yaml = (folder / "hyperparams.yaml").read_text()
        # Hub models name their own repository there; what we were given is the folder.
        inside = {"pretrained_path": str(folder)} if "\npretrained_path:" in f"\n{yaml}" else {}
        with tempfile.TemporaryDirectory(prefix="polydesk-speechbrain-") as scratch:
            model = EncoderClassifier.from_hparams(
                source=str(folder),
                savedir=scratch,
                overrides=inside,
                local_strategy=LocalStrategy.NO_LINK,
                run_opts={"device": device},
            )
        network = model.mods.embedding_model
        # SpeechBrain only warns of weights that a checkpoint lacks, then makes them up.
        checkpoint = folder / "embedding_model.ckpt"
        if checkpoint.is_file():
            network.load_state_dict(torch.load(checkpoint, map_location=device, weights_only=True), strict=True)
    except Exception as problem:  # the yaml runs code of any library
        raise _unloadable(folder, problem) from problem
    digest = f"voice-{hub.fingerprint(folder, 'voice-1')}"
    return SpeechBrainVoice(
        model.mods.compute_features, model.mods.mean_var_norm, network.eval(), digest=digest, device=device
    )


def _unloadable(folder: Path, problem: Exception) -> Broken:
    said = [line.strip() for line in str(problem).splitlines()]
    return Broken(f"cannot load the voice model in {folder}: {' '.join(said[:2])}")  # torch names every weight
