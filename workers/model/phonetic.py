"""What the lower layers of the speech recogniser hear in a voice.

Halfway between sound and words a recogniser still follows how things are said (probed for wav2vec 2.0 by Pepino et al.
2021, https://arxiv.org/abs/2104.03502). Of Moonshine (https://arxiv.org/abs/2410.15608) only the layers that are looked
at are loaded, 47 MB.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from core.errors import Broken
from workers.model import hub
from workers.model.ports import RATE, Wave
from workers.model.voice import VoiceEncoder, VoiceFeatures, evened
from workers.model.weights import lock

LAYERS = 4  # of eight: the ones above know words better and moods worse
_SHORTEST = RATE // 4  # samples; a shorter wave is framed by silence
_ENCODER = "model.encoder."


class Phonetic:
    """The first layers of Moonshine's encoder, 0.01 x real time on one core."""

    def __init__(self, folder: Path, *, layers: int = LAYERS, digest: str = "", device: str = "cpu") -> None:
        import torch
        from transformers import MoonshineConfig
        from transformers.models.moonshine.modeling_moonshine import MoonshineEncoder

        self._torch, self._device = torch, device
        try:
            config = MoonshineConfig(**hub.settings(folder))
            config.encoder_num_hidden_layers = layers
            network = MoonshineEncoder(config)
            network.layer_norm = torch.nn.Identity()  # comes after the last of all layers
            above = tuple(f"layers.{i}." for i in range(layers, 100))
            with safe_open(folder / "model.safetensors", "pt") as file:
                names = [name for name in file.keys() if name.startswith(_ENCODER)]  # noqa: SIM118
                inside = {name.removeprefix(_ENCODER): file.get_tensor(name) for name in names}
            wanted = {name: part for name, part in inside.items() if not name.startswith(("layer_norm.", *above))}
            network.load_state_dict(wanted, strict=True)
        except (*hub.TROUBLE, TypeError) as problem:
            said = [line.strip() for line in str(problem).splitlines()]
            raise Broken(f"cannot load the speech model in {folder}: {' '.join(said[:2])}") from problem
        self._network = network.eval().to(device)
        self.width = 2 * int(config.hidden_size)
        self.digest = digest or f"phonetic{layers}-{hub.fingerprint(folder, 'phonetic-1')}"

    def states(self, waves: Sequence[Wave]) -> NDArray[np.float32]:
        """(n, width): means over time of the last layer's numbers, then standard deviations."""
        return np.array([self._heard(wave) for wave in waves], dtype=np.float32).reshape(len(waves), self.width)

    def _heard(self, wave: Wave) -> NDArray[np.float32]:
        lacking = max(0, _SHORTEST - len(wave))
        whole = np.pad(evened(wave), (lacking // 2, lacking - lacking // 2))
        torch = self._torch
        with torch.inference_mode():
            x = self._network(torch.from_numpy(whole)[None].to(self._device)).last_hidden_state[0].float()
            row: NDArray[np.float32] = torch.cat([x.mean(dim=0), x.std(dim=0, correction=0)]).cpu().numpy()
            return row


class Together:
    """A voice encoder that shows the recogniser's layer after its own."""

    def __init__(self, voice: VoiceEncoder, phonetic: Phonetic) -> None:
        self._voice, self._phonetic = voice, phonetic
        self.digest = f"{voice.digest}+{phonetic.digest}"
        self.dim = voice.dim
        self.widths = (*voice.widths, phonetic.width)

    def encode(self, waves: Sequence[Wave]) -> VoiceFeatures:
        """The voice encoder's features, `states` longer by one."""
        heard = self._voice.encode(waves)
        return VoiceFeatures(heard.vectors, (*heard.states, self._phonetic.states(waves)), heard.prosody)


def shipped(folder: Path, *, device: str = "cpu") -> Phonetic:
    """Of the built-in recogniser, from the folder that `weights.moonshine` made.

    Raises:
        Broken: weights are missing or damaged.
    """
    return Phonetic(folder, digest=f"moonshine{LAYERS}-{lock.job('speech-en').digest[:12]}-1", device=device)
