"""Voice encoders are loaded strictly, and give what their network hears."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import Broken
from tests.workers.model import tiny
from workers.media.audio import decode
from workers.model import prosody, voice
from workers.model.ports import RATE, Wave
from workers.model.shelf import Shelf
from workers.model.voice import VoiceEncoder
from workers.model.weights import ecapa

RECORDING = Path(__file__).with_name("recordings") / "jfk.ogg"
SMALL = {
    "input_size": 20,
    "channels": [8, 8, 8, 8, 24],
    "kernel_sizes": [5, 3, 3, 3, 1],
    "dilations": [1, 2, 3, 4, 1],
    "attention_channels": 4,
    "lin_neurons": 6,
}
YAML = """
pretrained_path: nobody/nowhere
compute_features: !new:speechbrain.lobes.features.Fbank
    n_mels: 20
mean_var_norm: !new:speechbrain.processing.features.InputNormalization
    norm_type: sentence
    std_norm: False
embedding_model: !new:speechbrain.lobes.models.{network}
classifier: !new:speechbrain.lobes.models.ECAPA_TDNN.Classifier
    input_size: 6
    out_neurons: 3
modules:
    compute_features: !ref <compute_features>
    mean_var_norm: !ref <mean_var_norm>
    embedding_model: !ref <embedding_model>
    classifier: !ref <classifier>
pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
    loadables:
        embedding_model: !ref <embedding_model>
        classifier: !ref <classifier>
    paths:
        embedding_model: !ref <pretrained_path>/embedding_model.ckpt
        classifier: !ref <pretrained_path>/classifier.ckpt
