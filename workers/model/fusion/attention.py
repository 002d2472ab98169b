"""Attention: a small transformer in which the channels look at each other.

Vaswani et al. 2017, https://arxiv.org/abs/1706.03762: a token a channel with an embedding of its kind, the absent ones
masked, and a token of its own whose state is the fused vector.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workers.model.fusion.joint import WORDY, Dimensions
from workers.model.fusion.opinions import CHANNELS


class Attention(nn.Module):  # type: ignore[misc]  # mypy does not follow torch
    """A cross-modal transformer, beside the mean of what was said."""

    def __init__(self, dimensions: Dimensions) -> None:
        super().__init__()
        hidden = dimensions.hidden
        self.word = nn.Linear(dimensions.words, hidden)
        self.picture = nn.Linear(dimensions.pictures, hidden)
        self.kind = nn.Parameter(torch.randn(len(CHANNELS) + 1, hidden) * 0.02)
        layer = nn.TransformerEncoderLayer(
            hidden, dimensions.heads, 2 * hidden, dimensions.dropout, batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, dimensions.layers, enable_nested_tensor=False)
        self.out = nn.Linear(hidden, dimensions.words)
        self._places = [CHANNELS.index(channel) for channel in WORDY] + [CHANNELS.index("photo")]

    def forward(self, words: Tensor, photo: Tensor, present: Tensor) -> Tensor:
        """(q, 5, words), (q, pictures), (q, 6) to (q, words)."""
        tokens = torch.cat([self.word(words), self.picture(photo)[:, None]], dim=1) + self.kind[self._places]
        first = self.kind[-1].expand(len(tokens), 1, -1)
        absent = torch.cat([torch.zeros_like(present[:, :1]), 1 - present[:, self._places]], dim=1).bool()
        state = self.layers(torch.cat([first, tokens], dim=1), src_key_padding_mask=absent)[:, 0]
        said = words.sum(dim=1) / words.norm(dim=2).gt(0).sum(dim=1, keepdim=True).clamp(min=1)
        return said + self.out(state)
