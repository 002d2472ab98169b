"""Serial fusion: what the picture shows is decided first, and what was said is read in its light."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workers.model.fusion.joint import WORDY, Dimensions, Heads


class Serial(nn.Module):  # type: ignore[misc]  # mypy does not follow torch
    """The picture's own decision over the entries, as the mean of their prototypes, conditions the words."""

    def __init__(self, dimensions: Dimensions, heads: Heads) -> None:
        super().__init__()
        self.picture = nn.Linear(dimensions.pictures, dimensions.words, bias=False)
        self.heads = heads
        self.deep = nn.Sequential(
            nn.Linear(3 * dimensions.words, dimensions.hidden),
            nn.ReLU(),
            nn.Dropout(dimensions.dropout),
            nn.Linear(dimensions.hidden, dimensions.words),
        )
        self._shown = [WORDY.index("ocr"), WORDY.index("words")]
        self._said = [WORDY.index(channel) for channel in ("text", "voice", "history")]

    def forward(self, words: Tensor, photo: Tensor, present: Tensor) -> Tensor:
        """(q, 5, words), (q, pictures), (q, 6) to (q, words)."""
        shown = words[:, self._shown].sum(dim=1) + self.picture(photo)
        there = shown.norm(dim=1, keepdim=True).gt(0)
        decided = self.heads(shown).exp()[:, :-1] @ self.heads.prototypes * there
        said = words[:, self._said].sum(dim=1)
        return said + decided + self.deep(torch.cat([said, decided, said * decided], dim=1))
