"""A sentence encoder in training: BERT with mean pooling, its lower layers frozen."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from core.errors import BadInput, Broken
from workers.model import hub
from workers.model.heads import Floats
from workers.model.text import LONGEST

State = dict[str, Tensor]
Tokens = list[list[int]]

_TRAINED = 96  # tokens of a phrase that are learned from; few have as many
_ROWS = {"cpu": 16, "cuda": 256}  # sentences that go through together, sorted by length, so that little is padding


class Sentences:
    """The encoder of a folder, on a device."""

    def __init__(self, folder: Path, device: str, frozen: float) -> None:
        from tokenizers import Tokenizer

        self.longest = _fits(folder)
        hub.quiet()
        try:
            from transformers import BertModel

            model, _ = hub.strictly(BertModel, folder, spare="pooler")
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except hub.TROUBLE as problem:
            raise Broken(f"cannot load the text encoder in {folder}: {problem}") from problem
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(min(_TRAINED, self.longest))
        model.set_attn_implementation("eager")
        self._model = model.to(device)
        self.device = torch.device(device)
        self._rows = _ROWS.get(self.device.type, _ROWS["cuda"])
        # Where the processor has no instruction for it, half precision is emulated, slower than full precision.
        self._half = self.device.type == "cuda" or (
            self.device.type == "cpu" and bool(torch.cpu.get_capabilities().get("avx512_bf16"))
        )
        layers = self._model.encoder.layer
        self._still = [self._model.embeddings, *layers[: int(len(layers) * frozen)]]
        for part in self._still:
            part.requires_grad_(False)
        if self._model.pooler is not None:
            self._model.pooler.requires_grad_(False)

    def tokenise(self, texts: Sequence[str]) -> Tokens:
        """Token ids of each text."""
        return [list(one.ids) for one in self._tokenizer.encode_batch(list(texts))]

    def parameters(self) -> Iterator[Tensor]:
        """What is trained."""
        return (value for value in self._model.parameters() if value.requires_grad)

    def trained(self) -> State:
        """What is trained, by name."""
        return {name: value.data for name, value in self._model.named_parameters() if value.requires_grad}

    def state(self) -> State:
        """All weights, as they are stored; a pooling layer is never used, so it is left out."""
        every = self._model.state_dict().items()
        return {name: value.detach().cpu().contiguous() for name, value in every if not name.startswith("pooler.")}

    def load(self, state: State) -> None:
        """Take over weights of some parameters."""
        with torch.no_grad():
            for name, value in self.trained().items():
                value.copy_(state[name])

    def vectors(self, tokens: Tokens) -> Tensor:
        """(len(tokens), dim), L2-normalised, to be trained on."""
        self._model.train()
        for part in self._still:
            part.eval()
        return self._forward(tokens)

    def encode(self, tokens: Tokens) -> Floats:
        """(len(tokens), dim), L2-normalised."""
        self._model.eval()
        with torch.no_grad():
            return np.asarray(self._forward(tokens).cpu().numpy(), dtype=np.float32)

    def _forward(self, tokens: Tokens) -> Tensor:
        order = sorted(range(len(tokens)), key=lambda i: len(tokens[i]))
        parts = []
        for at in range(0, len(order), self._rows):
            some = [tokens[i] for i in order[at : at + self._rows]]
            ids = torch.zeros((len(some), len(some[-1])), dtype=torch.long)
            mask = torch.zeros_like(ids)
            for row, one in enumerate(some):
                ids[row, : len(one)], mask[row, : len(one)] = torch.tensor(one), 1
            ids, mask = ids.to(self.device), mask.to(self.device)
            with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self._half):
                states = self._model(input_ids=ids, attention_mask=mask).last_hidden_state
            there = mask.unsqueeze(-1).float()
            parts.append((states.float() * there).sum(dim=1) / there.sum(dim=1))
        back = torch.empty(len(order), dtype=torch.long)
        back[torch.tensor(order, dtype=torch.long)] = torch.arange(len(order))
        return normalize(torch.cat(parts)[back.to(self.device)], dim=1)


def _fits(folder: Path) -> int:
    """How many tokens the encoder takes.

    Raises:
        BadInput: it is not of the architecture that we can train, then run.
    """
    if not (folder / "config.json").is_file():
        raise BadInput(f"{folder} holds no text encoder (no config.json); `polydesk models prepare` makes one")
    config = hub.settings(folder)
    wanted = {"model_type": "bert", "hidden_act": "gelu", "layer_norm_eps": 1e-12}
    other = {name: config.get(name) for name, value in wanted.items() if config.get(name, value) != value}
    pooling = hub.settings(folder / "1_Pooling")
    if pooling and not (pooling.get("pooling_mode_mean_tokens") or pooling.get("pooling_mode") == "mean"):
        other["pooling"] = json.dumps(pooling)
    if other or "model_type" not in config:
        raise BadInput(
            f"only a BERT with mean pooling, such as all-MiniLM-L6-v2, can be fine-tuned; {folder} differs in "
            f"{', '.join(f'{name} ({value})' for name, value in other.items()) or 'its config.json'}"
        )
    return min(LONGEST, int(config.get("max_position_embeddings", LONGEST)))
