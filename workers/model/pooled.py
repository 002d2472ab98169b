"""Sentences to vectors with any encoder of transformers.

Pooling follows the folder's sentence-transformers files where there are some (Reimers and Gurevych 2019,
https://arxiv.org/abs/1908.10084), else it is the mean over the tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import Broken
from workers.model import hub
from workers.model.batches import by_length
from workers.model.ports import Vectors
from workers.model.text import LONGEST

_PADDED = 128  # tokens an item, on average, that a batch may have with its padding
_PROBE = "Where is my order? It has been a week, and nobody tells me anything."
_MODES = ("mean", "cls", "max", "lasttoken")


class PooledText:
    """A transformers encoder from a local folder; on a graphics card in half precision, in large batches.

    `precision` names a torch type; by default `hub.precision` chooses. A network whose vectors are no numbers in half
    precision is loaded again in full.
    """

    def __init__(
        self,
        folder: Path,
        *,
        device: str = "cpu",
        digest: str = "",
        languages: frozenset[str] = frozenset(),
        precision: str = "",
    ) -> None:
        import torch
        from transformers import AutoTokenizer

        hub.quiet()
        self._torch = torch
        self._device = device
        self._mode, dense = _pooling(folder)
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(folder)
            self._load(precision or hub.precision(device, hub.stored(folder)), folder)
        except hub.TROUBLE as problem:
            raise Broken(f"cannot load the text model in {folder}: {problem}") from problem
        self._dense = [_dense(path, device) for path in dense]
        self._prompt = _prompt(folder)
        self._longest = _longest(folder, self._model.config, self._tokenizer)
        if not np.isfinite(self.encode([_PROBE])).all():
            self._load("float32", folder)
        self.languages = languages
        self.digest = digest or digest_of(folder)
        self.dim = self.encode([""]).shape[1]

    def _load(self, precision: str, folder: Path) -> None:
        from transformers import AutoModel

        model, _ = hub.strictly(AutoModel, folder, spare="pooler", precision=precision)  # we pool ourselves
        self._model = model.to(self._device)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Vectors of shape (len(texts), dim), L2-normalised."""
        torch = self._torch
        asked = [self._prompt + text for text in texts]
        tokens = self._tokenizer(asked, truncation=True, max_length=self._longest)["input_ids"] if asked else []
        vectors: Vectors = np.empty((len(texts), getattr(self, "dim", 0)), dtype=np.float32)
        with torch.inference_mode():
            most = hub.rows(self._device)
            for rows in by_length([len(ids) for ids in tokens], most, most * _PADDED):
                batch = self._tokenizer.pad({"input_ids": [tokens[row] for row in rows]}, return_tensors="pt")
                batch = {name: tensor.to(self._device) for name, tensor in batch.items()}
                states = self._model(**batch).last_hidden_state.float()
                pooled = self._pool(states, batch["attention_mask"])
                for layer in self._dense:
                    pooled = layer(pooled)
                found = torch.nn.functional.normalize(pooled, dim=-1).cpu().numpy()
                if not vectors.shape[1]:
                    vectors = np.empty((len(texts), found.shape[1]), dtype=np.float32)
                vectors[rows] = found
        return vectors

    def _pool(self, states: Any, mask: Any) -> Any:
        """(batch, length, dim), (batch, length) to (batch, dim)."""
        there = mask.unsqueeze(-1)
        if self._mode == "cls":
            return states[:, 0]
        if self._mode == "max":
            return states.masked_fill(there == 0, -1e9).max(dim=1).values
        if self._mode == "lasttoken":
            places = self._torch.arange(mask.shape[1], device=mask.device) * mask  # right for padding on either side
            return states[self._torch.arange(len(states), device=mask.device), places.argmax(dim=1)]
        return (states * there).sum(dim=1) / there.sum(dim=1).clamp(min=1)


def digest_of(folder: Path) -> str:
    """The digest of the encoder in a folder that is no built-in one."""
    return f"text-{hub.fingerprint(folder, 'pooled-1')}"


def _pooling(folder: Path) -> tuple[str, list[Path]]:
    """The mode of pooling, then the folders of the dense layers after it."""
    modules = hub.settings(folder, "modules.json").get("list", [])
    kinds = [(str(module["type"]).rpartition(".")[2], folder / module["path"]) for module in modules]
    unknown = {kind for kind, _ in kinds} - {"Transformer", "Pooling", "Dense", "Normalize"}
    if unknown:
        raise Broken(f"the text model in {folder} has a part we cannot run ({', '.join(unknown)}); name another")
    at = next((path for kind, path in kinds if kind == "Pooling"), folder / "1_Pooling")
    wanted = hub.settings(at)
    chosen = [mode for mode in _MODES if wanted.get(f"pooling_mode_{mode}_token{'s' * (mode in ('mean', 'max'))}")]
    chosen += [mode for mode in _MODES if wanted.get("pooling_mode") == mode or wanted.get(f"pooling_mode_{mode}")]
    if wanted and len(chosen) != 1:
        raise Broken(f"the text model in {folder} wants a pooling we do not know: {wanted}; name another")
    return (chosen[0] if chosen else "mean"), [path for kind, path in kinds if kind == "Dense"]


def _dense(folder: Path, device: str) -> Any:
    """The Dense module of sentence-transformers: a linear layer, usually with tanh after it."""
    import torch
    from safetensors.torch import load_file

    config = hub.settings(folder)
    linear = torch.nn.Linear(config["in_features"], config["out_features"], bias=config.get("bias", True))
    weights = load_file(folder / "model.safetensors")
    linear.load_state_dict({name.removeprefix("linear."): tensor for name, tensor in weights.items()})
    activation = str(config.get("activation_function", "")).rpartition(".")[2]
    known = {"Tanh": torch.nn.Tanh, "Identity": torch.nn.Identity, "ReLU": torch.nn.ReLU, "GELU": torch.nn.GELU}
    if activation not in known:
        raise Broken(f"{folder} wants the activation {activation!r}, which we do not know; name another text model")
    return torch.nn.Sequential(linear, known[activation]()).eval().to(device)


def _prompt(folder: Path) -> str:
    config = hub.settings(folder, "config_sentence_transformers.json")
    return str(config.get("prompts", {}).get(config.get("default_prompt_name") or "", ""))


def _longest(folder: Path, config: Any, tokenizer: Any) -> int:
    limits = [
        LONGEST,
        hub.settings(folder, "sentence_bert_config.json").get("max_seq_length"),
        getattr(config, "max_position_embeddings", None),
        tokenizer.model_max_length,
    ]
    return int(min(limit for limit in limits if limit))