"""
ECAPA = "ECAPA_TDNN.ECAPA_TDNN\n" + "\n".join(f"    {name}: {value}" for name, value in SMALL.items())
XVECTOR = """Xvector.Xvector
    in_channels: 20
    tdnn_blocks: 2
    tdnn_channels: [8, 12]
    tdnn_kernel_sizes: [3, 1]
    tdnn_dilations: [1, 1]
    lin_neurons: 6"""


def folder(path: Path, network: str = ECAPA) -> Any:
    """A SpeechBrain folder with random weights; batch normalisation that does something."""
    import torch
    from hyperpyyaml import load_hyperpyyaml

    path.mkdir(parents=True, exist_ok=True)
    text = YAML.format(network=network)
    (path / "hyperparams.yaml").write_text(text)
    tiny.seeded()
    made = load_hyperpyyaml(text)
    for layer in made["embedding_model"].modules():
        if isinstance(layer, torch.nn.BatchNorm1d):
            layer.running_mean.normal_(0, 0.2)
            layer.running_var.uniform_(0.5, 1.5)
    torch.save(made["embedding_model"].state_dict(), path / "embedding_model.ckpt")
    torch.save(made["classifier"].state_dict(), path / "classifier.ckpt")
    return made


def converted(path: Path) -> Any:
    """The folder of a built-in encoder, with a small network."""
    from safetensors.torch import save_file
    from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN

    path.mkdir(parents=True, exist_ok=True)
    tiny.seeded()
    network = ECAPA_TDNN(**SMALL)
    save_file({k: v.contiguous() for k, v in network.state_dict().items()}, path / "model.safetensors")
    (path / "config.json").write_text(json.dumps(SMALL))
    return network


@pytest.fixture(scope="module")
def note() -> Wave:
    return decode(RECORDING.read_bytes()).wave[: 3 * RATE]


def test_speechbrains_own_interface_hears_the_same(tmp_path: Path, note: Wave) -> None:
    import torch

    # Given a folder of somebody's own, When it is encoded
    made = folder(tmp_path)
    encoder: VoiceEncoder = voice.load(tmp_path)
    found = encoder.encode([note, note[:RATE]])
    # Then the vectors are those of the network's own forward pass, of length 1
    network = made["embedding_model"].eval()
    with torch.inference_mode():
        whole = torch.ones(1)
        seen = made["mean_var_norm"](made["compute_features"](torch.from_numpy(note)[None]), whole)
        wanted = network(seen, whole)[0, 0].numpy()
        first = network.blocks[0](seen.transpose(1, 2))[0]
    np.testing.assert_allclose(found.vectors[0], wanted / np.linalg.norm(wanted), atol=1e-5)
    # And the lower layers are there, means before standard deviations
    assert encoder.widths == (16, 16, 16, 16) == tuple(layer.shape[1] for layer in found.states)
    np.testing.assert_allclose(found.states[0][0, :8], first.mean(dim=1).numpy(), atol=1e-5)
    np.testing.assert_allclose(found.states[0][0, 8:], first.std(dim=1, correction=0).numpy(), atol=1e-5)
    assert found.prosody.shape == (2, len(prosody.NAMES))
    # And the same again: nothing was made up while loading
    again = voice.load(tmp_path)
    np.testing.assert_array_equal(again.encode([note]).vectors[0], found.vectors[0])
    assert again.digest == encoder.digest
    assert encoder.dim == 6


def test_another_network_shows_its_vectors_only(tmp_path: Path, note: Wave) -> None:
    folder(tmp_path, XVECTOR)
    encoder = voice.load(tmp_path)
    assert (encoder.dim, encoder.widths) == (6, ())
    assert encoder.encode([note]).states == ()


@pytest.mark.parametrize("seconds", [0.0, 0.001, 0.02, 0.3])
def test_short_waves_and_none(tmp_path: Path, seconds: float) -> None:
    converted(tmp_path)
    encoder = voice.ecapa(tmp_path)
    found = encoder.encode([np.full(int(seconds * RATE), 0.1, np.float32)])
    assert np.isfinite(found.vectors).all()
    assert all(np.isfinite(layer).all() for layer in found.states)
    nothing = encoder.encode([])
    assert nothing.vectors.shape == (0, 6)
    assert [layer.shape for layer in nothing.states] == [(0, 16)] * 4


def test_weights_that_are_missing_are_not_made_up(tmp_path: Path) -> None:
    import torch

    folder(tmp_path)
    weights = torch.load(tmp_path / "embedding_model.ckpt", weights_only=True)
    del weights["fc.conv.weight"]
    torch.save(weights, tmp_path / "embedding_model.ckpt")
    with pytest.raises(Broken, match=r"cannot load the voice model .*fc\.conv\.weight"):
        voice.load(tmp_path)


@pytest.mark.parametrize("name", ["embedding_model.ckpt", "hyperparams.yaml"])
def test_a_broken_folder_says_so(tmp_path: Path, name: str) -> None:
    folder(tmp_path)
    (tmp_path / name).write_bytes(b"broken")
    with pytest.raises(Broken, match="cannot load the voice model"):
        voice.load(tmp_path)


def test_a_damaged_built_in_encoder_says_so(tmp_path: Path) -> None:
    converted(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(SMALL | {"lin_neurons": 7}))
    with pytest.raises(Broken, match="cannot load the voice model"):
        voice.ecapa(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(Broken, match="cannot load the voice model"):
        voice.ecapa(tmp_path)


def test_a_checkpoint_of_another_network_is_not_converted(tmp_path: Path) -> None:
    import torch

    folder(tmp_path)
    with pytest.raises(Broken, match=r"of another network: .*blocks\.0"):
        ecapa.convert(tmp_path, tmp_path)
    torch.save({"fc.conv.bias": torch.zeros(6)}, tmp_path / "embedding_model.ckpt")
    with pytest.raises(Broken, match="expected 231 weights"):
        ecapa.convert(tmp_path, tmp_path)
    assert not (tmp_path / "model.safetensors").exists()


def test_the_shelf_takes_a_folder_and_says_how_to_prepare_the_default(tmp_path: Path) -> None:
    folder(tmp_path / "voice")
    shelf = Shelf(tmp_path / "none", voice=str(tmp_path / "voice"), device="cpu")
    assert shelf.voice is shelf.voice
    assert shelf.voice.dim == 6
    with pytest.raises(Broken, match=r"python -m workers\.model\.weights voice --to"):
        _ = Shelf(tmp_path / "none").voice
