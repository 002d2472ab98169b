"""Conversion of ECAPA-TDNN from SpeechBrain's checkpoint to safetensors.

https://huggingface.co/speechbrain/spkrec-ecapa-voxceleb; Desplanques et al. 2020, https://arxiv.org/abs/2005.07143.
"""

from __future__ import annotations

import json
from pathlib import Path

from core.errors import Broken

# What hyperparams.yaml of that model says.
CONFIG = {
    "input_size": 80,
    "channels": [1024, 1024, 1024, 1024, 3072],
    "kernel_sizes": [5, 3, 3, 3, 1],
    "dilations": [1, 2, 3, 4, 1],
    "attention_channels": 128,
    "lin_neurons": 192,
}
TENSORS = 231


def convert(found: Path, made: Path) -> None:
    """Write `model.safetensors` with `config.json`, the arguments of SpeechBrain's `ECAPA_TDNN`.

    Raises:
        Broken: the checkpoint is not that of the network.
    """
    import torch  # only while converting
    from safetensors.torch import save_file
    from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN

    weights = torch.load(found / "embedding_model.ckpt", map_location="cpu", weights_only=True)
    if len(weights) != TENSORS:
        raise Broken(f"expected {TENSORS} weights in the voice model's file, found {len(weights)}")
    try:
        ECAPA_TDNN(**CONFIG).load_state_dict(weights, strict=True)
    except RuntimeError as problem:
        said = [line.strip() for line in str(problem).splitlines()]
        raise Broken(f"the voice model's file is of another network: {' '.join(said[:2])}") from problem
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, made / "model.safetensors")
    (made / "config.json").write_text(json.dumps(CONFIG, indent=1))
